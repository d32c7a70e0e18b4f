from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobs import doctor
from pada_ray import sandbox
from pada_ray.errors import ConfigError, PadaError
from pada_ray.sandbox import levels, run_python, run_python_many
from pada_ray.sandbox.launch import Launch, launches
from pada_ray.sandbox.supervise import MAX_OUTPUT

BASIC = Launch("basic", "limits", (), own_user=False, counted_apart=False)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("x = 1\nassert x == 2", "AssertionError in line 2: assert x == 2"),
        ("raise ValueError('first\\nsecond')", "ValueError: first second in line 1"),
        ("def f(:", "SyntaxError"),
        ("class E(Exception):\n    def __str__(self): raise self\nraise E", "E in line 3"),
        ("class E(Exception):\n    def __init__(self): self.args = [self]\nraise E", "E"),
        ("input()", "EOFError"),
        ("import sys; sys.exit(0)", "exited before its end"),
        ("import os; os._exit(0)", "process ended before"),
        ("import ctypes; ctypes.string_at(0)", "process ended before"),
        ("x = bytearray(10**10)", "MemoryError"),
        ("def f(): f()\nf()", "RecursionError"),
        ("open('big', 'wb').write(bytes(10**8))", "File too large"),
        ("files = [open('f', 'w') for _ in range(100)]", "Too many open files"),
    ],
)
def test_a_program_that_does_not_load_fails_with_its_reason(program, reason):
    result = run_python(program)
    assert not result.passed
    assert reason in result.reason and "\n" not in result.reason


@pytest.mark.parametrize(
    ("tests", "reason"),
    [
        ("x = 1\nassert add(1, 2) == 4", "AssertionError in line 2: assert add(1, 2) == 4"),
        ("add(1, 'a')", "TypeError: unsupported operand type(s) for +: 'int' and 'str' in line 2: return a + b"),
        ("missing(1)", "NameError: name 'missing' is not defined in line 1"),
        ("program.missing(1)", "AttributeError: module 'program' has no attribute 'missing'"),
        ("def f(:", "SyntaxError"),
        ("while True: pass", "did not end within"),
    ],
)
def test_tests_that_do_not_reach_their_end_fail_with_their_reason(tests, reason):
    result = run_python("def add(a, b):\n    return a + b", tests, timeout=2)
    assert not result.passed
    assert reason in result.reason and "\n" not in result.reason


def test_a_program_and_its_tests_that_reach_their_ends_pass():
    result = run_python("print('loaded')\ndef add(a, b):\n    return a + b", "assert add(2, 3) == 5\nprint('tested')")
    assert result == (True, "ran to its end", "loaded\ntested\n")


VALUES = """
import collections, datetime, decimal, enum, fractions
Point = collections.namedtuple("Point", "x y")
class Grade(enum.IntEnum): A = 1
class Names(list): pass
class Stack:
    def __init__(self, *items): self.items = list(items)
    def push(self, item): self.items.append(item); return self
    def __len__(self): return len(self.items)
    def __iter__(self): return iter(self.items)
    def __getitem__(self, at): return self.items[at]
    def __str__(self): return f"Stack{self.items}"
class Empty(ValueError): pass
def pop(stack):
    if not stack.items: raise Empty("nothing left", 0)
    return stack.items.pop()
def values(): return [
    None, True, 2**100, -0.5, 1j, "\\ud800", b"b", (1, [2]), {1: {2}}, frozenset([3]), range(1, 9, 2), bytearray(b"c"),
    decimal.Decimal("0.10"), fractions.Fraction(1, 3), collections.deque([1], 2), collections.Counter("aab"),
    datetime.datetime(2026, 1, 2, 3), datetime.timedelta(1), Point(1, 2), Grade.A, Names("ab"), int, ValueError]
def count(): yield from range(10**9)
def sort(items): items.sort(); return items
def apply(function, *items, **named): return [function(i, **named) for i in items]
def greet(): print("hello")
def last(node):
    while node.next is not None: node = node.next
    node.value += 1
    return node
async def later(x): return x + 1
def same(x): return x
"""


@pytest.mark.parametrize(
    "tests",
    [
        """
import collections, datetime, decimal, fractions
assert values() == [
    None, True, 2**100, -0.5, 1j, "\\ud800", b"b", (1, [2]), {1: {2}}, frozenset([3]), range(1, 9, 2), bytearray(b"c"),
    decimal.Decimal("0.10"), fractions.Fraction(1, 3), collections.deque([1], 2), collections.Counter("aab"),
    datetime.datetime(2026, 1, 2, 3), datetime.timedelta(1), (1, 2), 1, ["a", "b"], int, ValueError]
assert values()[18].y == 2
""",
        # An object of the program's own classes.
        "s = Stack(1).push(2)\nassert (s.items, len(s), s[0], list(s)) == ([1, 2], 2, 1, [1, 2])",
        "assert str(Stack(1)) == 'Stack[1]' and bool(Stack()) is False and Stack.__name__ == 'Stack'",
        "s = Stack()\ns.items = [1, 2]\nassert pop(s) == 2 and same(s) is s and s.items == [1]",
        # Its errors, by their own class and by Python's.
        "try: pop(Stack())\nexcept Empty as error: assert error.args == ('nothing left', 0)\nelse: assert False",
        "try: pop(Stack())\nexcept ValueError: pass\nelse: assert False",
        "try: Stack()[0]\nexcept IndexError: pass\nelse: assert False",
        # Endless generators, changed arguments, functions and objects of the tests, output, coroutines.
        "numbers = count()\nassert [next(numbers) for _ in range(3)] == [0, 1, 2]",
        "items = [2, 1]\nassert sort(items) == [1, 2] == items",
        "assert apply(lambda x, by: x * by, 1, 2, by=3) == [3, 6] and apply(len, 'ab') == [2] and same(len) is len",
        """
class Node:
    def __init__(self, value, next): self.value, self.next = value, next
tail = Node(1, None)
assert last(Node(0, tail)) is tail and tail.value == 2
""",
        """
import contextlib, io
with contextlib.redirect_stdout(io.StringIO()) as printed: greet()
assert printed.getvalue() == "hello\\n"
""",
        "import asyncio\nassert asyncio.run(later(1)) == 2",
        # Modules that only the program imports.
        "assert decimal.Decimal(1) == 1",
    ],
)
def test_tests_use_a_program_as_if_it_were_at_hand(tests):
    assert run_python(VALUES, tests) == (True, "ran to its end", "")


def test_values_of_numpy_are_plain_values():
    pytest.importorskip("numpy")
    program = "import numpy\ndef total(x): return numpy.sum(x)\ndef double(x): return numpy.array(x) * 2"
    tests = "assert total([1, 2]) == 3 and isinstance(total([1]), int) and double([1, 2]).tolist() == [2, 4]"
    assert run_python(program, tests).passed


def test_time_and_output_are_limited():
    for program in ("while True: pass", "import time; time.sleep(60)"):
        began = time.monotonic()
        result = run_python(program, timeout=0.5)
        assert (result.passed, result.reason) == (False, "did not end within 0.5 s")
        assert time.monotonic() - began < 3
    result = run_python("while True: print('x' * 1000)")
    assert (result.passed, len(result.output)) == (False, MAX_OUTPUT)
    assert "of output" in result.reason


def test_a_thread_does_not_keep_a_passed_program_alive():
    began = time.monotonic()
    assert run_python("import threading, time\nthreading.Thread(target=time.sleep, args=(30,)).start()").passed
    assert time.monotonic() - began < 5


def test_many_run_side_by_side_and_in_order():
    programs = [f"x = {i}" for i in range(6)]
    results = run_python_many(programs, ["assert x % 2"] * 6)
    assert [result.passed for result in results] == [bool(i % 2) for i in range(6)]
    assert run_python_many(["assert True"])[0].passed
    assert run_python_many([]) == []


def test_nothing_is_left_open_or_lying_about(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run_python("")
    before = len(os.listdir("/proc/self/fd"))
    run_python("open('file', 'w').write('text')")
    run_python("while True: pass", timeout=0.2)
    assert len(os.listdir("/proc/self/fd")) == before
    assert list(tmp_path.iterdir()) == []


# --- levels


@pytest.fixture
def only(monkeypatch):
    """Leaves this machine certain launches only."""

    def leave(*left: Launch) -> None:
        monkeypatch.setattr(levels, "launches", lambda: iter(left))
        levels.standing.cache_clear()

    yield leave
    levels.standing.cache_clear()


@pytest.fixture
def system(monkeypatch):
    """The system's switches and a container's marks that this machine has: path -> text. A test fills it."""
    files: dict[str, str] = {}
    read_text, exists = Path.read_text, Path.exists

    def is_here(path: Path) -> bool:
        if str(path).startswith(("/proc/sys/", "/.dockerenv", "/run/.containerenv")):
            return str(path) in files
        return exists(path)

    def read(path: Path, *args: str, **kwargs: str) -> str:
        if not is_here(path):
            raise FileNotFoundError(path)
        return files[str(path)] if str(path) in files else read_text(path, *args, **kwargs)

    monkeypatch.setattr(Path, "exists", is_here)
    monkeypatch.setattr(Path, "read_text", read)
    return files


def strong(*command: str) -> Launch:
    return Launch("strong", "bubblewrap", command, own_user=False, counted_apart=False)


@pytest.mark.parametrize("user", [0, 1000])
def test_bubblewrap_is_tried_before_namespaces_and_these_before_limits(monkeypatch, user):
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    tried = list(launches())
    means = [launch.means for launch in tried]
    assert list(dict.fromkeys(means)) == ["bubblewrap", "namespaces", "limits"]
    assert means == sorted(means, key=["bubblewrap", "namespaces", "limits"].index)
    assert [launch.level == "strong" for launch in tried] == [each != "limits" for each in means]


def test_as_many_programs_run_at_a_time_as_there_are_cores(only, monkeypatch, tmp_path):
    """Each waits until all have begun, in a folder that the basic level lets them share."""
    only(BASIC)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2}, raising=False)
    program = (
        "import os, time\n"
        f"os.mkdir({str(tmp_path)!r} + '/%d')\n"
        f"while len(os.listdir({str(tmp_path)!r})) < 3: time.sleep(0.01)"
    )
    assert [result.reason for result in run_python_many([program % i for i in range(3)])] == ["ran to its end"] * 3


def test_the_strongest_launch_that_works_is_taken(only):
    first = levels.standing().launch
    only(strong("false"), BASIC, first)
    assert levels.standing().launch == BASIC
    assert run_python("def add(a, b): return a + b", "assert add(1, 2) == 3").passed
    only(first)
    assert levels.standing().launch == first


def test_a_config_may_require_the_strong_level(only):
    script = "echo 'no namespaces for you' >&2; exit 1"
    only(strong("sh", "-c", script), BASIC)
    sandbox.check_level("basic")
    with pytest.raises(ConfigError, match=r"sandbox\.require: .*only basic \(bubblewrap: no namespaces for you") as e:
        sandbox.check_level("strong")
    assert "\n" not in str(e.value)
    launch = sandbox.standing().launch
    assert launch == BASIC


def test_the_strong_level_is_accepted_where_it_is_held():
    if sandbox.standing().launch.level != "strong":
        pytest.skip(sandbox.standing().why_not_strong)
    sandbox.check_level("strong")
    assert doctor.sandbox().startswith("strong, by ")


def test_what_the_machine_cannot_hold_is_said_with_what_to_install(only, monkeypatch):
    only(BASIC)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    said = doctor.sandbox()
    assert said.startswith("basic, by limits: tested code reaches the network and this user's files; ")
    assert "apt install bubblewrap" in said


def test_switches_that_are_off_are_named(only, system):
    switch = "/proc/sys/user/max_user_namespaces"
    system |= {switch: "0\n", "/.dockerenv": ""}
    only(strong("false"), BASIC)
    said = levels.standing().why_not_strong
    assert "sysctl user.max_user_namespaces=" in said and "--security-opt" in said
    system[switch] = "1\n"
    only(strong("false"), BASIC)
    assert "sysctl" not in levels.standing().why_not_strong


def test_a_machine_that_runs_nothing_is_an_error(only):
    only(BASIC._replace(command=("sh", "-c", "echo 'no Python for you' >&2")))
    with pytest.raises(PadaError, match="no sandbox works on this machine: limits: no Python for you"):
        run_python("assert True")


def test_a_root_without_powers_gets_the_basic_level():
    """As in many containers."""
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0 or setpriv is None:
        pytest.skip("needs root and the command setpriv")
    code = "from pada_ray.sandbox import *; print(standing().launch.level); check_level('strong')"
    command = [setpriv, "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c", code]
    folder = Path(__file__).parents[2]
    said = subprocess.run(command, env={"PATH": "/nowhere"}, cwd=folder, capture_output=True, text=True)
    assert said.stdout == "basic\n"
    assert "ConfigError" in said.stderr and "apt install bubblewrap" in said.stderr
