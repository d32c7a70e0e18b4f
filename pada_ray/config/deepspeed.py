"""DeepSpeed's config from `fine_tune.deepspeed`: the name of a shipped one, a JSON file, or the keys themselves."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pada_ray.config.plain_file import what_instead

SHIPPED = Path(__file__).parent / "deepspeed_configs"
# These follow from other keys of `fine_tune`: transformers' Trainer replaces "auto".
_FILLED_IN = (
    "train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "gradient_clipping"
)  # fmt: skip


def resolve(given: Any) -> Any:
    """DeepSpeed's config, with keys that follow from others set to "auto". Raises ValueError, saying what to do."""
    config = _read(given) if isinstance(given, str) else given
    if not isinstance(config, dict):
        return config  # pydantic reports the wrong type
    for key in _FILLED_IN:
        if config.get(key, "auto") != "auto":
            raise ValueError(f"{key} follows from other keys of fine_tune; leave it out of DeepSpeed's config")
    zero = config.get("zero_optimization")
    if not isinstance(zero, dict) or zero.get("stage") not in (1, 2, 3):
        raise ValueError('zero_optimization: give {"stage": 1}, 2 or 3')
    if zero["stage"] == 3 and not zero.get("stage3_gather_16bit_weights_on_model_save"):
        raise ValueError(
            "zero_optimization.stage3_gather_16bit_weights_on_model_save must be true, or no adapter can be saved"
        )
    precision = {} if "fp16" in config or "bf16" in config else {"bf16": {"enabled": "auto"}}
    return config | dict.fromkeys(_FILLED_IN, "auto") | precision


def _read(name: str) -> Any:
    """The JSON of a shipped config, or of a file."""
    shipped = {file.stem: file for file in sorted(SHIPPED.glob("*.json"))}
    file = shipped.get(name, Path(os.path.expanduser(name)))
    if (other := what_instead(str(file))) is not None:
        raise ValueError(f"{name}: this is {other}; give a JSON file, or {', '.join(shipped) or 'a mapping'}")
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError:
        raise ValueError(f"{name}: no such JSON file; give one, or {', '.join(shipped) or 'a mapping'}") from None
    except (ValueError, RecursionError) as e:
        raise ValueError(f"{name}: not readable as JSON: {e}") from None
