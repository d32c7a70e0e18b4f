"""GGUF files: read back, and asked the same as the model that they were made of."""

from __future__ import annotations

import json
import os
import shutil
import urllib.request
from pathlib import Path

import pytest
import torch
from local_server import LocalServer
from tiny_models import CONFIGS, RULE_OF, TEMPLATE, add_template, write_model
from transformers import AutoModelForCausalLM

from pada_ray.config import StudentConfig
from pada_ray.errors import ConfigError
from pada_ray.records import Message
from pada_ray.student.model import Student, model_location

gguf = pytest.importorskip("gguf", reason="the extra `gguf` is not installed")

from pada_ray.export.gguf_file import write_gguf  # noqa: E402
from pada_ray.export.pre_tokenizers import rule_of  # noqa: E402

SERVER = os.environ.get("LLAMA_SERVER") or shutil.which("llama-server")
PROMPTS = [
    "How many apples?",
    "It's 10 days, and the card hasn't arrived 123 times!  \n\n Why?",
    "Ελληνικά 2024 🚀 naïve",
]


@pytest.fixture(scope="module", params=CONFIGS)
def made(request, tmp_path_factory):
    """A model's kind and folder, and its GGUF in float32."""
    folder = write_model(request.param, tmp_path_factory.mktemp(request.param) / "model")
    file = folder.parent / "model.gguf"
    write_gguf(folder, file, "tiny", "F32", PROMPTS)
    return request.param, folder, file


def test_the_file_has_the_model_its_tokens_and_its_template(made):
    kind, folder, file = made
    reader = gguf.GGUFReader(file)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    config = json.loads((folder / "config.json").read_text())
    architecture = fields["general.architecture"]
    assert architecture == {"llama3": "llama"}.get(kind, kind)
    assert fields[f"{architecture}.block_count"] == 2
    assert fields["tokenizer.chat_template"] == TEMPLATE
    assert fields["tokenizer.ggml.pre"] == RULE_OF[kind]
    assert len(fields["tokenizer.ggml.tokens"]) == config["vocab_size"]
    assert fields["tokenizer.ggml.tokens"][fields["tokenizer.ggml.eos_token_id"]] == "<|im_end|>"
    names = {tensor.name for tensor in reader.tensors}
    assert ("output.weight" in names) == (kind == "llama3")
    assert ("rope_freqs.weight" in names) == (kind == "llama3")
    assert ("blk.1.attn_k.bias" in names) == (kind == "qwen2")


@pytest.mark.parametrize(("quantization", "most"), [("F16", 1e-3), ("BF16", 1e-2), ("Q8_0", 1e-2)])
def test_matrices_are_what_their_type_can_hold(made, tmp_path, quantization, most):
    _, folder, whole = made
    file = tmp_path / "small.gguf"
    write_gguf(folder, file, "tiny", quantization)
    exact = {tensor.name: tensor.data for tensor in gguf.GGUFReader(whole).tensors}
    found = gguf.GGUFReader(file).tensors
    assert {tensor.name for tensor in found} == exact.keys()
    for tensor in found:
        values = gguf.dequantize(tensor.data, tensor.tensor_type)
        error = abs(values - exact[tensor.name]).max() / abs(exact[tensor.name]).max()
        assert error <= (0 if exact[tensor.name].ndim == 1 else most), tensor.name


@torch.no_grad()
def test_transformers_reads_the_same_model_out_of_it(made):
    kind, folder, whole = made
    if kind in ("llama3", "qwen3"):
        pytest.skip("transformers reads neither Llama 3's rotations nor the size of a head out of a GGUF")
    file = whole.with_name("q8.gguf")
    write_gguf(folder, file, "tiny", "Q8_0")
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    expected = AutoModelForCausalLM.from_pretrained(folder)(ids).logits
    for source, most in ((whole, 1e-5), (file, 0.05)):
        found = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
        assert float((found(ids).logits - expected).norm() / expected.norm()) < most


def test_every_chat_template_of_a_tokenizer_is_in_the_file(tmp_path):
    folder = add_template(write_model("llama", tmp_path / "model"), "tool_use", "{{ tools }}")
    write_gguf(folder, tmp_path / "file.gguf", "tiny", "F32", PROMPTS)
    fields = gguf.GGUFReader(tmp_path / "file.gguf").fields
    assert fields["tokenizer.chat_template"].contents() == TEMPLATE
    assert fields["tokenizer.chat_template.tool_use"].contents() == "{{ tools }}"


def test_another_architecture_is_refused(tmp_path):
    folder = write_model("llama", tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["GPT2LMHeadModel"]}))
    with pytest.raises(ConfigError, match=r"GPT2LMHeadModel is none of LlamaForCausalLM, .* convert_hf_to_gguf"):
        write_gguf(folder, tmp_path / "file.gguf", "tiny", "F32")


def test_a_tokenizer_that_llama_cpp_would_read_otherwise_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"llama.cpp would read other tokens"):
        write_gguf(Path(model_location("demo")), tmp_path / "file.gguf", "demo", "F32")


def test_a_rule_is_told_by_the_tokens_that_it_gives():
    from tiny_models import RULES, tokenizer

    assert {rule: rule_of(tokenizer(rule), PROMPTS) for rule in RULES} == {rule: rule for rule in RULES}


class LlamaServer(LocalServer):
    """llama.cpp's server with one file, one thread and one slot."""

    def __init__(self, file: Path):
        command = [SERVER, "-m", str(file)]
        command += ["-t", "1", "-c", "512", "-np", "1", "--jinja", "--no-warmup", "--no-repack", "-fa", "off"]
        command += ["-ctk", "f32", "-ctv", "f32"]  # as exact as transformers in float32
        # Where it is not installed, its libraries lie beside it.
        path = f"{Path(SERVER).resolve().parent}:{os.environ.get('LD_LIBRARY_PATH', '')}"
        super().__init__(command, file.with_suffix(".log"), LD_LIBRARY_PATH=path)

    def ask(self, path: str, **body: object) -> dict:
        request = urllib.request.Request(
            self.address + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        return json.load(urllib.request.urlopen(request, timeout=60))


@pytest.mark.skipif(SERVER is None, reason="llama.cpp's llama-server is not here (PATH, or LLAMA_SERVER=file)")
def test_llama_server_reads_and_says_what_the_model_does(made):
    _, folder, file = made
    student = Student(StudentConfig(model=str(folder), dtype="float32", max_length=512))
    # Parts of characters, and the words for an end, which the server does not write out.
    banned = [i for text, i in student.encoder.tokenizer.get_vocab().items() if not text.isascii() or "<|" in text]
    with LlamaServer(file) as server:
        for text in PROMPTS:
            messages = [Message(role="user", content=text)]
            prompt = student.encoder.prompt(messages)
            rendered = student.encoder.tokenizer.decode(prompt)
            assert server.ask("/apply-template", messages=[{"role": "user", "content": text}])["prompt"] == rendered
            assert server.ask("/tokenize", content=rendered, parse_special=True)["tokens"] == prompt
            bias = [[token, False] for token in banned]
            asked = {"n_predict": 12, "temperature": 0, "return_tokens": True, "logit_bias": bias}
            said = server.ask("/completion", prompt=prompt, **asked)["tokens"]
            ids = torch.tensor([prompt])
            expected = student.model.generate(ids, max_new_tokens=12, do_sample=False, suppress_tokens=banned)
            assert said == expected[0, len(prompt) :].tolist()
