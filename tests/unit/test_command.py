import subprocess
import sys

import pytest
import typer

from jobs.command import command
from pada_ray.errors import ConfigError, EndpointError


@pytest.mark.parametrize("said", [r"C:\[data] has [no] end", r"\[/b] [/b]", "a trailing \\"])
def test_an_error_is_shown_as_it_is(said, capsys):
    assert told(ConfigError(said), capsys) == f"error: {said}\n"


def test_an_error_is_one_line_and_steers_no_terminal(capsys):
    assert told(EndpointError("it says:\n \x1b]0;me\x07 no \x9b2J"), capsys) == "error: it says: ]0;me no 2J\n"


ENDS = """
import sys
from jobs.command import command
from pada_ray.errors import PadaError, ReviewDue

def fails():
    raise {"PadaError": PadaError, "ReviewDue": ReviewDue}[sys.argv[1]]("told")

try:
    command(fails)()
except BaseException as e:
    sys.exit(e.exit_code)
"""


@pytest.mark.parametrize(("error", "code"), [("PadaError", 2), ("ReviewDue", 0)])
def test_the_exit_code_holds_where_the_line_has_no_room(error, code):
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", ENDS, error], stdout=full, stderr=full, timeout=60)
    assert done.returncode == code


def told(error, capsys):
    def fails():
        raise error

    with pytest.raises(typer.Exit) as end:
        command(fails)()
    assert end.value.exit_code == 2
    return capsys.readouterr().err
