"""Serves the live page. Who opens it needs the key of its address, and may only look.

GET /   GET /live.js   GET /live.css   GET /view.json[?run=NAME]
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from pada_ray.errors import PadaError
from pada_ray.records import Record

_ASSETS = Path(__file__).parent / "assets"
_FILES = {
    "/": ("page.html", "text/html"),
    "/live.js": ("live.js", "text/javascript"),
    "/live.css": ("live.css", "text/css"),
}
_HEADERS = {
    # Nothing from elsewhere, and nothing to elsewhere. The page sets texts of models as text alone.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

Look = Callable[[str | None], Record]
"""The view of the folder, or of the run of this name in a sweep. Raises PadaError where there is none."""


async def serve(app: web.Application, port: int, announce: Callable[[str], None]) -> None:
    """Serves `app` on this machine alone, and for ever; `announce` is told the address. Raises OSError where the port
    cannot be had; 0 takes any."""
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        announce("http://{}:{}".format(*runner.addresses[0][:2]))
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def ui_app(look: Look, key: str) -> web.Application:
    """Answers requests that carry `key`: in the page's address once, then in a cookie."""

    cookie = f"pada-ui-{hashlib.sha256(key.encode()).hexdigest()[:8]}"  # a browser keeps those of all ports together

    @web.middleware
    async def guard(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.Response:
        given = request.query.get("key") or request.cookies.get(cookie) or ""
        if not secrets.compare_digest(given.encode(), key.encode()):
            return web.Response(status=403, text="open the address that `pada ui` has printed, with its key\n")
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, text="this page only looks\n")
        response = await handler(request)
        assert isinstance(response, web.Response)
        response.headers.update(_HEADERS)
        response.set_cookie(cookie, key, httponly=True, samesite="Strict")
        return response

    async def file(request: web.Request) -> web.Response:
        name, kind = _FILES[request.path]
        return web.Response(text=(_ASSETS / name).read_text(encoding="utf-8"), content_type=kind)

    async def view(request: web.Request) -> web.Response:
        try:
            found = await asyncio.to_thread(look, request.query.get("run"))
        except PadaError as e:
            return web.json_response({"problem": str(e)}, status=404)
        text = found.model_dump_json()
        tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        return web.Response(text=text, content_type="application/json", headers={"ETag": tag})

    app = web.Application(middlewares=[guard])
    for path in _FILES:
        app.router.add_get(path, file)
    app.router.add_get("/view.json", view)
    return app
