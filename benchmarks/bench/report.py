"""The measurements as Markdown: a section with its tables and what was to hold, for each part of the benchmark."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.bench.demo import DemoRun, Purpose, calls_over_least, mean_accuracy
from benchmarks.bench.figures import (
    Claim,
    Result,
    accuracy,
    at_least,
    equal,
    furthest,
    noise,
    not_measured,
    rate,
    spread,
    thirds,
)
from benchmarks.bench.processes import Found

Trainings = Found[str, Result]  # by program
Generations = Found[tuple[str, str], Result]  # by dtype and program
END_OF_REASON = 200  # characters


def fine_tuning(data: str, found: Trainings) -> list[str]:
    lines = [
        f"### Fine-tuning on {data}",
        "",
        "| program | tokens per CPU s | memory GB | padded / real | weights | steps | loss, first third | loss, last "
        "third | loss on held-out samples |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for way, results in found.results.items():
        first, last = zip(*map(thirds, results), strict=True)
        lines.append(
            f"| {way} | {spread([rate(r) for r in results]).show()} | {spread([r['memory'] for r in results]).show(1)} "
            f"| {statistics.median(r['padded'] / r['real'] for r in results):.2f} | {results[0]['weights']} "
            f"| {len(results[0]['losses'])} | {spread(first).show(2)} | {spread(last).show(2)} "
            f"| {spread([r['held_out'] for r in results]).show(3)} |"
        )
    return [*lines, *_left_out(found.failed), ""]


def fine_tuning_claims(data: str, found: Trainings) -> list[Claim]:
    rates = {way: [rate(r) for r in results] for way, results in found.results.items()}
    memory = {way: statistics.median(r["memory"] for r in results) for way, results in found.results.items()}
    claims = [
        _faster(f"{data}: ours at its defaults, 2x TRL at its defaults", rates, "ours", "TRL", 2),
        _faster(f"{data}: ours at its defaults, 1.5x Trainer in float32", rates, "ours", "Trainer, float32", 1.5),
    ]
    for peer in ("TRL, bfloat16", "Trainer, bfloat16"):
        text = f"{data}: ours in bfloat16, 1.2x {peer}"
        if "ours" in found.results and found.results["ours"][0]["weights"] != "bfloat16":
            claims.append(not_measured(text, "this processor does not multiply in bfloat16, so ours takes float32"))
        else:
            claims.append(_faster(text, rates, "ours", peer, 1.2))
    for mine, peer in (("ours", "Trainer, bfloat16"), ("ours, float32", "Trainer, float32")):
        text = f"{data}: {mine} takes less memory than {peer}"
        if mine in memory and peer in memory:
            claims.append(Claim(text, f"{memory[mine]:.1f} against {memory[peer]:.1f} GB", memory[mine] < memory[peer]))
        else:
            claims.append(not_measured(text, "one of them was left out"))
    return [*claims, _same_loss(data, found, "bfloat16", "ours"), _same_loss(data, found, "float32", "ours, float32")]


def _same_loss(data: str, found: Trainings, dtype: str, ours: str) -> Claim:
    """Programs that multiply in the same type: the type itself moves the loss, however long one trains."""
    text = f"{data}: all in {dtype} end at the same loss on held-out samples, within noise"
    losses = {
        way: [r["held_out"] for r in results]
        for way, results in found.results.items()
        if multiplies_in(way, results[0]) == dtype
    }
    if len(losses.get(ours, [])) < 2 or len(losses) < 2:
        return not_measured(text, "takes ours, another program and two repeats")
    apart, allowed = furthest(losses, ours), noise(losses)
    return Claim(text, f"at most {apart:.3f} from ours; seeds alone: {allowed:.3f}", apart <= allowed)


def multiplies_in(way: str, result: Result) -> str:
    """TRL's default multiplies in bfloat16 (autocast) where it holds weights in float32."""
    return "bfloat16" if way == "TRL" else str(result["weights"])


def generation(data: str, found: Generations) -> list[str]:
    lines = [
        f"### Generation with an adapter on {data}",
        "",
        "| weights | program | new tokens per CPU s | memory GB | new tokens | accuracy % (95% interval) "
        "| replies equal to lm-eval's |",
        "|---|---|---|---|---|---|---|",
    ]
    for (dtype, way), results in found.results.items():
        share, low, high = accuracy(results[0]["failed"])
        peer = found.results.get((dtype, "lm-eval"))
        same = f"{equal(results[0], peer[0])} of {len(results[0]['replies'])}" if peer and way == "ours" else "–"
        lines.append(
            f"| {dtype} | {way} | {spread([rate(r) for r in results]).show()} "
            f"| {spread([r['memory'] for r in results]).show(1)} | {results[0]['tokens']} "
            f"| {share:.1f} ({low:.1f}–{high:.1f}) | {same} |"
        )
    return [*lines, *_left_out({" ".join(way): why for way, why in found.failed.items()}), ""]


def generation_claims(data: str, found: Generations) -> list[Claim]:
    claims = []
    for dtype in ("bfloat16", "float32"):
        rates = {way: [rate(r) for r in results] for (of, way), results in found.results.items() if of == dtype}
        claim = _faster(f"{data}: ours in {dtype}, 1.5x lm-eval in {dtype}", rates, "ours", "lm-eval", 1.5)
        if claim.holds is not None and "products alone" in rates:
            limit = at_least("", rates["products alone"], rates["lm-eval"], 1.5)
            claim = claim._replace(found=f"{claim.found}; products alone: {limit.found}")
        claims.append(claim)
    pairs = {
        dtype: [found.results.get((dtype, way)) for way in ("ours", "lm-eval")] for dtype in ("float32", "bfloat16")
    }
    text = f"{data}: in float32 all replies are equal to lm-eval's"
    mine, peer = pairs["float32"]
    if mine and peer:
        same, of = equal(mine[0], peer[0]), len(mine[0]["replies"])
        claims.append(Claim(text, f"{same} of {of}", same == of))
    else:
        claims.append(not_measured(text, "one of them was left out"))
    text = f"{data}: in bfloat16 the accuracy is lm-eval's, within noise"
    mine, peer = pairs["bfloat16"]
    if mine and peer:
        (a, a_low, a_high), (b, b_low, b_high) = accuracy(mine[0]["failed"]), accuracy(peer[0]["failed"])
        claims.append(Claim(text, f"{a:.1f} against {b:.1f} %", a_low <= b <= a_high and b_low <= a <= b_high))
    else:
        claims.append(not_measured(text, "one of them was left out"))
    return claims


def demo(runs: Sequence[DemoRun]) -> list[str]:
    walls, alone = [r.wall for r in runs], [r.one_process for r in runs]
    last = runs[-1]
    return [
        "### The demo",
        "",
        "| | wall s | mean accuracy of the fine-tuned models on test, % |",
        "|---|---|---|",
        f"| `pada run configs/demo.yaml` | {spread(walls).show()} | {100 * mean_accuracy(last.accuracy, 'test'):.1f} |",
        f"| the same fine-tunings and evaluations in one process | {spread(alone).show()} "
        f"| {100 * mean_accuracy(last.accuracy_again, 'test'):.1f} |",
        f"| Ray's processes with nothing to do | {spread([r.ray_alone for r in runs]).show()} | – |",
        "",
        *_parts(last),
        "",
        *_calls(last.purposes),
        "",
    ]


def _parts(run: DemoRun) -> list[str]:
    lines = ["| seconds of the last repeat | `pada run` | one process |", "|---|---|---|"]
    for kind, seconds in run.parts.items():
        lines.append(f"| {kind} | {seconds:.0f} | {run.parts_again.get(kind, 0):.0f} |")
    rest = [run.wall - sum(run.parts.values()), run.one_process - sum(run.parts_again.values())]
    return [*lines, f"| before and after | {rest[0]:.0f} | {rest[1]:.0f} |"]


def _calls(purposes: Sequence[Purpose]) -> list[str]:
    lines = ["| LLM calls of the demo for | made | least |", "|---|---|---|"]
    return lines + [f"| {p.name} | {p.calls} | {'counted apart' if p.least is None else p.least} |" for p in purposes]


def demo_claims(runs: Sequence[DemoRun]) -> list[Claim]:
    ratio = statistics.median(r.wall for r in runs) / statistics.median(r.one_process for r in runs)
    each = [r.wall / r.one_process for r in runs]
    least = statistics.median(1 + r.ray_alone / r.one_process for r in runs)
    over = calls_over_least(runs[-1].purposes)
    text = "demo: calls, at most 1.1x the least"
    return [
        Claim(
            "demo: wall time, at most 1.4x one process",
            f"{ratio:.2f} ({min(each):.2f}–{max(each):.2f}); one process and Ray's: {least:.2f}",
            ratio <= 1.4,
        ),
        not_measured(text, "the least is not known") if over is None else Claim(text, f"{over:.2f}", over <= 1.1),
    ]


def claims_table(claims: Sequence[Claim]) -> list[str]:
    words = {True: "holds", False: "**falls short**", None: "not measured"}
    lines = ["| what is to hold | found | |", "|---|---|---|"]
    return [*lines, *(f"| {c.text} | {c.found} | {words[c.holds]} |" for c in claims), ""]


def _faster(text: str, rates: Mapping[str, Sequence[float]], mine: str, peer: str, target: float) -> Claim:
    if mine not in rates or peer not in rates:
        return not_measured(text, "one of them was left out")
    return at_least(text, rates[mine], rates[peer], target)


def _left_out(failed: Mapping[str, str]) -> list[str]:
    return [f"\nLeft out: {way}: {' '.join(why.split())[-END_OF_REASON:]}" for way, why in failed.items()]
