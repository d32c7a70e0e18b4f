"""Serves the live page, and the page of a review. Who opens them needs the key of the address. All that can be written
is the file of a review that a run waits for.

GET /         GET /view.json[?run=NAME]
GET /review   GET /review.json[?run=NAME]   PUT /review.json[?run=NAME]
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web
from pydantic import ValidationError

from pada_ray.errors import PadaError, one_line
from pada_ray.records import Record
from pada_ray.review.editing import Changes, EditedElsewhere, read_review, write_review
from pada_ray.storage import Folder

_ASSETS = Path(__file__).parent / "assets"
_FILES = {
    "/": ("page.html", "text/html"),
    "/make.js": ("make.js", "text/javascript"),
    "/live.js": ("live.js", "text/javascript"),
    "/live.css": ("live.css", "text/css"),
    "/review": ("review.html", "text/html"),
    "/review.js": ("review.js", "text/javascript"),
    "/review.css": ("review.css", "text/css"),
}
_MOST_BYTES = 64 * 2**20  # of the changes to a review
_HEADERS = {
    # Nothing from elsewhere, and nothing to elsewhere. The page sets texts of models as text alone.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

Look = Callable[[str | None], Record]
"""The view of the folder, or of the run of this name in a sweep. Raises PadaError where there is none."""
Find = Callable[[str | None], Folder]
"""The folder of a run likewise."""


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


def ui_app(look: Look, find: Find, key: str) -> web.Application:
    """Answers requests that carry `key`: in the page's address once, then in a cookie."""

    cookie = f"pada-ui-{hashlib.sha256(key.encode()).hexdigest()[:8]}"  # a browser keeps those of all ports together

    @web.middleware
    async def guard(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.Response:
        given = request.query.get("key") or request.cookies.get(cookie) or ""
        if not secrets.compare_digest(given.encode(), key.encode()):
            return web.Response(status=403, text="open the address that `pada ui` has printed, with its key\n")
        if request.headers.get("Origin", own := f"{request.scheme}://{request.host}") != own:
            return web.Response(status=403, text="a page from elsewhere may ask for nothing here\n")
        response = await handler(request)
        assert isinstance(response, web.Response)
        response.headers.update(_HEADERS)
        response.set_cookie(cookie, key, httponly=True, samesite="Strict")
        return response

    async def file(request: web.Request) -> web.Response:
        name, kind = _FILES[request.path]
        return web.Response(text=(_ASSETS / name).read_text(encoding="utf-8"), content_type=kind)

    async def told(found: Callable[[], Record]) -> tuple[int, str]:
        """Status and JSON of what is found, or of why it is not."""
        try:
            return 200, (await asyncio.to_thread(found)).model_dump_json()
        except PadaError as e:
            return 409 if isinstance(e, EditedElsewhere) else 404, json.dumps({"problem": str(e)})

    def reply(status: int, text: str) -> web.Response:
        return web.Response(status=status, text=text, content_type="application/json")

    async def view(request: web.Request) -> web.Response:
        run = request.query.get("run")
        status, text = await told(lambda: look(run))
        tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'
        response = reply(status, text) if request.headers.get("If-None-Match") != tag else web.Response(status=304)
        response.headers["ETag"] = tag
        return response

    async def review(request: web.Request) -> web.Response:
        run = request.query.get("run")
        return reply(*await told(lambda: read_review(find(run))))

    async def edit(request: web.Request) -> web.Response:
        run, body = request.query.get("run"), await request.read()
        try:
            given = Changes.model_validate_json(body)
        except ValidationError as e:
            return reply(400, json.dumps({"problem": one_line(e)}))
        async with writing:
            return reply(*await told(lambda: write_review(find(run), given)))

    writing = asyncio.Lock()
    app = web.Application(middlewares=[guard], client_max_size=_MOST_BYTES)
    for path in _FILES:
        app.router.add_get(path, file)
    app.router.add_get("/view.json", view)
    app.router.add_get("/review.json", review)
    app.router.add_put("/review.json", edit)
    return app
