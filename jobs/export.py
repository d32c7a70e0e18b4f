"""Take a run's model away: `pada export RUN --to DIR`."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from jobs.command import main
from jobs.local.run_folder import lasting
from jobs.resume import Run
from pada_ray.errors import ConfigError, PadaError, StorageError
from pada_ray.storage import Folder, telling_a_full_disk

GGUF_TYPES = ("Q8_0", "F16", "BF16", "F32")

To = Annotated[str, typer.Option("--to", metavar="DIR", help="A new folder on this machine.")]
Model = Annotated[
    str | None, typer.Option("--model", metavar="MODEL", help="A model of the run, such as iteration-1; default: best.")
]
Merged = Annotated[bool, typer.Option("--merged", help="Also the adapter merged into the base model.")]
Gguf = Annotated[
    str | None, typer.Option("--gguf", metavar="TYPE", help=f"Also one file for llama.cpp: {', '.join(GGUF_TYPES)}.")
]
Ollama = Annotated[bool, typer.Option("--ollama", help="Also a Modelfile; writes a Q8_0 GGUF if --gguf names no type.")]
Hub = Annotated[
    str | None, typer.Option("--hub", metavar="NAME", help="Upload all of it to this repository of the Hub.")
]


def export(
    run: Run,
    to: To,
    model: Model = None,
    merged: Merged = False,
    gguf: Gguf = None,
    ollama: Ollama = False,
    hub: Hub = None,
) -> None:
    """Write RUN's best model into DIR: the adapter with tokenizer and chat template, the synthetic data with its
    origin, and a card of each. What is merged or converted is compared with the model of the run before it is written.

    Example: pada export runs/demo --to out --merged
    """
    from pada_ray.export.chosen import chosen_model

    target = Path(to)
    if target.exists():
        raise ConfigError(f"--to {to}: already exists; give another name")
    chosen = chosen_model(Folder(lasting(run)), model)
    if chosen.adapter is None:
        raise ConfigError(
            f"{run}: no fine-tuned model did better on val than the base model, so there is nothing to export; "
            "--model names one all the same"
        )
    gguf = gguf or ("Q8_0" if ollama else None)
    if gguf is not None:
        _check_gguf(gguf, chosen.run.config.student.model)
    if hub is not None:
        from pada_ray.export.hub import check_access

        check_access()
    from pada_ray.export.export import Wanted, write_export

    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"model: {chosen.model} of {run}")
    with _new_beside(target) as folder:
        half = Path(folder) / "export"
        try:
            with telling_a_full_disk(folder):
                half.mkdir()
                write_export(chosen, Wanted(merged, gguf, ollama), half, console.print)
        except OSError as e:
            if isinstance(e, PadaError) or e.errno is None:  # transformers raises OSErrors of its own
                raise
            raise StorageError(f"{e.filename or f'--to {to}'}: {e.strerror}") from None
        half.rename(target)
    console.print(f"export: {to}")
    if hub is not None:
        from pada_ray.export.hub import upload

        console.print(f"hub: {upload(to, hub)}")


def _new_beside(target: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder beside the target, so that a reader sees all of it or nothing. Raises StorageError."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-")
    except OSError as e:
        raise StorageError(f"--to {target}: {e.strerror}; give another place") from None


def _check_gguf(kind: str, model: str) -> None:
    """Raises ConfigError if a GGUF of this type and model cannot be written here."""
    if kind not in GGUF_TYPES:
        raise ConfigError(
            f"--gguf {kind}: use one of {', '.join(GGUF_TYPES)}; llama-quantize of llama.cpp makes others out of F16"
        )
    if importlib.util.find_spec("gguf") is None:
        raise ConfigError("--gguf: the package gguf is not installed here; pip install 'pada-ray[gguf]'")
    from pada_ray.export.gguf_file import check_architecture
    from pada_ray.student.model import model_location

    check_architecture(model_location(model))


if __name__ == "__main__":
    main(export)
