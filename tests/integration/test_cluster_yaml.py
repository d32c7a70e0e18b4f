"""cluster.yaml against Ray's own code: its validator, and its AWS provider on a server that plays AWS."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer
from ray.autoscaler._private.commands import _bootstrap_config
from ray.autoscaler._private.providers import _get_node_provider
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.autoscaler.tags import NODE_KIND_HEAD, NODE_KIND_WORKER, TAG_RAY_NODE_KIND, TAG_RAY_NODE_NAME

FILE = Path(__file__).resolve().parents[2] / "cluster.yaml"
EMPTY_POLICY = json.dumps({"Version": "2012-10-17", "Statement": []})


@pytest.fixture
def config():
    return yaml.safe_load(FILE.read_text())


@pytest.fixture
def aws(monkeypatch, tmp_path):
    """An account with nothing in it but the profile that docs/clusters.md has one make."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "HOME": str(tmp_path),  # Ray puts the key of the pair that it makes into ~/.ssh
        "NO_PROXY": "127.0.0.1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    iam = boto3.client("iam", region_name="us-east-1")
    iam.create_role(RoleName="pada-ray", AssumeRolePolicyDocument=EMPTY_POLICY)
    iam.create_instance_profile(InstanceProfileName="pada-ray")
    iam.add_role_to_instance_profile(InstanceProfileName="pada-ray", RoleName="pada-ray")
    yield boto3.client("ec2", region_name="us-east-1")
    server.stop()


def test_rays_own_validator_takes_it_and_refuses_a_mistake(config):
    validate_config(prepare_config(config))
    config["idle_timout_minutes"] = config.pop("idle_timeout_minutes")
    with pytest.raises(Exception, match="idle_timout_minutes"):
        validate_config(prepare_config(config))


def test_the_head_takes_no_tasks_and_workers_come_from_zero_with_a_gpu(config):
    types = config["available_node_types"]
    assert config["head_node_type"] == "head"
    assert types["head"]["resources"] == {"CPU": 0}
    assert types["a10g"]["min_workers"] == 0
    assert types["a10g"]["resources"] == {"CPU": 4, "GPU": 1}


def test_rays_provider_launches_a_head_and_a_spot_worker(aws, config):
    resolved = _bootstrap_config(config, no_config_cache=True)
    assert resolved["available_node_types"]["a10g"]["resources"]["accelerator_type:A10G"] == 1
    provider = _get_node_provider(resolved["provider"], resolved["cluster_name"], use_cache=False)
    for kind, name in ((NODE_KIND_HEAD, "head"), (NODE_KIND_WORKER, "a10g")):
        node = resolved["available_node_types"][name]["node_config"]
        provider.create_node(node, {TAG_RAY_NODE_KIND: kind, TAG_RAY_NODE_NAME: name}, 1)
    found = [i for r in aws.describe_instances()["Reservations"] for i in r["Instances"]]
    assert {i["InstanceType"]: i.get("InstanceLifecycle") for i in found} == {"m5.xlarge": None, "g5.xlarge": "spot"}
    assert all(i["IamInstanceProfile"]["Arn"].endswith("/pada-ray") for i in found)
    assert len({group["GroupId"] for i in found for group in i["SecurityGroups"]}) == 1
    assert len(provider.non_terminated_nodes({TAG_RAY_NODE_KIND: NODE_KIND_WORKER})) == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray's own, of its command line
def test_every_command_of_it_is_one_that_a_shell_takes(config):
    commands = [
        command
        for key in ("setup_commands", "head_start_ray_commands", "worker_start_ray_commands")
        for command in config[key]
    ]
    subprocess.run(["bash", "-n", "-c", "\n".join(commands)], check=True)
    started = [shlex.split(c.rpartition(";")[2]) for c in commands if "ray start" in c]
    from ray.scripts.scripts import start

    known = {option for parameter in start.params for option in parameter.opts}
    for _, _, *options in started:
        assert not {o.partition("=")[0] for o in options} - known, options
