"""Stages that runs have in common, done once: a store by the hash of all that a stage's result depends on."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

from pada_ray.runs.checksums import sha256
from pada_ray.storage import Folder

DONE = "done"  # file that marks an entry of the store as complete, with the checksums of its files
OUTPUT = "output"


class StageClaims:
    """Who works on which stage of the store in `folder`, so that two runs which ask at the same moment do it once.

    A claim is not kept on disk: if it is lost with its process, two runs may do the same work, and the same result is
    written twice.
    """

    def __init__(self, folder: str):
        self._folder = Folder(folder)
        self._holders: dict[str, str] = {}
        self._released = asyncio.Condition()

    async def claim(self, content: str, run: str) -> bool:
        """Waits while another run works on the stage. True: its result is in the store. False: it is `run`'s to do."""
        async with self._released:
            while not self._folder.exists(f"{content}/{DONE}"):
                if self._holders.setdefault(content, run) == run:
                    return False
                await self._released.wait()
            return True

    async def release(self, content: str, run: str) -> None:
        """`run` has stored the result, or has given up."""
        async with self._released:
            if self._holders.get(content) == run:
                del self._holders[content]
            self._released.notify_all()

    async def release_all(self, run: str) -> None:
        """`run` is over, however it ended."""
        async with self._released:
            self._holders = {content: holder for content, holder in self._holders.items() if holder != run}
            self._released.notify_all()


class StageStore:
    """The store in `url`, as one run sees it."""

    def __init__(self, url: str, claims: StageClaims):
        self._url = url
        self._claims = claims

    async def fetch(self, content: str, run: Folder, output: str) -> bool:
        """Copies the stage's output into the run's folder, if some run has done it or is doing it now.

        False: it is this run's to do, within `working_on`.
        """
        if not await self._claims.claim(content, run.url):
            return False
        entry = Folder(f"{self._url}/{content}")
        if not _is_whole(entry):
            entry.remove(DONE)  # nobody takes a damaged entry: the next who needs it does the stage again
            return await self.fetch(content, run, output)
        entry.copy_to(OUTPUT, run, output)
        return True

    @contextlib.asynccontextmanager
    async def working_on(self, content: str, run: Folder, output: str) -> AsyncIterator[None]:
        """While the run does the stage; at the end its output is stored, unless there was an error."""
        try:
            yield
            entry = Folder(f"{self._url}/{content}")
            run.copy_to(output, entry, OUTPUT)
            entry.write_text(DONE, json.dumps(_checksums(entry)))
        finally:
            await self._claims.release(content, run.url)


def _checksums(entry: Folder) -> dict[str, str]:
    return {path: sha256(entry.read_bytes(path)) for path in entry.files(OUTPUT)}


def _is_whole(entry: Folder) -> bool:
    """Whether the output is what was stored. Version 0.1 stored no checksums."""
    written = entry.read_bytes(DONE)
    return not written or written == json.dumps(_checksums(entry)).encode()
