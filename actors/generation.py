"""Data generation by Ray Data (section A.5 batches it): batches of attempts stream through the stages generate and
screen, and what passed these through a stage of its own, judge.

Both streams are one dataset, and what quality control sends back goes into it again, so no group waits for another. A
dataset of its own for every round would start the agents' processes anew each time.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import ray
import ray.data
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from actors.agents import DataGenerationAgent, QualityControlAgent
from actors.attempts import AttemptLog, Step, outcome_of, row_of
from actors.remote import on_this_node
from actors.screening import screened, screening_place
from pada_ray.agents.asking import Asking
from pada_ray.agents.brief import Brief
from pada_ray.agents.nearest import Finder
from pada_ray.agents.quotas import Augmentation, AugmentationJob, fill_quotas
from pada_ray.agents.screening import Screen
from pada_ray.agents.training_samples import TrainingSamples
from pada_ray.config import Config
from pada_ray.llm.client import GatewayLlm
from pada_ray.records import Batch, Candidate
from pada_ray.runs import run_files
from pada_ray.storage import Folder
from pada_ray.student.evaluation_job import LOST_WORKERS

# The concurrency group of an actor that holds an AttemptLog, which is read while it is at work. Each of the two readers
# keeps a call waiting, and leaves one behind when it dies.
READERS = "readers"
_CALLS_AT_A_TIME = 64  # enough that the gateway's limits are what holds calls back


def augment(job: AugmentationJob, stream: AttemptStream) -> Augmentation:
    """𝒟_syn of the job. Blocks until the quotas are filled, or as many as the candidate budget yields."""

    async def fill() -> Augmentation:
        stream.begin(asyncio.get_running_loop())
        augmentation = await fill_quotas(job, stream.write, stream.review if stream.has_reviews else None)
        stream.log.append(None)
        await asyncio.to_thread(stream.join)
        return augmentation

    try:
        return asyncio.run(fill())
    finally:
        stream.log.append(None)  # also after an error, so that its reader ends


class AttemptStream:
    """The stages as one dataset, which is read while its source is still being written to.

    Ray's workers read the `log` by `attempt_at(position)` of the actor that this is made in.
    """

    def __init__(self, job: AugmentationJob, screen: Screen, config: Config, teacher: GatewayLlm, judge: GatewayLlm):
        self.log = AttemptLog()
        self._waiting: dict[str, asyncio.Future[list[Candidate]]] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        control = config.quality_control
        self.has_reviews = control.reviews and any(g.reviewed for g in job.groups)
        here = ray.get_runtime_context().current_actor
        self._dataset = _written(here, screen, config, teacher)
        if self.has_reviews:
            known = _training_samples(job, config) if control.confirms else None
            self._dataset = self._dataset.union(_reviewed(here, config, judge, screen.brief, known))
        self._dataset.set_name(f"{run_files.run_name(job.run)}: data generation")
        # A row is passed on as soon as it is there, and not with others.
        self._dataset.context.target_max_block_size = 1

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Starts the stages. Outcomes are handed over in `loop`."""
        self._loop = loop
        self._reader.start()

    def join(self) -> None:
        """Waits for the stages to end."""
        self._reader.join()

    async def write(self, batch: Batch) -> list[Candidate]:
        """The candidates of a batch, screened. Raises the PadaError of a stage, and what Ray raises."""
        return await self._outcome(row_of("write", batch))

    async def review(self, batch: Batch, candidates: list[Candidate]) -> list[Candidate]:
        """The candidates with the judge's verdicts. Raises the same."""
        return await self._outcome(row_of("review", batch, candidates))

    async def _outcome(self, row: dict[str, Any]) -> list[Candidate]:
        outcome = asyncio.get_running_loop().create_future()
        self._waiting[row["id"]] = outcome
        self.log.append(row)
        return await outcome

    def stats(self) -> str:
        """What each stage did: tasks, workers, seconds."""
        stats: str = self._dataset.stats()
        return stats

    def _read(self) -> None:
        try:
            # Without prefetching: an outcome would wait until the next one arrives.
            for batch in self._dataset.iter_batches(batch_size=None, prefetch_batches=0, batch_format="pyarrow"):
                for row in batch.to_pylist():
                    self._hand_over(row)
            raise RuntimeError("data generation: the stages ended while attempts were on their way")  # if any are
        except BaseException as e:
            self._call(self._fail_all, e)

    def _hand_over(self, row: dict[str, Any]) -> None:
        outcome = self._waiting.pop(row["id"])
        try:
            candidates = outcome_of(row)
        except Exception as e:
            self._call(_fail, outcome, e)
        else:
            self._call(_succeed, outcome, candidates)

    def _call(self, function: Any, *args: Any) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(function, *args)

    def _fail_all(self, e: BaseException) -> None:
        for outcome in self._waiting.values():
            _fail(outcome, e)


def _succeed(outcome: asyncio.Future[list[Candidate]], candidates: list[Candidate]) -> None:
    if not outcome.done():
        outcome.set_result(candidates)


def _fail(outcome: asyncio.Future[list[Candidate]], e: BaseException) -> None:
    if not outcome.done():
        outcome.set_exception(e)


def _training_samples(job: AugmentationJob, config: Config) -> TrainingSamples:
    train = run_files.read_samples(Folder(job.run), config.data.task)["train"]
    return TrainingSamples(train, Finder(config.pattern_analysis.embedding, config.seed))


def _written(here: Any, screen: Screen, config: Config, teacher: GatewayLlm) -> Any:
    """The stages through which the batches go that are to be written."""
    place, at_a_time = screening_place(screen, config.sandbox.require)
    agent = (teacher, config.data_generation, Asking.of(config, screen.brief))
    return (
        _rows(here, "write")
        .map_batches(
            DataGenerationAgent, fn_constructor_args=agent, batch_size=1, **_one_agent(config.llm.teacher.max_in_flight)
        )
        .map_batches(
            screened, fn_args=([ray.put(screen)],), batch_size=1, compute=ray.data.TaskPoolStrategy(at_a_time), **place
        )
    )


def _reviewed(here: Any, config: Config, judge: GatewayLlm, brief: Brief, train: TrainingSamples | None) -> Any:
    """The stage for batches whose candidates are to be judged."""
    agent = (judge, config.quality_control, Asking.of(config, brief), train)
    return _rows(here, "review").map_batches(
        QualityControlAgent, fn_constructor_args=agent, batch_size=1, **_one_agent(config.llm.judge.max_in_flight)
    )


def _rows(here: Any, step: Step) -> Any:
    return ray.data.read_datasource(Attempts(here, step), override_num_blocks=1, ray_remote_args=_beside())


def _beside() -> dict[str, Any]:
    """Beside the driver and without a CPU: an autoscaler would keep a worker, which may have a GPU, to wait for
    LLMs."""
    return {"num_cpus": 0, **on_this_node()}


def _one_agent(calls: int | None) -> dict[str, Any]:
    """Options for one actor that has so many calls under way."""
    most = calls or _CALLS_AT_A_TIME
    pool = ray.data.ActorPoolStrategy(size=1, max_tasks_in_flight_per_actor=most, max_concurrent_calls_per_actor=most)
    return {"compute": pool, **_beside(), **LOST_WORKERS}


class Attempts(Datasource):
    """The rows of one step, of the log that an actor holds, as they come."""

    def __init__(self, holder: Any, step: Step):
        self._holder = holder
        self._step = step

    def get_name(self) -> str:
        """Tells Ray Data's two readers apart, which would else share their figures."""
        return "Attempts" if self._step == "write" else "Reviews"

    def estimate_inmemory_data_size(self) -> int | None:
        return None

    def get_read_tasks(self, parallelism: int, *args: Any, **kwargs: Any) -> list[ReadTask]:
        row_at = self._holder.attempt_at.options(concurrency_group=READERS)

        def read() -> Iterator[pa.Table]:
            for position in itertools.count():
                row = ray.get(row_at.remote(position))
                if row is None:
                    return
                if row["step"] == self._step:
                    yield pa.Table.from_pylist([row])

        return [ReadTask(read, BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None))]
