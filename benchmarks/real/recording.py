"""Keeps what a sweep or a run with real models said, and takes its agents through it again.

    python -m benchmarks.real.recording pack runs/real-table benchmarks/results/real_table
    python -m benchmarks.real.recording pack runs/real-smoke-snips benchmarks/results/real_smoke
    python -m benchmarks.real.recording replay benchmarks/results/real_table

Of each finished run the archive has its config, the student's replies that the prompts were made from, the training
sets, and the replies of teacher and judge. Another processor may reply otherwise and then ask otherwise, so the replay
takes the student's recorded replies, trains nothing, and asks no model: it must come to the same training sets, byte
for byte.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.kept_sweep import config_to_keep, extract, write_archive
from jobs.local.run_folder import cache_file, lay_out
from pada_ray.agents.asking import Asking
from pada_ray.agents.brief import read_brief
from pada_ray.agents.data_generation import DataGenerationAgent
from pada_ray.agents.nearest import Finder
from pada_ray.agents.pattern_analysis import PatternAnalysisAgent
from pada_ray.agents.quality_control import QualityControlAgent
from pada_ray.agents.quotas import Augmentation, AugmentationJob, fill_quotas
from pada_ray.agents.screening import Screen
from pada_ray.agents.training_samples import TrainingSamples
from pada_ray.config import Config, EndpointConfig, check_config
from pada_ray.data.splits import read_data
from pada_ray.llm.chat import ChatReply, ChatRequest, Payer
from pada_ray.llm.client import GatewayLlm
from pada_ray.llm.database import open_database
from pada_ray.llm.gateway import LlmGateway
from pada_ray.llm.reply_cache import ReplyCache
from pada_ray.orchestrator import Orchestrator, Workers
from pada_ray.records import Batch, Candidate, Prediction
from pada_ray.runs import run_files
from pada_ray.runs.configs import read_config
from pada_ray.runs.state import is_done, read_state
from pada_ray.runs.sweep import CELLS
from pada_ray.runs.sweep import FILE as SWEEP
from pada_ray.storage import Folder
from pada_ray.student.evaluation_job import EvaluationJob
from pada_ray.student.fine_tune import REPORT, FineTuneJob, FineTuneReport
from pada_ray.student.losses import SampleLoss

REPLIES = "replies.jsonl"
_NOWHERE = "http://127.0.0.1:1/v1"  # no model is asked, even if one is served where the recorded one was

# The runs of a sweep keep their replies in one file.
_REPLIES_OF = """
SELECT key, request, text, cut_off FROM replies WHERE key IN (
    SELECT key FROM paid_calls WHERE experiment = :run UNION SELECT key FROM shared_replies WHERE experiment = :run
) ORDER BY key
"""


def pack(source: str, out: Path) -> int:
    """Writes `out`/NAME.tar.xz for the run in folder `source`, or for each of the sweep there, that has finished and
    asked an LLM. Returns their number."""
    folder = Folder(source)
    if folder.exists(SWEEP):
        names = [cell["name"] for cell in folder.read_yaml(SWEEP)["cells"]]
        runs = {name: Folder(folder.at(f"{CELLS}/{name}")) for name in names}
    else:
        runs = {run_files.run_name(source): folder}
    kept = [name for name, run in runs.items() if is_done(run) and read_state(run).usage]
    out.mkdir(parents=True, exist_ok=True)
    for name in kept:
        write_archive(out / f"{name}.tar.xz", _kept(runs[name]))
    return len(kept)


def _kept(run: Folder) -> dict[str, str]:
    """The files of a run that a replay needs, those that it is compared with, and what a reader looks for: path ->
    text."""
    config = read_config(run)
    files = {run_files.CONFIG: config_to_keep(config), REPLIES: "".join(_paid_replies(config, run))}
    wanted = [f(model) for model in read_state(run).scores for f in (run_files.predictions, run_files.losses)]
    for i in range(config.iterations + 1):
        wanted += [run_files.training_set(i), run_files.patterns(i), run_files.strategies(i)]
    return files | {file: run.read_text(file) for file in wanted if run.exists(file)}


def _paid_replies(config: Config, run: Folder) -> Iterator[str]:
    """A line for each reply that the run has paid for, or found paid for, by key."""
    with contextlib.closing(sqlite3.connect(cache_file(config, run.url))) as db:
        rows = db.execute(_REPLIES_OF, {"run": run.url}).fetchall()
    for key, request, text, cut_off in rows:
        yield json.dumps({"key": key, "request": request, "text": text, "cut_off": bool(cut_off)}, ensure_ascii=False)
        yield "\n"


class Recorded:
    """The student's part of a recorded run, and data generation in this process. `place` has the archive's files."""

    def __init__(self, config: Config, place: Folder, teacher: GatewayLlm, judge: GatewayLlm, run: Folder):
        asking = Asking.of(config, read_brief(run, config.data.task))
        train = run_files.read_samples(run, config.data.task)["train"]
        known = TrainingSamples(train, Finder(config.pattern_analysis.embedding, config.seed))
        self._writer = DataGenerationAgent(teacher, config.data_generation, asking)
        self._control = QualityControlAgent(judge, config.quality_control, asking, known)
        self._place = place

    async def augment(self, job: AugmentationJob, screen: Screen) -> Augmentation:
        async def write(batch: Batch) -> list[Candidate]:
            return screen.screen(batch, await self._writer.generate(batch))

        return await fill_quotas(job, write, self._control.assess)

    async def fine_tune(self, job: FineTuneJob) -> FineTuneReport:
        report = FineTuneReport(job=job.name, samples=0, left_out=0, steps=0, final_loss=0.0)
        Folder(job.run).write_yaml(f"{job.adapter}/{REPORT}", report.model_dump())
        return report

    async def evaluate(self, job: EvaluationJob) -> list[Prediction]:
        return self._place.read_records(run_files.predictions(run_files.model_of(job.adapter)), Prediction)

    async def losses(self, job: EvaluationJob) -> list[SampleLoss]:
        return self._place.read_records(run_files.losses(run_files.model_of(job.adapter)), SampleLoss)


async def replay(archive: Path, embedding: str | None = None) -> list[str]:
    """The training sets that come out otherwise than recorded; none if all is as it was. `embedding` is where the model
    of that time lies, if elsewhere. Raises EndpointError where the agents ask what was not asked then."""
    with tempfile.TemporaryDirectory() as folder:
        place, run = await replayed(archive, folder, embedding)
        sets = [run_files.training_set(i) for i in range(read_config(run).iterations + 1)]
        return [file for file in sets if place.exists(file) and place.read_text(file) != run.read_text(file)]


async def replayed(archive: Path, folder: str, embedding: str | None = None) -> tuple[Folder, Folder]:
    """Under `folder`: what the archive has, and the run that its agents come to once more. Raises the same."""
    place = extract(archive, f"{folder}/recorded")
    raw = place.read_yaml(run_files.CONFIG)
    raw |= {"shared_stages": None, "runs": folder, "name": "replay"}
    raw["llm"] |= {"cache": None}
    raw["quality_control"].setdefault("canaries", 0)  # runs were once made without
    raw["pattern_analysis"] |= {"embedding": embedding or raw["pattern_analysis"]["embedding"]}
    config = check_config(raw, archive.name)
    run = Folder(lay_out(config, read_data(config), Folder(f"{folder}/replay")))
    cache = _cache_of(place, cache_file(config, run.url))
    llms = {
        role: GatewayLlm(LlmGateway(_silent(getattr(config.llm, role)), cache, _NOWHERE), Payer(run=run.url), role)
        for role in ("teacher", "judge")
    }
    asking = Asking.of(config, read_brief(run, config.data.task))
    analyst = PatternAnalysisAgent(llms["teacher"], config.pattern_analysis, asking)
    recorded = Recorded(config, place, llms["teacher"], llms["judge"], run)
    await Orchestrator(config, run.url, Workers(analyst, recorded, llms["judge"], llms["teacher"])).run()
    return place, run


def _silent(endpoint: EndpointConfig) -> EndpointConfig:
    """The endpoint, of which nothing is asked: what is not recorded fails at once."""
    return endpoint.model_copy(update={"patience": 0, "max_retries": 0})


def _cache_of(place: Folder, file: str) -> str:
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    db = open_database(file)
    cache = ReplyCache(db)
    for line in place.read_text(REPLIES).splitlines():
        row = json.loads(line)
        request = ChatRequest.model_validate_json(row["request"])
        cache.put(row["key"], request, ChatReply(text=row["text"], cut_off=row["cut_off"]))
    db.close()
    return file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["pack", "replay"])
    parser.add_argument(
        "paths", nargs="+", help="pack: the folder of a run or sweep, and where to; replay: archives, or their folder"
    )
    given = parser.parse_args()
    if given.action == "pack":
        source, out = given.paths
        print(pack(source, Path(out)), "runs")
        return
    for path in map(Path, given.paths):
        for archive in sorted(path.glob("*.tar.xz")) if path.is_dir() else [path]:
            differing = asyncio.run(replay(archive))
            print(f"{archive.name}: {'differs in ' + ', '.join(differing) if differing else 'the same'}", flush=True)
            if differing:
                raise SystemExit(1)


if __name__ == "__main__":
    main()
