"""The train, val and test samples of a run, from the source that its config names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from pada_ray.config import Config, DataConfig, SplitShares
from pada_ray.data.columns import Columns
from pada_ray.data.given import given_knowledge
from pada_ray.data.own_files import cut, is_ours, proposed_task, read_fields
from pada_ray.data.paper_sets import dataset_files
from pada_ray.data.samples import Line, by_question, question_key, read_file, read_lines
from pada_ray.demo.domain import splits as demo_splits
from pada_ray.errors import ConfigError, DataError
from pada_ray.randomness import generator_for, shuffled
from pada_ray.records import Sample, Split
from pada_ray.tasks import TASKS, Knowledge, get_task, learn

Samples = dict[Split, list[Sample]]

# Seed of the draw from val and test. All runs have the same items, whatever their seeds, so that results can be paired.
EVAL_DRAW = 0


def read_data(config: Config) -> Samples:
    """The run's samples, checked. Raises DataError, naming file and line, or ConfigError."""
    samples = _read_splits(config)
    if not config.data.val_apart:
        return samples
    val = samples["val"]
    size = round(config.data.val_apart * len(val))
    seen: list[Sample] = []
    apart: list[Sample] = []
    for group in by_question(generator_for(EVAL_DRAW, "val_apart").sample(val, len(val))):
        (apart if len(apart) < size else seen).extend(group)
    if not seen or not apart:
        raise ConfigError(
            f"data.val_apart: {config.data.val_apart} of {len(val)} val samples leaves one part empty; change the share"
        )
    return samples | {"val": seen, "val_apart": apart}


def _read_splits(config: Config) -> Samples:
    data = config.data
    if data.demo is not None:
        if data.task is not None:
            raise ConfigError("data.task: the demo's domain has its own task; leave this key out")
        drawn = demo_splits(
            config.seed,
            train_size=data.regime or 1000,
            eval_size=data.eval_samples or 500,
            gap=data.demo.gap,
        )
        return {split: [Sample.model_validate(s) for s in drawn[split]] for split in ("train", "val", "test")}
    train, val, test = data.train, data.val, data.test
    if data.dataset is not None:
        if data.task is not None:
            raise ConfigError("data.task: a dataset has its own task; leave this key out")
        files = dataset_files(data.dataset, data.folder)
        train, val, test = files["train"], files["val"], files["test"]
    if data.task is not None:
        get_task(data.task)
    given = given_knowledge(data)
    columns = Columns(data.question, data.answer) if data.question and data.answer else None
    if data.file is not None:
        samples = cut_file(data, columns, config.seed, given)
    else:
        assert train is not None
        assert val is not None
        samples = load_splits(train, val, test, data.task, data.regime, data.eval_samples, config.seed, given, columns)
    _check_use(data, {sample.task for sample in samples["train"]})
    return samples


def _check_use(data: DataConfig, tasks: set[str]) -> None:
    """Raises ConfigError for a key that no task of the run reads. A user's own task may read any."""
    for key, value, task in (("labels", data.labels, "label"), ("schema", data.value_schema, "json")):
        if value is not None and task not in tasks and tasks <= TASKS.keys():
            raise ConfigError(
                f"data.{key}: no training sample has task {task}; leave this key out, or correct the task"
            )


def read_each(configs: Iterable[Config]) -> Iterator[Samples]:
    """The samples of each config. Data that configs share are read and checked once. Raises as `read_data`."""
    known: dict[tuple[DataConfig, int], Samples] = {}
    for config in configs:
        key = (config.data, config.seed)
        if key not in known:
            known[key] = read_data(config)
        yield known[key]


def _check_disjoint(splits: Sequence[list[Line]]) -> None:
    """Raises DataError if a question is in two splits, even in parts of them that are not used."""
    seen: dict[str, str] = {}
    for lines in splits:
        keys = {question_key(line.sample): line.where for line in reversed(lines)}
        for key, where in keys.items():
            if key in seen:
                raise DataError(f"{where}: the same question is at {seen[key]}; keep it in one split only")
        seen |= keys


def load_splits(
    train: str,
    val: str,
    test: str | None = None,
    task: str | None = None,
    regime: int | None = None,
    eval_samples: int | None = None,
    seed: int = 0,
    given: Knowledge | None = None,
    columns: Columns | None = None,
) -> Samples:
    """The splits of a run (section 3.1 of the paper); without `test` there are two.

    Args:
        train, val, test: local paths or fsspec URLs, of any kind that `tables` reads.
        task: the task of lines that name none.
        regime: number of train samples to use, from the start of the shuffled file: with one seed, a smaller
            regime is the beginning of a larger one. None: all of them, in the same order.
        eval_samples: most samples of val, and of test; the same ones for every seed.
        seed: of train's shuffle.
        given: what the config says of the task. Val and test are read with it and with what the samples of train that
            are used show beyond it.
        columns: of question and answer, in files that are not in the project's own layout.

    Raises:
        DataError: a file is wrong, a question is in two splits, or the regime is larger than the file.
    """
    files: dict[Split, str] = {"train": train, "val": val}
    if test:
        files["test"] = test
    own = {split: None if is_ours(file, columns) else read_fields(file, columns) for split, file in files.items()}

    def read(split: Split, known: Knowledge | None) -> list[Line]:
        rows = own[split]
        return read_file(files[split], task, known) if rows is None else read_lines(files[split], rows, task, known)

    return _drawn(files, read, regime, eval_samples, seed, given or Knowledge())


def cut_file(data: DataConfig, columns: Columns | None, seed: int, given: Knowledge) -> Samples:
    """The splits of a run out of the one file of its config. Raises DataError as `load_splits`."""
    assert data.file is not None
    path = data.file
    parts = cut(read_fields(path, columns), data.split or SplitShares(), path)
    task = data.task or proposed_task(path, parts)

    def read(split: Split, known: Knowledge | None) -> list[Line]:
        return read_lines(path, parts[split], task, known)

    return _drawn(dict.fromkeys(parts, path), read, data.regime, data.eval_samples, seed, given)


def _drawn(
    files: dict[Split, str],
    read: Callable[[Split, Knowledge | None], list[Line]],
    regime: int | None,
    eval_samples: int | None,
    seed: int,
    given: Knowledge,
) -> Samples:
    """The samples that a run uses, of those that `read` gives for a split and for what is known of the task."""
    lines, train = read("train", given), files["train"]
    available = len(lines)
    if regime is not None and not 0 < regime <= available:
        raise DataError(f"{train}: regime {regime} is more than the file's {available} samples; lower the regime")
    drawn = shuffled([line.sample for line in lines], seed)[:regime]
    known = learn(drawn, given)
    held_out = {split: read(split, known) for split in files if split != "train"}
    _check_disjoint([lines, *held_out.values()])

    def at_most(split: list[Sample]) -> list[Sample]:
        if eval_samples is None or len(split) <= eval_samples:
            return split
        return shuffled(split, EVAL_DRAW)[:eval_samples]

    samples: Samples = {"train": drawn}
    return samples | {split: at_most([line.sample for line in members]) for split, members in held_out.items()}
