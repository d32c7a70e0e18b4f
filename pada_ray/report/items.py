"""The items that a page lists: synthetic samples with their seeds, and val and test items under every model."""

from __future__ import annotations

from pada_ray.findings.lineage import read_all_findings
from pada_ray.methods import METHODS
from pada_ray.records import Candidate, Message, Ratings, Record, Sample, Split, WrittenMessage
from pada_ray.report.results import Run
from pada_ray.runs import run_files


class Version(Record):
    """One draft of a synthetic sample, and the result of its quality control."""

    id: str
    attempt: int
    messages: list[WrittenMessage]
    answer: str | list[str] | None
    ratings: Ratings | None
    overall: float | None
    feedback: str
    rejected: str | None
    person: str  # what a person did to it, where one reviewed it


class SampleEntry(Record):
    """All attempts at one sample, the latest last. Only the latest can be accepted."""

    iteration: int
    group: str
    strategy: str | None
    seed: str
    wrong_reply: str | None  # the previous model's, where the seed was a failure
    versions: list[Version]


class ItemStep(Record):
    """The result of one model on an item, with the error analysis of a val failure."""

    model: str
    failed: bool | None  # None is unscored
    reply: str
    rating: float | None  # the judge's, where the task asks for one
    feedback: str
    iteration: int | None = None  # the one that analysed the failure
    cluster: int | None = None
    cause: str | None = None


class ItemEntry(Record):
    id: str
    messages: list[Message]
    steps: list[ItemStep]


class PageItems(Record):
    seeds: dict[str, list[Message]]  # the samples that `samples` refer to
    samples: list[SampleEntry]
    val: list[ItemEntry]
    test: list[ItemEntry]


def read_items(run: Run) -> PageItems:
    """The items of a run as far as it has come."""
    samples = [entry for i in range(1, len(run.models) + 1) for entry in _sample_entries(run, i)]
    texts = run.texts(METHODS[run.config.method].seeds)
    seeds = {entry.seed for entry in samples}
    return PageItems(
        seeds={i: m for i, m in texts.items() if i in seeds},
        samples=samples,
        val=_item_entries(run, "val"),
        test=_item_entries(run, "test"),
    )


def _sample_entries(run: Run, iteration: int) -> list[SampleEntry]:
    files = [run_files.in_force(run.folder, f(iteration)) for f in (run_files.accepted, run_files.rejected)]
    candidates = [c for file in files if run.folder.exists(file) for c in run.folder.read_records(file, Candidate)]
    drafts: dict[tuple[str, str], list[Candidate]] = {}
    for candidate in candidates:
        drafts.setdefault((candidate.draft or candidate.batch, candidate.seed_id), []).append(candidate)
    before = run.predictions(run_files.model(iteration - 1), METHODS[run.config.method].seeds) if drafts else {}
    entries = []
    for (_, seed), versions in drafts.items():
        reply = before.get(seed)
        entries.append(
            SampleEntry(
                iteration=iteration,
                group=versions[0].group,
                strategy=versions[0].strategy_name,
                seed=seed,
                wrong_reply=reply.reply if reply and reply.failed else None,
                versions=[_version(c) for c in sorted(versions, key=lambda c: c.attempt)],
            )
        )
    return entries


def _version(candidate: Candidate) -> Version:
    sample: Sample | None = candidate.sample
    return Version(
        id=candidate.id,
        attempt=candidate.attempt,
        messages=candidate.messages,
        answer=sample.answer if sample else candidate.answer,
        ratings=candidate.ratings,
        overall=candidate.ratings.overall if candidate.ratings else None,
        feedback=candidate.feedback,
        rejected=candidate.rejected,
        person=candidate.person.deed if candidate.person else "",
    )


def _item_entries(run: Run, split: Split) -> list[ItemEntry]:
    replies = {model: found for model in run.models if (found := run.predictions(model, split))}
    if not replies:
        return []
    of_val = read_all_findings(run.folder) if split == "val" else []
    findings = {run_files.model(f.iteration - 1): f for f in of_val}
    causes = {model: {a.sample_id: a.error_cause for a in f.analyses} for model, f in findings.items()}

    def step(model: str, item: str) -> ItemStep:
        prediction = replies[model][item]
        found = findings.get(model)
        cluster = found.clusters.get(item) if found else None
        return ItemStep(
            model=model,
            failed=prediction.failed,
            reply=prediction.reply,
            rating=prediction.rating,
            feedback=prediction.feedback,
            iteration=found.iteration if found and cluster is not None else None,
            cluster=cluster,
            cause=causes.get(model, {}).get(item),
        )

    return [
        ItemEntry(id=item, messages=messages, steps=[step(model, item) for model in replies])
        for item, messages in run.texts(split).items()
        if all(item in predictions for predictions in replies.values())
    ]
