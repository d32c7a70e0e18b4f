"""The student evaluated by vLLM, and an LLM served by it. `make vllm-check` runs this, with vLLM for the CPU."""

from __future__ import annotations

import asyncio
import importlib.util

import pytest
import torch
from peft import LoraConfig, get_peft_model
from pydantic import BaseModel
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from actors.llm_server import serve_model
from pada_ray.config import EndpointConfig, EvaluationConfig, StudentConfig, VllmServerConfig
from pada_ray.errors import EndpointError
from pada_ray.llm.ask import ask
from pada_ray.llm.chat import ChatRequest, Payer
from pada_ray.llm.client import GatewayLlm
from pada_ray.llm.gateway import LlmGateway
from pada_ray.records import Message
from pada_ray.runs import run_files
from pada_ray.student.chat_encoder import model_location
from pada_ray.student.evaluation import evaluate
from pada_ray.student.evaluation_job import EvaluationJob
from pada_ray.student.model import Student, load_model

if importlib.util.find_spec("vllm") is None:
    pytest.skip("vLLM is not installed; `make vllm-check` installs it", allow_module_level=True)

ADAPTER = "some-adapter"
EAGER = {"enforce_eager": True}  # or torch.compile takes a minute
QUESTION = Message(role="user", content="What is 2 + 2?")


@pytest.fixture(scope="module")
def student(tmp_path_factory) -> StudentConfig:
    """The embedded student's tokenizer and a model whose heads are of a width that vLLM's CPU kernels know. Its weights
    are drawn at random, and widely, so that no two tokens are as good as equally likely."""
    folder = tmp_path_factory.mktemp("student")
    demo = model_location("demo")
    AutoTokenizer.from_pretrained(demo).save_pretrained(folder)
    GenerationConfig.from_pretrained(demo).save_pretrained(folder)
    sizes = {"hidden_size": 128, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 64}
    config = AutoConfig.from_pretrained(demo, initializer_range=0.2, **sizes)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return StudentConfig(model=str(folder), max_length=512)


@pytest.fixture
def adapter(run, student) -> str:
    """An adapter that changes what the student says, with weights drawn at random too."""
    settings = LoraConfig(r=12, lora_alpha=12, target_modules="all-linear", init_lora_weights=False)
    get_peft_model(load_model(student), settings).save_pretrained(run.at(ADAPTER))
    return ADAPTER


def job(run, student, backend: str, adapter: str | None) -> EvaluationJob:
    return EvaluationJob(
        run=run.url,
        splits={split: run_files.split(split) for split in ("train", "val", "test")},
        adapter=adapter,
        student=student,
        settings=EvaluationConfig(
            backend=backend, vllm=EAGER if backend == "vllm" else {}, batch_size=8, max_new_tokens=24
        ),
    )


def test_both_backends_say_the_same(run, student, adapter):
    said = {}
    for model in (None, adapter):
        ours, theirs = (evaluate(job(run, student, backend, model)) for backend in ("transformers", "vllm"))
        assert theirs == ours
        said[model] = [p.reply for p in ours]
    assert said[None] != said[adapter]


def test_a_model_that_the_cluster_serves(student, tmp_path):
    from ray import serve

    class Score(BaseModel):
        score: int

    settings = VllmServerConfig(arguments={"max_model_len": 512, "dtype": "float32", **EAGER}, gpus_per_engine=0)
    endpoint = EndpointConfig(base_url="vllm", model=student.model, max_tokens=64, vllm=settings, timeout=300)

    async def story(address: str):
        gateway = LlmGateway(endpoint, str(tmp_path / "replies.sqlite"), address)
        llm = GatewayLlm(gateway, Payer(run="me"), "judge")
        try:
            await gateway.check()
            request = ChatRequest(messages=[QUESTION], purpose="test", reply_schema=None, temperature=0.0, seed=None)
            reply = await llm.chat(request)
            score = await ask(llm, "Rate this from 1 to 10.", Score, purpose="rating", max_reasks=0)
            return reply, score, await gateway.usage("me")
        finally:
            await gateway.close()

    with serve_model(student.model, settings) as address:
        reply, score, usage = asyncio.run(story(address))
    # The same engine as evaluation has, on the same prompt.
    (alone,) = Student(student).replies([[QUESTION]], max_new_tokens=64, batch_size=1)
    assert (reply.text.strip(), reply.cut_off) == (alone.text, alone.truncated)
    assert isinstance(score.score, int)  # vLLM holds even a model of random weights to the schema
    assert sum(u.calls for u in usage) == 2
    assert all(u.prompt_tokens > 1 and u.completion_tokens > 1 for u in usage)
    assert not serve.status().applications


def test_what_keeps_an_engine_from_starting_is_told_in_a_line(student):
    from ray import serve

    settings = VllmServerConfig(gpus_per_engine=0, arguments={"max_model_len": 10**6, **EAGER})
    with (
        pytest.raises(EndpointError, match=f"{student.model} cannot be served: .*max_model_len") as told,
        serve_model(student.model, settings),
    ):
        pass
    assert "\n" not in str(told.value)
    assert not serve.status().applications
