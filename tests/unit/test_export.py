"""What a user takes away from a run, with a tiny Llama as its student."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from report_runs import write_run
from tiny_models import TEMPLATE, add_template, write_model
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

from jobs.cli import app
from pada_ray.config import StudentConfig
from pada_ray.export import merged as merging
from pada_ray.export.cards import data_card
from pada_ray.export.chosen import chosen_model
from pada_ray.export.licences import licence_of_student
from pada_ray.export.merged import Unequal, compare, write_merged
from pada_ray.export.synthetic_data import COLUMNS, synthetic_rows
from pada_ray.records import Candidate, Message, Sample
from pada_ray.runs import run_files
from pada_ray.storage import Folder
from pada_ray.student.model import Student
from pada_ray.tasks import Knowledge

PROMPTS = [[Message(role="user", content=f"How many is {i} and 3?")] for i in range(8)]


def write_adapter(model: Path, target: Path, scale: float = 0.3) -> Path:
    torch.manual_seed(1)
    tuned = get_peft_model(AutoModelForCausalLM.from_pretrained(model), LoraConfig(r=4, target_modules="all-linear"))
    for name, parameter in tuned.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=scale)
    tuned.save_pretrained(target)
    return target


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """A tiny Llama's folder and an adapter on it."""
    folder = tmp_path_factory.mktemp("student")
    model = write_model("llama", folder / "tiny-llama")
    (model / "README.md").write_text("---\nlicense: mit\n---\n# Tiny\n")
    return model, write_adapter(model, folder / "adapter")


@pytest.fixture
def run(student, tmp_path):
    """A finished run of that student, with ten synthetic samples or more."""
    model, adapter = student
    folder = Folder(str(tmp_path / "runs" / "a"))
    settings = {"model": str(model), "dtype": "float32", "max_length": 256}
    write_run(folder, samples=12, student=settings, evaluation={"max_new_tokens": 8})
    Folder(str(adapter.parent)).copy_to("adapter", folder, run_files.adapter(1))
    accepted = folder.read_records(run_files.accepted(1), Candidate)
    folder.write_records(run_files.accepted(1), [c.model_copy(update={"sample": sample_of(c)}) for c in accepted])
    return folder


def sample_of(candidate):
    messages = [m.model_dump() for m in candidate.messages]
    return Sample(id=candidate.id, messages=messages, task="math", answer="1")


def change_config(run, section, **keys):
    config = run.read_yaml(run_files.CONFIG)
    config[section] |= keys
    run.write_yaml(run_files.CONFIG, config)


def pada(*args):
    return CliRunner().invoke(app, list(map(str, args)))


def test_the_merged_model_says_what_the_adapter_said(student, tmp_path):
    model, adapter = student
    settings = StudentConfig(model=str(model), dtype="bfloat16", max_length=256)
    parity = write_merged(settings, str(adapter), tmp_path / "merged", PROMPTS, 8)
    assert (parity.prompts, parity.same_replies, parity.dtype) == (8, 8, torch.float32)  # the base model's own type
    assert parity.logits < 1e-5
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    tuned = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(model), adapter)
    ids = torch.tensor([[5, 6, 7]])
    torch.testing.assert_close(merged(ids).logits, tuned(ids).logits, atol=1e-3, rtol=1e-4)
    with tuned.disable_adapter():
        assert not torch.allclose(merged(ids).logits, tuned(ids).logits, atol=1)


@pytest.mark.parametrize(("scale", "dtype"), [(0.3, torch.bfloat16), (0.002, torch.float32)])
def test_weights_stay_in_float32_where_rounding_would_hide_the_adapter(student, tmp_path, scale, dtype):
    model = shutil.copytree(student[0], tmp_path / "model")
    AutoModelForCausalLM.from_pretrained(model).to(torch.bfloat16).save_pretrained(model)
    adapter = write_adapter(model, tmp_path / "adapter", scale)
    settings = StudentConfig(model=str(model), max_length=256)
    assert write_merged(settings, str(adapter), tmp_path / "merged", PROMPTS, 8).dtype is dtype
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "merged").dtype is dtype


def test_what_all_logits_have_in_common_is_not_compared(student, monkeypatch):
    model, _ = student
    loaded = Student(StudentConfig(model=str(model), dtype="float32", max_length=256))
    before = merging._next(loaded, PROMPTS[0])
    logits = merging._logits
    monkeypatch.setattr(merging, "_logits", lambda *args: logits(*args) + 100)
    torch.testing.assert_close(merging._next(loaded, PROMPTS[0]), before, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("templates", [1, 2])
def test_a_merged_model_that_differs_is_refused_and_not_left_behind(student, tmp_path, monkeypatch, templates):
    model, adapter = student
    if templates == 2:
        model = add_template(shutil.copytree(model, tmp_path / "model"), "tool_use", TEMPLATE)
    load = merging._as_written

    def damaged(*args):
        loaded = load(*args)
        loaded.model.model.layers[0].self_attn.q_proj.weight.data *= 1.05
        return loaded

    monkeypatch.setattr(merging, "_as_written", damaged)
    with pytest.raises(Unequal, match=r"the merged model is not the run.s model: . of 8 replies"):
        write_merged(StudentConfig(model=str(model), max_length=256), str(adapter), tmp_path / "merged", PROMPTS, 8)
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize(
    ("dtype", "off", "tokens", "replies", "holds"),
    [
        (torch.float32, 1e-5, 20, 10, True),
        (torch.float32, 1e-3, 20, 10, False),
        (torch.float32, 1e-5, 19, 10, False),
        (torch.float32, 1e-5, 20, 9, False),
        (torch.bfloat16, 0.02, 18, 3, True),
        (torch.bfloat16, 0.02, 17, 10, False),
        (torch.bfloat16, 0.3, 20, 10, False),
    ],
)
def test_rounding_is_forgiven_as_far_as_the_type_explains_it(dtype, off, tokens, replies, holds):
    before = merging._Said(["yes"] * 10, [torch.ones(4)] * 10, [[1, 2]] * 10)
    said = [1, 2] * 10
    said[tokens:] = [0] * (20 - tokens)
    after = merging._Said(
        ["yes"] * replies + ["no"] * (10 - replies),
        [torch.ones(4) * (1 + off)] * 10,
        [said[i : i + 2] for i in range(0, 20, 2)],
    )
    parity = compare(before, after, [torch.zeros(4)] * 10, dtype)
    assert (parity.same_replies, parity.same_tokens, parity.holds) == (replies, tokens / 20, holds)
    assert (parity.logits, parity.base_logits) == (pytest.approx(off, rel=0.05), 1)


def test_rounding_that_hides_the_adapter_is_not_forgiven():
    before = merging._Said(["yes"], [torch.ones(4)], [[1]])
    after = merging._Said(["yes"], [torch.ones(4) * 1.01], [[1]])
    assert compare(before, after, [torch.ones(4) * 1.05], torch.bfloat16).holds
    assert not compare(before, after, [torch.ones(4) * 1.015], torch.bfloat16).holds


def test_all_of_it(run, student, tmp_path):
    pytest.importorskip("gguf", reason="the extra `gguf` is not installed")
    out = tmp_path / "out"
    said = pada("export", run.url, "--to", out, "--merged", "--gguf", "Q8_0", "--ollama")
    assert said.exit_code == 0, said.output
    names = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert {"README.md", "Modelfile", "a-iteration-1-Q8_0.gguf", "merged/model.safetensors"} <= set(names)
    assert "20 of 20 replies and 100.0% of their tokens the same as the adapter's" in said.output
    assert list(tmp_path.glob(".out-*")) == []
    # peft and transformers load it as any other adapter
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(student[0]), out / "adapter")
    tokenizer = AutoTokenizer.from_pretrained(out / "adapter")
    assert model.peft_config["default"].r == 4
    assert tokenizer.chat_template == AutoTokenizer.from_pretrained(student[0]).chat_template
    assert "FROM ./a-iteration-1-Q8_0.gguf" in (out / "Modelfile").read_text()


def test_a_student_may_have_several_chat_templates(run, student, tmp_path):
    pytest.importorskip("gguf", reason="the extra `gguf` is not installed")
    model = add_template(shutil.copytree(student[0], tmp_path / "several"), "tool_use", TEMPLATE)
    change_config(run, "student", model=str(model))
    said = pada("export", run.url, "--to", tmp_path / "out", "--gguf", "F32")
    assert said.exit_code == 0, said.output
    assert not (tmp_path / "out" / "merged").exists()
    assert set(AutoTokenizer.from_pretrained(tmp_path / "out" / "adapter").chat_template) == {"default", "tool_use"}


@pytest.mark.parametrize("options", [[], ["--merged"], ["--gguf", "F32"]], ids=" ".join)
def test_a_base_model_that_is_gone_is_one_line(run, tmp_path, options):
    change_config(run, "student", model=str(tmp_path / "gone"))
    said = pada("export", run.url, "--to", tmp_path / "out", *options)
    assert (said.exit_code, said.stderr.count("\n")) == (2, 1)
    assert "student.model: cannot load" in said.stderr and str(tmp_path / "gone") in said.stderr
    assert not (tmp_path / "out").exists()


def test_ollama_ends_a_reply_where_the_run_does(run, tmp_path):
    pytest.importorskip("gguf", reason="the extra `gguf` is not installed")
    change_config(run, "evaluation", max_new_tokens=None)
    run.write_text(run_files.KNOWLEDGE, Knowledge(reply_limit=11).model_dump_json())
    assert pada("export", run.url, "--to", tmp_path / "out", "--ollama").exit_code == 0
    lines = (tmp_path / "out" / "Modelfile").read_text().splitlines()
    assert {'PARAMETER stop "<|im_end|>"', "PARAMETER repeat_penalty 1", "PARAMETER num_predict 11"} <= set(lines)


def test_the_synthetic_data_have_their_origin(run, tmp_path):
    import pyarrow.parquet

    assert pada("export", run.url, "--to", tmp_path / "out").exit_code == 0
    table = pyarrow.parquet.read_table(tmp_path / "out" / "data" / "synthetic.parquet").to_pylist()
    lines = (tmp_path / "out" / "data" / "synthetic.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == table
    assert list(table[0]) == list(COLUMNS)
    first = table[0]
    assert (first["iteration"], first["group"], first["strategy"]) == (1, "cluster-0", "=Strategy 0")
    assert (first["adherence"], first["teacher"], first["seed_id"]) == (8, "a", "train-0")
    assert first["pattern"].startswith("Category 0")
    assert first["messages"][-1] == {"role": "assistant", "content": "Answer: 0"}
    assert pada("export", run.url, "--to", tmp_path / "vanilla", "--model", "iteration-0").exit_code == 2  # no adapter


def test_the_cards_tell_scores_sources_and_licences(run, tmp_path):
    assert pada("export", run.url, "--to", tmp_path / "out").exit_code == 0
    card = (tmp_path / "out" / "README.md").read_text()
    assert "license: mit" in card
    assert "| test | 20 | 10.0 | 75.0 | 53.1 to 88.8 |" in card, card
    assert "by task `math`" in card
    assert "| teacher `a`, which wrote the synthetic data | apache-2.0 |" in card
    assert str(tmp_path) not in card  # no path of this machine
    assert "`tiny-llama`" in card
    data = (tmp_path / "out" / "data" / "README.md").read_text()
    assert "data_files: synthetic.parquet" in data
    assert "| 1 | cluster-0 | " in data


@pytest.mark.parametrize(
    ("control", "rated", "said"),
    [
        ({}, True, "Answers that can be computed or executed were checked; the others were only rated."),
        ({"verify": "none"}, True, "Their answers were rated by another model and not checked."),
        ({"judge": False}, False, "Answers that can be computed or executed were checked; the others were not."),
        ({"judge": False, "verify": "none"}, False, "Their answers were neither rated nor checked."),
        ({"enabled": False}, False, "Their answers were neither rated nor checked."),
    ],
)
def test_the_card_claims_no_check_that_was_not_made(run, control, rated, said):
    change_config(run, "quality_control", **control)
    accepted = run.read_records(run_files.accepted(1), Candidate)
    if not rated:
        run.write_records(run_files.accepted(1), [c.model_copy(update={"ratings": None}) for c in accepted])
    chosen = chosen_model(run)
    assert f"A language model wrote these samples. {said}\n" in data_card(chosen, synthetic_rows(chosen))


def test_a_teacher_behind_an_endpoint_has_an_unknown_licence(run, tmp_path):
    teacher = run.read_yaml(run_files.CONFIG)["llm"]["teacher"]
    change_config(run, "llm", teacher=teacher | {"base_url": "https://example.com/v1", "model": "strong"})
    assert pada("export", run.url, "--to", tmp_path / "out").exit_code == 0
    assert "| teacher `strong`, which wrote the synthetic data | unknown |" in (tmp_path / "out/README.md").read_text()


@pytest.mark.parametrize("model", ["/models/strong", "~/models/strong/", "./models/strong"])
def test_an_export_names_no_folder_of_this_machine(run, tmp_path, model):
    llm = run.read_yaml(run_files.CONFIG)["llm"]
    named = {"base_url": "vllm", "model": model}
    change_config(run, "llm", **{role: llm[role] | named for role in ("teacher", "judge")})
    assert pada("export", run.url, "--to", tmp_path / "out").exit_code == 0
    for file in ("README.md", "data/README.md", "data/synthetic.jsonl"):
        text = (tmp_path / "out" / file).read_text()
        assert "strong" in text and "models/" not in text, file


@pytest.mark.parametrize("model", ["/models/a-strong-one", "~/a-strong-one", "a/b/c"])
def test_a_model_in_a_folder_of_another_machine_has_an_unknown_licence(model):
    assert licence_of_student(model) == "unknown"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model", "iteration-7"], "--model iteration-7: no such model; use one of base, iteration-0, iteration-1"),
        (["--gguf", "Q2"], "--gguf Q2: use one of Q8_0, F16, BF16, F32"),
        (["--model", "base"], "there is nothing to export"),
        (["--hub", "me/mine"], "--hub: no access token of the Hub here"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_written(run, tmp_path, options, said, monkeypatch):
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setattr("pada_ray.export.hub.get_token", lambda: None)
    result = pada("export", run.url, "--to", tmp_path / "out", *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(run, tmp_path):
    (tmp_path / "out").mkdir()
    result = pada("export", run.url, "--to", tmp_path / "out")
    assert (result.exit_code, "already exists" in result.stderr) == (2, True)


def test_a_run_without_a_best_model_names_what_goes_on(tmp_path, student):
    folder = Folder(str(tmp_path / "a"))
    write_run(folder, status="running")
    result = pada("export", folder.url, "--to", tmp_path / "out")
    assert f"`pada resume {folder.url}` goes on" in result.stderr


def test_the_best_model_is_chosen_unless_one_is_named(run):
    assert chosen_model(run).model == "iteration-1"
    assert chosen_model(run, "base").adapter is None


def test_the_data_are_a_dataset(run, tmp_path):
    datasets = pytest.importorskip("datasets", reason="the extra `datasets` is not installed")
    assert pada("export", run.url, "--to", tmp_path / "out").exit_code == 0
    found = datasets.load_dataset(str(tmp_path / "out" / "data"), split="train", cache_dir=str(tmp_path / "cache"))
    assert (found.num_rows, found.column_names) == (11, list(COLUMNS))


@pytest.mark.parametrize(
    ("e", "told"),
    [
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
            r"No space left on device: \S+ MB are free .*make room there",
        ),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), "Disk quota exceeded: .*make room there"),
        (
            RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
            r"No space left on device: \S+ MB are free .*make room there",
        ),
        (OSError(errno.EIO, os.strerror(errno.EIO)), "Input/output error"),
    ],
)
def test_an_export_that_cannot_be_written_is_one_line_and_leaves_nothing(run, tmp_path, monkeypatch, e, told):
    def write_export(chosen, wanted, target, say):
        (target / "half.safetensors").write_bytes(bytes(100))
        raise e

    monkeypatch.setattr("pada_ray.export.export.write_export", write_export)
    to = tmp_path / "exports" / "out"
    result = pada("export", run.url, "--to", to)
    assert result.exit_code == 2
    assert re.fullmatch(rf"error: (--to )?{to.parent}/[^ ]*out[^ ]*: {told}\n", result.stderr)
    assert list(to.parent.iterdir()) == []


def test_an_export_where_nothing_can_be_written_is_one_line(run, tmp_path):
    (tmp_path / "file").touch()
    result = pada("export", run.url, "--to", tmp_path / "file" / "deep" / "out")
    assert (result.exit_code, "deep/out: Not a directory; give another place\n" in result.stderr) == (2, True)
