"""A rehearsal: the user's own config in small, which asks no endpoint and says that its numbers mean nothing."""

import json
import struct

import pytest
from report_runs import shown, write_run
from rich.console import Console

from jobs import run as command
from jobs.local import runner
from pada_ray.config import check_config, dump_config
from pada_ray.report.headline import run_headlines
from pada_ray.report.results import read_run
from pada_ray.runs.conditions import ASKED
from pada_ray.runs.rehearsal import MEANING, MOST_PARAMETERS, SAMPLES, parameters, rehearsal, student_at_hand
from pada_ray.runs.state import RunState, write_state
from pada_ray.storage import Folder

PAID = {
    "base_url": "https://llm.example/v1",
    "model": "m",
    "api_key_env": "KEY",
    "price": {"prompt": 1, "completion": 2},
}


def config(**keys):
    raw = {
        "name": "tickets",
        "data": {"train": "train.jsonl", "val": "val.jsonl", "test": "test.jsonl", "task": "label"},
    }
    return check_config(raw | {"llm": {"teacher": PAID, "judge": PAID}, "iterations": 3} | keys, "test")


def model(folder, *shapes):
    """A model's folder with headers of tensors, and no weights behind them."""
    folder.mkdir()
    header = json.dumps({f"w{i}": {"dtype": "BF16", "shape": shape} for i, shape in enumerate(shapes)}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    return str(folder)


def test_it_asks_no_endpoint_and_spends_nothing():
    small = rehearsal(config(budget={"usd": 5}), train=1000)
    for endpoint in (small.llm.teacher, small.llm.judge):
        assert (endpoint.base_url, endpoint.api_key_env, endpoint.price) == ("offline", None, None)
    assert small.budget.usd is None
    assert small.llm.cache is None


def test_it_is_small():
    heavy = config(
        data={"demo": {}, "eval_samples": None, "regime": 600},
        fine_tune={"workers": 4, "gradient_accumulation": 2, "deepspeed": "zero2", "epochs": 7},
        student={"quantization": "4bit"},
        evaluation={"workers": [1, 4], "backend": "transformers"},
    )
    small = rehearsal(heavy, train=600)
    assert (small.data.regime, small.data.eval_samples) == (SAMPLES, SAMPLES)
    assert (small.fine_tune.epochs, small.fine_tune.workers, small.fine_tune.deepspeed) == (1, (1, 1), None)
    assert (small.student.model, small.student.quantization) == ("demo", None)
    assert small.evaluation.workers == (1, 1)


def test_it_keeps_what_is_to_be_rehearsed():
    own = config(method="vanilla", prompts="mine", seed=7)
    small = rehearsal(own, train=1000)
    assert small.data == own.data.model_copy(update={"regime": SAMPLES, "eval_samples": SAMPLES})
    assert (small.method, small.prompts, small.seed, small.iterations) == ("vanilla", "mine", 7, 3)
    assert (small.name, small.rehearsal, own.rehearsal) == ("tickets-rehearsal", True, False)


def test_it_stops_for_nobody_and_tells_no_tracker():
    small = rehearsal(config(review=["samples"], stop_if=["no_gain"], tracking=["mlflow"]), train=1000)
    assert (small.review, small.stop_if, small.tracking) == ((), (), ())


@pytest.mark.parametrize("rehearsed", [True, False])
def test_nobody_at_the_terminal_is_asked_in_it(tmp_path, monkeypatch, rehearsed):
    asked = []
    folder = Folder(str(tmp_path))
    folder.write_text("config.yaml", dump_config(config(rehearsal=rehearsed, stop_if=["no_gain"])))
    write_state(folder, RunState(name="a"))
    monkeypatch.setattr(runner, "drive_all", lambda *_, **options: asked.append(set(options["asked"])) or {})
    monkeypatch.setattr(runner, "print_ending", lambda *_: None)
    monkeypatch.setattr(runner, "Console", lambda **_: Console(force_terminal=True))
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda _: True})())
    runner.drive(folder.url, verbose=False)
    assert asked == [set() if rehearsed else set(ASKED) - {"no_gain"}]


@pytest.mark.parametrize("length", [1, 90, 91, 100])
def test_a_long_name_is_shortened(length):
    name = rehearsal(config(name="n" * length), train=1000).name
    assert name == "n" * min(length, 90) + "-rehearsal"


@pytest.mark.parametrize("train, ratio, added", [(12, 0.5, 6), (40, 0.01, 1), (1000, 0.01, 1), (2, 0.1, 1)])
def test_it_writes_some_samples_even_of_little_data(train, ratio, added):
    small = rehearsal(config(data_generation={"ratio": ratio}), train)
    assert small.data.regime == min(train, SAMPLES)
    assert small.data_generation.samples_to_add(small.data.regime) == added


def test_a_small_model_on_this_machine_is_the_student(tmp_path):
    small, large = model(tmp_path / "small", [1000, 64], [64]), model(tmp_path / "large", [MOST_PARAMETERS, 1], [1])
    assert parameters(tmp_path / "small") == 64_064
    assert student_at_hand(small) == small
    assert student_at_hand(large) == "demo"
    for elsewhere in ("demo", str(tmp_path / "none"), str(tmp_path), "nobody/has-this-model"):
        assert student_at_hand(elsewhere) == "demo"


def test_a_model_in_the_cache_of_the_hub_is_at_hand(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--some--model"
    (repository / "refs").mkdir(parents=True)
    (repository / "snapshots").mkdir()
    (repository / "refs" / "main").write_text("abc")
    model(repository / "snapshots" / "abc", [10, 10])
    (repository / "snapshots" / "abc" / "config.json").write_text("{}")
    assert student_at_hand("some/model") == "some/model"
    small = rehearsal(config(student={"model": "some/model", "chat_template": {"date_string": "1"}}), 50, "some/model")
    assert (small.student.model, small.student.chat_template) == ("some/model", {"date_string": "1"})
    assert small.evaluation.max_new_tokens is None


def test_the_command_says_before_and_after_that_its_numbers_mean_nothing(tmp_path, monkeypatch, capsys):
    ran = []
    monkeypatch.setattr(command, "prepare", lambda loaded, **_: ran.append(loaded) or "runs/a")
    monkeypatch.setattr(command, "drive", lambda *_, **__: None)
    file = tmp_path / "a.yaml"
    file.write_text("{name: a, data: {demo: {}}, llm: {teacher: {base_url: 'https://x/v1', model: m}}}")
    command.run(str(file), rehearse=True)
    assert ran[0].rehearsal
    said = capsys.readouterr().out.splitlines()
    assert [MEANING in line for line in said] == [True, True]
    assert said[-1].endswith(f"next: pada run {file}")
    command.run(str(file))
    assert not ran[1].rehearsal
    assert capsys.readouterr().out == ""


def test_tables_and_report_say_so_too(tmp_path):
    folder = Folder(str(tmp_path))
    for rehearsed in (True, False):
        write_run(folder, rehearsal=rehearsed)
        assert (MEANING in shown(folder)) is rehearsed
        assert (run_headlines(read_run(folder), None)[0].name == "Rehearsal") is rehearsed
