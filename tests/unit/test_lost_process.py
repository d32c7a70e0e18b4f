"""What the user reads when Ray has lost a process of a run: that it was lost, why if Ray says so, and what to do."""

import contextlib
import errno
import os
import pickle
import traceback

import pytest
from builders import math_run, small_config
from ray import exceptions
from ray.core.generated.common_pb2 import ActorDiedErrorContext
from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError
from ray.train.v2.api.exceptions import ControllerError, WorkerGroupError
from stub_workers import StubWorkers, run

from jobs import evaluate as evaluate_module
from jobs.evaluate import evaluate
from jobs.local import runner
from jobs.local.runner import RunFailed
from pada_ray.config import dump_config
from pada_ray.errors import ConfigError, DiskFull, StorageError, lost_process, root_cause
from pada_ray.runs.event_log import read_events
from pada_ray.runs.state import read_state
from pada_ray.storage import disk_full

ACTOR = bytes(16)
# As Ray 2.60 words them.
RESTARTED = "The actor is temporarily unavailable: IOError: The actor was restarted"
KILLED = (
    "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit detail: Worker "
    "unexpectedly exits with a connection error code 2. End of file. Some common causes include: (1) the process was "
    "killed by the OOM killer due to high memory usage, (2) ray stop --force was called, or (3) the worker crashed "
    "unexpectedly due to SIGSEGV or another unexpected error."
)
MONITOR = (
    "1 worker(s) were killed due to the node running low on memory. Memory on the node (IP: 10.0.50.112, ID: 4cb25b) "
    "was 28.62GB / 30.00GB (0.954017), which exceeds the memory usage threshold of 0.950000; Object store "
    "memory usage: [- objects spillable: 0; - bytes spillable: 0]"
)


def died(message):
    return exceptions.ActorDiedError(ActorDiedErrorContext(actor_id=ACTOR, class_name="S", error_message=message))


def failed(cause):
    told = f"Traceback (most recent call last):\nray.exceptions.{type(cause).__name__}: {cause}\n"
    return exceptions.RayTaskError("work", told, cause, "ray::work", 1, "127.0.0.1")


def in_task(cause):
    """As Ray gives it on to whoever waits for the task."""
    return failed(cause).as_instanceof_cause()


FOR_MEMORY = [
    exceptions.OutOfMemoryError(MONITOR),
    exceptions.OutOfMemoryError("Task was killed due to the node running low on memory."),  # before Ray 2.55
    died(f"The actor is dead because its worker process has died. {MONITOR}"),
]
FOR_REASONS_UNKNOWN = [
    exceptions.ActorUnavailableError(RESTARTED, ACTOR),
    exceptions.ActorUnavailableError("RpcError: RPC error: Socket closed rpc_code: 14", None),
    died(KILLED),
    exceptions.ActorDiedError(),
    exceptions.WorkerCrashedError(),
    exceptions.NodeDiedError("Task failed because the node it was running on is dead or unavailable."),
    exceptions.LocalRayletDiedError(),
    exceptions.OwnerDiedError("ff" * 28, b"", ""),
]
NO_LOSS = [
    ValueError("out of memory"),
    RuntimeError("worker(s) were killed due to the node running low on memory"),
    exceptions.GetTimeoutError("late"),
    exceptions.ObjectStoreFullError("full"),
    exceptions.ActorDiedError(failed(OSError("no weights"))),  # it tells its own error
]
ADVICE = ("fewer runs at once (`parallel`)", "fine_tune.batch_size", "evaluation.batch_size")


def line_of(e):
    return str(runner._explained(e, "runs/a"))


@pytest.fixture(autouse=True)
def logs(monkeypatch):
    monkeypatch.setattr(runner, "log_folder", lambda: "/logs")
    monkeypatch.setattr(evaluate_module, "log_folder", lambda: "/logs")


@pytest.mark.parametrize("e", [*FOR_MEMORY, *FOR_REASONS_UNKNOWN], ids=lambda e: type(e).__name__)
def test_a_lost_process_is_told_with_what_to_do(e):
    said = line_of(in_task(in_task(e)))
    assert said.startswith("the run stopped: a process was lost: ")
    assert all(part in said for part in ADVICE)
    assert said.endswith("; logs in /logs; continue with `pada resume runs/a`")
    assert "\n" not in said


def test_a_full_disk_is_told_with_the_command_to_go_on_with():
    told = str(disk_full("/runs/a/state.json"))
    assert told.endswith(" MB are free on its disk; make room there")  # commands without a run tell it too
    assert line_of(in_task(disk_full("/runs/a/state.json"))) == f"{told}; continue with `pada resume runs/a`"


@pytest.mark.parametrize("e", FOR_MEMORY, ids=lambda e: type(e).__name__)
def test_memory_is_the_cause_where_ray_says_so(e):
    said = line_of(in_task(e))
    assert "a process was lost: Ray ended it because memory was short" in said
    assert "if memory" not in said and "running low on memory" in said


@pytest.mark.parametrize("e", FOR_REASONS_UNKNOWN, ids=lambda e: type(e).__name__)
def test_and_only_there(e):
    """Ray names the OOM killer among the common causes of whatever it does not know."""
    said = line_of(in_task(e))
    assert "because memory was short" not in said
    assert "; if memory was short (" in said and type(e).__name__ in said


@pytest.mark.parametrize("e", NO_LOSS, ids=lambda e: type(e).__name__)
def test_another_error_is_told_as_it_is(e):
    assert lost_process(e) is None
    assert line_of(e).startswith(f"the run stopped: {type(e).__name__}: ")


def in_constructor(e):
    """As Ray tells an error of an actor's constructor, with so many frames that the line has room for none."""

    def construct(frames):
        if not frames:
            raise e
        construct(frames - 1)

    try:
        try:
            raise KeyError("what came before")
        except KeyError:
            construct(40)
    except type(e):
        told = f"\x1b[36mray::LlmGateway.__init__()\x1b[39m (pid=1, ip=127.0.0.1)\n{traceback.format_exc()}"
    return exceptions.ActorDiedError(exceptions.RayTaskError("__init__", told, e, "ray::LlmGateway", 1, "127.0.0.1"))


@pytest.mark.parametrize(
    ("e", "told"),
    [
        (
            PermissionError(13, "Permission denied", "/home/replies"),
            "PermissionError: [Errno 13] Permission denied: '/home",
        ),
        (StorageError("s3://x: refused"), "pada_ray.errors.StorageError: s3://x: refused; logs"),
        (
            OSError("cannot be loaded:\n    no weights\n\nSee the manual."),
            "OSError: cannot be loaded: no weights See the",
        ),
    ],
)
def test_an_error_in_an_actors_constructor_is_told_with_its_reason(e, told):
    died_so = in_constructor(e)
    for passed_on in (died_so, pickle.loads(pickle.dumps(died_so)), in_task(died_so)):
        assert line_of(passed_on).startswith(f"the run stopped: ActorDiedError: {told}")


def test_an_actor_whose_constructor_has_no_room_is_on_a_full_disk():
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert isinstance(runner._explained(in_constructor(full), "."), DiskFull)


def test_what_ray_cannot_pickle_is_told_in_its_own_words():
    """The text begins with a traceback, which would be all that fits into the line."""
    text = f"Exception ray.exceptions.ActorDiedError isn't serializable: cannot pickle 'Descriptor'.\n{'frame ' * 200}"
    for e, words in ((died(KILLED), "Worker exit type: SYSTEM_ERROR"), (died(MONITOR), "because memory was short")):
        passed_on = exceptions.RayError(f"{text}\nray.exceptions.ActorDiedError: {e}\n")
        assert lost_process(passed_on).startswith("a process was lost: ")
        assert words in lost_process(passed_on) and "frame" not in lost_process(passed_on)


def test_a_mistake_or_a_full_store_is_no_lost_process():
    assert lost_process(ConfigError("seed: give one")) is lost_process(StorageError("s3://x: refused")) is None


def test_of_the_workers_of_ray_train_the_lost_one_is_told_and_not_those_that_it_left_behind():
    lost = WorkerHealthCheckFailedError("A worker health check failed.", failure=exceptions.OutOfMemoryError(MONITOR))
    group = WorkerGroupError("[Rank 0,1]", {0: RuntimeError("Connection closed by peer"), 1: lost})
    for e in (group, pickle.loads(pickle.dumps(group)), in_task(group)):
        assert isinstance(root_cause(e), exceptions.OutOfMemoryError)
    assert str(root_cause(WorkerGroupError("", {0: ValueError("a"), 1: ValueError("b")}))) == "a"
    assert isinstance(root_cause(ControllerError(died(KILLED))), exceptions.ActorDiedError)


def test_the_runs_status_tells_it_too(tmp_path):
    folder = math_run(tmp_path / "run")

    class Lost(StubWorkers):
        async def fine_tune(self, job):
            raise in_task(exceptions.ActorUnavailableError(RESTARTED, ACTOR))

    with pytest.raises(exceptions.ActorUnavailableError):
        run(folder, Lost())
    told = read_state(folder).error
    assert told.startswith("a process was lost: ActorUnavailableError: ") and all(part in told for part in ADVICE)
    assert read_events(folder)[-1].figures == {"error": told}


@pytest.mark.parametrize("e", [FOR_MEMORY[0], FOR_REASONS_UNKNOWN[0]])
def test_an_evaluation_outside_a_run_tells_it_too(e, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(dump_config(small_config()))

    def fails(job):
        raise in_task(e)

    for name in ("check_student", "check_shared_disk", "check_room"):
        monkeypatch.setattr(evaluate_module, name, lambda *_: None)
    monkeypatch.setattr(evaluate_module, "connected", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr("pada_ray.student.evaluation.evaluate", fails)
    with pytest.raises(RunFailed, match=r"^the evaluation stopped: a process was lost: .*; logs in /logs; the same"):
        evaluate("mine.yaml")
