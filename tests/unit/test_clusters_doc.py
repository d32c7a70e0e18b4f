"""What docs/clusters.md has people paste."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

TEXT = (Path(__file__).resolve().parents[2] / "docs/clusters.md").read_text()
# Fields that our manifest uses, and whether KubeRay demands them, by its types of ray.io/v1 (rayjob_types.go and
# raycluster_types.go in its repository); `authOptions` came with 1.5.1.
JOB = {
    "entrypoint": False,
    "shutdownAfterJobFinishes": False,
    "ttlSecondsAfterFinished": False,
    "backoffLimit": False,
    "rayClusterSpec": False,
}
CLUSTER = {
    "rayVersion": False,
    "authOptions": False,
    "enableInTreeAutoscaling": False,
    "autoscalerOptions": False,
    "headGroupSpec": True,
    "workerGroupSpecs": False,
}
HEAD = {"rayStartParams": False, "template": True}
WORKERS = HEAD | {"groupName": True, "replicas": False, "minReplicas": True, "maxReplicas": True}


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def holds(fields, given):
    assert not given.keys() - fields.keys(), "unknown"
    assert not {name for name, needed in fields.items() if needed} - given.keys(), "missing"


def test_the_rayjob_has_fields_that_kuberay_knows():
    (text,) = blocks("yaml")
    job = yaml.safe_load(text)
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    holds(JOB, job["spec"])
    cluster = job["spec"]["rayClusterSpec"]
    holds(CLUSTER, cluster)
    holds(HEAD, cluster["headGroupSpec"])
    (workers,) = cluster["workerGroupSpecs"]
    holds(WORKERS, workers)
    assert (workers["replicas"], workers["minReplicas"]) == (0, 0)
    assert cluster["authOptions"] == {"mode": "token"}
    for group in (cluster["headGroupSpec"], workers):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        (container,) = group["template"]["spec"]["containers"]
        assert {"name", "image", "resources"} <= container.keys()
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1


def test_the_rayjob_starts_a_program_of_ours_with_ray_as_pinned():
    (text,) = blocks("yaml")
    spec = yaml.safe_load(text)["spec"]
    module = re.match(r"python -m (\S+) ", spec["entrypoint"])[1]
    root = Path(__file__).resolve().parents[2]
    assert (root / f"{module.replace('.', '/')}.py").is_file()
    pinned = re.search(r"^ray==(\S+)", (root / "constraints.txt").read_text(), re.MULTILINE)[1]
    assert spec["rayClusterSpec"]["rayVersion"] == pinned
    assert f"rayproject/ray:{pinned}-" in blocks("dockerfile")[0]


@pytest.mark.parametrize("script", blocks("bash"), ids=lambda script: script.split("\n")[0][:30])
def test_a_shell_reads_every_script(script):
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_the_example_of_a_cost_is_worked_out_right():
    (hours, head, worker_hours, worker, total) = map(
        float, re.search(r"(\S+) x (\S+) \+ (\S+) x (\S+) = (\S+) USD", TEXT).groups()
    )
    assert f"| {head} |" in TEXT
    assert f"| {worker} |" in TEXT
    assert total == pytest.approx(hours * head + worker_hours * worker, abs=0.005)
