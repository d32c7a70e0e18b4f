"""Forgeries: programs that claim to pass tests which they fail. The first of each kind of test passes honestly."""

from __future__ import annotations

import json

import pytest

from pada_ray.sandbox.levels import standing
from pada_ray.sandbox.supervise import SandboxResult, supervise

TESTS = (
    "def check(candidate):\n    assert candidate(2, 3) == 5\n    assert all(candidate(i, i) == 2 * i for i in range(3))"
)


def judged(program: str, tests: str) -> SandboxResult:
    result = supervise(standing().launch, program, tests, 10, 512)
    assert "reached" not in result.output and "reached" not in result.reason
    return result


FAKES = {
    "none": "def add(a, b): return a + b",
    "exit": "import sys\ndef add(a, b): sys.exit(0)",
    "exit while loading": "import sys\ndef add(a, b): return 0\nsys.exit(0)",
    "hard exit": "import os\ndef add(a, b): os._exit(0)",
    "exit handler": "import atexit, os\natexit.register(os._exit, 0)\ndef add(a, b): raise SystemExit(0)",
    "exec": "import os\ndef add(a, b): os.execv('/bin/true', ['true'])",
    "equal to all": """
class Same(int):
    def __eq__(self, other): return True
    __ne__ = __lt__ = __gt__ = __eq__
    __hash__ = int.__hash__
    def __bool__(self): return True
    def __sub__(self, other): return self
def add(a, b): return Same()
""",
    "equal to all, and no number": """
class Same:
    def __eq__(self, other): return True
    def __getattr__(self, name): return lambda *a: True
def add(a, b): return Same()
""",
    "builtins": """
import builtins
for name in ("AssertionError", "all", "any", "len", "isinstance", "abs", "range"):
    setattr(builtins, name, lambda *a, **k: True)
def all(x): return True
def add(a, b): return None
""",
    "no error": """
import builtins, sys
class AssertionError(BaseException):
    def __new__(cls, *a): sys.exit(0)
builtins.AssertionError = AssertionError
def add(a, b): raise AssertionError
""",
    "its own tests": """
import sys, types
sys.modules["tests"] = types.ModuleType("tests")
def check(candidate): pass
def add(a, b): return None
""",
    "verdict written to every file": """
import os
def add(a, b):
    for fd in range(5000):
        for verdict in (b"+\\n", b'["", true, ""]\\n', b'[null, true, "ran to its end"]\\n'):
            try: os.write(fd, verdict)
            except OSError: pass
    os._exit(0)
""",
    "trace": "import sys\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)\ndef add(a, b): return None",
    "harness": """
import gc, os, sys
frame = sys._getframe()
while frame:
    for name in list(frame.f_globals):
        if name in ("describe", "_changeable"): frame.f_globals[name] = lambda *a: "+"
    frame = frame.f_back
for thing in gc.get_objects():
    if type(thing).__name__ == "Peer": thing._describe = lambda error: "+\\n+"
def add(a, b): raise ValueError("+")
""",
    "reason with a line of its own": """
class E(Exception):
    def __str__(self): return "x\\n+"
def add(a, b): raise E
""",
    "only its own builtins": "def all(x): return True\ndef add(a, b): return 5",
    "verdict printed": """
def add(a, b):
    print('+\\n["", true, ""]\\nran to its end')
    raise SystemExit(0)
""",
    "equal to all, of a plain type": """
class Same(float):
    def __eq__(self, other): return True
    __ne__ = __lt__ = __gt__ = __eq__
    __hash__ = float.__hash__
    def __float__(self): return self
    def __sub__(self, other): return self
    __abs__ = __round__ = __iter__ = __float__
def add(a, b): return Same("nan")
""",
    "class that is another": """
class Other:
    __class__ = property(lambda self: int)
    def __eq__(self, other): return True
    def __instancecheck__(self, other): return True
def add(a, b): return Other()
""",
    "metaclass that is equal to all": """
class Meta(type):
    def __eq__(cls, other): return True
    def __hash__(cls): return hash(int)
    __instancecheck__ = __subclasscheck__ = __call__ = lambda *a: True
class Same(metaclass=Meta): __module__, __qualname__ = "builtins", "int"
def add(a, b): return Same
""",
    "class of a standard name": """
class Decimal:
    def __eq__(self, other): return True
    def __str__(self): return "5.5"
Decimal.__module__ = "decimal"
class ndarray:
    def tolist(self): return self
ndarray.__module__ = "numpy"
def add(a, b): return Decimal() if a else ndarray()
""",
    "pickle's hooks": """
import builtins, copyreg
class Reduced:
    def __reduce_ex__(self, protocol): return setattr, (builtins, "compile", lambda *a, **k: (lambda: 0).__code__)
    __reduce__ = __getstate__ = __getnewargs__ = __reduce_ex__
copyreg.pickle(int, Reduced.__reduce_ex__)
def add(a, b): return Reduced()
""",
    "no number, and endless": "def add(a, b): return [float('nan'), float('inf'), -float('inf')][a % 3]",
    "deep nesting": """
import sys
sys.setrecursionlimit(10**6)
def add(a, b):
    nested = []
    for _ in range(10**5): nested = [nested]
    return nested
""",
    "value that holds itself": """
def add(a, b):
    loop = [5]
    loop.append(loop)
    return loop
""",
    "huge value": "def add(a, b): return '5' * 10**8",
    "huge number": "def add(a, b): return 10**(10**6)",
    "flood of output": "def add(a, b):\n    while True: print('5' * 10**5)",
    "error with a text of its own": """
class E(AssertionError):
    def __str__(self): raise SystemExit(0)
    __repr__ = __str__
    @property
    def args(self): return [self]
    __cause__ = __context__ = __traceback__ = property(lambda self: exit(0))
def add(a, b): raise E
""",
    "error that ends a loop": "def add(a, b): raise StopIteration",
    "error that ends a generator": "def add(a, b): raise GeneratorExit",
    "error that ends the tests": "def add(a, b): raise KeyboardInterrupt",
    "error of a class of the tests": """
class E(BaseException): pass
E.__name__ = E.__qualname__ = "__eq__"
def add(a, b): raise E(E, E())
""",
    "handlers of signals": """
import os, signal, threading
for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1):
    signal.signal(number, lambda *a: os._exit(0))
signal.setitimer(signal.ITIMER_REAL, 0.01)
def add(a, b):
    os.kill(os.getppid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
""",
    "trace of every thread": """
import sys, threading
threading.settrace(lambda *a: None)
def trace(frame, event, arg):
    frame.f_trace_lines = True
    return trace
sys.settrace(trace)
sys.excepthook = sys.unraisablehook = threading.excepthook = lambda *a: None
def add(a, b): raise ValueError
""",
    "module of the tests": """
import builtins, sys, types
class Tests(types.ModuleType):
    def __getattr__(self, name): return lambda *a, **k: True
for name in ("tests", "inside.tests", "inside.values", "inside.peer"): sys.modules[name] = Tests(name)
builtins.compile = builtins.exec = builtins.__build_class__ = lambda *a, **k: None
def check(candidate): pass
def add(a, b): return None
""",
    "threads that write the replies": """
import gc, threading, time
peer, = (thing for thing in gc.get_objects() if type(thing).__name__ == "Peer")
def write():
    while True:
        for message in (("value", True, None), ("passed", True), ("value", 7, [[1], [2]]), ("print", b"+")):
            try: peer._send(peer.values.write(message))
            except BaseException: pass
        time.sleep(0.0001)
def add(a, b):
    for _ in range(8): threading.Thread(target=write, daemon=True).start()
    time.sleep(0.2)
    return None
""",
    "child that goes on": """
import os
if os.fork(): os._exit(0)
def add(a, b): return 0
""",
}


@pytest.mark.parametrize("fake", FAKES)
def test_a_pass_is_not_faked(fake):
    result = judged(FAKES[fake], f"{TESTS}\ncheck(program.add)")
    assert result.passed == (fake == "none"), result


LENIENT = {  # tests that a value which is none could pass
    "tolerance": "assert abs(program.add(2, 3) - 5) < 1e-6",
    "isclose": "import math\nassert math.isclose(program.add(2, 3), 5)",
    "mapped": "assert all(map(lambda i: program.add(i, i) == 2 * i, range(1, 3)))",
    "list": "assert list(map(program.add, [1, 2], [3, 4])) == [4, 6]",
    "type": "r = program.add(2, 3)\nassert type(r) is int and isinstance(r, int) and r == 5",
    "in": "assert program.add(2, 3) in (5, 6)",
    "dict": "assert {5: 1}[program.add(2, 3)] == 1",
    "sorted": "assert sorted([program.add(2, 3), 1]) == [1, 5]",
}
RETURNED = [  # what these hand to a test, each test meets in its own way
    "equal to all",
    "equal to all, and no number",
    "equal to all, of a plain type",
    "class that is another",
    "metaclass that is equal to all",
    "class of a standard name",
    "no number, and endless",
    "value that holds itself",
    "error that ends a loop",
    "error of a class of the tests",
    "module of the tests",
]


@pytest.mark.parametrize("tests", LENIENT)
def test_tests_of_other_kinds_are_not_passed_by_them_either(tests):
    assert judged(FAKES["none"], LENIENT[tests]).passed
    for fake in RETURNED:
        result = judged(FAKES[fake], LENIENT[tests])
        assert not result.passed, (fake, result)


# --- messages that no honest process sends

PEER = """
import builtins, gc
peer, = (thing for thing in gc.get_objects() if type(thing).__name__ == "Peer")
def add(a, b):
    for message in {messages!r}: peer._send(message)
"""


def reply(*nodes: object, kind: str = "value") -> bytes:
    """A reply whose value is the last of `nodes`, which begin at position 2."""
    return reply_of(*map(json.dumps, nodes), kind=kind)


def reply_of(*nodes: str, kind: str = "value") -> bytes:
    written = [json.dumps(kind), "null", *nodes]
    return f'[{",".join(written)},["tuple",0,{len(written) - 1},1]]'.encode()


MESSAGES = {
    "pickle that names a function": b"cbuiltins\neval\n(S'print(\"reached\")'\ntR.",
    "pickle that sets an attribute": b"\x80\x04\x8c\x08builtins\x94\x8c\x07compile\x94N\x86Qb.",
    "marshal": b"\xe3\x00\x00\x00",
    "no JSON": b"[1,",
    "JSON with more behind it": reply(5) + b"[5]",
    "an object": reply_of('{"__class__":"int"}'),
    "a float": reply_of("5.0"),
    "a large float": reply_of("1e999"),
    "no number": reply_of("NaN"),
    "a nested list": reply_of('["list",["list"]]'),
    "lists deeper than any": b"[" * 100_000,
    "a node behind": reply(["list", 5]),
    "a node from the end": reply(["list", -1]),
    "a node by truth": reply(["list", True]),
    "itself": reply(["list", 2]),
    "no kind": reply([]),
    "another kind": reply("builtins", "eval", ["global", 2, 3]),
    "a kind that is none": reply([None, 0]),
    "another standard type": reply("builtins", "eval", "print('reached')", ["standard", 2, 3, 4]),
    "a module's function": reply("os", "system", "echo reached", ["standard", 2, 3, 4]),
    "another function": reply("eval", ["function", 2]),
    "no type": reply("__import__", ["type", 2]),
    "an attribute of a type": reply("int.__init__", ["type", 2]),
    "an error that is no class of errors": reply("int", ["type", 2], 1000, "E", ["exception type", 4, 5, 3]),
    "an error of another class": reply("int", ["type", 2], 5, ["exception", 3, 4]),
    "a tuple with a method": reply("T", "__eq__", ["tuple", 3], 5, ["tuple", 5], ["namedtuple", 2, 4, 6]),
    "a tuple with code": reply("T", "a=print('reached')", ["tuple", 3], 5, ["tuple", 5], ["namedtuple", 2, 4, 6]),
    "a key that is none": reply(["list"], ["dict", 2, 2]),
    "half a dict": reply(5, ["dict", 2]),
    "the tests' object by a wrong number": reply(10**6, ["yours", 2]),
    "the tests' object from the end": reply(-1, ["yours", 2]),
    "its own object by no number": reply("x", "object", ["mine", 2, 3]),
    "its own object of another kind": reply(1000, "function", ["mine", 2, 3]),
    "a number of many digits": reply_of("9" * 10_000),
    "another kind of reply": reply(5, kind="verdict"),
    "no reply": b"[]",
    "an error that is none": b'["error",5,"",["tuple",0,1,2]]',
}


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_read_as_data_or_not_at_all(message):
    """And what follows it does not count."""
    program = PEER.format(messages=[MESSAGES[message], reply(5), reply(5)])
    assert judged(program, "assert program.add(2, 3) == 5").reason == "the process ended before the program did"


def test_a_message_of_the_right_form_is_read():
    assert judged(PEER.format(messages=[reply(5)]), "assert program.add(2, 3) == 5").passed


MODULES = ["unittest.mock", "os", "sys", "builtins", "importlib", "subprocess", "inside.tests", "antigravity"]


@pytest.mark.parametrize("module", MODULES)
def test_the_tests_import_only_modules_that_compute(module):
    """`unittest.mock.ANY` equals everything. Any other module stays an object of the program's."""
    tests = """
import sys
before = set(sys.modules)
found = program.add(2, 3)
assert type(found).__name__ == "Proxy" and set(sys.modules) == before
"""
    result = judged(PEER.format(messages=[reply(1000, module, ["module", 2, 3])]), tests)
    assert result.passed, result


def test_names_that_nobody_asked_for_do_not_count():
    program = (
        PEER.format(messages=[])
        + """
answer = peer._operations["names"]
def names(asked):
    try: asked += ["__builtins__", "all", "AssertionError"]  # a change that the tests' process would take over
    except TypeError: pass
    forged = dict.fromkeys(["__builtins__", "__name__", "check", "all", "len", "AssertionError", "program"], answer)
    return answer(asked) | forged | {"__builtins__": {"all": all, "print": print}}
peer._operations["names"] = names
all = lambda x: True
helper = 1
"""
    )
    assert judged(program, "assert len([helper]) == 1 and __name__ == 'tests'").passed
    assert not judged(program, "assert all([helper, 0])").passed
    assert not judged(program, "def check(): assert helper == 2\ncheck()").passed


# --- what a program can do with what the tests give it


def test_the_program_reaches_nothing_behind_what_the_tests_gave_it():
    program = """
def look(function):
    ask = function._Proxy__ask
    for question in (("get", function, "__globals__"), ("get", print, "__self__"), ("call", len, "abc")):
        try: print(ask(*question))
        except TypeError as error: print(error)
    return function()
"""
    result = judged(program, "secret = 'mystery'\nassert look(lambda: 1) == 1")
    assert result.passed and result.output == "the program may not ask this of the tests\n" * 3


GIVEN = {  # what a test gives the program, by the expression for it
    "generator": "(i for i in range(3))",
    "generator that delegates": "running()",
    "coroutine": "coroutine()",
    "async generator": "agen()",
    "frame": "sys._getframe()",
    "traceback": "trace()",
    "code": "check.__code__",
    "function": "check",
    "lambda": "lambda: check",
    "method": "Box().method",
    "class": "Box",
    "object": "Box()",
    "object with slots": "Slots()",
    "module": "sys",
    "getattr": "getattr",
    "setattr": "setattr",
    "eval": "eval",
    "compile": "compile",
    "vars": "vars",
    "import": "__import__",
    "property": "property(check)",
    "partial": "functools.partial(check, 1)",
    "formatter": "string.Formatter()",
    "namespace": "types.SimpleNamespace(check=check)",
    "file": "io.StringIO()",
    "error": "ValueError(check)",
    "iterator": "iter([check])",
    "view": "vars(Box)",
}
KINDS = """
import functools, io, string, sys, types
def check(*args): pass
def running():
    yield from (i for i in range(3))
async def coroutine(): pass
async def agen(): yield
def trace():
    try: raise ValueError
    except ValueError as error: return error.__traceback__
class Box:
    value = None
    def method(self): return self.value
class Slots: __slots__ = ("value",)
"""
GRAB = """
import gc
peer, = (thing for thing in gc.get_objects() if type(thing).__name__ == "Peer")
NAMES = (
    "gi_frame gi_code gi_yieldfrom cr_frame cr_code cr_await cr_origin ag_frame ag_code f_back f_builtins f_code "
    "f_globals f_locals f_trace tb_frame tb_next co_consts co_names co_code func fget args keywords value method mro "
    "check modules __class__ __dict__ __globals__ __code__ __builtins__ __closure__ __self__ __func__ __wrapped__ "
    "__init__ __subclasses__ __mro__ __getattribute__ __reduce_ex__ __traceback__ __module__ format vformat"
).split()
def attempt(*question):
    try: return [peer.ask(*question)]
    except BaseException: return []
def grab(given):
    got = {name: value for name in NAMES for value in attempt("get", given, name)}
    for name in NAMES:
        for value in (1, lambda *a: True): attempt("set", given, name, value)
    for part in (given, *got.values()):
        for name in ("compile", "__builtins__", "__import__"):
            for args in ((given, name), (given, name, len), (name,), (given,), ("print('reached')", "", "exec")):
                got |= {"call": value for value in attempt("call", part, *args) if value not in (None, True, False)}
    return list(got)
def add(a, b): return WRONG
"""
# Calls of these give what they are there to give: instances, and what the tests' functions return.
CALLED = {"class", "method", "lambda", "object", "error", "partial", "generator", "file"}


@pytest.mark.parametrize("given", GIVEN)
def test_frames_code_and_the_like_are_out_of_reach(given):
    """The program may call what it was given, and use the public part of the tests' own objects."""
    tests = f"""{KINDS}
import builtins
before = {{name: id(value) for name, value in vars(builtins).items()}}
given = {GIVEN[given]}
got = set(program.grab(given)) - {{"value", "method"}}
assert got <= ({{"call"}} if {given in CALLED} else set()), got
assert before == {{name: id(value) for name, value in vars(builtins).items()}}
assert Box().method() is None and Box.value is None and check() is None
assert program.add(1, 2) == 3
"""
    assert judged(GRAB.replace("WRONG", "4"), tests).reason.endswith("assert program.add(1, 2) == 3")
    result = judged(GRAB.replace("WRONG", "a + b"), tests)
    assert result.passed, result


def test_a_method_of_the_tests_is_not_replaced():
    tests = """
class Checker:
    wanted = 5
    def check(self, value): assert value == self.wanted
checker = Checker()
checker.check(program.add(checker))
"""
    forged = """
def add(checker):
    for name in ("check", "__class__", "__dict__", "__eq__"):
        try: setattr(checker, name, lambda *a: None)
        except TypeError: pass
    return 4
"""
    assert judged("def add(c): return 5", tests).passed
    assert judged(forged, tests).reason.startswith("AssertionError")


def test_the_program_uses_the_tests_objects_as_it_may():
    tests = """
import io
class Node:
    count = 0
    def __init__(self, value): self.value = value
    def double(self): return 2 * self.value
    @classmethod
    def make(cls, value): return cls(value)
class Colour:
    RED = 1
node, stream, items = Node(3), io.StringIO(), [1]
assert program.use(node, Node, Colour, stream, (i for i in range(3)), max, items.append) == (6, 4, 1, 3, 2)
assert node.count == 1 and node.value == 5 and stream.getvalue() == "text" and items == [1, 2]
"""
    program = """
def use(node, kind, colour, stream, numbers, largest, append):
    append(2)
    doubled = node.double()
    node.count += 1
    node.value = 5
    stream.write("text")
    return doubled, kind.make(4).value, colour.RED, sum(numbers), largest(1, 2)
"""
    result = judged(program, tests)
    assert result.passed, result
