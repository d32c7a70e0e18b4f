"""What Ray shows of a run: its metrics, and the names of its actors, datasets and trainings."""

from __future__ import annotations

import contextlib
import re
import time
import urllib.request
from typing import Any

import pytest
import ray
from builders import write_demo
from ray.util.state import list_actors

from actors.cast import Cast
from pada_ray.agents.leak_guard import LeakGuard
from pada_ray.agents.quotas import AugmentationJob, Group
from pada_ray.agents.screening import Screen
from pada_ray.config import DataGenerationConfig, check_config
from pada_ray.config.teacher import TeacherSettings
from pada_ray.records import Seed
from pada_ray.runs import run_files
from pada_ray.runs.state import read_state
from pada_ray.storage import Folder
from pada_ray.teacher.process import start_teacher

RAW = {
    "name": "seen",
    "method": "vanilla",
    "data": {"demo": {}},
    "student": {"model": "demo", "max_length": 512, "dtype": "float32"},
    "fine_tune": {"epochs": 2},
    "evaluation": {"max_new_tokens": 8},
    "llm": {
        "teacher": {"base_url": "offline", "model": "a"},
        "judge": {"base_url": "offline", "model": "b"},
    },
}
EXPORT_EVERY = 10  # seconds
EXPORTED_WITHIN = 60


@pytest.fixture(scope="module")
def names() -> set[str]:
    """Names of datasets, and kinds of actors, as they come up."""
    return set()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Folder:
    """The run's folder."""
    return Folder(str(tmp_path_factory.mktemp("observed") / "seen"))


@pytest.fixture(scope="module")
def cast(folder, names):
    """The actors of a run that has ended, after which they wrote some data."""

    def wait_for(work):
        while not ray.wait([work], timeout=1)[0]:
            with contextlib.suppress(OSError):  # it is not there yet
                metrics = scraped()
                names.update(tags["dataset"] for tags, _ in metrics.get("ray_data_output_rows", []))
                names.update(actor.class_name for actor in alive())
        ray.get(work)

    write_demo(folder, 16, 8)
    with start_teacher(TeacherSettings(latency_ms=100, faults={"server_error": 0.3})) as teacher:
        cast = Cast(
            check_config(RAW, "test"),
            folder.url,
            f"{folder.url}/replies.sqlite",
            dict.fromkeys(("teacher", "judge"), teacher.url),
        )
        wait_for(cast.start())
        samples = run_files.read_samples(folder, None)
        seeds = [Seed(sample=s, wrong_reply="1 + 1 = 3. Answer: 3") for s in samples["train"]]
        job = AugmentationJob(
            run=folder.url,
            iteration=1,
            groups=[Group(name="errors", instruction="error_generation", pool=seeds, quota=16)],
            known=samples["train"],
            settings=DataGenerationConfig(batch_size=2),
            max_regenerations=1,
            seed=0,
        )
        guard = LeakGuard(run_files.held_out(samples), samples["train"])
        screen = Screen(check_config(RAW, "test").quality_control, samples["train"], guard)
        wait_for(cast.computation.augment.remote(job, screen))
        wait_for(ray.remote(num_cpus=0)(lambda: time.sleep(EXPORT_EVERY)).remote())
        yield cast
        cast.close()


def alive() -> list[Any]:
    return list_actors(address=ray.get_runtime_context().gcs_address, filters=[("state", "=", "ALIVE")], limit=1000)


def scraped() -> dict[str, list[tuple[dict[str, str], float]]]:
    """What the node's endpoint for Prometheus says: by metric, the tags and the value of each series."""
    port = ray.nodes()[0]["MetricsExportPort"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for name, tags, value in (m.groups() for m in (re.match(r"(\w+)\{(.*)\} (\S+)", line) for line in lines) if m):
        found.setdefault(name, []).append((dict(re.findall(r'(\w+)="([^"]*)"', tags)), float(value)))
    return found


def eventually(read, expected):
    """Asserts that `read` finds what is expected in the metrics, as soon as all processes have exported theirs."""
    deadline = time.monotonic() + EXPORTED_WITHIN
    while (found := read(scraped())) != expected and time.monotonic() < deadline:
        time.sleep(1)
    assert found == expected


def of_run(metrics, name, *tags):
    """The values of a metric for the run, by its values of the tags."""
    series = [(t, value) for t, value in metrics.get(f"ray_pada_{name}", []) if t["run"] == "seen"]
    return {tuple(t[tag] for tag in tags): value for t, value in series}


@pytest.mark.slow
def test_tokens_are_those_of_the_account(cast, folder):
    expected = {}
    for use in ray.get(cast.gateways[0].usage.remote(folder.url)):
        expected[use.role, use.purpose, "prompt"] = use.prompt_tokens
        expected[use.role, use.purpose, "completion"] = use.completion_tokens
    assert {role for role, _, _ in expected} == {"teacher", "judge"}
    eventually(lambda metrics: of_run(metrics, "llm_tokens_total", "role", "purpose", "kind"), expected)


@pytest.mark.slow
def test_calls_waits_and_retries(cast, folder):
    calls = sum(use.calls for use in ray.get(cast.gateways[0].usage.remote(folder.url)))

    def read(metrics):
        retries = sum(of_run(metrics, "llm_retries_total", "role", "purpose").values())
        attempts = sum(of_run(metrics, "llm_wait_seconds_count", "role", "purpose").values())
        waited = sum(of_run(metrics, "llm_wait_seconds_sum", "role", "purpose").values())
        in_flight = of_run(metrics, "llm_calls_in_flight", "role")
        return attempts - retries, retries >= 1, waited < 60 * calls, in_flight

    eventually(read, (calls, True, True, {("teacher",): 0, ("judge",): 0}))


@pytest.mark.slow
def test_stages(cast, folder):
    finished = {(name,): stage.seconds for name, stage in read_state(folder).finished.items()}
    stages = ["base: evaluation", "iteration-0: fine-tuning", "iteration-0: evaluation"]
    assert list(finished) == [(name,) for name in stages]
    eventually(lambda metrics: of_run(metrics, "stage_seconds_total", "stage"), finished)
    eventually(lambda metrics: of_run(metrics, "gpus", "stage"), dict.fromkeys(finished, 0))
    samples = dict(zip(finished, (16, 2 * 16, 16 + 16), strict=True))  # val and test; two epochs; all splits

    def plausible(metrics):
        """The work takes most of a stage."""
        pace = of_run(metrics, "samples_per_second", "stage")
        return {stage: 1 <= pace[stage] * finished[stage] / samples[stage] < 2 for stage in pace}

    eventually(plausible, dict.fromkeys(finished, True))


@pytest.mark.slow
def test_actors_have_the_names_of_the_run_and_of_the_agents(cast, names):
    shown = {actor.name: actor.class_name for actor in alive() if actor.name}
    assert {name.partition(" student ")[0]: kind for name, kind in shown.items() if name.startswith("seen: ")} == {
        "seen: orchestrator": "Orchestrator",
        "seen: computation": "Computation",
        "seen: pattern analysis": "PatternAnalysisAgent",
        "seen:": "ResidentStudent",
    }
    stages = {f"MapWorker(MapBatches({agent}))" for agent in ("DataGenerationAgent", "QualityControlAgent")}
    assert stages <= names
    assert {kind for name, kind in shown.items() if name.startswith("gateway to a at offline")} == {"LlmGateway"}


@pytest.mark.slow
def test_datasets_have_the_names_of_run_and_stage(cast, names):
    """As Ray's own metrics have them, which its dashboards go by."""
    wanted = {
        "seen: base: evaluation_",
        "seen: iteration-0: evaluation_",
        "seen: data generation_",
    }
    assert {name for name in wanted if any(seen.startswith(name) for seen in names)} == wanted
