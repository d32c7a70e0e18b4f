"""The adapter as peft loads it, with the student's tokenizer and chat template beside it."""

from __future__ import annotations

import json
from pathlib import Path

from pada_ray.config import StudentConfig
from pada_ray.storage import Folder
from pada_ray.student.chat_encoder import load_tokenizer, model_location


def write_adapter(run: Folder, adapter: str, student: StudentConfig, target: Path) -> None:
    """Copies the folder `adapter` of a run to `target`, without what only training needs, and adds the tokenizer.

    The base model is named as the config names it: by its Hub id, or by its folder on this machine.
    """
    out = Folder(str(target))
    for name in Folder(run.at(adapter)).names():
        if name.startswith("adapter_"):
            run.copy_to(f"{adapter}/{name}", out, name)
    settings = json.loads(out.read_text("adapter_config.json"))
    location = model_location(student.model)
    settings["base_model_name_or_path"] = str(Path(location).resolve()) if Path(location).is_dir() else location
    out.write_text("adapter_config.json", json.dumps(settings, indent=2, sort_keys=True))
    load_tokenizer(student).save_pretrained(target)
