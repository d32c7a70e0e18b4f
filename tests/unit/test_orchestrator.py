"""The orchestrator with stub workers: the whole loop without a cluster, a model or a network."""

import asyncio

import pytest
import yaml
from builders import candidate, math_sample, strategy

from pada_ray import run_files
from pada_ray.augmentation import augment_batch
from pada_ray.config import check_config
from pada_ray.fine_tune import REPORT, FineTuneReport
from pada_ray.leak_guard import LeakGuard
from pada_ray.orchestrator import Orchestrator, Workers
from pada_ray.quality_control import as_sample
from pada_ray.records import Analysis, Candidate, LeakHit, Pattern, Prediction, Sample
from pada_ray.redaction import redact_pattern, redact_strategy
from pada_ray.storage import Folder

RAW = {
    "name": "a-run",
    "iterations": 2,
    "data": {"demo": {}},
    "llm": {"teacher": {"base_url": "offline", "model": "a"}, "judge": {"base_url": "offline", "model": "b"}},
}
QUOTE = "seven tired sailors traded four brass lamps for nine wool coats"


class World:
    """Stub workers that count what they are asked, and die when told to."""

    def __init__(self, die_in=None):
        self.asked = []
        self.die_in = die_in
        self.strategies_saw = []

    def _ask(self, what):
        self.asked.append(what)
        if what == self.die_in:
            raise RuntimeError("killed")

    async def fine_tune(self, job):
        self._ask(f"fine_tune {job.adapter}")
        report = FineTuneReport(job=job.name, samples=1, left_out=0, steps=1, final_loss=0.5)
        Folder(job.run).write_yaml(f"{job.adapter}/{REPORT}", report.model_dump())
        return report

    async def evaluate(self, job):
        """The model gets better: iteration k fails on 4 - k items of each split."""
        self._ask(f"evaluate {job.adapter}")
        quality = 0 if job.adapter is None else int(job.adapter.split("-")[1].split("/")[0]) + 1
        folder = Folder(job.run)
        found = []
        for split, file in job.splits.items():
            for i, sample in enumerate(folder.read_records(file, Sample)):
                failed = i >= quality
                found.append(Prediction(id=sample.id, split=split, reply="?", failed=failed, truncated=False))
        return found

    async def error_analysis(self, failures):
        self._ask("error_analysis")
        return [Analysis(sample_id=f.sample.id, error_cause="c", scenario_category="s") for f in failures]

    async def cluster(self, analyses):
        self._ask("cluster")
        return [i % 2 for i in range(len(analyses))]

    async def pattern_categorization(self, clusters):
        self._ask("pattern_categorization")
        text = f"The sums go wrong. As when {QUOTE}."
        return [Pattern(cluster=k, category_name=f"c{k}", error_pattern=text, size=len(m)) for k, m in clusters.items()]

    async def strategy_drafting(self, patterns):
        self._ask("strategy_drafting")
        self.strategies_saw += patterns
        return [strategy(p.cluster) for p in patterns]

    async def augment(self, batches):
        self._ask("augment")
        return [await augment_batch(b, self, self, 1) for b in batches]

    async def generate(self, of, feedback, attempt):
        return [candidate(of, i, attempt=attempt) for i in range(len(of.seeds))]

    async def assess(self, of, candidates):
        return [c.model_copy(update={"sample": as_sample(c, of.seeds[0].sample)}) for c in candidates]

    async def usage(self):
        return []

    def workers(self):
        return Workers(self, self, self)


def prepared(tmp_path, name="run"):
    folder = Folder(str(tmp_path / name))
    splits = {
        "train": [math_sample(f"t{i}") for i in range(8)],
        "val": [math_sample(f"v{i}", question=f"{QUOTE} {i}?") for i in range(4)],
        "test": [math_sample(f"x{i}") for i in range(4)],
    }
    for split, samples in splits.items():
        folder.write_records(run_files.split(split), samples)
    return folder


def run(folder, world, **changes):
    config = check_config(RAW | changes, "test")
    return asyncio.run(Orchestrator(config, folder.url, world.workers()).run())


def test_a_whole_run(tmp_path):
    folder = prepared(tmp_path)
    state = run(folder, World())
    assert state.status == "done"
    assert state.best == "iteration-2"
    assert {m: s["test"].accuracy for m, s in state.scores.items()} == {
        "base": 0.0,
        "iteration-0": 0.25,
        "iteration-1": 0.5,
        "iteration-2": 0.75,
    }
    assert len(folder.read_records(run_files.accepted(1), Candidate)) == 4
    trained = [len(folder.read_records(run_files.training_set(i), Sample)) for i in range(3)]
    assert trained == [8, 12, 16]


def test_test_items_reach_no_agent(tmp_path):
    """Only val failures are analysed, and only train items are seeds."""
    folder = prepared(tmp_path)
    run(folder, World())
    analysed = folder.read_records(run_files.analyses(1), Analysis)
    assert {a.sample_id[0] for a in analysed} == {"v"}
    seeds = {c.seed_id[0] for c in folder.read_records(run_files.accepted(1), Candidate)}
    assert seeds == {"t"}


def test_what_a_pattern_quotes_of_val_is_cut_out_counted_and_listed(tmp_path):
    folder = prepared(tmp_path)
    world = World()
    state = run(folder, world)
    assert [p.error_pattern for p in world.strategies_saw[:2]] == ["The sums go wrong."] * 2
    assert state.counts["iteration-1"]["leaks_cut_out"] == 2
    assert "sailors" in folder.read_records(run_files.leaks(1), LeakHit)[0].words
    assert "sailors" in folder.read_text(run_files.patterns(1))  # the report may show it


STAGES = [
    "evaluate None",
    "fine_tune iteration-0/adapter",
    "evaluate iteration-0/adapter",
    "error_analysis",
    "cluster",
    "pattern_categorization",
    "strategy_drafting",
    "augment",
    "fine_tune iteration-1/adapter",
    "evaluate iteration-1/adapter",
]


@pytest.mark.parametrize("stage", STAGES)
def test_goes_on_from_the_last_finished_stage(tmp_path, stage):
    undisturbed = prepared(tmp_path, "undisturbed")
    expected = run(undisturbed, World())
    folder = prepared(tmp_path)
    first = World(die_in=stage)
    with pytest.raises(RuntimeError, match="killed"):
        run(folder, first)
    assert yaml.safe_load(folder.read_text("state.json"))["status"] == "failed"
    second = World()
    state = run(folder, second)
    finished = first.asked[:-1]
    assert not set(finished) & set(second.asked[: len(STAGES) - len(finished)])
    assert second.asked[0] == stage
    assert state.scores == expected.scores
    assert state.error is None
    for i in (1, 2):
        file = run_files.training_set(i)
        assert folder.read_text(file) == undisturbed.read_text(file)


def test_without_pattern_analysis_only_training_errors_are_used(tmp_path):
    folder = prepared(tmp_path)
    world = World()
    run(folder, world, pattern_analysis={"enabled": False})
    assert "error_analysis" not in world.asked
    assert {c.group for c in folder.read_records(run_files.accepted(1), Candidate)} == {"errors"}


def test_a_strategy_left_out_gets_no_samples_and_the_others_share_its_quota(tmp_path):
    folder = prepared(tmp_path)
    run(folder, World(), pattern_analysis={"leave_out": 0}, data_generation={"error_share": 0})
    accepted = folder.read_records(run_files.accepted(1), Candidate)
    assert {c.group for c in accepted} == {"cluster-1"}
    assert len(accepted) == 4


def test_vanilla_fine_tuning_alone(tmp_path):
    world = World()
    state = run(prepared(tmp_path), world, method="vanilla")
    assert world.asked == STAGES[:3]
    assert state.best == "iteration-0"


def test_the_earlier_of_two_equal_models_is_best(tmp_path):
    class Flat(World):
        async def evaluate(self, job):
            found = await super().evaluate(job)
            return [p.model_copy(update={"failed": True}) for p in found]

    assert run(prepared(tmp_path), Flat()).best == "iteration-0"


def test_a_run_without_test_split(tmp_path):
    folder = prepared(tmp_path)
    folder.remove(run_files.split("test"))
    state = run(folder, World())
    assert set(state.scores["iteration-2"]) == {"train", "val"}


GUARD = LeakGuard([math_sample("v", question=f"{QUOTE}?")], [])


def test_a_strategy_without_an_approach_left_is_dropped():
    quoting = strategy().model_copy(update={"generation_approach": f"Write this: {QUOTE}."})
    redacted, hits = redact_strategy(GUARD, quoting)
    assert redacted is None
    assert [h.where for h in hits] == ["strategy of cluster 0"]


def test_elements_and_names_that_quote_are_dropped_one_by_one():
    quoting = strategy().model_copy(update={"key_elements": ["two numbers", QUOTE], "strategy_name": QUOTE})
    redacted, hits = redact_strategy(GUARD, quoting)
    assert redacted.key_elements == ["two numbers"]
    assert redacted.strategy_name == "Strategy 1"
    assert len(hits) == 2


def test_a_clean_pattern_stays_as_it_is():
    pattern = Pattern(cluster=0, category_name="a", error_pattern="b c d.", size=1)
    assert redact_pattern(GUARD, pattern) == (pattern, [])
