"""The results of a sweep: accuracy of the methods, their comparisons, ablations, and relative gains."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from pada_ray.findings.paper_results import PaperGain, paper_ablation, paper_accuracy, paper_results
from pada_ray.findings.statistics import relative_gain
from pada_ray.llm.chat import spent
from pada_ray.records import Split
from pada_ray.report.accounts import of_generator
from pada_ray.report.comparison import Pairing, is_ablation
from pada_ray.report.groups import Group, groups_of, mean_of, over_seeds, rounded
from pada_ray.report.results import Run, Sweep
from pada_ray.report.tables import Column, Table, Value
from pada_ray.runs import run_files


def result_table(sweep: Sweep, pairings: Sequence[Pairing], against: str, split: Split) -> Table:
    """Table 1 with details: every method in every setting, without ablations."""
    columns = [
        Column("setting"),
        Column("method"),
        Column("seeds", "count"),
        Column("planned", "count"),
        Column(f"{split}, %", "number"),
        Column("deviation", "number"),
        Column("95%", "interval"),
        Column("over vanilla, %", "signed"),
        Column("best on val", "number"),
        Column("training samples", "count"),
        Column("short runs", "count"),
        Column("unscored", "count"),
        Column("generator tokens", "count"),
        Column("all tokens", "count"),
        Column("USD", "number", 2),
        Column("paper, %", "number"),
    ]
    groups = [group for group in groups_of(sweep) if not is_ablation(group.method, against)]
    rows: list[list[Value]] = [
        [
            group.setting,
            group.method,
            *_accuracy_values(group, split),
            _gain_over_vanilla(group, split),
            None if group.is_reference else mean_of(run.accuracy(run.state.best, split) for run in group.done),
            rounded(mean_of(run.training_samples(run.final) for run in group.done)),
            sum(run.shortfall > 0 for run in group.done) or None,
            sum(score.unscored for score in group.final_scores(split)) or None,
            *token_values(group.done, is_priced(sweep)),
            paper_accuracy(*group.paper_setting, group.method) if group.paper_setting else None,
        ]
        for group in groups
    ]
    rivals = [group for group in groups if not group.is_reference]
    bold = frozenset((i, 4) for i, group in enumerate(groups) if _leads(group, rivals, pairings, against))
    notes = [
        f"{split.capitalize()} accuracy or exact match of the final model, mean over seeds with Student's 95% "
        "interval; with one seed, Wilson's interval over the items",
        *_meaning_of_bold(pairings, against),
        "over vanilla: relative gain over iteration-0 of the same runs; best on val: the accuracy of the model that "
        "val would select",
        "training samples: those of the final model, mean per run",
        *short_runs(sweep),
        *_unscored(groups, split),
        "Tokens and USD are means per run, as if each run were alone; a reply that runs share counts for each of them",
        *_sources(groups),
        *_unfinished(sweep),
        *_references(groups),
    ]
    return Table("results", "Every method in every setting", columns, rows, notes, bold, grouped=True)


def table1(sweep: Sweep, pairings: Sequence[Pairing], against: str, split: Split) -> Table:
    """Table 1 in the paper's form: a row for each setting, a column for each method, without ablations."""
    groups = [group for group in groups_of(sweep) if not is_ablation(group.method, against)]
    methods = list(dict.fromkeys(group.method for group in groups))
    settings = list(dict.fromkeys(group.setting for group in groups))
    columns = [Column("setting"), *(Column(method, "spread") for method in methods)]
    rows: list[list[Value]] = [[setting, *[None] * len(methods)] for setting in settings]
    bold = set()
    for group in groups:
        i, j = settings.index(group.setting), 1 + methods.index(group.method)
        found = over_seeds(group.final_scores(split))
        rows[i][j] = (found.mean, found.deviation) if found.mean is not None else None
        if _leads(group, [g for g in groups if not g.is_reference], pairings, against):
            bold.add((i, j))
    notes = [
        f"{split.capitalize()} accuracy or exact match in % of the final model, mean ± deviation over seeds",
        *_meaning_of_bold(pairings, against),
        *short_runs(sweep),
        *_unfinished(sweep),
        *_references(groups),
    ]
    title = f"{split.capitalize()} accuracy by setting and method"
    return Table("table1", title, columns, rows, notes, frozenset(bold))


def comparison_table(
    sweep: Sweep, pairings: Sequence[Pairing], against: str, split: Split, name: str, title: str
) -> Table:
    """The difference between `against` and each other method."""
    detect = sweep.design.detect
    columns = [
        Column("setting"),
        Column(f"{against} against"),
        Column("difference", "signed"),
        Column("95%", "interval"),
        Column("p", "p"),
        Column("p, Holm", "p"),
        Column("look"),
        Column("bound", "bound"),
        Column("McNemar p", "p"),
        Column("smallest detectable", "number"),
        Column("seeds needed", "count"),
        Column("seeds", "count", once=True),
        Column("items", "count", once=True),
        Column("over", once=True),
        Column("standing"),
    ]
    rows = [[p.setting, p.other, *_pairing_values(p)] for p in pairings]
    notes = [
        f"Points of {split} accuracy, paired over the same items and seeds. p and interval are those of the paired t "
        "test over the seeds; with one seed p is McNemar's exact one, the interval is from a bootstrap over the items, "
        "and both are about these two trained models only",
        *_family(sweep, pairings, against),
        "smallest detectable: the smallest true difference that this comparison would have shown with 80% power, "
        "uncorrected",
        "McNemar's p over several seeds is about these trained models rather than the methods",
        *short_runs(sweep),
    ]
    if any(p.needed for p in pairings):
        notes.append(
            f"seeds needed: those that show a difference of {detect:g} points with 80% power at Holm's first step, by "
            "the spread at the first look"
        )
    bold = frozenset((i, 2) for i, p in enumerate(pairings) if p.significant)
    return Table(name, title, columns, rows, notes, bold, grouped=True)


def ablation_table(sweep: Sweep, against: str, split: Split) -> Table:
    """Table 2: the full method, and the method without each part; no rows without ablations."""
    columns = [
        Column("setting"),
        Column("method"),
        Column("seeds", "count"),
        Column("planned", "count"),
        Column(f"{split}, %", "number"),
        Column("deviation", "number"),
        Column("95%", "interval"),
        Column("change, points", "signed"),
        Column("change, %", "signed"),
        Column("paper, change", "signed"),
    ]
    groups = groups_of(sweep)
    ablated = {group.setting for group in groups if is_ablation(group.method, against)}
    full = {group.setting: group.final_accuracy(split) for group in groups if group.method == against}
    rows: list[list[Value]] = []
    for group in groups:
        if group.setting not in ablated or (group.method != against and not is_ablation(group.method, against)):
            continue
        whole, part = full.get(group.setting), group.final_accuracy(split)
        changes: list[Value] = [None, None]
        if is_ablation(group.method, against) and whole and part is not None:
            changes = [part - whole, relative_gain(part, whole)]
        rows.append(
            [
                group.setting,
                group.method,
                *_accuracy_values(group, split),
                *changes,
                paper_ablation(group.paper_setting[0], group.method) if group.paper_setting else None,
            ]
        )
    notes = [
        f"{split.capitalize()} accuracy, and its change against full {against}; the next table shows which changes are "
        "significant",
    ]
    if any(group.paper_setting for group in groups):
        notes.append("The paper (section 3.4) does not name the regime of its changes, or say if they are points or %")
    return Table("ablations", "The full method and without each part", columns, rows, notes, grouped=True)


def gain_table(sweep: Sweep, against: str, split: Split) -> Table:
    """Relative gains, averaged over the settings of the same regime, as the paper quotes them."""
    groups = [group for group in groups_of(sweep) if not group.is_reference]
    accuracy = {(g.setting, g.method): g.final_accuracy(split) for g in groups}
    regimes = {run.setting: run.regime for run in sweep.runs}
    on_paper_data = any(group.paper_setting for group in groups)
    columns = [
        Column("training samples", "count"),
        Column(f"{against} over"),
        Column("settings", "count"),
        Column("mean relative gain, %", "signed"),
        Column("paper, %", "signed"),
    ]
    rows: list[list[Value]] = []
    for regime in dict.fromkeys(regimes.values()):
        settings = [setting for setting, samples in regimes.items() if samples == regime]
        for other in dict.fromkeys(g.method for g in groups):
            if other == against or is_ablation(other, against):
                continue
            pairs = [(accuracy.get((s, against)), accuracy.get((s, other))) for s in settings]
            gains = [relative_gain(new, old) for new, old in pairs if new is not None and old]
            if gains:
                rows.append(
                    [regime, other, len(gains), mean(gains), _paper_gain(regime, other) if on_paper_data else None]
                )
    notes = [
        "The mean over settings of the gain in % of the other method's accuracy",
        *(_quoted(gain) for gain in paper_results().gains if on_paper_data),
    ]
    return Table("gains", "Relative gains", columns, rows, notes)


def is_priced(sweep: Sweep) -> bool:
    """Whether any call has a price."""
    return any(usage.usd is not None for run in sweep.runs for usage in run.state.usage)


def token_values(runs: Sequence[Run], priced: bool) -> list[Value]:
    """The generator's tokens, all tokens and USD, as means per run. USD is None if a call has no price."""
    totals = [spent(run.state.usage) for run in runs]
    prices = [total.usd for total in totals if total.usd is not None]
    generator = mean_of(spent(of_generator(run.state.usage)).tokens for run in runs)
    everything = mean_of(total.tokens for total in totals)
    return [
        rounded(generator),
        rounded(everything),
        mean(prices) if priced and prices and len(prices) == len(totals) else None,
    ]


def short_runs(sweep: Sweep) -> list[str]:
    """Which runs got fewer samples than they asked for, in words; nothing where none did."""
    short = [
        f"{cell.name} ({cell.run.shortfall})"
        for cell in sweep.cells
        if isinstance(cell.run, Run) and cell.run.shortfall
    ]
    if not short:
        return []
    why = "Left out of comparisons, though not of means, because samples that the run asked for are missing"
    return [f"{why}: {', '.join(short)}"]


def _pairing_values(pairing: Pairing) -> list[Value]:
    found, look = pairing.found, pairing.look if pairing.look and len(pairing.look.seeds) > 1 else None
    if found is None:
        return [*[None] * 12, pairing.standing]
    return [
        found.difference,
        (found.low, found.high),
        found.p,
        pairing.corrected,
        f"{look.number or 'none'} of {len(look.seeds)}" if look else None,
        pairing.bound if look else None,
        found.mcnemar_p,
        found.detectable,
        pairing.needed,
        found.seeds,
        found.items,
        found.over,
        pairing.standing,
    ]


def _family(sweep: Sweep, pairings: Sequence[Pairing], against: str) -> list[str]:
    """What the comparisons of a table are corrected for."""
    named = sweep.design.primary
    if not named:
        return [
            "All comparisons are exploratory, and p is not corrected for their number: the sweep's file names no "
            f"primary ones. To name some, add before the first run: primary: [{{method: {against}, against: "
            f"{pairings[0].other if pairings else 'vanilla'}}}]"
        ]
    if sweep.design.method != against:
        return [f"All comparisons are exploratory: the primary ones are of {sweep.design.method}, not of {against}"]
    notes = [
        "Only primary comparisons, which the sweep's file names, can be significant: where p, Holm is below 0.05 "
        "(bold). Holm's family are all primary comparisons of the sweep, unfinished ones included. The p of "
        "exploratory comparisons is not corrected",
    ]
    if sweep.design.looks:
        notes.append(
            "look: the primary comparisons are tested when the seeds of a declared look are done, and at no other "
            "time. p, Holm takes all looks into account (spending of Lan and DeMets after O'Brien and Fleming); bound "
            "is what p itself has to be below at this look and this step of Holm's method"
        )
    return notes


def _accuracy_values(group: Group, split: Split) -> list[Value]:
    """Seeds done, runs planned, mean, deviation, interval."""
    found = over_seeds(group.final_scores(split))
    return [found.seeds, group.planned, found.mean, found.deviation, found.interval]


def _gain_over_vanilla(group: Group, split: Split) -> float | None:
    new = group.final_accuracy(split)
    old = mean_of(run.accuracy(run_files.model(0), split) for run in group.done)
    return relative_gain(new, old) if new is not None and old and group.method != "vanilla" else None


def _leads(group: Group, groups: Sequence[Group], pairings: Sequence[Pairing], against: str) -> bool:
    """Whether the method is ahead in its setting, as `_meaning_of_bold` defines it. No method is ahead of one without a
    finished run."""
    here = {p.other: p for p in pairings if p.setting == group.setting}
    if group.method != against:
        pairing = here.get(group.method)
        return bool(pairing and pairing.significant and pairing.found and pairing.found.difference < 0)
    others = {g.method for g in groups if g.setting == group.setting} - {against}
    primary = [pairing for pairing in here.values() if pairing.look]
    is_ahead = all(other in here and (found := here[other].found) and found.difference > 0 for other in others)
    return bool(primary) and is_ahead and all(pairing.significant for pairing in primary)


def _meaning_of_bold(pairings: Sequence[Pairing], against: str) -> list[str]:
    if not any(pairing.look for pairing in pairings):
        return []
    return [
        f"Bold: {against} where it is ahead of every other method in the setting, and significantly in each primary "
        f"comparison; another method where a primary comparison shows it significantly ahead of {against}"
    ]


def _sources(groups: Sequence[Group]) -> list[str]:
    """The sources of the paper's figures in the table."""
    wanted = {(*group.paper_setting, group.method) for group in groups if group.paper_setting}
    known = [c for c in paper_results().accuracy if (c.dataset, c.regime, c.method) in wanted]
    return [
        f"Paper, {c.dataset} {c.regime} {c.method} (Llama 3.2 1B Instruct): {c.source}{_with(c.note)}" for c in known
    ]


def _unscored(groups: Sequence[Group], split: Split) -> list[str]:
    if not any(score.unscored for group in groups for score in group.final_scores(split)):
        return []
    return ["unscored: replies without a readable rating by the judge, over all seeds; they count neither way"]


def _references(groups: Sequence[Group]) -> list[str]:
    names = dict.fromkeys(group.method for group in groups if group.is_reference)
    return [
        f"{name} is a reference and no rival: it trains on val's labels, and is compared with none" for name in names
    ]


def _unfinished(sweep: Sweep) -> list[str]:
    unfinished = sum(not cell.is_done for cell in sweep.cells)
    if not unfinished:
        return []
    return [f"{unfinished} of {len(sweep.cells)} runs are not done; they are not counted"]


def _paper_gain(regime: int | None, other: str) -> float | None:
    quoted = [g.gain for g in paper_results().gains if (g.regime, g.over, g.dataset) == (regime, other, None)]
    return quoted[0] if quoted and regime is not None else None


def _quoted(gain: PaperGain) -> str:
    over = {"vanilla": "over vanilla", "augmentation": "over other augmentation", None: ""}[gain.over]
    about = ", ".join(filter(None, [f"{gain.regime} samples" if gain.regime else "", gain.dataset, over]))
    return f"The paper, {about}: {gain.gain:+.1f}% ({gain.source}{_with(gain.note)})"


def _with(note: str | None) -> str:
    return "" if note is None else f"; {note.removesuffix('.')}"
