import pytest
from builders import small_config as config
from rich.console import Console

from jobs import doctor
from pada_ray.errors import ConfigError


def test_what_a_run_would_be_refused_for_is_missing():
    assert doctor.can_start(config()) == "can start"
    with pytest.raises(ConfigError, match=r"^data_generation.ratio: 0.01 x 20"):
        doctor.can_start(config(data_generation={"ratio": 0.01}))


def test_whatever_goes_wrong_is_told_and_the_next_is_looked_at(capsys):
    console = Console(width=80)
    assert doctor.holds("first", lambda: "here", console)
    assert not doctor.holds("second", lambda: str(1 / 0), console)
    assert capsys.readouterr().out.splitlines() == [
        "ok      first: here",
        "missing second: ZeroDivisionError: division by zero",
    ]
