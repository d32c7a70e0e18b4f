"""A Ray of our own listens on this machine alone, and lets in nobody without the token, not even from here."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from ipaddress import IPv6Address, ip_address

import pytest

SCRIPT = """
import json, sys
from pathlib import Path
from jobs.local.ray_session import connected

with connected(False, sys.argv[1], "stopped"):
    import grpc, psutil, ray, urllib.error, urllib.request

    @ray.remote(num_cpus=0)
    class Actor:
        def reply(self): return 1
    actor = Actor.remote()
    ray.get(actor.reply.remote())
    methods = (
        "InternalKVGcsService/InternalKVGet", "NodeManagerService/GetSystemConfig", "ObjectManagerService/Pull",
        "CoreWorkerService/PushTask", "ReporterService/GetTraceback",
    )
    def by_grpc(port):
        # The codes that calls of Ray's services get, without a token.
        codes = set()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            for method in methods:
                try: channel.unary_unary(f"/ray.rpc.{method}")(b"", timeout=10)
                except grpc.RpcError as error: codes.add(error.code().name)
                else: codes.add("OK")
        return sorted(codes)
    def by_http(port, path):
        try: return urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10).status
        except urllib.error.HTTPError as error: return error.code
        except Exception as error: return type(error).__name__
    this = psutil.Process()
    found = {
        (process.name(), connection.laddr)
        for process in [this, *this.children(recursive=True)]
        for connection in process.net_connections()
        if connection.status == "LISTEN"
    }
    said = [
        {"name": name, "ip": at.ip, "grpc": by_grpc(at.port), "metrics": by_http(at.port, "/metrics"),
         "jobs": by_http(at.port, "/api/jobs/"), "agent": by_http(at.port, "/api/job_agent/jobs/")}
        for name, at in sorted(found)
    ]
Path(sys.argv[2]).write_text(json.dumps(said))
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """What listens while `connected` lasts, and the home folder it began without a token in."""
    home = tmp_path_factory.mktemp("home")
    left_out = ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
    env = {name: value for name, value in os.environ.items() if name not in left_out} | {"HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(home / "log"), str(home / "found")],
        env=env,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return home, json.loads((home / "found").read_text())


def test_nothing_listens_beyond_this_machine(session):
    _, found = session
    assert len(found) > 8
    for each in found:
        address = ip_address(each["ip"])
        address = address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
        assert address.is_loopback, each


def test_what_listens_refuses_who_has_no_token(session):
    """Of gRPC and HTTP alike. What Prometheus reads is for all of this machine: numbers alone."""
    _, found = session
    assert {"gcs_server", "raylet", "ray::Actor"} <= {each["name"] for each in found}
    for each in found:
        assert "OK" not in each["grpc"], each
        refused = "UNAUTHENTICATED" in each["grpc"] or 401 in (each["jobs"], each["agent"])
        assert refused or each["metrics"] == 200, each


def test_the_token_is_this_users_alone(session):
    home, _ = session
    token = home / ".ray" / "auth_token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600 and len(token.read_text()) == 64
