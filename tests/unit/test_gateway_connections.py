"""What stands between a run and an endpoint: redirects, certificates, TLS where there is none."""

import asyncio
import datetime
import ssl

import pytest
from aiohttp import web
from builders import chat_request
from stub_endpoint import StubEndpoint, completion

from pada_ray.config import EndpointConfig
from pada_ray.llm.database import open_database
from pada_ray.llm.endpoint import Endpoint
from pada_ray.llm.failures import CallFailed, Kind


async def failure_at(url):
    config = EndpointConfig(base_url=url, model="m", api_key_env="MY_KEY")
    client = Endpoint(config, None, open_database(":memory:"))
    try:
        with pytest.raises(CallFailed) as e:
            await client.complete(chat_request())
        return e.value
    finally:
        await client.close()


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-very-secret")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_named_and_not_followed(status):
    async def main():
        async with StubEndpoint(lambda body, n: completion()) as stranger:
            there = {"Location": f"{stranger.url}/chat/completions?token=hidden"}
            async with StubEndpoint(lambda body, n: web.Response(status=status, headers=there)) as server:
                return stranger, server, await failure_at(server.url)

    stranger, server, failed = asyncio.run(main())
    assert stranger.bodies == []
    assert len(server.bodies) == 1
    assert failed.kind == Kind.CLOSED
    assert f"redirects to {stranger.url}/chat/completions, which is not followed" in failed.message
    assert "hidden" not in failed.message


def test_a_certificate_that_cannot_be_trusted_is_called_that(tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(tmp_path))

    async def main():
        asked = []

        async def chat(request):
            asked.append(request.headers)
            return completion()

        app = web.Application()
        app.router.add_post("/v1/chat/completions", chat)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        try:
            return asked, await failure_at(f"https://127.0.0.1:{runner.addresses[0][1]}/v1")
        finally:
            await runner.cleanup()

    asked, failed = asyncio.run(main())
    assert asked == []
    assert failed.kind == Kind.CLOSED
    assert "certificate" in failed.message and "self" in failed.message


def test_tls_where_there_is_none_is_called_that():
    async def main():
        async with StubEndpoint(lambda body, n: completion()) as server:
            return await failure_at(server.url.replace("http://", "https://"))

    assert "TLS" in asyncio.run(main()).message


def test_no_server_is_no_connection():
    failed = asyncio.run(failure_at("http://127.0.0.1:9/v1"))
    assert failed.kind == Kind.UNREACHABLE
    assert "cannot be reached" in failed.message


def self_signed(folder):
    x509 = pytest.importorskip("cryptography.x509", reason="makes the certificate")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(secret)
    return str(folder / "cert.pem"), str(folder / "key.pem")
