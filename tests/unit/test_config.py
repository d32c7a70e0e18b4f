from pathlib import Path

import pytest
import yaml

from pada_ray.config import Config, check_config, dump_config, load_config, read_raw
from pada_ray.errors import ConfigError
from pada_ray.runs.sweep import load_sweep

CONFIGS = Path(__file__).resolve().parents[2] / "configs"

MINIMAL = {
    "data": {"demo": {}},
    "llm": {
        "teacher": {"base_url": "offline", "model": "a"},
        "judge": {"base_url": "offline", "model": "b"},
    },
}


def with_values(**dotted):
    raw = yaml.safe_load(yaml.safe_dump(MINIMAL))
    for path, value in dotted.items():
        *parents, last = path.split("__")
        node = raw
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
    return raw


@pytest.mark.parametrize("file", sorted(CONFIGS.rglob("*.yaml")), ids=lambda f: str(f.relative_to(CONFIGS)))
def test_every_shipped_config_loads(file):
    with_grid = "grid" in read_raw(str(file))
    configs = [cell.config for cell in load_sweep(str(file), []).cells] if with_grid else [load_config(str(file))]
    for config in configs[:5]:
        assert check_config(yaml.safe_load(dump_config(config)), "dumped") == config


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (with_values(sed=1), r"^c.yaml: sed: unknown key; allowed here: name, runs, shared_disk, seed, "),
        (with_values(fine_tune__lora__rank=8), r"fine_tune.lora.rank: unknown key; allowed here: r, alpha, "),
        (with_values(offline__wrong=1), r"offline.wrong: unknown key; allowed here: seed, "),
        (with_values(seed="many"), r"seed: .*integer.*\(given: 'many'\)"),
        (with_values(fine_tune__gpus_per_worker="all"), r"fine_tune.gpus_per_worker: "),
        (
            with_values(data_generation__error_share="half"),
            r"data_generation.error_share: .*number.*, or Input should be 'error_rate' or 'cluster' \(given: 'half'\)",
        ),
        (with_values(fine_tune__restart="never"), r"fine_tune.restart: .*'base' or 'previous'"),
        (with_values(fine_tune__workers=3), r"fine_tune: batch_size \(8\) must be a multiple of"),
        (with_values(quality_control__threshold=11), r"quality_control.threshold: .*less than or equal to 10"),
        (with_values(data__train="a.jsonl"), r"data: give only one of `demo`, `dataset`, `file` and the files"),
        (with_values(data={"train": "a.jsonl"}), r"data: give one `file`, or the files `train` and `val`"),
        (with_values(llm__teacher={"model": "a"}), r"llm.teacher.base_url: this key is required"),
        (with_values(llm__teacher__api_key_env="sk-abc-1"), r"llm.teacher.api_key_env: "),
        (
            with_values(pattern_analysis__enabled=False, data_generation__error_share=0),
            r"config: both branches are off",
        ),
        (with_values(evaluation__workers=0), r"evaluation.workers.0: .*greater than 0"),
        (with_values(evaluation__workers=[4, 1]), r"evaluation\.workers: \[4, 1\]: put the smaller number first"),
        (
            with_values(llm__judge__vllm={"engines": [2, 1]}),
            r"llm.judge.vllm.engines: \[2, 1\]: put the smaller number first",
        ),
        (with_values(evaluation__vllm={"seed": 1}), r"evaluation: vllm: these arguments need backend: vllm"),
        (
            with_values(evaluation__backend="vllm", student__quantization="4bit"),
            r"config: evaluation.backend: vllm does not support student.quantization",
        ),
        (
            with_values(evaluation__backend="vllm", fine_tune__lora__r=1024),
            r"config: evaluation.backend: vllm supports fine_tune.lora.r up to 512",
        ),
        (with_values(data__labels=3), r"data.labels: .*tuple.*, or .*string \(given: 3\)"),
        (with_values(data__normalisation="lower"), r"data.normalisation: .*'none', 'whitespace', 'case', "),
        (with_values(data__value_schema="s"), r"data.value_schema: unknown key; allowed here: .*labels, schema, "),
        (with_values(pattern_analysis__min_clusters=11), r"min_clusters \(11\) is above max_clusters \(10\)"),
    ],
)
def test_a_wrong_config_is_one_clear_line(raw, message):
    with pytest.raises(ConfigError, match=message) as e:
        check_config(raw, "c.yaml")
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("api_key_env", "gsk_9aBcSECRETSECRETSECRET"),
        ("api_key_env", "hf_AbCdEfGhIjKlMnOpQrStUv"),
        ("base_url", "https://me:hunter2SECRET@proxy/v1"),
        ("base_url", "https://proxy/v1?api_key=hunter2SECRET"),
        ("base_url", "https://proxy/v1?api-version=3&subscription-key=hunter2SECRET"),
        ("base_url", "https://proxy/v1?x=1&access_token=hunter2SECRET"),
        ("base_url", "https://proxy/v1?sig=hunter2SECRET"),
    ],
)
def test_a_secret_that_would_be_written_to_files_is_refused_and_not_repeated(key, secret):
    with pytest.raises(ConfigError) as e:
        check_config(with_values(**{f"llm__teacher__{key}": secret}), "c.yaml")
    assert str(e.value).startswith(f"c.yaml: llm.teacher.{key}: ")
    assert secret not in str(e.value)


@pytest.mark.parametrize(
    ("section", "name", "secret"),
    [
        ("headers", "Authorization", "Bearer hunter2SECRET"),
        ("headers", "authorization", "hunter2SECRET"),
        ("headers", "X-Api-Key", "hunter2SECRET"),
        ("headers", "api-key", "hunter2SECRET"),
        ("headers", "Ocp-Apim-Subscription-Key", "hunter2SECRET"),
        ("headers", "X-Auth-Token", "hunter2SECRET"),
        ("headers", "Cookie", "session=hunter2SECRET"),
        ("headers", "X-Team", "Bearer hunter2SECRET"),
        ("headers", "X-Team", "sk-hunter2SECREThunter2"),
        ("headers", "sk-hunter2SECREThunter2", "X-Api-Key sk-hunter2SECREThunter2"),
        ("body", "api_key", "hunter2SECRET"),
        ("body", "user", "gsk_hunter2SECREThunter2"),
    ],
)
def test_a_secret_in_headers_or_body_is_refused_and_not_repeated(section, name, secret):
    with pytest.raises(ConfigError) as e:
        check_config(with_values(**{f"llm__teacher__{section}": {name: secret}}), "c.yaml")
    assert str(e.value).startswith(f"c.yaml: llm.teacher.{section}: ")
    assert "api_key_env" in str(e.value)
    assert "hunter2" not in str(e.value)


@pytest.mark.parametrize("headers", ["Bearer hunter2SECRET", {"X-Team": ["hunter2SECRET"]}, ["hunter2SECRET"]])
def test_a_header_of_a_wrong_kind_is_not_repeated(headers):
    with pytest.raises(ConfigError) as e:
        check_config(with_values(llm__teacher__headers=headers), "c.yaml")
    assert "hunter2" not in str(e.value)


def test_what_is_no_secret_is_taken():
    headers = {"X-Team": "slm", "HTTP-Referer": "https://example.org", "X-Title": "skip the basic questions"}
    body = {"reasoning_effort": "low", "max_tokens": 5, "top_k": 3, "user": "me", "stop": ["token"]}
    url = "https://example.org/v1?api-version=2026-01-01"
    teacher = {"base_url": url, "model": "m", "headers": headers, "body": body}
    assert check_config(with_values(llm__teacher=teacher), "c.yaml").llm.teacher.headers == headers


def test_a_secret_in_place_of_its_variable_is_not_repeated():
    with pytest.raises(ConfigError) as e:
        check_config(with_values(llm__teacher__api_key_env="sk-abc-1"), "c.yaml")
    assert "sk-abc-1" not in str(e.value)


def test_overrides(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text(yaml.safe_dump(MINIMAL))
    config = load_config(str(file), ["seed=7", "data.regime=300", "fine_tune.lora.r=8", "student.model=demo"])
    assert (config.seed, config.data.regime, config.fine_tune.lora.r) == (7, 300, 8)


@pytest.mark.parametrize("override", ["seed", "=3", "seed.a=1", "seed=[", "sed=1"])
def test_wrong_overrides(tmp_path, override):
    file = tmp_path / "c.yaml"
    file.write_text(yaml.safe_dump(MINIMAL | {"seed": 3}))
    with pytest.raises(ConfigError):
        load_config(str(file), [override])


@pytest.mark.parametrize("content", ["- a list", "a: [", "just text"])
def test_a_file_that_is_no_config(tmp_path, content):
    file = tmp_path / "c.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=r"c\.yaml"):
        load_config(str(file))


def test_no_such_file():
    with pytest.raises(ConfigError, match="no such config file"):
        load_config("nowhere.yaml")


def test_the_papers_settings():
    """Every number of section 3.2, as the defaults and in the shipped config."""
    paper = load_config(str(CONFIGS / "paper" / "gsm8k.yaml"))
    for config in (paper, Config.model_validate(MINIMAL)):
        assert config.pattern_analysis.max_failures == 50
        assert (config.pattern_analysis.min_clusters, config.pattern_analysis.max_clusters) == (2, 10)
        assert config.pattern_analysis.embedding.endswith("all-mpnet-base-v2")
        assert config.data_generation.ratio == 0.5
        assert config.data_generation.temperature == 0.7
        assert config.quality_control.threshold == 7
        assert config.quality_control.max_regenerations == 3
        assert (config.fine_tune.lora.r, config.fine_tune.lora.alpha, config.fine_tune.lora.dropout) == (32, 32, 0.05)
        assert (config.fine_tune.epochs, config.fine_tune.learning_rate) == (5, 2e-4)
        assert config.student.model == "meta-llama/Llama-3.2-1B-Instruct"
        assert config.data.eval_samples == 500
    assert (paper.data.dataset, paper.data.regime) == ("gsm8k", 1000)
    assert (paper.quality_control.decide, paper.quality_control.verify) == ("batch", "none")
    assert "llama-3.3-70b" in paper.llm.teacher.model.lower()
    assert "haiku" in paper.llm.judge.model.lower()


@pytest.mark.parametrize(("absent", "gap"), [(True, "absent"), (False, "rare")])
def test_the_demos_gap_as_0_1_writes_it(absent, gap):
    assert check_config(with_values(data={"demo": {"absent": absent}}), "c.yaml").data.demo.gap == gap


def test_an_override_of_one_of_two_keys_that_share_a_section_by_an_alias(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text(
        "data: {demo: {}}\nllm:\n  teacher: &one {base_url: offline, model: a, price: {prompt: 1, completion: 1}}\n"
        "  judge: *one\n"
    )
    llm = load_config(str(file), ["llm.teacher.model=b", "llm.teacher.price.prompt=2"]).llm
    assert (llm.teacher.model, llm.teacher.price.prompt) == ("b", 2)
    assert (llm.judge.model, llm.judge.price.prompt) == ("a", 1)
