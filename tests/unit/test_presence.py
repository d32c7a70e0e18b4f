"""Accuracy by how present a kind of problem is in train, from the questions alone."""

import random

from report_runs import write_run

from pada_ray.demo import domain
from pada_ray.findings.presence import PresenceScore, presences, scores_by_presence
from pada_ray.records import Prediction, Sample
from pada_ray.report.presence_tables import presence_table, sweep_presence_table
from pada_ray.report.results import Sweep, SweepCell, read_run
from pada_ray.runs import run_files
from pada_ray.storage import Folder


def questions(**kinds: int) -> list[str]:
    rng = random.Random(0)
    return [domain.make(kind, "task", rng).question for kind, count in kinds.items() for _ in range(count)]


def test_a_kind_is_rare_below_two_percent_of_train():
    train = questions(gain=197, loss=2, change=1)
    items = dict(zip("glcd", questions(gain=1, loss=1, change=1, days_before=1), strict=True))
    assert presences(train, items) == {"g": "present", "l": "rare", "c": "rare", "d": "absent"}
    assert presences(questions(gain=98, loss=2), items)["l"] == "present"


def test_questions_of_no_known_kind_are_left_out():
    assert presences(questions(gain=1), {"x": "Who wrote it?"}) == {}


def test_unscored_items_count_neither_way():
    known = {"a": "present", "b": "present", "c": "absent"}
    scores = scores_by_presence(known, {"a": True, "c": False})
    assert scores["present"] == PresenceScore(items=1, right=1)
    assert (scores["absent"].accuracy, scores["rare"].accuracy) == (0.0, None)


def demo_run(folder):
    """The first model gets what is present right, the second all."""
    write_run(folder, accuracies={"base": 0.0, "iteration-0": 0.5, "iteration-1": 1.0}, data={"demo": {}})
    drawn = {split: [Sample.model_validate(line) for line in lines] for split, lines in domain.splits(0, 300).items()}
    for split, samples in drawn.items():
        folder.write_records(run_files.split(split), samples)
    known = presences([s.question for s in drawn["train"]], {s.id: s.question for s in drawn["test"]})
    for model, right in (("iteration-0", ("present",)), ("iteration-1", ("present", "rare", "absent"))):
        predictions = [
            Prediction(id=item, split="test", reply="", failed=presence not in right, truncated=False)
            for item, presence in known.items()
        ]
        folder.write_records(run_files.predictions(model), predictions)
    return read_run(folder)


def test_the_table_of_a_run_and_of_a_sweep(tmp_path):
    run = demo_run(Folder(str(tmp_path)))
    table = presence_table(run)
    assert [column.title for column in table.columns] == ["model", "present", "rare", "absent"]
    assert table.rows == [["vanilla fine-tuning", 100.0, 0.0, 0.0], ["pada iteration 1", 100.0, 100.0, 100.0]]
    sweep = sweep_presence_table(Sweep(run.folder, "a", [SweepCell("a", run)]))
    assert sweep.rows == [["", "pada", 1, 100.0, 100.0, 100.0]]


def test_other_data_have_no_such_table(tmp_path):
    folder = Folder(str(tmp_path))
    write_run(folder, data={"dataset": "gsm8k", "folder": "x"})
    assert presence_table(read_run(folder)).rows == []
