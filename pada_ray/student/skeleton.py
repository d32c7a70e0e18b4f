"""The student without its weights: whether it exists and takes the adapter, and how large the adapter is."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from pada_ray.config import FineTuneConfig, StudentConfig
from pada_ray.errors import ConfigError, one_line
from pada_ray.student.chat_encoder import model_location
from pada_ray.student.fine_tune_worker import lora_of

_WEIGHTS = ("*.safetensors", "*.bin")


def adapter_parameters(student: StudentConfig, settings: FineTuneConfig) -> int:
    """The number of parameters of the adapter that a fine-tuning trains.

    Raises ConfigError if the student is no causal language model that transformers knows, has no weights, or lacks the
    modules that the adapter is for.
    """
    from peft import get_peft_model

    location = model_location(student.model)
    if Path(location).is_dir() and not any(next(Path(location).glob(kind), None) for kind in _WEIGHTS):
        raise ConfigError(f"student.model: the folder {student.model} has no weights ({' or '.join(_WEIGHTS)})")
    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(location))
    except Exception as e:  # each architecture has its own errors
        raise ConfigError(f"student.model: cannot load {student.model}: {one_line(e)}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of peft about transformers, which say nothing to a user
            adapted = get_peft_model(model, lora_of(settings))
    except ValueError as e:
        raise ConfigError(f"fine_tune.lora: {student.model} does not take this adapter: {one_line(e)}") from None
    trained: int = adapted.get_nb_trainable_parameters()[0]
    return trained
