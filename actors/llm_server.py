"""A model that the cluster serves by itself: vLLM under Ray Serve, behind OpenAI's API (`base_url: vllm`).

Ray has `ray.data.llm` for batches whose prompts are all known beforehand. It starts an engine for each of them, while
what an agent asks next follows from the reply before: the judge's words go into the next draft. So the teacher is
served, by the same engine of `ray.llm`, and the gateway treats it as any endpoint.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from typing import Any

import ray

from pada_ray.config import VllmServerConfig
from pada_ray.errors import EndpointError, one_line
from pada_ray.resources import gpus_for

_PORT = 8000  # Ray Serve's own
_HOLDS_NOTHING = {"num_cpus": 0}


@contextlib.contextmanager
def serve_model(model: str, settings: VllmServerConfig) -> Iterator[str]:
    """Serves a Hub id or folder while the block lasts. Yields the base URL on this machine, which is the cluster's
    head, once an engine has started. Raises EndpointError when none can."""
    from ray import serve
    from ray.serve.llm import build_openai_app

    what = hashlib.sha256(f"{model} {settings.model_dump_json()}".encode()).hexdigest()[:12]
    name = f"pada-{ray.get_runtime_context().get_job_id()}-{what}"  # another job's ends with that job
    serve.start(http_options={"host": "127.0.0.1", "port": _PORT})
    try:
        try:
            app = build_openai_app(
                {
                    "llm_configs": [_llm_config(model, settings)],
                    "ingress_deployment_config": {"ray_actor_options": _HOLDS_NOTHING},
                }
            )
            serve.run(app, name=name, route_prefix=f"/{name}", blocking=False)
        except (RuntimeError, ValueError, OSError) as e:
            raise EndpointError(f"base_url: vllm: {model} cannot be served: {one_line(_root_cause(name, e))}") from e
        yield f"http://127.0.0.1:{_PORT}/{name}/v1"
    finally:
        serve.delete(name)


def _root_cause(name: str, e: Exception) -> Exception:
    """What kept an engine from starting: the last error in the traceback that Serve has of it; `e` if it has none."""
    from ray import serve

    app = serve.status().applications.get(name)
    told = [deployment.message for deployment in app.deployments.values() if deployment.message] if app else []
    return RuntimeError(re.split(r"^\w*Error: ", told[0], flags=re.MULTILINE)[-1]) if told else e


def _llm_config(model: str, settings: VllmServerConfig) -> Any:
    from ray.serve.llm import LLMConfig

    gpus = gpus_for(settings.gpus_per_engine)
    fewest, most = settings.engines
    return LLMConfig(
        model_loading_config={"model_id": model, "model_source": os.path.expanduser(model)},
        engine_kwargs=settings.arguments,
        placement_group_config={"bundle_per_worker": {"CPU": settings.cpus_per_engine, "GPU": gpus}},
        accelerator_config={"kind": "gpu" if gpus else "cpu"},
        deployment_config={
            "autoscaling_config": {
                "initial_replicas": max(fewest, 1),  # what keeps an engine from starting is told before a run begins
                "min_replicas": fewest,
                "max_replicas": most,
                "downscale_delay_s": settings.idle_s,
                "downscale_to_zero_delay_s": settings.idle_s,
            },
            "ray_actor_options": _HOLDS_NOTHING,  # beside what its engine holds
        },
        log_engine_metrics=False,
    )
