import pytest
import typer

from jobs.command import command
from pada_ray.errors import ConfigError, EndpointError


@pytest.mark.parametrize("said", [r"C:\[data] has [no] end", r"\[/b] [/b]", "a trailing \\"])
def test_an_error_is_shown_as_it_is(said, capsys):
    assert told(ConfigError(said), capsys) == f"error: {said}\n"


def test_an_error_is_one_line_and_steers_no_terminal(capsys):
    assert told(EndpointError("it says:\n \x1b]0;me\x07 no \x9b2J"), capsys) == "error: it says: ]0;me no 2J\n"


def told(error, capsys):
    def fails():
        raise error

    with pytest.raises(typer.Exit) as end:
        command(fails)()
    assert end.value.exit_code == 2
    return capsys.readouterr().err
