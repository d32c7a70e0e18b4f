"""What would stop a run only after minutes or hours, found in its first seconds: the student, its reading of every
sample, the embedding model, the GPUs and the disk."""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.local.capacity import needs_of, refuse_for_lack_of_room
from jobs.local.ray_session import cluster_address
from pada_ray.config import Config
from pada_ray.data.splits import Samples
from pada_ray.errors import ConfigError, one_line
from pada_ray.methods import METHODS
from pada_ray.printable import printable
from pada_ray.storage import Folder, free_bytes
from pada_ray.student.checkpoints import BYTES_IN_A_CHECKPOINT, BYTES_OF_A_WEIGHT

if TYPE_CHECKING:
    from pada_ray.student.preflight import Preflight

_WIDTH = 300  # characters shown of an example's prompt, and of what is learned


def check_surroundings(config: Config) -> None:
    """Raises ConfigError if GPUs are missing here, if the disk does not hold the adapters and checkpoints, or if the
    embedding model cannot be loaded."""
    _check_gpus(config)
    _check_disk(config)
    method = METHODS[config.method]
    control = config.quality_control
    verifies = control.confirms and bool(method.instructions) and (method.reviewed or control.for_all_methods)
    if (method.finds_patterns and config.pattern_analysis.enabled) or method.contrasts or verifies:
        _check_embedding(config.pattern_analysis.embedding)


def check_reading(config: Config, samples: Samples) -> Preflight:
    """What the student makes of every sample. Raises ConfigError if it cannot be loaded, if its template refuses a
    sample, or if all are too long."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # as in all of a run's processes
    from pada_ray.student.hub import check_name
    from pada_ray.student.preflight import read_all

    if config.student.model != "demo":
        check_name("student.model", config.student.model)
    return read_all(config.student, samples)


def describe(found: Preflight, samples: Samples, max_length: int) -> str:
    """How many samples fit, and one training sample with its mask: what is learned and what is only read."""
    long = [f"{count} of {len(samples[split])} {split}" for split, count in found.left_out.items() if count]
    lines = [f"too long for {max_length} tokens: {', '.join(long)}" if long else f"all fit into {max_length} tokens"]
    if found.example is not None:
        sample, prompt, learned, read, said = found.example
        lines += [
            f"for example {sample}: {read} tokens are read, {said} are learned",
            f"  read:    {_shown(prompt)}",
            f"  learned: {_shown(learned)}",
        ]
    return "\n        ".join(lines)


def _shown(text: str) -> str:
    text = printable(repr(text))
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH // 2]} ... {text[-_WIDTH // 2 :]}"


def _check_gpus(config: Config) -> None:
    """On a cluster, which may grow, `check_room` asks Ray when it is connected."""
    if cluster_address() is not None:
        return
    import torch

    gpus = torch.cuda.device_count()
    needs = [need._replace(cpus=0) for need in needs_of(config) if need.gpus not in ("auto", 0)]
    refuse_for_lack_of_room(needs, [{"Alive": True, "Resources": {"GPU": gpus}}], "this machine")


def _check_disk(config: Config) -> None:
    from pada_ray.student.skeleton import adapter_parameters

    parameters = adapter_parameters(config.student, config.fine_tune)
    checkpoint = parameters * BYTES_IN_A_CHECKPOINT
    models = 1 + METHODS[config.method].iterations(config.iterations)
    # A checkpoint is written before the one of the epoch before is removed.
    needed = {config.runs: 2 * checkpoint + models * parameters * BYTES_OF_A_WEIGHT, tempfile.gettempdir(): checkpoint}
    for path, size in needed.items():
        if Folder(path).is_local and (free := free_bytes(path)) < size:
            key = "runs" if path == config.runs else "TMPDIR"
            raise ConfigError(
                f"{key}: the checkpoints and adapters take {size / 1e9:.2g} GB, and {path} has {free / 1e9:.2g} GB "
                "left; make room, or take another disk"
            )


@functools.cache  # for all runs of a sweep
def _check_embedding(embedding: str) -> None:
    if embedding.startswith((".", "/", "~")) and not Path(os.path.expanduser(embedding)).is_dir():
        raise ConfigError(f"pattern_analysis.embedding: there is no folder {embedding}; `tfidf` needs no weights")
    from pada_ray.agents.embedding import embed
    from pada_ray.student.hub import check_name

    if embedding == "tfidf":
        return
    # sentence-transformers takes its own models without their owner.
    check_name("pattern_analysis.embedding", embedding if "/" in embedding else f"sentence-transformers/{embedding}")
    try:
        embed(["Whether the model can be loaded."], embedding, 0)
    except ConfigError:
        raise
    except Exception as e:  # of the Hub, of the weights' formats and of each architecture
        raise ConfigError(
            f"pattern_analysis.embedding: cannot load {embedding}: {one_line(e)}; `tfidf` needs no weights"
        ) from None
