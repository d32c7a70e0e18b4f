"""Check an installation, and with a config all that it needs: `pada doctor`."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from jobs.command import main
from jobs.run import NoProbe
from pada_ray.config import Config, EndpointConfig
from pada_ray.errors import ConfigError, PadaError
from pada_ray.printable import printable
from pada_ray.resources import cores
from pada_ray.runs.configs import load

_PACKAGES = (
    "ray", "torch", "transformers", "peft", "accelerate", "deepspeed", "sentence-transformers", "scikit-learn", "openai"
)  # fmt: skip

_OF_THE_CONFIG = {"data", "teacher endpoint", "judge endpoint", "student", "samples", "run"}


def doctor(
    config: Annotated[str | None, typer.Argument(metavar="[CONFIG]", help="Also check this config.")] = None,
    no_probe: NoProbe = False,
    teacher: Annotated[
        bool,
        typer.Option("--teacher", help="Also tell how able teacher and judge are, by five calls on training samples."),
    ] = False,
) -> None:
    """Check installed packages and the accelerator; with CONFIG also its data, endpoints and model. Each endpoint is
    asked for one real reply, of some 50 tokens. Exits with 1 if something is missing, and with 2 if the config cannot
    run.

    Example: pada doctor configs/demo.yaml
    """
    if teacher and config is None:
        raise ConfigError("--teacher: name the config whose teacher is to be asked: pada doctor CONFIG --teacher")
    console = Console()
    checks: dict[str, Callable[[], str]] = {
        "python": lambda: sys.version.split()[0],
        **{name: functools.partial(importlib.metadata.version, name) for name in _PACKAGES},
        "processor": lambda: f"{cores()} cores",
        "accelerator": _accelerator,
        "4-bit weights": _four_bits,
        "vLLM": _vllm,
        "sandbox": sandbox,
    }
    if config is not None:
        loaded = load(config)
        checks |= {
            "config": lambda: f"{config} is valid",
            "data": lambda: _data(loaded),
            "teacher endpoint": lambda: endpoint(loaded, "teacher", probing=not no_probe),
            "judge endpoint": lambda: endpoint(loaded, "judge", probing=not no_probe),
            "student": lambda: _student(loaded),
            "samples": lambda: _samples(loaded),
        }
    missing = {name for name, check in checks.items() if not holds(name, check, console)}
    if not missing and config is not None and not holds("run", lambda: can_start(loaded), console):
        missing = {"run"}
    if missing:
        raise typer.Exit(2 if missing & _OF_THE_CONFIG else 1)
    if teacher:
        from jobs.local.ability import tell_abilities

        tell_abilities(loaded, console)


def holds(name: str, check: Callable[[], str], console: Console) -> bool:
    """Prints the result of `check`, or its error. Returns whether it passed."""
    try:
        console.print(f"[green]ok[/]      {name}: {escape(printable(check()))}", highlight=False, soft_wrap=True)
    except Exception as e:  # every kind of error is a finding
        what = f"{type(e).__name__}: {e}" if not isinstance(e, PadaError) else str(e)
        told = escape(printable(" ".join(what.split())))
        console.print(f"[red]missing[/] {name}: {told}", highlight=False, soft_wrap=True)
        return False
    return True


def _accelerator() -> str:
    import torch

    if not torch.cuda.is_available():
        return "none seen by torch; training and evaluation run on the CPU"
    devices = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return ", ".join(f"{d.name}, {d.total_memory / 2**30:.0f} GiB" for d in devices)


def _four_bits() -> str:
    try:
        return f"bitsandbytes {importlib.metadata.version('bitsandbytes')}"
    except importlib.metadata.PackageNotFoundError:
        return "bitsandbytes is not installed; only student.quantization: 4bit needs it (pip install 'pada-ray[4bit]')"


def _vllm() -> str:
    if importlib.util.find_spec("vllm"):
        return "installed"
    return "not installed; only evaluation.backend: vllm and base_url: vllm need it (pip install 'pada-ray[vllm]')"


def sandbox() -> str:
    from pada_ray.sandbox import describe_level, run_python

    if not run_python("def two(): return 1 + 1", "assert two() == 2").passed:
        raise RuntimeError("a correct program fails in the sandbox")
    if run_python("def two(): return 1", "assert two() == 2").passed:
        raise RuntimeError("a wrong program passes in the sandbox")
    return describe_level()


def _data(config: Config) -> str:
    from pada_ray.data.splits import read_data

    return ", ".join(f"{split} {len(samples)}" for split, samples in read_data(config).items())


def endpoint(config: Config, role: str, *, probing: bool) -> str:
    """What is known of an endpoint; with `probing` from a real reply of a few tokens."""
    from jobs.local.checks import check_endpoints
    from jobs.local.probe import Question, probe
    from pada_ray.data.splits import read_data
    from pada_ray.runs.expected import expected_calls

    expected = expected_calls(config, read_data(config))
    if role not in {e.role for e in expected}:
        return "not asked by this method"
    check_endpoints(config, [role])
    asked: EndpointConfig = getattr(config.llm, role)
    if asked.base_url == "offline":
        return "the offline teacher, started with each run"
    if asked.base_url == "vllm":
        return f"{asked.model}, served by the cluster with each run"
    if not probing:
        return f"{asked.base_url} ({asked.model}), not asked"
    (probed,) = probe([Question(asked, role, expected)])
    context = f", context {probed.context:,} tokens" if probed.context else ""
    return f"{asked.base_url} {probed.how} ({asked.model}, {probed.tokens} tokens{context})"


def _student(config: Config) -> str:
    from jobs.local.checks import check_backend
    from pada_ray.records import Message
    from pada_ray.student.model import Student

    check_backend(config)
    student = Student(config.student)
    student.encoder.conversation([Message(role="user", content="Hello"), Message(role="assistant", content="Hi")])
    millions = sum(p.numel() for p in student.model.parameters()) / 1e6
    return f"{config.student.model} loads: {millions:,.1f} M parameters, chat template with an end of turn"


def _samples(config: Config) -> str:
    from jobs.local.preflight import check_reading, describe
    from pada_ray.data.splits import read_data

    samples = read_data(config)
    return describe(check_reading(config, samples), samples, config.student.max_length)


def can_start(config: Config) -> str:
    from jobs.local.checks import check
    from pada_ray.data.splits import read_data

    check(config, read_data(config))
    return "can start"


if __name__ == "__main__":
    main(doctor)
