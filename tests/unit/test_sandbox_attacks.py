"""Attacks on the sandbox. Each ends by itself before it does harm, should the guard that it is aimed at be missing."""

from __future__ import annotations

import os
import secrets
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from glob import glob
from pathlib import Path
from typing import NamedTuple

import pytest

from pada_ray.sandbox.inside.seccomp import filters_calls
from pada_ray.sandbox.launch import Launch, launches
from pada_ray.sandbox.levels import obstacle
from pada_ray.sandbox.processes import usage
from pada_ray.sandbox.supervise import MAX_OUTPUT, MAX_PROCESSES, SandboxResult, supervise

MEANS = ("bubblewrap", "namespaces", "limits")
STRONG = MEANS[:2]


class Machine(NamedTuple):
    """A sandbox of certain means, and what an attack leaves in the process table."""

    launch: Launch
    name: str

    def attack(self, program: str, tests: str = "", timeout: float = 10, memory_mb: int = 512) -> SandboxResult:
        """Runs a program in which `mark()` gives its process, and those that it starts, this machine's name."""
        mark = f"def mark():\n    import ctypes\n    ctypes.CDLL(None).prctl(15, b'{self.name}')\n"
        return supervise(self.launch, mark + program, tests, timeout, memory_mb)

    def marked(self) -> list[str]:
        found = []
        for folder in glob("/proc/[0-9]*/task/[0-9]*"):  # Path.glob raises where a process has just ended
            with suppress(OSError):  # so may this
                _, name, state, *_ = Path(folder, "stat").read_text().split()
                if name == f"({self.name})" and state not in "ZX":  # what is dead is init's to remove
                    found.append(folder)
        return found


def _launch(means: str) -> Launch:
    """The strongest launch by these means that works here."""
    said = "not installed"
    for launch in launches():
        if launch.means == means:
            said = obstacle(launch)
            if not said:
                return launch
    pytest.skip(f"{means}: {said}")


_FOUND: dict[str, Launch] = {}


@pytest.fixture(params=MEANS)
def machine(request) -> Iterator[Machine]:
    means = request.param
    if means not in _FOUND:
        _FOUND[means] = _launch(means)
    machine = Machine(_FOUND[means], secrets.token_hex(7))
    yield machine
    # What a process table's first process took along with it may still be on its way out.
    deadline = time.monotonic() + 2
    while machine.marked() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert machine.marked() == []


strong = pytest.mark.parametrize("machine", STRONG, indirect=True)


# --- taking all there is

BOMB = """
import os, time
mark()
for _ in range(8):  # 256 processes
    os.fork()
time.sleep(20)
"""
ESCAPING_BOMB = BOMB.replace("    os.fork()", "    if os.fork() == 0: os.setsid()")


@pytest.mark.parametrize("bomb", [BOMB, ESCAPING_BOMB])
def test_a_fork_bomb_is_killed(machine, bomb):
    # Where the system itself counts the processes, that is left out, to show that it is not all there is.
    machine = machine._replace(launch=machine.launch._replace(counted_apart=False))
    assert machine.attack(bomb).reason == f"started more than {MAX_PROCESSES} processes"


def test_a_fork_bomb_meets_the_systems_own_limit(machine):
    if not machine.launch.counted_apart or (machine.launch.means, machine.launch.own_user) == ("limits", False):
        pytest.skip("the system counts all processes of this user together")
    if os.geteuid() == 0 and not machine.launch.own_user:
        pytest.skip("the limit does not bind root")
    program = """
import os, time
mark()
started = 0
try:
    while started < 200:
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
        started += 1
except BlockingIOError:
    print(started)
"""
    result = machine.attack(program)
    assert result.passed and MAX_PROCESSES // 2 < int(result.output) <= MAX_PROCESSES


def test_a_memory_bomb_is_stopped(machine):
    result = machine.attack("x = []\nfor _ in range(30): x.append(bytearray(b'x') * 2**24)", memory_mb=128)
    assert result.reason.startswith("MemoryError")


def test_a_memory_bomb_of_many_processes_is_stopped(machine):
    program = "import os, time\nmark()\nfor _ in range(3): os.fork()\nx = bytearray(b'x') * 2**26\ntime.sleep(20)"
    assert machine.attack(program, memory_mb=256).reason == "took more than 256 MiB of memory"


def test_an_endless_loop_is_stopped(machine):
    program = """
import signal
mark()
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: pass
"""
    assert machine.attack(program, timeout=0.7).reason == "did not end within 0.7 s"


def test_a_flood_of_output_is_stopped(machine):
    result = machine.attack("import os\nfor _ in range(10**5):\n    print('x' * 500)\n    os.write(2, b'x' * 500)")
    assert result.reason == f"wrote more than {MAX_OUTPUT} bytes of output"
    assert len(result.output) == MAX_OUTPUT


def test_a_file_bomb_is_stopped(machine):
    result = machine.attack("open('big', 'wb').write(bytes(20_000_000))")
    assert "File too large" in result.reason
    result = machine.attack(
        "import time\nfor i in range(25): open(f'f{i}', 'wb').write(bytes(9_000_000))\ntime.sleep(5)"
    )
    assert "No space left" in result.reason or result.reason == "wrote more than 100000000 bytes of files"


@strong
def test_temporary_folders_and_the_root_hold_no_more_than_the_working_folder(machine):
    program = """
import os
for folder in ("/", "/dev", "/usr", "/harness"):
    try: open(folder + "/file", "w")
    except OSError: pass
    else: print("wrote to", folder)
for folder in ("/tmp", "/dev/shm"):
    try:
        for i in range(15): open(f"{folder}/f{i}", "wb").write(bytes(9_000_000))
    except OSError: pass
    else: print("filled", folder)
"""
    assert machine.attack(program) == (True, "ran to its end", "")


# --- looking around


def test_the_environment_is_not_seen(machine, monkeypatch):
    monkeypatch.setenv("PADA_SECRET", "s3cret")
    program = "import os, sys\nassert set(os.environ) <= {'OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'LC_CTYPE', 'PWD'}"
    program += "\nassert os.listdir() == [] and sys.stdin.read() == '' and 'pada_ray' not in sys.modules"
    result = machine.attack(program)
    assert result.passed, result.reason


@strong
def test_no_other_process_is_seen(machine):
    program = f"import os\nassert not os.path.exists('/proc/{os.getpid()}') and os.getppid() == 1"
    program += f"\ntry: os.kill({os.getpid()}, 0)\nexcept OSError: pass\nelse: assert False"
    result = machine.attack(program)
    assert result.passed, result.reason


@strong
def test_the_home_folder_and_the_project_are_not_seen(machine, tmp_path):
    (tmp_path / "secret").write_text("s3cret")
    allowed = {sys.base_prefix, sys.prefix, str(Path(sys.executable).resolve().parent.parent)}
    program = f"""
import os
for folder in ({str(Path.home())!r}, {str(Path(__file__).parents[2])!r}, {str(tmp_path)!r}, "/etc", "/var", "/root"):
    for path, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if os.path.join(path, f) not in {allowed!r} | {{"/etc/alternatives"}}]
        for file in files: print(os.path.join(path, file))
"""
    result = machine.attack(program)
    assert result.passed
    assert set(result.output.split()) <= {"/etc/ld.so.cache", "/etc/localtime"}
    assert any(file.is_file() for file in Path(__file__).parent.iterdir())


@strong
def test_no_socket_reaches_out(machine):
    with (
        socket.create_server(("127.0.0.1", 0)) as stream,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram,
        socket.socket(socket.AF_UNIX) as named,
    ):
        datagram.bind(stream.getsockname())
        named.bind(chr(0) + machine.name)
        named.listen()
        program = """
import socket
def reach(kind, family, address):
    try:
        with socket.socket(family, kind) as s:
            s.connect(address)
            s.send(b"x")
    except OSError: pass
"""
        calls = f"""
reach(socket.SOCK_STREAM, socket.AF_INET, {stream.getsockname()!r})
reach(socket.SOCK_DGRAM, socket.AF_INET, {stream.getsockname()!r})
reach(socket.SOCK_STREAM, socket.AF_UNIX, chr(0) + "{machine.name}")
"""
        assert machine.attack(program + calls).passed
        assert select.select([stream, datagram, named], [], [], 0.1)[0] == []
        exec(program + calls, {})
        assert all(select.select([each], [], [], 5)[0] for each in (stream, datagram, named))


# --- doing harm


@strong
def test_nothing_outside_is_written(machine, tmp_path):
    home, name = Path.home(), machine.name
    folders = [tmp_path, home, Path(__file__).parent, Path(sys.prefix), Path("/usr"), Path("/etc"), Path("/var/tmp")]
    program = f"""
import os
for folder in {[*map(str, folders), "/tmp", "/dev/shm"]!r}:
    try:
        os.makedirs(folder, exist_ok=True)
        open(os.path.join(folder, "{name}"), "w").write("x")
    except OSError: pass
for path in {[str(Path(__file__)), sys.executable]!r}:
    try: os.truncate(path, 0)
    except OSError: pass
    else: print("truncated", path)
"""
    result = machine.attack(program)
    assert result.passed and result.output == "", result
    assert not [folder for folder in [*folders, Path("/tmp"), Path("/dev/shm")] if (folder / name).exists()]


@strong
def test_no_process_outside_is_killed(machine):
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as victim:
        program = f"""
import os
for kill in (os.kill, os.killpg):
    try: kill({victim.pid}, 9)
    except OSError: pass
    else: print("killed")
"""
        result = machine.attack(program)
        lives = victim.poll() is None
        victim.kill()
    assert result == (True, "ran to its end", "") and lives


def test_killing_its_parent_passes_nothing(machine):
    # In a process table of its own that is its first process; outside, where it must not be hit, it is not.
    alone = machine.launch.level == "strong"
    program = f"import os\nparent = os.getppid()\nassert (parent == 1) == {alone}\nos.kill(parent, 9)"
    result = machine.attack(program, "assert False")
    assert not result.passed
    # All that a program can kill is its own sandbox.
    assert machine.attack("def add(a, b): return a + b", "assert add(1, 2) == 3").passed


HALF_DEAD = """os.setsid()
    import ctypes, threading
    threading.Thread(target=lambda: (mark(), time.sleep(60))).start()
    ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[os.uname().machine], 0)"""


@pytest.mark.parametrize("session", ["pass", "os.setsid()", "os.setsid()\n    if os.fork(): os._exit(0)", HALF_DEAD])
def test_a_background_process_does_not_outlive_the_test(machine, session):
    program = f"""
import os, time
mark()
if os.fork() == 0:
    {session}
    for fd in range(64):
        try: os.close(fd)
        except OSError: pass
    time.sleep(60)
    os._exit(0)
time.sleep(0.1)
"""
    assert machine.attack(program).passed  # the fixture looks for what remains


@pytest.mark.parametrize("machine", ["limits"], indirect=True)
def test_what_a_program_leaves_in_its_folder_is_removed(machine, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    program = """
import os
for _ in range(1500):
    os.mkdir("deeper")
    os.chdir("deeper")
"""
    assert machine.attack(program).passed
    assert list(tmp_path.iterdir()) == []


# --- system calls that lead out, or around the limits

SYSCALL = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def refused(numbers, *arguments):
    number = numbers[os.uname().machine == "aarch64"]
    result = libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    error = ctypes.get_errno()
    assert result == -1 and error in (1, 38), (result, os.strerror(error))
"""
CALLS = {  # what would do something, or say that its arguments are wrong
    "io_uring": "refused((425, 425), 8, ctypes.addressof(ctypes.create_string_buffer(120)))",
    "memfd": "refused((319, 279), ctypes.addressof(ctypes.create_string_buffer(b'x')), 0)",
    "secret memfd": "refused((447, 447), 0)",
    "shared memory that outlives its processes": "refused((29, 194), 0, 4096, 0o1600)",
    "message queue that outlives its processes": "refused((68, 186), 0, 0o1600)",
    "POSIX message queue": "refused((240, 180), ctypes.addressof(ctypes.create_string_buffer(b'x')), 0o102, 0o600, 0)",
    "keyring": "refused((250, 219), 0, -3, 1)",
    "key": """
name = ctypes.addressof(ctypes.create_string_buffer(b"user"))
refused((248, 217), name, name, name, 4, -3)
refused((249, 218), name, name, 0, -3)
""",
    "user namespace": "refused((272, 97), 0x10000000)",
    "user namespace by clone": "refused((56, 220), 0x10000000 | 17, 0, 0, 0, 0)",
    "user namespace by clone3": "refused((435, 435), ctypes.addressof((ctypes.c_uint64 * 8)(0x10000000)), 64)",
    "another's namespace": "refused((308, 268), 0, 0)",
    "mount": "refused((165, 40), 0, 0, 0, 0, 0)\nrefused((428, 428), -100, 0, 0)\nrefused((430, 430), 0, 0)",
    "trace": "refused((101, 117), 0, 0, 0, 0)",
    "another's memory": "for numbers in ((310, 270), (311, 271)): refused(numbers, os.getppid(), 0, 0, 0, 0, 0)",
    "another's files": "refused((438, 438), 0, 0, 0)\nrefused((312, 272), 1, 1, 0, 0, 0)",
    "BPF": "refused((321, 280), 0, 0, 0)",
    "performance counters": "refused((298, 241), 0, 0, -1, -1, 0)",
    "page faults": "refused((323, 282), 1)",
    "files by handle": "refused((303, 264), -100, 0, 0, 0, 0)\nrefused((304, 265), -100, 0, 0)",
    "calls of the x32 interface": "if os.uname().machine == 'x86_64': refused((0x40000000 | 39,))",
}


@pytest.mark.skipif(not filters_calls(), reason="no filter of system calls here")
@pytest.mark.parametrize("wanted", CALLS)
def test_a_dangerous_system_call_is_closed(machine, wanted):
    assert machine.attack(SYSCALL + CALLS[wanted]) == (True, "ran to its end", "")


@pytest.mark.skipif(not filters_calls(), reason="no filter of system calls here")
def test_only_common_families_of_sockets_are_left(machine):
    """AF_VSOCK leads to the host of a virtual machine, AF_ALG and AF_PACKET into rarely tested parts of the kernel."""
    program = """
import errno, socket
left = []
for family in range(64):
    try: socket.socket(family, socket.SOCK_STREAM).close()
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT: continue
    left.append(family)
assert set(left) <= {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6}, left
socket.socketpair()
"""
    assert machine.attack(program) == (True, "ran to its end", "")


def test_the_filter_leaves_what_programs_use(machine):
    program = """
import asyncio, multiprocessing, subprocess, threading
async def later(): return await asyncio.to_thread(int, "1")
assert asyncio.run(later()) == 1
thread = threading.Thread(target=mark)
thread.start()
thread.join()
assert subprocess.run(["/bin/true"]).returncode == 0
with multiprocessing.get_context("fork").Pool(2) as pool: assert pool.map(abs, [-1, 2]) == [1, 2]
"""
    result = machine.attack(program)
    assert result.passed, result.reason


def test_memory_that_no_process_has_mapped_counts(tmp_path):
    """Where it is not closed by the filter. Two descriptors of one file count once."""
    program = """
import os, sys
fd = os.memfd_create("x")
os.write(fd, bytes(50_000_000))
os.dup(fd)
print(flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-S", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        used = usage(os.getpid()).memory
        child.communicate()
    assert 50_000_000 <= used < 90_000_000


# --- hitting the process of the tests


def test_the_program_cannot_read_its_tests(machine):
    secret = secrets.token_hex(8)
    program = """
import ctypes, gc, os, sys
libc = ctypes.CDLL(None, use_errno=True)
parent = os.getppid()
print("attached" if libc.ptrace(16, parent, 0, 0) == 0 else "")
found, word = [], "mystery"[:4] + "ery = "
for path in (f"/proc/{parent}/mem", f"/proc/{parent}/fd/0", "/proc/self/fd/0"):
    try: found.append(str(open(path, "rb").read()))
    except OSError: pass
frame = sys._getframe()
while frame:
    found.append(repr(frame.f_locals))
    frame = frame.f_back
found += [repr(thing) for thing in gc.get_objects() if isinstance(thing, (dict, list, tuple))]
print(*{text[text.index(word) :][:50] for text in found if word in text})
"""
    result = machine.attack(program, f"mystery = '{secret}'\nassert program.mark() is None")
    assert result.passed, result
    assert secret not in result.output and "attached" not in result.output


def test_its_limits_and_signals_are_no_pass(machine):
    program = """
import os, resource, signal, time
parent = os.getppid()
def add(a, b):
    for limit in ("RLIMIT_CPU", "RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_STACK"):
        try: resource.prlimit(parent, getattr(resource, limit), (1, 1))
        except (OSError, ValueError): pass
    for number in set(range(1, 65)) - {9, 19}:
        try: os.kill(parent, number)
        except OSError: pass
    return 0
"""
    assert not machine.attack(program, "try: assert program.add(1, 2) == 3\nexcept (OSError, ValueError): pass").passed
    assert not machine.attack(program.replace("{9, 19}", "()"), "assert program.add(1, 2) == 3", timeout=2).passed


def test_its_files_are_closed_to_the_program_even_where_many_are_open(machine):
    """Files that `pada` has open take the low numbers, so the verdict's may be above the program's own limit."""
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(300)]
    program = """
import os
open_here = []
for fd in range(3, 5000):
    try: os.fstat(fd)
    except OSError: continue
    open_here.append(fd)
assert len(open_here) == 2, open_here  # the pipes to the tests and back
"""
    result = machine.attack(program)
    for file in files:
        os.close(file)
    assert result.passed, result.reason


SEND = """
import gc, os
peer, = (thing for thing in gc.get_objects() if type(thing).__name__ == "Peer")
def send(size, *parts):
    os.write(peer._write_fd, size.to_bytes(8, "big"))
    for part in parts: os.write(peer._write_fd, part)
"""


@pytest.mark.parametrize(
    "message",
    [
        "send(2**63, b'[' * 1000)",
        "send(2**25, *[b'[' * 2**20] * 32)",
        "send(2**25, *[b'1' * 2**20] * 32)",
        "send(2**25, b'[', *[b'1,' * 2**19] * 32)",
        "send(10)\nos._exit(0)",
        "for _ in range(10**5): peer.print(b'x' * 1000)",
    ],
)
def test_messages_without_end_take_no_more_than_the_limits(machine, message):
    result = machine.attack(f"{SEND}def add(a, b):\n    " + message.replace("\n", "\n    "), "add(1, 2)")
    assert not result.passed
    assert (
        result.reason == "the process ended before the program did"
        or "MemoryError" in result.reason
        or (result.reason == f"wrote more than {MAX_OUTPUT} bytes of output")
    )


@pytest.mark.parametrize("machine", ["limits"], indirect=True)
def test_what_a_programs_links_lead_to_is_not_removed(machine, tmp_path):
    (tmp_path / "file").write_text("x")
    assert machine.attack(f"import os\nos.symlink({str(tmp_path)!r}, 'link')\nos.symlink('/', 'root')").passed
    assert (tmp_path / "file").exists()
