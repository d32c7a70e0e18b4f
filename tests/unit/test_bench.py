"""What `make bench` and `make bench-gpu` make of their measurements, without measuring."""

import pytest

from benchmarks.bench import report
from benchmarks.bench.demo import DemoRun, Purpose, calls_over_least
from benchmarks.bench.figures import accuracy, at_least, furthest, noise, thirds
from benchmarks.bench.processes import Found, in_turn
from benchmarks.gpu_speed import LLAMA_1B, flops, peak_of, samples


def training(tokens_per_second, held_out=1.0, memory=4.0):
    losses = [(3.0, 2), (2.0, 2), (1.0, 2)]
    return {
        "real": tokens_per_second * 10,
        "padded": tokens_per_second * 12,
        "cpu": 10.0,
        "memory": memory,
        "losses": losses,
        "weights": "bfloat16",
        "held_out": held_out,
    }


def test_programs_take_turns_and_one_that_fails_is_left_out():
    order = []

    def measure(way, repeat):
        order.append((way, repeat))
        if way == "b":
            raise RuntimeError("not installed")
        return repeat

    found = in_turn(["a", "b"], 2, measure, at_once=1)
    assert order == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert found == Found({"a": [0, 1]}, {"b": "not installed"})


def test_a_ratio_is_that_of_the_medians_and_its_spread_that_of_the_repeats():
    claim = at_least("twice", [20, 30, 40], [10, 10, 20], 2)
    assert (claim.found, claim.holds) == ("3.00 (2.00–3.00)", True)
    assert at_least("twice", [15], [10], 2).holds is False


def test_losses_of_programs_are_compared_with_the_noise_of_their_own_seeds():
    losses = {"ours": [1.0, 1.1], "peer": [1.2, 1.3]}
    assert noise(losses) == pytest.approx(0.1)
    assert furthest(losses, "ours") == pytest.approx(0.2)
    assert thirds(training(100)) == (3.0, 1.0)


def test_what_falls_short_and_what_was_not_measured_is_said():
    found = Found(
        {"ours": [training(150), training(150)], "TRL": [training(100), training(100)]}, {"plain": "no\nwheel"}
    )
    claims = report.fine_tuning_claims("arc", found)
    holds = {claim.text: claim.holds for claim in claims}
    assert holds["arc: ours at its defaults, 2x TRL at its defaults"] is False
    assert holds["arc: ours at its defaults, 1.5x Trainer in float32"] is None
    assert holds["arc: all in bfloat16 end at the same loss on held-out samples, within noise"] is True
    assert holds["arc: all in float32 end at the same loss on held-out samples, within noise"] is None
    lines = "\n".join([*report.claims_table(claims), *report.fine_tuning("arc", found)])
    assert "**falls short**" in lines and "not measured" in lines and "Left out: plain: no wheel" in lines


def test_the_limit_of_generation_stands_beside_what_was_reached():
    def result(tokens):
        return {"tokens": tokens, "cpu": 10.0, "replies": ["a"], "failed": [False], "memory": 1.0}

    rates = {"ours": 140, "lm-eval": 100, "products alone": 145}
    found = Found({("float32", way): [result(tokens)] for way, tokens in rates.items()}, {})
    claims = {claim.text: claim for claim in report.generation_claims("arc", found)}
    claim = claims["arc: ours in float32, 1.5x lm-eval in float32"]
    assert claim.found == "1.40 (1.40–1.40); products alone: 1.45 (1.45–1.45)"
    assert claim.holds is False


def test_losses_are_compared_where_programs_multiply_in_the_same_type():
    float32 = [training(100, held_out) | {"weights": "float32"} for held_out in (0.90, 0.91)]
    bfloat16 = [training(100, held_out) for held_out in (1.00, 1.01)]
    ways = {"ours": bfloat16, "TRL": [r | {"weights": "float32"} for r in bfloat16], "ours, float32": float32}
    holds = {
        c.text: c.holds for c in report.fine_tuning_claims("arc", Found({**ways, "Trainer, float32": float32}, {}))
    }
    assert holds["arc: all in bfloat16 end at the same loss on held-out samples, within noise"] is True
    assert holds["arc: all in float32 end at the same loss on held-out samples, within noise"] is True
    apart = Found({**ways, "Trainer, bfloat16": [training(100, held_out) for held_out in (2.00, 2.01)]}, {})
    holds = {c.text: c.holds for c in report.fine_tuning_claims("arc", apart)}
    assert holds["arc: all in bfloat16 end at the same loss on held-out samples, within noise"] is False


def test_where_the_time_of_the_demo_goes():
    parts = {"fine-tuning": 30.0, "evaluation": 10.0, "the agents' stages": 20.0}
    again = {"fine-tuning": 25.0, "evaluation": 9.0}
    accuracy = {"base": {}, "x": {"test": 0.5}}
    run = DemoRun(80, 40, 14, parts, again, accuracy, accuracy, [])
    lines = report.demo([run])
    assert "| before and after | 20 | 6 |" in lines
    assert report.demo_claims([run])[0].found == "2.00 (2.00–2.00); one process and Ray's: 1.35"


def test_purposes_without_a_least_are_counted_apart():
    assert calls_over_least([Purpose("a", 11, 10), Purpose("canary", 5, None)]) == 1.1
    assert calls_over_least([Purpose("canary", 5, None)]) is None


def test_accuracy_has_an_interval():
    share, low, high = accuracy([True, False, False, False])
    assert low < share == 75 < high


def test_flops_of_lora_on_llama_1b():
    # 1.24 billion weights, of which the 0.97 billion in the layers take 4 operations for each token
    frozen = flops(LLAMA_1B, rank=0, tokens=1, labels=0, squares=0)
    assert frozen / 4 == pytest.approx(0.973e9, rel=0.001)
    assert flops(LLAMA_1B, rank=0, tokens=0, labels=1, squares=0) / 4 == pytest.approx(0.263e9, rel=0.002)
    assert flops(LLAMA_1B, rank=32, tokens=1, labels=0, squares=0) - frozen == 6 * 22_544_384


def test_a_device_is_known_by_its_name():
    assert peak_of("NVIDIA H100 80GB HBM3") == 989
    assert peak_of("NVIDIA L40S") == 362
    assert peak_of("a toaster") is None


def test_texts_are_as_long_as_those_of_gsm8k():
    lengths = [s.messages[0].content.count("pens") for s in samples(500)]
    assert 100 < sum(lengths) / 500 < 125 and len(set(lengths)) > 50
