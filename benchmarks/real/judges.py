"""What a judge is worth: how often it passes right samples, and how often wrong ones that look as good.

    python -m benchmarks.real.judges --data banking77 --samples 60 --out benchmarks/results/judges.md

Validation samples are right. A wrong one has the reply of the training sample that is most like it, of those whose
reply is another. Both are checked as new samples are: by agreement, where the judge answers the question unseen, and by
its ratings. A judge that passes as many wrong ones as right ones is noise.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.real.models import EMBEDDING, JUDGE, STUDENT, TEACHER
from benchmarks.real.server import serving
from pada_ray.agents.asking import Asking
from pada_ray.agents.brief import brief_on
from pada_ray.agents.nearest import Finder
from pada_ray.agents.planted import as_screened, planted
from pada_ray.agents.quality_control import QualityControlAgent
from pada_ray.agents.training_samples import TrainingSamples
from pada_ray.config import Config, EndpointConfig, QualityControlConfig, check_config
from pada_ray.data.given import knowledge_of
from pada_ray.data.splits import read_data
from pada_ray.llm.chat import Payer
from pada_ray.llm.client import GatewayLlm
from pada_ray.llm.gateway import LlmGateway
from pada_ray.records import Sample

WAYS = {
    "agreement": QualityControlConfig(verify="agreement", judge=False),
    "ratings": QualityControlConfig(verify="none"),
}


class Passed(NamedTuple):
    """Of how many right and wrong samples how many passed, and the seconds that it took."""

    judge: str
    way: str
    right: float  # share, 0 to 1
    wrong: float
    samples: int
    seconds: float


def read(name: str, count: int) -> tuple[Config, list[Sample], list[Sample]]:
    """The config of the data, train, and the samples of val to try."""
    endpoint = {"base_url": "http://127.0.0.1:1/v1", "model": "a"}
    raw = {
        "data": {"dataset": name, "folder": "examples/data", "regime": 300},
        "student": {"model": f"models/{STUDENT.name}"},
        "llm": {"teacher": endpoint, "judge": endpoint},
    }
    config = check_config(raw, "judges")
    samples = read_data(config)
    return config, samples["train"], samples["val"][:count]


async def passed(url: str, judge: str, data: str, count: int) -> list[Passed]:
    """What passes each way of checking."""
    config, train, tried = read(data, count)
    knowledge = knowledge_of(config.data, train)
    brief = brief_on(train, knowledge)
    finder = Finder(f"models/{EMBEDDING.name}", 0)
    known = TrainingSamples(train, finder)
    asking = Asking(prompts=None, max_reasks=1, seed=0, brief=brief)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        endpoint = EndpointConfig(base_url=url, model=judge, max_in_flight=4, max_tokens=4096)
        gateway = LlmGateway(endpoint, f"{folder}/replies.sqlite")
        llm = GatewayLlm(gateway, Payer(run=folder), "judge")
        for way, settings in WAYS.items():
            agent = QualityControlAgent(llm, settings, asking, known)
            began, shares = time.monotonic(), []
            for wrong in (False, True):
                batch, candidates = await planted(tried, train, brief, finder.nearest, wrong=wrong)
                assessed = await agent.assess(batch, candidates)
                if settings.confirms:
                    assessed = as_screened(assessed, knowledge)
                shares.append(sum(c.rejected is None for c in assessed) / len(assessed))
            found.append(Passed(judge, way, *shares, len(tried), time.monotonic() - began))
            print(_line(found[-1]), flush=True)
        await gateway.close()
    return found


def _line(p: Passed) -> str:
    return f"| {p.judge} | {p.way} | {100 * p.right:.0f} | {100 * p.wrong:.0f} | {p.samples} | {p.seconds:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="banking77", choices=["banking77", "snips"])
    parser.add_argument("--samples", type=int, default=60, help="of val, each once right and once wrong")
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    columns = [f"judge ({given.data})", "checks by", "right ones passed, %", "wrong ones passed, %", "samples", "s"]
    head = f"| {' | '.join(columns)} |\n|---|---|---:|---:|---:|---:|"
    print(head)
    lines = []
    for model in (TEACHER, JUDGE):
        with serving(given.models / model.name, 8111) as url:
            lines += [_line(p) for p in asyncio.run(passed(url, model.name, given.data, given.samples))]
    if given.out:
        given.out.write_text("\n".join([head, *lines]) + "\n")


if __name__ == "__main__":
    main()
