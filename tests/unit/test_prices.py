"""Prices that ship as data: whose they are, when they apply, and what every total says of them."""

import datetime
from importlib.resources import files
from urllib.parse import urlsplit

import pytest
import yaml
from typer.testing import CliRunner

from jobs.cli import app
from pada_ray.config import Config, EndpointConfig, Price, check_config, dump_config
from pada_ray.config.prices import _listed, listed_price
from pada_ray.errors import ConfigError
from pada_ray.llm.account import by_which_list

OPENAI, ANTHROPIC = "https://api.openai.com/v1", "https://api.anthropic.com/v1"
LLM = {
    "teacher": {"base_url": OPENAI, "model": "gpt-4.1-mini"},
    "judge": {"base_url": ANTHROPIC, "model": "claude-haiku-4-5"},
}


def config(**llm):
    return check_config({"data": {"demo": {}}, "llm": LLM | llm}, "test")


def test_every_listed_price_has_a_day_and_a_source_and_can_be_a_price():
    text = files("pada_ray.config").joinpath("prices.yaml").read_text("utf-8")
    for seller in yaml.safe_load(text):
        assert isinstance(seller["seen"], datetime.date)
        assert seller["seen"] <= datetime.date.today()
        assert urlsplit(seller["source"]).scheme == "https"
    prices = [price for price in _listed().values() if price]
    assert len(prices) >= 25
    for price in prices:
        assert 0 < Price(**price._asdict()).prompt <= price.completion


@pytest.mark.parametrize(
    ("base_url", "model", "prompt"),
    [
        (OPENAI, "gpt-4.1-mini", 0.4),
        (OPENAI, "gpt-4.1-mini-2025-04-14", 0.4),  # a snapshot
        (ANTHROPIC, "claude-haiku-4-5-20251001", 1.0),
        (OPENAI, "gpt-4.1-mini-high", None),  # another model, for all we know
        (OPENAI, "gpt-4.1-min", None),
        (OPENAI, "gpt-4o-2024-05-13", None),  # a snapshot whose price is another
        ("https://my-proxy.example/v1", "gpt-4.1-mini", None),  # sold by somebody else
        ("offline", "gpt-4.1-mini", None),
        ("vllm", "meta-llama/Llama-3.3-70B-Instruct-Turbo", None),
    ],
)
def test_a_price_belongs_to_a_host_and_a_model(base_url, model, prompt):
    found = listed_price(base_url, model)
    assert (found.prompt if found else None) == prompt


def test_an_endpoint_has_the_listed_price_unless_it_gives_its_own():
    listed = EndpointConfig(base_url=OPENAI, model="gpt-4.1-mini").price
    assert (listed.prompt, listed.completion, str(listed.listed)) == (0.4, 1.6, "2026-08-05")
    own = EndpointConfig(base_url=OPENAI, model="gpt-4.1-mini", price=Price(prompt=1, completion=2)).price
    assert own == Price(prompt=1, completion=2)
    given = config(teacher=LLM["teacher"] | {"price": {"prompt": 0, "completion": 0}})
    assert given.llm.teacher.price == Price(prompt=0, completion=0)


def test_a_run_keeps_the_price_that_it_began_with_until_its_model_changes():
    raw = yaml.safe_load(dump_config(config()))
    raw["llm"]["teacher"]["price"] |= {"prompt": 9.0, "listed": "2026-01-01"}  # as an older list had it
    kept = Config.model_validate(raw).llm.teacher.price
    assert (kept.prompt, str(kept.listed)) == (9.0, "2026-01-01")
    raw["llm"]["teacher"]["model"] = "gpt-4.1"
    assert Config.model_validate(raw).llm.teacher.price.prompt == 2.0
    raw["llm"]["teacher"]["model"] = "nobody-knows"
    assert Config.model_validate(raw).llm.teacher.price is None


def test_a_budget_in_usd_takes_listed_prices_and_refuses_a_model_without_one():
    raw = {"data": {"demo": {}}, "budget": {"usd": 5}}
    assert check_config(raw | {"llm": LLM}, "test").budget.usd == 5
    with pytest.raises(ConfigError, match=r"budget\.usd needs llm\.judge\.price"):
        check_config(raw | {"llm": LLM | {"judge": {"base_url": ANTHROPIC, "model": "nobody-knows"}}}, "test")


def test_a_total_names_the_days_of_its_lists():
    assert by_which_list([config()]) == " by the list of 2026-08-05"
    newer = {"base_url": ANTHROPIC, "model": "claude-sonnet-5"}
    assert by_which_list([config(judge=newer)]) == " by the list of 2026-08-05 and 2026-09-07"
    own = {"price": {"prompt": 1, "completion": 1}}
    assert by_which_list([config(teacher=LLM["teacher"] | own, judge=LLM["judge"] | own)]) == ""


@pytest.mark.parametrize(
    ("judge", "end"),
    [
        (LLM["judge"], " USD by the list of 2026-08-05"),
        (LLM["judge"] | {"model": "m"}, " USD by the list of 2026-08-05, no price for llm.judge"),
    ],
)
def test_a_plan_ends_with_its_total(tmp_path, monkeypatch, judge, end):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(
        yaml.safe_dump({"data": {"demo": {}, "regime": 100}, "llm": LLM | {"judge": judge}})
    )
    said = CliRunner().invoke(app, ["plan", "c.yaml"])
    (total,) = [line for line in said.output.splitlines() if line.startswith("In all: ")]
    assert total.endswith(end)
    assert 0 < float(total.partition(" tokens, ")[2].partition(" USD")[0]) < 10
