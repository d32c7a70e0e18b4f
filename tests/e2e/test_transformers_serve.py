"""`transformers serve`, a real server that is not ours, as teacher and judge. Its model, the embedded student, writes
nonsense, so every reply is one that cannot be read."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest
from builders import chat_request
from conftest import ROOT, pada, read_state, settings
from local_server import LocalServer
from pydantic import BaseModel

from pada_ray.config import EndpointConfig, StudentConfig
from pada_ray.errors import EndpointError, UnreadableReply
from pada_ray.llm.ask import ask
from pada_ray.llm.chat import Payer
from pada_ray.llm.client import GatewayLlm
from pada_ray.llm.gateway import LlmGateway
from pada_ray.student.chat_encoder import load_tokenizer, model_location

MODEL = model_location("demo")
ME = Payer(run="me")


class Serve(LocalServer):
    def __init__(self, log: Path):
        transformers = str(Path(sys.executable).parent / "transformers")
        super().__init__([transformers, "serve", MODEL, "--device", "cpu"], log, HF_HUB_OFFLINE="1")
        self.url = f"{self.address}/v1"

    @property
    def calls(self) -> int:
        return self.log.read_text().count("POST /v1/chat/completions")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One for all tests here; the last one stops it."""
    with Serve(tmp_path_factory.mktemp("serve") / "log") as running:
        yield running


def request(**fields):
    return chat_request("What is 2 + 2?", **fields)


def with_gateway(folder, url, story, **endpoint):
    """What `story(gateway)` gives, with a gateway to the server."""

    async def run():
        config = EndpointConfig(**{"base_url": url, "model": MODEL, "max_tokens": 16, "max_retries": 1} | endpoint)
        gateway = LlmGateway(config, str(folder / "replies.sqlite"))
        try:
            return await story(gateway)
        finally:
            await gateway.close()

    return asyncio.run(run())


def test_replies_and_their_tokens(server, tmp_path):
    async def story(gateway):
        await gateway.check()
        short = await gateway.chat(request(), ME, "teacher")
        return short, (await gateway.usage("me"))[0]

    reply, usage = with_gateway(tmp_path, server.url, story, body={"max_tokens": 4})
    assert reply.text
    assert reply.cut_off
    assert (usage.calls, usage.completion_tokens) == (1, 4)
    tokenizer = load_tokenizer(StudentConfig(model="demo"))
    prompt = [{"role": "user", "content": request().messages[0].content}]
    assert usage.prompt_tokens == len(tokenizer.apply_chat_template(prompt, add_generation_prompt=True)["input_ids"])


def test_a_reply_that_ends_by_itself_is_not_cut_off(server, tmp_path):
    async def story(gateway):
        return await gateway.chat(request(), ME, "teacher")

    reply = with_gateway(tmp_path, server.url, story, max_tokens=400)
    assert not reply.cut_off


def test_it_samples_where_it_is_told_to(server, tmp_path):
    """As docs/endpoints.md has it: by itself this server takes no notice of the temperature."""

    async def story(gateway):
        replies = [await gateway.chat(request(seed=seed, temperature=1.5), ME, "teacher") for seed in range(5)]
        return {reply.text for reply in replies}

    assert len(with_gateway(tmp_path, server.url, story)) == 1
    sampling = {"generation_config": '{"do_sample": true}'}
    assert len(with_gateway(tmp_path, server.url, story, body=sampling)) > 1


def test_what_it_refuses_is_told_in_a_line(server, tmp_path):
    async def story(gateway):
        with pytest.raises(EndpointError) as told:
            await gateway.chat(request(), ME, "teacher")
        return str(told.value)

    other = with_gateway(tmp_path, server.url, story, model="another-model")
    assert f"Server is pinned to '{MODEL}'; requested 'another-model'" in other
    assert "Unexpected fields in the request: {'top_kk'}" in with_gateway(
        tmp_path, server.url, story, body={"top_kk": 5}
    )
    assert "says: " in with_gateway(tmp_path, server.url.removesuffix("/v1"), story)


def test_nonsense_is_asked_for_again_and_is_never_an_answer(server, tmp_path):
    class Score(BaseModel):
        score: int

    async def story(gateway):
        llm = GatewayLlm(gateway, ME, "judge")
        before = server.calls
        with pytest.raises(UnreadableReply, match="rating: no readable reply in 3 attempts"):
            await ask(llm, "Rate this from 1 to 10.", Score, purpose="rating", max_reasks=2)
        return server.calls - before, (await gateway.usage("me"))[0]

    calls, usage = with_gateway(tmp_path, server.url, story)
    assert calls == usage.calls == 3


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_on_nonsense_ends_and_says_what_is_missing(server, tmp_path):
    endpoint = {
        f"llm.{role}.{key}": value
        for role in ("teacher", "judge")
        for key, value in {"base_url": server.url, "model": MODEL, "max_tokens": 16}.items()
    }
    small = {"data.regime": 16, "data.eval_samples": 8, "fine_tune.epochs": 1}
    small |= {"llm.max_reasks": 1, "data_generation.candidate_budget": 1}
    pada("run", str(ROOT / "configs/demo.yaml"), *settings(**endpoint, **small), cwd=tmp_path)
    said = pada("show", "runs/demo", cwd=tmp_path).stdout
    state = read_state(tmp_path / "runs" / "demo")
    counts = state.counts["iteration-1"]
    assert state.status == "done"
    assert (counts["failures_analysed"], counts["accepted"]) == (0, 0)
    assert counts["failures_unread"] > 0
    assert counts["shortfall"] == counts["quota"] == 8
    assert re.search(r"errors\s+│\s+8\s+│\s+0 ", said)
    assert sum(u.calls for u in state.usage) > 4


def test_a_server_that_is_stopped_is_told(server, tmp_path):
    async def story(gateway):
        await gateway.check()
        server.stop()
        with pytest.raises(EndpointError, match="cannot be reached"):
            await gateway.chat(request(), ME, "teacher")

    with_gateway(tmp_path, server.url, story, patience=0)
