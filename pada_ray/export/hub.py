"""Puts an export into a repository of the Hugging Face Hub."""

from __future__ import annotations

from huggingface_hub import HfApi, get_token

from pada_ray.errors import ConfigError, StorageError, one_line


def check_access() -> None:
    """Raises ConfigError when this machine has no token for the Hub."""
    if get_token() is None:
        raise ConfigError("--hub: no access token of the Hub here; `hf auth login`, or set HF_TOKEN")


def upload(folder: str, name: str) -> str:
    """Uploads the folder to the model repository `name`, a private one if it is new; the repository's URL.

    Raises StorageError, with what the Hub says.
    """
    api = HfApi()
    try:
        repository = api.create_repo(name, private=True, exist_ok=True)
        api.upload_folder(repo_id=repository.repo_id, folder_path=folder, commit_message="pada export")
    except Exception as e:  # the library passes on errors of many kinds
        raise StorageError(
            f"--hub {name}: {type(e).__name__}: {one_line(e)}; the export itself is in {folder}"
        ) from None
    return str(repository)
