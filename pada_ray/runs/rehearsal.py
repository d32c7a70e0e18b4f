"""A rehearsal: the whole loop in small on the user's own data, without a key, before it costs anything."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from pada_ray.config import Config, EndpointConfig, check_config

SAMPLES = 40
MOST_PARAMETERS = 500 * 10**6
MEANING = "a rehearsal shows that every step works; its numbers mean nothing"
_DEMO = "demo"
_MARK = "-rehearsal"
_LONGEST_NAME = 100  # of a run
_REPLY_OF_THE_DEMO_STUDENT = 64  # tokens; it ends few replies to questions that are not its own


def rehearsal(config: Config, train: int, student: str = _DEMO) -> Config:
    """The config of a rehearsal: at most 40 samples of each split, one epoch, the offline teacher as both LLMs, one
    worker. It stops for nobody and tells no tracker. Data, task, method, prompts and the number of iterations stay.

    Args:
        train: training samples that the run itself would have.
        student: the model to fine-tune, such as `student_at_hand` gives.
    """
    raw = config.model_dump(mode="json")
    samples = min(SAMPLES, train)
    raw |= {"name": f"{config.name[: _LONGEST_NAME - len(_MARK)]}{_MARK}", "rehearsal": True, "shared_stages": None}
    raw |= {"budget": {}, "review": [], "stop_if": [], "tracking": []}
    raw["data"] |= {"regime": samples, "eval_samples": min(SAMPLES, config.data.eval_samples or SAMPLES)}
    raw["fine_tune"] |= {"epochs": 1, "workers": 1, "gradient_accumulation": 1, "deepspeed": None}
    raw["evaluation"] |= {"backend": "transformers", "vllm": {}, "workers": 1}
    raw["student"] |= {"model": student, "quantization": None}
    raw["pattern_analysis"] |= {"embedding": "tfidf", "max_failures": SAMPLES}
    if student == _DEMO:
        raw["student"] |= {"dtype": "float32", "chat_template": {}}
        raw["evaluation"] |= {"max_new_tokens": _REPLY_OF_THE_DEMO_STUDENT}
    if not config.data_generation.samples_to_add(samples):
        raw["data_generation"] |= {"ratio": 1 / samples}
    raw["llm"] |= {"cache": None} | {role: _offline(role) for role in ("teacher", "judge")}
    return check_config(raw, "rehearsal")


def student_at_hand(model: str) -> str:
    """The model of a config if its weights are on this machine, in a folder or in the Hub's cache, and it is small;
    else the demo student, which comes with the package."""
    folder = _folder_of(model)
    return model if folder is not None and 0 < parameters(folder) <= MOST_PARAMETERS else _DEMO


def parameters(folder: Path) -> int:
    """Weights in the safetensors files of a model's folder, by their headers; 0 without such files."""
    return sum(math.prod(shape) for file in sorted(folder.glob("*.safetensors")) for shape in _shapes(file))


def _shapes(file: Path) -> list[list[int]]:
    """The shape of each tensor: the header is JSON, and the file's first eight bytes are its length."""
    with open(file, "rb") as opened:
        header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
    return [tensor["shape"] for name, tensor in header.items() if name != "__metadata__"]


def _folder_of(model: str) -> Path | None:
    folder = Path(os.path.expanduser(model))
    if folder.is_dir():
        return folder
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(model, "config.json")
    except HFValidationError:  # the name of no repository, such as `demo` or a path that is not there
        return None
    return Path(found).parent if isinstance(found, str) else None


def _offline(role: str) -> dict[str, Any]:
    return EndpointConfig(base_url="offline", model=f"offline-{role}").model_dump(mode="json")
