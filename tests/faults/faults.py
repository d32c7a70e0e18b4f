"""Disturbs small runs of the demo as drawn from a seed, and checks what came of each: `make faults N=100 SEED=1`.

A case is a kill or an interrupt of a victim in a stage (also while calls are in flight), faults of the endpoint, a
damaged file, or a full disk. Each ends as one that nothing disturbed, byte for byte, and the teacher's own count says
that no call was bought twice, except those whose replies were on their way at a SIGKILL: these are counted apart.

A hundred cases take hours. Each outcome is kept as a line beside the table, with the commit that it is of; the same
command goes on with the cases that are missing, and makes those again that failed. The table counts the last outcome of
each case, and lists all that failed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pada_ray.config.teacher import TeacherSettings
from pada_ray.runs.run_folder import check_run
from pada_ray.runs.state import RunState
from pada_ray.runs.state import read_state as state_in
from pada_ray.storage import Folder
from pada_ray.teacher.process import start_teacher

ROOT = Path(__file__).resolve().parents[2]
# Its own name: both folders have a `conftest`.
_spec = importlib.util.spec_from_file_location("e2e_tools", ROOT / "tests/e2e/conftest.py")
assert _spec and _spec.loader
e2e: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(e2e)

STAGES = [
    "base: evaluation",
    "iteration-0: fine-tuning",
    "iteration-0: evaluation",
    "iteration-1: error analysis",
    "iteration-1: pattern categorization",
    "iteration-1: strategy drafting",
    "iteration-1: data generation",
    "iteration-1: fine-tuning",
    "iteration-1: evaluation",
]
CALLING = [s for s in STAGES if s.endswith(("analysis", "categorization", "drafting", "generation"))]
MACHINE, DRIVER = "machine", "driver"  # all processes; the command alone
ACTORS = [
    "ray::Orchestrator",
    "ray::LlmGateway",
    "ray::ResidentStudent",
    "ray::PatternAnalysisAgent",
    "ray::Computation",
]
DAMAGES = ["truncated", "emptied", "flipped", "deleted"]
WITHOUT_EFFECT = ["rate_limit", "server_error", "hang"]  # faults after which the same call is made again
NOT_COMPARED = ("generation.txt",)  # it says how long Ray Data's workers took
UNCERTAIN = 0.5  # seconds before a kill in which a reply that was sent may not have been taken in
LATENCY_MS = 600
DISK = 64  # MB, several times what a run takes


@dataclass(frozen=True)
class Case:
    kind: str  # kill, in flight, interrupt, endpoint, damage, disk
    what: str  # the victim, the signal, the fault, the damage or what a full disk has left
    stage: str = ""
    wait: float = 0.0  # seconds after the stage began, or share of a run's files
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}" + f" in {self.stage} after {self.wait:.1f} s" * bool(self.stage)


@dataclass
class Outcome:
    case: Case
    problems: list[str] = field(default_factory=list)
    bought_twice: int = 0
    in_flight: int = 0  # bought again, because their replies were on their way at a SIGKILL or had no room on the disk
    files: int = 0  # compared
    seconds: float = 0.0
    commit: str = ""  # of the code that it is of


def draw(number: int, seed: int) -> list[Case]:
    """Cases drawn from a seed: two in three are kills and interrupts, and every kind comes."""
    chance = random.Random(seed)
    kinds = ["kill", "in flight", "interrupt", "kill", "damage", "endpoint", "kill", "in flight", "disk"]
    return [_draw_one(kinds[i % len(kinds)], chance) for i in range(number)]


def _draw_one(kind: str, chance: random.Random) -> Case:
    wait, seed = chance.uniform(0, 3), chance.randrange(10**6)
    if kind == "kill":
        return Case(kind, chance.choice([MACHINE, MACHINE, DRIVER, *ACTORS]), chance.choice(STAGES), wait, seed)
    if kind == "in flight":
        return Case(kind, chance.choice([MACHINE, DRIVER, "ray::LlmGateway"]), chance.choice(CALLING), wait / 5, seed)
    if kind == "interrupt":
        return Case(kind, chance.choice(["SIGINT", "SIGTERM", "SIGHUP"]), chance.choice(STAGES), wait, seed)
    if kind == "endpoint":
        return Case(kind, chance.choice(WITHOUT_EFFECT), seed=seed)
    if kind == "damage":
        return Case(kind, chance.choice(DAMAGES), wait=chance.random(), seed=seed)
    return Case(kind, f"{chance.choice([4, 8, 16])} KB left", STAGES[seed % len(STAGES)], wait, seed)


def run_case(case: Case, undisturbed: Path, place: Path) -> Outcome:
    """Disturbs a run in the empty folder `place`, and compares it with the one that nothing disturbed."""
    outcome, began = Outcome(case, commit=_commit()), time.monotonic()
    try:
        {"damage": _damage, "endpoint": _fault}.get(case.kind, _disturb)(case, undisturbed, place, outcome)
    except Exception as e:  # a case that ends in any other way has failed, and the others go on
        outcome.problems.append(" ".join(f"{type(e).__name__}: {e}".split())[:2000])
    outcome.seconds = time.monotonic() - began
    return outcome


def _disturb(case: Case, undisturbed: Path, place: Path, outcome: Outcome) -> None:
    log, run = place / "teacher.jsonl", place / "runs" / "demo"
    run.parent.mkdir()
    lost: list[tuple[float, float]] = []  # from when until when a reply that was sent may not have been kept
    with (
        small_disk(run.parent, DISK) if case.kind == "disk" else contextlib.nullcontext(),
        start_teacher(TeacherSettings(latency_ms=LATENCY_MS, access_log=str(log))) as teacher,
    ):
        endpoint = e2e.settings(llm__teacher__base_url=teacher.url, llm__judge__base_url=teacher.url)
        started = e2e.Started("run", str(ROOT / "configs/demo.yaml"), *endpoint, cwd=place)
        if _reaches(started, run, case):
            time.sleep(case.wait)
            began = time.time()
            again = _fill(case, started, run.parent, outcome) if case.kind == "disk" else _strike(case, started)
            lost.append((began - UNCERTAIN, time.time() + UNCERTAIN))
            if again:
                started = e2e.Started("resume", str(run), cwd=place)
        started.finish()
        _compare(run, undisturbed, outcome)
    _count_calls(log, lost if case.kind != "interrupt" else [], outcome)


def _reaches(started: Any, run: Path, case: Case) -> bool:
    """Waits until the run is in the case's stage; False if that was over before it was seen."""

    def there() -> bool:
        state = state_in(Folder(str(run))) if (run / "state.json").exists() else RunState(name="")
        return state.stage == case.stage or case.stage in state.finished or state.status == "done"

    started.wait_until(there, case.stage)
    return started.process.poll() is None


def _strike(case: Case, started: Any) -> bool:
    """Kills or interrupts. Whether the run is to be resumed: after an actor alone is lost it goes on by itself."""
    if case.kind == "interrupt":
        started.process.send_signal(getattr(signal, case.what))
        started.process.communicate(timeout=300)
        return True
    if case.what in (MACHINE, DRIVER):
        started.kill(driver_only=case.what == DRIVER)
        return True
    for process in started.below(case.what):
        with contextlib.suppress(Exception):
            process.kill()
    return False


def _fill(case: Case, started: Any, disk: Path, outcome: Outcome) -> bool:
    """Somebody else's file takes what the disk has left, until the run has ended. Whether the run is to be resumed."""
    ballast = disk / "ballast"
    room = shutil.disk_usage(disk).free - int(case.what.split()[0]) * 1024
    ballast.write_bytes(bytes(room))
    line = " ".join(started.process.communicate(timeout=300)[0].split())
    ballast.unlink()
    if started.process.returncode == 0:  # it had written its last file before
        return False
    told = any(words in line for words in ("No space left on device", "make room"))
    if started.process.returncode != 2 or not told or "Traceback" in line:
        outcome.problems.append(f"on a full disk: {started.process.returncode} {line[-600:]}")
    return True


def _fault(case: Case, undisturbed: Path, place: Path, outcome: Outcome) -> None:
    log, run = place / "teacher.jsonl", place / "runs" / "demo"
    given = {f"offline__faults__{case.what}": 0.2, "offline__hang_seconds": 3, "offline__retry_after_seconds": 0.2}
    given |= {"offline__access_log": log, "llm__teacher__timeout": 1.5, "llm__judge__timeout": 1.5}
    e2e.pada("run", str(ROOT / "configs/demo.yaml"), *e2e.settings(**given), cwd=place)
    _compare(run, undisturbed, outcome)
    _count_calls(log, [], outcome)


def _damage(case: Case, undisturbed: Path, place: Path, outcome: Outcome) -> None:
    run = shutil.copytree(undisturbed, place / "runs" / "demo")
    made = {path: file.stage for path, file in state_in(Folder(str(run))).files.items() if file.stage != "start"}
    file = sorted(made)[int(case.wait * len(made))]
    stage = made[file]
    damage(run / file, case.what)
    for command in ("resume", "show", "report"):
        told = e2e.pada(command, str(run), cwd=place, check=False)
        line = " ".join(told.stderr.split())
        if told.returncode != 2 or f"{file}: damaged: " not in line or "Traceback" in line:
            outcome.problems.append(f"pada {command} on {file}, {case.what}: {told.returncode} {line[:300]}")
    e2e.pada("resume", str(run), "--from", stage, cwd=place)
    _compare(run, undisturbed, outcome)
    calls = [sum(u.calls for u in state_in(Folder(str(r))).usage if not u.shared) for r in (run, undisturbed)]
    outcome.bought_twice = max(0, calls[0] - calls[1])


def damage(file: Path, how: str) -> None:
    if how == "deleted":
        file.unlink()
        return
    data = file.read_bytes()
    middle = len(data) // 2
    changed = {"truncated": data[:middle], "emptied": b"", "flipped": data[:middle] + b"\x01" + data[middle + 1 :]}[how]
    file.write_bytes(changed if changed != data else data + b"\0")


@contextlib.contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[None]:
    """A file system of its own in the folder `place`. Raises PermissionError where this user may not mount one."""
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)], capture_output=True
    )
    if made.returncode:
        raise PermissionError(f"no file system can be mounted here: {made.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False, capture_output=True)


def _compare(run: Path, undisturbed: Path, outcome: Outcome) -> None:
    state, expected = state_in(Folder(str(run))), state_in(Folder(str(undisturbed)))
    if state.status != "done" or state.scores != expected.scores:
        outcome.problems.append(f"it ended as {state.status}: {state.error}")
    check_run(str(run))
    for path in expected.files:
        if path.endswith(NOT_COMPARED):
            continue
        outcome.files += 1
        if not (run / path).exists() or (run / path).read_bytes() != (undisturbed / path).read_bytes():
            outcome.problems.append(f"{path} is not as in an undisturbed run")


def _count_calls(log: Path, kills: list[tuple[float, float]], outcome: Outcome) -> None:
    """By the teacher's own log: a call is bought twice if its reply was sent twice. The question whether an endpoint
    answers now has no prompt of the project; each start asks it on purpose."""
    for times in e2e.sent_replies(log, only_prompts=True).values():
        for first in sorted(times)[:-1]:
            if any(since <= first <= until for since, until in kills):
                outcome.in_flight += 1
            else:
                outcome.bought_twice += 1
    if outcome.bought_twice:
        outcome.problems.append(f"{outcome.bought_twice} calls were bought twice")


def table(all_outcomes: list[Outcome], seed: int) -> str:
    """The figures as Markdown, for docs/guarantees.md; of a case that was made again, the last."""
    kinds: dict[str, list[Outcome]] = defaultdict(list)
    outcomes = list({o.case: o for o in all_outcomes}.values())
    for outcome in outcomes:
        kinds[outcome.case.kind].append(outcome)
    commits = Counter(o.commit for o in outcomes if o.commit)
    lines = [
        f"`make faults N={len(outcomes)} SEED={seed}`" + "".join(f", {n} at {c}" for c, n in commits.items()),
        "",
        "| disturbed by | cases | ended as undisturbed | files compared | calls bought twice | in flight |",
        "|---|---|---|---|---|---|",
    ]
    for kind, members in [*kinds.items(), ("all", outcomes)]:
        well = sum(not o.problems for o in members)
        figures = [
            len(members),
            well,
            *(sum(getattr(o, f) for o in members) for f in ("files", "bought_twice", "in_flight")),
        ]
        lines.append(f"| {kind} | " + " | ".join(map(str, figures)) + " |")
    failed = [f"- {o.case}, at {o.commit}: {'; '.join(o.problems)}" for o in all_outcomes if o.problems]
    return "\n".join([*lines, *(["", *failed] if failed else [])]) + "\n"


def undisturbed_run(place: Path) -> Path:
    e2e.pada("run", str(ROOT / "configs/demo.yaml"), *e2e.settings(), cwd=place)
    run = place / "runs" / "demo"
    missing = set(STAGES) - state_in(Folder(str(run))).finished.keys()
    assert not missing, f"a run has other stages: {missing}"
    return run


def read_outcomes(kept: Path, cases: list[Case]) -> list[Outcome]:
    """What earlier calls of this command have kept. Raises SystemExit where the file is of other cases."""
    rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    outcomes = [Outcome(**row | {"case": Case(**row["case"])}) for row in rows]
    known = [o for o in outcomes if o.case in cases]
    if outcomes and not known:
        raise SystemExit(f"{kept}: is of other cases; remove it, or give another --out")
    return known


def _commit() -> str:
    """The commit of this checkout, marked where it has changes; "" outside of git."""
    told = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return told.stdout.strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="cases of this kind alone")
    parser.add_argument("--at-once", type=int, default=1, help="cases that run beside each other")
    parser.add_argument("--out", type=Path, help="file for the table")
    given = parser.parse_args()
    cases = [case for case in draw(given.n, given.seed) if given.only in (None, case.kind)]
    kept = given.out.with_suffix(".jsonl") if given.out else None
    outcomes = read_outcomes(kept, cases) if kept else []
    held = {o.case: not o.problems for o in outcomes}
    missing = [case for case in cases if not held.get(case)]
    with tempfile.TemporaryDirectory() as scratch:
        undisturbed = undisturbed_run(Path(scratch)) if missing else Path(scratch)

        def disturbed(case: Case) -> Outcome:
            place = Path(scratch) / f"case-{cases.index(case)}"
            place.mkdir()
            try:
                return run_case(case, undisturbed, place)
            finally:
                shutil.rmtree(place, ignore_errors=True)

        with ThreadPoolExecutor(given.at_once) as pool:
            for outcome in pool.map(disturbed, missing):
                outcomes.append(outcome)
                held[outcome.case] = not outcome.problems
                said = "; ".join(outcome.problems) or "as undisturbed"
                print(f"{len(held)}/{len(cases)} {outcome.case}: {said} ({outcome.seconds:.0f} s)", flush=True)
                if kept:
                    with kept.open("a") as file:
                        file.write(json.dumps(asdict(outcome)) + "\n")
                    given.out.write_text(table(outcomes, given.seed))
    print(table(outcomes, given.seed))
    print(Counter("held" if well else "failed" for well in held.values()))
    return int(not all(held.values()))


if __name__ == "__main__":
    raise SystemExit(main())
