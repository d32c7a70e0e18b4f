"""What a user may get wrong: a name, what is given, and the words that the one line must contain.

`CONFIGS` are lines under a config that is right otherwise. `FILES` are whole configs. `DATA` is what train.jsonl holds.
`OWN_FILES` are files of one's own, with other keys and their content. `SCHEMAS` are what data.schema holds.
`OVERRIDES` are values of `--set`. `NODES` are the keys of paths that get what is no file.
"""

from __future__ import annotations

import datetime
import io
import json

import pyarrow
import pyarrow.parquet

CONFIG = """\
name: bad
data: {demo: {}, regime: 20, eval_samples: 5}
llm:
  teacher: {base_url: offline, model: a}
  judge: {base_url: offline, model: b}
"""
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)
)

CONFIGS: list[tuple[str, str, str]] = [
    ("epochs of 10^9", "fine_tune:\n  epochs: 1000000000", "c.yaml:7: fine_tune.epochs: "),
    ("epochs of 10^30", "fine_tune: {epochs: 1000000000000000000000000000000}", "c.yaml:6: fine_tune.epochs: "),
    ("epochs of 0", "fine_tune: {epochs: 0}", "c.yaml:6: fine_tune.epochs: "),
    ("negative epochs", "fine_tune: {epochs: -3}", "c.yaml:6: fine_tune.epochs: "),
    ("epochs with a fraction", "fine_tune: {epochs: 2.5}", "c.yaml:6: fine_tune.epochs: "),
    ("epochs in words", "fine_tune: {epochs: five}", "c.yaml:6: fine_tune.epochs: "),
    ("epochs left empty", "fine_tune:\n  epochs:", "c.yaml:7: fine_tune.epochs: "),
    ("learning rate inf", "fine_tune: {learning_rate: .inf}", "c.yaml:6: fine_tune.learning_rate: "),
    ("learning rate nan", "fine_tune: {learning_rate: .nan}", "c.yaml:6: fine_tune.learning_rate: "),
    ("learning rate 0", "fine_tune: {learning_rate: 0}", "c.yaml:6: fine_tune.learning_rate: "),
    ("negative learning rate", "fine_tune: {learning_rate: -1.0e-4}", "c.yaml:6: fine_tune.learning_rate: "),
    ("learning rate 1000", "fine_tune: {learning_rate: 1000}", "c.yaml:6: fine_tune.learning_rate: "),
    ("batch size 10^12", "fine_tune: {batch_size: 1000000000000}", "c.yaml:6: fine_tune.batch_size: "),
    ("warmup above 1", "fine_tune: {warmup: 2}", "c.yaml:6: fine_tune.warmup: "),
    ("rank 0", "fine_tune:\n  lora:\n    r: 0", "c.yaml:8: fine_tune.lora.r: "),
    ("rank 10^9", "fine_tune:\n  lora:\n    r: 1000000000", "c.yaml:8: fine_tune.lora.r: "),
    ("alpha nan", "fine_tune: {lora: {alpha: .nan}}", "c.yaml:6: fine_tune.lora.alpha: "),
    ("dropout 1", "fine_tune: {lora: {dropout: 1}}", "c.yaml:6: fine_tune.lora.dropout: "),
    ("no workers", "fine_tune: {workers: 0}", "c.yaml:6: fine_tune.workers.0: "),
    ("a section that is a list", "fine_tune: [epochs, 3]", "c.yaml:6: fine_tune: "),
    ("a section that is a text", "evaluation: fast", "c.yaml:6: evaluation: "),
    ("a section that is empty", "evaluation:", "c.yaml:6: evaluation: "),
    ("ratio 1e300", "data_generation: {ratio: 1.0e+300}", "c.yaml:6: data_generation.ratio: "),
    ("ratio inf", "data_generation: {ratio: .inf}", "c.yaml:6: data_generation.ratio: "),
    ("negative ratio", "data_generation: {ratio: -0.5}", "c.yaml:6: data_generation.ratio: "),
    ("temperature nan", "data_generation: {temperature: .nan}", "c.yaml:6: data_generation.temperature: "),
    ("candidate budget inf", "data_generation: {candidate_budget: .inf}", "data_generation.candidate_budget: "),
    ("10^9 iterations", "iterations: 1000000000", "c.yaml:6: iterations: "),
    ("iterations true", "iterations: [true]", "c.yaml:6: iterations: "),
    ("seed of 10^40", f"seed: {10**40}", "c.yaml:6: seed: "),
    ("seed of 10^5 digits", f"seed: {'9' * 100_000}", "c.yaml: not readable as YAML: "),
    ("an unknown key", "sed: 1", "c.yaml:6: sed: unknown key; allowed here: name, "),
    ("an unknown key below", "student:\n  model: demo\n  modle: x", "c.yaml:8: student.modle: unknown key"),
    ("a key twice", "seed: 1\nseed: 2", "c.yaml:7: seed: this key stands at line 6 already"),
    ("a key twice below", "student: {model: demo, model: x}", "c.yaml:6: model: this key stands at line 6 already"),
    ("a section twice", "data: {demo: {}}", "c.yaml:6: data: this key stands at line 2 already"),
    ("a key that is a number", "7: x", "c.yaml"),
    ("a key that is a list", "[a, b]: x", "c.yaml:6: not readable as YAML: found unhashable key"),
    ("a threshold of 11", "quality_control: {threshold: 11}", "c.yaml:6: quality_control.threshold: "),
    (
        "regenerations of 10^9",
        "quality_control: {max_regenerations: 1000000000}",
        "quality_control.max_regenerations: ",
    ),
    (
        "clusters in the wrong order",
        "pattern_analysis: {min_clusters: 9, max_clusters: 3}",
        "c.yaml:6: pattern_analysis: ",
    ),
    ("max_length 0", "student: {max_length: 0}", "c.yaml:6: student.max_length: "),
    ("max_new_tokens 10^12", "evaluation: {max_new_tokens: 1000000000000}", "c.yaml:6: evaluation.max_new_tokens: "),
    ("budget nan", "budget: {usd: .nan}", "c.yaml:6: budget.usd: "),
    ("negative budget", "budget: {tokens: -1}", "c.yaml:6: budget.tokens: "),
    ("a method that is not there", "method: padda", "method: 'padda' is unknown; use one of "),
    ("a backend that is not there", "evaluation: {backend: fast}", "evaluation.backend: 'fast' is unknown"),
    ("rates of faults above 1", "offline: {faults: {hang: 0.9, empty: 0.9}}", "c.yaml:6: offline.faults: "),
    ("latency inf", "offline: {latency_ms: .inf}", "c.yaml:6: offline.latency_ms: "),
    ("a date for a number", "seed: 2024-02-30", "c.yaml: not readable as YAML: "),
    ("an object of Python", "seed: !!python/object/apply:os.system [id]", "c.yaml:6: not readable as YAML: could not"),
    ("an alias of nothing", "seed: *nothing", "c.yaml:6: not readable as YAML: found undefined alias"),
    ("an alias of itself", "prompts: &a [*a]", "c.yaml:6: an alias stands inside of what it names"),
    ("a tab", "fine_tune:\n\tepochs: 3", "c.yaml:7: not readable as YAML: found character '\\t'"),
    ("a quote that does not end", "name2: 'abc", "not readable as YAML: found unexpected end of stream"),
    ("a NUL in a text", 'prompts: "a\\0b"', "c.yaml:6: a NUL character in a value"),
    ("25,000 values", f"prompts: [{', '.join('1' * 25_000)}]", "more than 20,000 values"),
    ("templates in no folder", "prompts: /no/such/folder", "/no/such/folder"),
]

FILES: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "c.yaml: a config is a mapping of keys"),
    ("a list", b"- a\n- b\n", "c.yaml: a config is a mapping of keys"),
    ("a text", b"just words\n", "c.yaml: a config is a mapping of keys"),
    ("a million brackets", b"[" * 1_000_000, "c.yaml: larger than 262,144 bytes"),
    ("a deep nest of brackets", b"[" * 200_000, "c.yaml: not readable as YAML: nested too deep"),
    ("a deep nest of braces", b"{" * 200_000, "c.yaml: not readable as YAML: nested too deep"),
    ("two megabytes", b"# " + b"x" * 2_000_000, "c.yaml: larger than 262,144 bytes"),
    ("a YAML bomb", BOMB.encode(), "values; a config has some hundreds"),
    ("a bomb of merges", b"a: &a {x: 1}\nb: &b {<<: [" + b"*a, " * 9_000 + b"*a]}\nc: [" + b"*b, " * 99 + b"*b]\n",
     "values; a config has some hundreds"),
    ("UTF-16", CONFIG.encode("utf-16"), "c.yaml: not UTF-8 (invalid start byte at byte 0); save it as UTF-8"),
    ("Latin-1", CONFIG.replace("bad", "schön").encode("latin-1"), "c.yaml: not UTF-8"),
    ("NUL bytes", CONFIG.encode() + b"seed: \0\0\0\n", "c.yaml: not readable as YAML: "),
    ("control characters", CONFIG.encode() + b"seed: \x07\n", "c.yaml: not readable as YAML: "),
    ("two documents", CONFIG.encode() + b"---\nseed: 1\n", "c.yaml:6: not readable as YAML: "),
    ("a program", b"\x7fELF\x02\x01\x01" + bytes(200), "c.yaml: "),
    ("a grid", CONFIG.encode() + b"grid: {seed: [1, 2]}\n", "c.yaml: this file has a grid; run it with `pada sweep"),
    ("no endpoint", b"data: {demo: {}}\n", "llm.teacher: this key is required"),
    ("no data", CONFIG.replace("data: {demo: {}, regime: 20, eval_samples: 5}\n", "").encode(), "data: this key"),
    ("a regime of 10^9 lines", CONFIG.replace("20", "1000000000").encode(), "c.yaml:2: data.regime: "),
    ("a regime of 10^6 problems", CONFIG.replace("20", "1000000").encode(), "c.yaml:2: data: the demo has at most"),
    ("a negative regime", CONFIG.replace("20", "-20").encode(), "c.yaml:2: data.regime: "),
    ("a name with a slash", CONFIG.replace("bad", "../../etc").encode(), "c.yaml:1: name: "),
    ("a name of 5000 letters", CONFIG.replace("bad", "x" * 5000).encode(), "c.yaml:1: name: "),
    ("a timeout of inf", CONFIG.replace("model: a", "model: a, timeout: .inf").encode(), "c.yaml:4: llm.teacher.t"),
    ("no retry in words", CONFIG.replace("model: b", "model: b, max_retries: no").encode(), "llm.judge.max_retries: "),
    ("a list for an endpoint", CONFIG.replace("{base_url: offline, model: a}", "[a]").encode(), "c.yaml:4: llm.tea"),
    ("a price that is negative", CONFIG.replace("model: a", "model: a, price: {prompt: -1, completion: 1}").encode(),
     "c.yaml:4: llm.teacher.price.prompt: "),
]  # fmt: skip


def _line(**changes: object) -> str:
    messages = [{"role": "user", "content": "What is 1 + 1?"}, {"role": "assistant", "content": "#### 2"}]
    return json.dumps({"id": "a", "messages": messages, "task": "math", "answer": "2"} | changes)


RIGHT = _line()
DATA: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "train.jsonl: no samples in it"),
    ("blank lines", b"\n \n\t\n", "train.jsonl: no samples in it"),
    ("no JSON", RIGHT.encode() + b"\n{oops\n", "train.jsonl:2: not JSON"),
    ("half of a line", RIGHT.encode()[:60], "train.jsonl:1: not JSON"),
    ("a million brackets", b"[" * 1_000_000, "train.jsonl:1: not JSON"),
    ("a number", b"17\n", "train.jsonl:1: not a JSON object"),
    ("NaN", b"NaN\n", "train.jsonl:1: not a JSON object"),
    ("a number of 10^5 digits", b"9" * 100_000, "train.jsonl:1: not JSON"),
    ("NUL bytes", bytes(1000), "train.jsonl:1: not JSON"),
    ("UTF-16", (RIGHT + "\n").encode("utf-16"), "train.jsonl: not UTF-8"),
    ("Latin-1", _line(id="é").replace("\\u00e9", "é").encode("latin-1"), "train.jsonl: not UTF-8"),
    ("half of a character", _line(meta={"from": "\ud83d"}).encode(), "train.jsonl:1: "),
    ("a program", b"\x7fELF\x02\x01\x01\xff" + bytes(200), "train.jsonl: not UTF-8"),
    ("a line without an end", b"x" * (2**24 + 5), "train.jsonl:1: longer than 16,777,216 characters"),
    ("an id that is a number", _line(id=3).encode(), "train.jsonl:1: `id`: "),
    ("an id twice", f"{RIGHT}\n{RIGHT}".encode(), "train.jsonl:2: id 'a' is also at "),
    ("messages that are a text", _line(messages="hi").encode(), "train.jsonl:1: `messages`: "),
    ("no reply", _line(messages=[{"role": "user", "content": "x"}]).encode(), "train.jsonl:1: `messages`: "),
    ("an unknown role", _line(messages=[{"role": "x", "content": ""}] * 2).encode(), "has the unknown role 'x'"),
    ("a task that is not there", _line(task="maths").encode(), "train.jsonl:1: task 'maths' is unknown"),
    ("a task that is a number", _line(task=1).encode(), "train.jsonl:1: `task`: "),
    ("a wrong answer", _line(answer="5").encode(), "train.jsonl:1: the reference reply does not satisfy `answer`"),
    ("a question of val", _line(id="t").encode(), "val.jsonl:1: the same question is at "),
]  # fmt: skip

CHAT = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": None}]


def _rows(row: object) -> bytes:
    return f"{json.dumps(row)}\n".encode() * 20


def _calls(**made: object) -> bytes:
    return _rows({"messages": [CHAT[0], CHAT[1] | made]})


def _table(**columns: object) -> bytes:
    """A Parquet file with one value of each column in each of 20 rows."""
    written = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({name: [value] * 20 for name, value in columns.items()}), written)
    return written.getvalue()


DAY, TEXT = datetime.date(2024, 1, 2), ", question: text, answer: label"
OWN_FILES: list[tuple[str, str, bytes, str]] = [
    ("calls as a text", "x.jsonl", _calls(tool_calls='[{"name": "f", "arguments": {}}]'), "x.jsonl:1: `tool_calls`"),
    ("calls that are a number", "x.jsonl", _calls(tool_calls=7), "x.jsonl:1: `tool_calls`"),
    ("calls that are texts", "x.jsonl", _calls(tool_calls=["f()"]), "x.jsonl:1: a function call is"),
    ("calls of a text", "x.jsonl", _calls(tool_calls=[{"function": "f"}]), "x.jsonl:1: a function call is"),
    ("a call that is a text", "x.jsonl", _calls(function_call="f(1)"), "x.jsonl:1: a function call is"),
    ("a call that is a list", "x.jsonl", _calls(function_call=["f"]), "x.jsonl:1: a function call is"),
    ("arguments that are NaN", "x.jsonl", _calls(function_call={"name": "f", "arguments": {"x": float("nan")}}),
     "x.jsonl:1: "),
    ("rows without columns", "x.jsonl", _rows({}), "x.jsonl: no columns in it"),
    ("an array of such rows", "x.json", b"[{}, {}]", "x.json: no columns in it"),
    ("such rows with named columns", f"x.jsonl{TEXT}", _rows({}), "x.jsonl: no columns in it"),
    ("a cell too many", "x.csv", b"text,label\nhello, world,pos\nfine,neg\n", "x.csv: rows have more cells"),
    ("a column of dates", f"x.parquet{TEXT}", _table(text=DAY, label="a"), "x.parquet: row 1: `text` "),
    ("dates in a text", 'x.parquet, question: "{text} on {day}", answer: label', _table(text="a", day=DAY, label="b"),
     "x.parquet: row 1: `day` "),
    ("answers that are dates", f"x.parquet{TEXT}", _table(text="a", label=DAY), "x.parquet: row 1: `label` "),
    ("answers that are bytes", f"x.parquet{TEXT}", _table(text="a", label=b"b"), "x.parquet: row 1: `label` "),
    ("answers of NaN", f"x.parquet{TEXT}", _table(text="a", label=float("nan")), "x.parquet: row 1: `label` is empty"),
    ("answers of inf", f"x.parquet{TEXT}", _table(text="a", label=float("inf")), "x.parquet: row 1: `label` "),
    ("NaN in an answer", f"x.jsonl{TEXT}", _rows({"text": "a", "label": [float("nan")]}), "x.jsonl:1: `label` "),
    ("dates in an answer", f"x.parquet{TEXT}", _table(text="a", label={"day": DAY}), "x.parquet: row 1: `label` "),
    ("dates in a layout", "x.parquet", _table(text="a", label={"day": DAY}), "x.parquet: row 1: "),
    ("dates in tools", "x.parquet", _table(messages=[CHAT[0], {"role": "assistant", "content": "b"}], tools=[DAY]),
     "x.parquet: row 1: "),
]  # fmt: skip

SCHEMAS: list[tuple[str, str, str]] = [
    ("a remote reference", '{"$ref": "https://example.com/x"}', "https://example.com/x"),
    ("one below", '{"properties": {"a": {"$ref": "https://example.com/x"}}}', "https://example.com/x"),
    ("one that leads nowhere", '{"items": {"$ref": "#/$defs/none"}}', "#/$defs/none"),
]

OVERRIDES: list[tuple[str, str, str]] = [
    ("no value", "seed", "--set seed: write it as key.path=value"),
    ("no key", "=3", "--set =3: write it as key.path=value"),
    ("no YAML", "seed=[", "--set seed=[: the value is not valid YAML"),
    ("a bomb", "seed=" + "[" * 100_000, "the value is not valid YAML"),
    ("below a value", "seed.a=1", ""),
    ("an unknown key", "sed=1", "c.yaml: sed: unknown key"),
    ("learning rate inf", "fine_tune.learning_rate=.inf", "c.yaml: fine_tune.learning_rate: "),
    ("epochs of 10^9", "fine_tune.epochs=1000000000", "c.yaml: fine_tune.epochs: "),
    ("a NUL", 'prompts="a\\0"', "the value is not valid YAML"),
]

NODES = ["config", "data.train", "data.val", "data.labels", "data.schema", "fine_tune.deepspeed", "prompts"]
