"""An export: a folder with what a user takes away from a run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pada_ray.export import adapter as adapters
from pada_ray.export.cards import data_card, model_card
from pada_ray.export.chosen import Chosen
from pada_ray.export.load import ReplyEnds, reply_ends
from pada_ray.export.merged import PROMPTS, write_merged
from pada_ray.export.modelfile import modelfile, read_turns
from pada_ray.export.synthetic_data import LINES, PARQUET, synthetic_rows, write_synthetic
from pada_ray.records import Sample
from pada_ray.runs import run_files
from pada_ray.student.model import load_encoder

ADAPTER, MERGED, DATA, MODELFILE, CARD = "adapter", "merged", "data", "Modelfile", "README.md"


class Wanted(NamedTuple):
    """What an export is to hold beside the adapter, the data and the cards."""

    merged: bool = False
    gguf: str | None = None  # a type of `gguf_file`
    ollama: bool = False


def write_export(chosen: Chosen, wanted: Wanted, target: Path, say: Callable[[str], None]) -> None:
    """Writes the export of a tuned model into the new folder `target`. `say` gets a line for each part.

    Raises ConfigError for a model that cannot be written as is wanted, and Unequal where the merged model differs.
    """
    run, config = chosen.run, chosen.run.config
    assert chosen.adapter is not None
    parts: dict[str, str] = {ADAPTER: "the adapter, with tokenizer and chat template, for peft"}
    adapters.write_adapter(run.folder, chosen.adapter, config.student, target / ADAPTER)
    say(f"adapter: {len(list((target / ADAPTER).iterdir()))} files")
    if wanted.merged or wanted.gguf:
        ends = reply_ends(chosen)
        parity = write_merged(
            config.student,
            str(target / ADAPTER),
            target / MERGED,
            [sample.prompt for sample in _asked(chosen)],
            *ends,
        )
        say(f"merged: {parity}")
        parts[MERGED] = f"base model and adapter as one model, for transformers and vLLM; checked: {parity}"
    if wanted.gguf:
        file = f"{chosen.name}-{wanted.gguf}.gguf"
        _write_gguf(chosen, wanted.gguf, target / MERGED, target / file)
        say(f"gguf: {file}, {(target / file).stat().st_size / 1e6:,.1f} MB")
        parts[file] = "the merged model for llama.cpp and Ollama"
        if wanted.ollama:
            (target / MODELFILE).write_text(_modelfile(chosen, file, ends), encoding="utf-8")
            parts[MODELFILE] = f"for `ollama create {chosen.name.lower()} -f Modelfile`"
            say(f"ollama: {MODELFILE}")
    if MERGED in parts and not wanted.merged:
        shutil.rmtree(target / MERGED)
        del parts[MERGED]
    rows = synthetic_rows(chosen)
    write_synthetic(rows, target / DATA)
    (target / DATA / CARD).write_text(data_card(chosen, rows), encoding="utf-8")
    parts[DATA] = f"the {len(rows)} synthetic samples that it was trained on, each with its origin"
    say(f"data: {len(rows)} synthetic samples in {PARQUET} and {LINES}")
    (target / CARD).write_text(model_card(chosen, parts.items()), encoding="utf-8")


def _asked(chosen: Chosen) -> list[Sample]:
    """The prompts over which the merged model is compared."""
    return chosen.run.folder.read_records(run_files.split("val"), Sample)[:PROMPTS]


def _write_gguf(chosen: Chosen, quantization: str, merged: Path, file: Path) -> None:
    from pada_ray.export.gguf_file import write_gguf  # an extra

    splits = run_files.read_samples(chosen.run.folder, chosen.run.config.data.task).values()
    texts = [message.content for members in splits for sample in members[:PROMPTS] for message in sample.messages]
    write_gguf(merged, file, chosen.name, quantization, texts)


def _modelfile(chosen: Chosen, file: str, ends: ReplyEnds) -> str:
    student = chosen.run.config.student
    encoder = load_encoder(student)
    turns = read_turns(encoder.tokenizer, encoder.template_values)
    stops = encoder.tokenizer.convert_ids_to_tokens(sorted(encoder.end_of_turn))
    return modelfile(file, turns, [*stops, *ends.stop], student.max_length, ends.most)
