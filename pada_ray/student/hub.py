"""Whether a model is where its name says, told in seconds: the Hub's own client tries for more than a minute."""

from __future__ import annotations

import os

from pada_ray.errors import ConfigError, one_line

_WAIT_S = 10.0


def check_name(key: str, model: str) -> None:
    """Raises ConfigError unless `model`, the value of `key`, is a folder, in the local cache, or on the Hub for whoever
    asks with this machine's token."""
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import GatedRepoError

    if os.path.isdir(os.path.expanduser(model)):  # Path.expanduser raises for `~nobody`
        return
    try:
        if isinstance(try_to_load_from_cache(model, "config.json"), str):
            return
        HfApi().model_info(model, timeout=_WAIT_S)
        HfApi().auth_check(model)  # what a gated model is, the Hub tells everybody; its files it does not
    except GatedRepoError:
        raise ConfigError(
            f"{key}: {model} is gated, and this machine's token may not read it: accept its terms on its page of the "
            "Hub, then run `hf auth login` or set HF_TOKEN"
        ) from None
    except Exception as e:  # of the network, of the Hub, and of names that can be none
        raise ConfigError(
            f"{key}: {model} is no folder here, not in the cache, and the Hub does not give it: {one_line(e, 300)}; "
            "check the name, your access (HF_TOKEN) and the network"
        ) from None
