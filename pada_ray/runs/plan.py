"""What a run will take, told before anything is spent: fine-tunings, optimiser steps, and LLM calls with their tokens.

The numbers of failures, clusters and regenerations are not known beforehand. The constants below say what is assumed;
the upper bound of what generation can cost follows from the config alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pada_ray.agents.grading import is_judged
from pada_ray.agents.pattern_analysis import HANDFUL
from pada_ray.agents.verification import only_a_model_can_tell
from pada_ray.config import Config, EndpointConfig, Price
from pada_ray.methods import METHODS
from pada_ray.prompts import Prompts
from pada_ray.records import Sample, Split
from pada_ray.runs.sharing import findings_content, fine_tuning_content, grading_content
from pada_ray.tasks import Knowledge

CLUSTERS = 6  # the middle of the paper's 2 to 10
SENT_BACK = 0.3  # share of drafts, at every attempt
CHARACTERS_PER_TOKEN = 4  # of English text, roughly
ANALYSIS_TOKENS = 60  # of the reply on one failure
PATTERN_TOKENS = 200  # of the reply on one cluster
STRATEGY_TOKENS = 200  # of the reply on one pattern
REVIEW_TOKENS = 35  # of the reply on one sample
WRAPPING_TOKENS = 60  # of the JSON round one new sample


class Calls(NamedTuple):
    """LLM calls of one purpose over a whole run."""

    role: str
    purpose: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    shared: str | None = None  # runs with the same value, and the same model, make these calls once
    model: str = ""  # and where it is served
    price: Price | None = None


class Training(NamedTuple):
    """One fine-tuning with its evaluation. Runs with the same `content` do it once."""

    content: str
    samples: int
    steps: int


class Plan(NamedTuple):
    trainings: list[Training]
    calls: list[Calls]


def plan(config: Config, samples: Mapping[Split, Sequence[Sample]]) -> Plan:
    """What a run of `config` on `samples` is expected to take. Makes no call."""
    train = samples["train"]
    first = fine_tuning_content(config, train)
    method = METHODS[config.method]
    added = len(samples["val"]) if method.reference else config.data_generation.samples_to_add(len(train))
    iterations = method.iterations(config.iterations)
    trainings = [
        Training(
            content=first if i == 0 else f"{config.name} {i}",
            samples=(size := len(train) + i * added),
            steps=config.fine_tune.epochs * math.ceil(size / config.fine_tune.batch_size),
        )
        for i in range(iterations + 1)
    ]
    calls = list(_calls(config, train, samples["val"], added, first)) if iterations else []
    calls += _grading(config, samples, iterations, first)
    return Plan(trainings, [_by_whom(config, c) for c in calls])


def _by_whom(config: Config, calls: Calls) -> Calls:
    """The calls with the model that answers them, and its price."""
    endpoint: EndpointConfig = getattr(config.llm, calls.role)
    return calls._replace(model=f"{endpoint.model} at {endpoint.base_url}", price=endpoint.price)


def _calls(config: Config, train: Sequence[Sample], val: Sequence[Sample], added: int, first: str) -> Iterator[Calls]:
    analysis = config.pattern_analysis
    method = METHODS[config.method]
    with_patterns = method.finds_patterns and analysis.enabled
    if with_patterns:
        failures = min(analysis.max_failures, len(val))
        analyses = math.ceil(failures / analysis.batch_size)
        for i in range(config.iterations + analysis.of_last_model):
            # The first iteration looks at the model that runs share, with the same questions.
            shared = findings_content(config, first) if i == 0 else None
            read = failures * 2 * _tokens(val) + analyses * _overhead(config, "error_analysis", failures=[])
            yield Calls("teacher", "error_analysis", analyses, read, failures * ANALYSIS_TOKENS, shared)
            read = failures * ANALYSIS_TOKENS + CLUSTERS * _overhead(config, "pattern_categorization", analyses=[])
            yield Calls("teacher", "pattern_categorization", CLUSTERS, read, CLUSTERS * PATTERN_TOKENS, shared)
            if i < config.iterations:
                read = CLUSTERS * PATTERN_TOKENS + _overhead(config, "strategy_drafting", patterns=[])
                yield Calls("teacher", "strategy_drafting", 1, read, CLUSTERS * STRATEGY_TOKENS, shared)
    strategies = CLUSTERS * with_patterns + analysis.blind_strategies * method.drafts_blindly
    if method.drafts_blindly:
        shown = HANDFUL * strategies * _tokens(train)
        read = shown + _overhead(config, "blind_strategy_drafting", handfuls=[])
        for _ in range(config.iterations):
            yield Calls("teacher", "blind_strategy_drafting", 1, read, strategies * STRATEGY_TOKENS)
    instruction = method.instruction if strategies else method.error_instruction or method.instruction
    if instruction is None or not added:
        return
    control = config.quality_control
    reviewed = control.reviews and (method.reviewed or control.for_all_methods)
    attempts = range(1 + control.max_regenerations) if reviewed else range(1)
    groups = (strategies + (with_patterns and config.data_generation.error_share != 0)) or 1
    quota = added / groups
    drafts = round(added * sum(SENT_BACK**a for a in attempts))
    batches = round(groups * sum(_pooled(quota, a, config.data_generation.batch_size) for a in attempts))
    new = _tokens(train) + WRAPPING_TOKENS
    strategy = {"strategy_name": "", "generation_approach": "", "key_elements": []} if strategies else None
    overhead = _overhead(config, instruction, strategy=strategy, seeds=[{}], feedback=None, shows_answer=False)
    overhead += STRATEGY_TOKENS * bool(strategies)
    open_ones = sum(only_a_model_can_tell(sample, Knowledge()) for sample in train) if reviewed else 0
    canaries = min(control.canaries, open_ones // 2)
    checked = drafts + canaries
    for _ in range(config.iterations):
        yield Calls("teacher", instruction, batches, drafts * new + batches * overhead, drafts * new)
        reviews = round(groups * sum(_pooled(quota, a, control.batch_size) for a in attempts))
        reviews += math.ceil(canaries / control.batch_size)
        if reviewed and control.asks_for_agreement:
            asked, votes = reviews * control.votes, checked * control.votes
            shown = votes * (1 + control.worked_examples) * _tokens(train)
            overhead_of_question = _overhead(config, "answering", questions=[], examples=[], choices=[])
            yield Calls("judge", "answering", asked, shown + asked * overhead_of_question, votes * new)
        if reviewed and control.rates:
            overhead_of_review = _overhead(config, "quality_control", strategy=strategy, pairs=[])
            read = checked * 2 * new + reviews * (overhead_of_review + STRATEGY_TOKENS * bool(strategies))
            yield Calls("judge", "quality_control", reviews, read, checked * REVIEW_TOKENS)


def _pooled(quota: float, attempt: int, size: int) -> float:
    """The calls that a group of `quota` samples takes for one attempt (0 is the first draft), expected: batches of
    `size` with what was sent back so often, or none where nothing was."""
    share = SENT_BACK**attempt
    return math.ceil(quota * share / size) * (1 - (1 - share) ** quota)


def _grading(config: Config, samples: Mapping[Split, Sequence[Sample]], iterations: int, first: str) -> Iterator[Calls]:
    """The judge's calls for tasks that leave it to one what fails: of the base model on val and test, of every other
    model on train too."""
    everything = [s for members in samples.values() for s in members]
    if not is_judged(everything):
        return
    held_out = len(everything) - len(samples["train"])
    overhead = _overhead(config, "grading", rubric=config.grading.rubric, replies=[])

    def rating(replies: int, models: int, shared: str | None) -> Calls:
        calls = models * math.ceil(replies / config.grading.batch_size)
        read = models * replies * 2 * _tokens(everything) + calls * overhead
        return Calls("judge", "grading", calls, read, models * replies * REVIEW_TOKENS, shared)

    # Runs that share the first fine-tuning have the same replies of it and of the base model.
    grading = grading_content(config, first)
    yield rating(held_out, 1, f"{grading} base")
    yield rating(len(everything), 1, grading)
    yield rating(len(everything), iterations, None)


def _tokens(samples: Sequence[Sample]) -> int:
    """Of one sample, on average."""
    characters = sum(len(m.content) for s in samples for m in s.messages)
    return round(characters / max(1, len(samples)) / CHARACTERS_PER_TOKEN)


def _overhead(config: Config, prompt: str, **values: object) -> int:
    """Tokens of a prompt without its data."""
    return round(len(Prompts(config.prompts).render(prompt, **values)) / CHARACTERS_PER_TOKEN)
