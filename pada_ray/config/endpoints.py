"""The keys of `llm`: which endpoints are asked, how, and what they charge."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from pada_ray.config.prices import listed_price
from pada_ray.config.section import Section, fewest_first


class Price(Section):
    """What an endpoint charges."""

    prompt: float = Field(ge=0)
    """USD per million prompt tokens."""
    completion: float = Field(ge=0)
    """USD per million tokens of replies."""
    listed: date | None = None
    """The day on which the price was seen, where it is from the list that ships with this package. None: your own."""
    listed_for: str | None = None
    """The host and the model that it is listed for."""


class VllmServerConfig(Section):
    """How the cluster serves a model with vLLM on its own GPUs (`base_url: vllm`)."""

    engines: Annotated[tuple[NonNegativeInt, PositiveInt], AfterValidator(fewest_first)] = (0, 1)
    """The fewest and the most engines. With 0, the last one frees its GPU when no call needs it."""
    idle_s: float = Field(default=60, ge=0)
    """Seconds without a call after which an engine ends."""
    cpus_per_engine: float = Field(default=1, gt=0)
    """CPUs that each engine reserves."""
    gpus_per_engine: float | Literal["auto"] = "auto"
    """GPUs that each engine reserves, as in `fine_tune`; with `tensor_parallel_size` in `arguments`, for each part."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """vLLM engine arguments, such as `max_model_len`."""


_SECRET_NAME = re.compile(
    r"(^|[-_])(key|apikey|token|secret|password|passwd|pwd|auth|authorization|cookie|credentials?|signature|sig|code)$"
    r"|apikey|accesstoken|authtoken"
)
_SECRET_VALUE = re.compile(
    r"^\s*(bearer|basic|token)\s+\S|(^|\W)(sk|gsk|hf|ghp|xai|pk|rk|nvapi|AKIA)[-_]?[A-Za-z0-9][-_A-Za-z0-9]{15,}",
    re.IGNORECASE,
)
_INSTEAD = "put the key into an environment variable and name that in api_key_env"


def _is_secret(name: str) -> bool:
    return bool(_SECRET_NAME.search(name.strip().lower()))


def _shown(name: str) -> str:
    """A name of a field for an error, in case someone took it for the place of the secret."""
    return name if re.fullmatch(r"[-\w.]{1,40}", name) and not _SECRET_VALUE.search(name) else "..."


class EndpointConfig(Section):
    """An OpenAI-compatible endpoint. It names the variable of a secret and never holds the secret."""

    base_url: str
    """`https://.../v1`; `offline` for the offline teacher; `vllm` if the cluster is to serve `model` itself, for which
    it needs `pip install 'pada-ray[vllm]'`; `none` where no LLM is asked."""
    model: str
    """The server's name for the model; with `vllm` a Hub id or a folder."""
    vllm: VllmServerConfig = VllmServerConfig()
    """For `base_url: vllm` only."""
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Name of the environment variable that holds the API key."""
    requests_per_minute: int | None = Field(default=None, ge=1)
    """Most calls per minute. None: the limit is found, by rising in steps and falling by a share at a refusal."""
    tokens_per_minute: int | None = Field(default=None, ge=1)
    """Most tokens per minute, of prompts and replies together. None: the limit is found likewise."""
    max_in_flight: int | None = Field(default=None, ge=1)
    """Most calls at a time. None: the limit is found likewise."""
    max_retries: int = Field(default=8, ge=0, le=10_000)
    """Retries of one call after a lost connection, a timeout, 408, 409, 429 or 5xx. The waits grow, or follow
    Retry-After. While other calls succeed, a 429, 503 or 529 counts as a tenth of a
    retry."""
    first_token_timeout: float = Field(default=600, gt=0, le=86_400)
    """Seconds until the first piece of a reply: a queue or a long prompt makes a server silent. A server that does not
    stream has this time for the whole reply."""
    timeout: float = Field(default=120, gt=0, le=86_400)
    """Seconds from one piece of a reply to the next. A reply may take as long as it grows."""
    patience: float = Field(default=600, ge=0, le=31_536_000)
    """Seconds that an endpoint may be down, or out of reach, before the run pauses."""
    price: Price | None = None
    """What it charges. Without it the price is taken from the list that ships with this package, if the model is on it
    (docs/steering.md); else money is not counted: a price is never guessed."""
    max_tokens: int = Field(default=8192, ge=16, le=10_000_000)
    """Most tokens of one reply."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Extra HTTP headers; no secrets."""
    body: dict[str, Any] = Field(default_factory=dict)
    """Extra fields of the request's body."""

    @model_validator(mode="before")
    @classmethod
    def _look_up_price(cls, given: Any) -> Any:
        """A price that is listed for another model was left by a run's earlier config."""
        if not isinstance(given, dict):
            return given
        base_url, model, price = (given.get(key) for key in ("base_url", "model", "price"))
        own = price is not None and not (isinstance(price, dict) and isinstance(price.get("listed_for"), str))
        if own or not isinstance(base_url, str) or not isinstance(model, str):
            return given
        found = listed_price(base_url, model)
        if price is None or found is None or price["listed_for"] != found.listed_for:
            price = found and found._asdict()
        return given | {"price": price}

    @field_validator("api_key_env")
    @classmethod
    def _is_no_key(cls, name: str | None) -> str | None:
        if name is not None and len(name) >= 20 and name != name.upper():
            raise ValueError("this looks like a key; give the name of the variable that holds it, in capitals")
        return name

    @field_validator("base_url")
    @classmethod
    def _has_no_password(cls, url: str) -> str:
        if re.search("://[^/@]*@", url):
            raise ValueError("remove user and password from the URL, which is written to files; use api_key_env")
        for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True):
            if _is_secret(name):
                raise ValueError(f"remove `{_shown(name)}` from the URL, which is written to files; {_INSTEAD}")
        return url

    @field_validator("headers", "body")
    @classmethod
    def _holds_no_secret(cls, sent: dict[str, Any]) -> dict[str, Any]:
        for name, value in sent.items():
            if isinstance(value, str) and (_is_secret(name) or _SECRET_VALUE.search(value)):
                raise ValueError(f"`{_shown(name)}` looks like a secret, and is written to files; {_INSTEAD}")
        return sent


NO_ENDPOINT = EndpointConfig(base_url="none", model="none")


class LlmConfig(Section):
    """The LLM endpoints. The paper takes two models, to avoid self-enhancement bias. A method that asks no LLM needs
    none of them."""

    teacher: EndpointConfig = NO_ENDPOINT
    """Analyses failures and writes samples. The paper: Llama 3.3 70B Instruct."""
    judge: EndpointConfig = NO_ENDPOINT
    """Rates samples and replies. The paper: Claude 3.5 Haiku v2."""
    max_reasks: int = Field(default=3, ge=0, le=100)
    """How often an unreadable reply is asked for again, with the parser's error."""
    cache: str | None = None
    """Folder or fsspec URL for replies already paid for, which runs may share. None: the run's folder."""
