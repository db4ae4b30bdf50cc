"""What answers are made of besides JSON: files to keep, and what is told as it happens.

It knows nothing of who may have them.
"""

from __future__ import annotations

import asyncio
import json
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from grader.service import shapes
from grader.service.identity import engine_of
from grader.store.database import reading

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sqlalchemy import Connection

SOON, LOOK_EVERY, LOOK_FOR = 0.04, 0.3, 300.0  # seconds between looks at what is watched, at first and at last; in all
SETTLED = ("graded", "fault", "broken")  # states that what is watched ends in
STREAM = "text/event-stream"
TOLD: dict[int | str, dict[str, Any]] = {200: {"description": "An event for each change", "content": {STREAM: {}}}}
Watched = TypeVar("Watched", shapes.Submission, shapes.Batch)


class Download(Response):
    """A file to be kept, and never to be shown as a page."""

    media_type = "application/octet-stream"


class Events(StreamingResponse):
    """What is told as it happens (server-sent events). It describes itself by `TOLD`: it is no string."""

    def __init__(self, content: AsyncIterator[str], status_code: int = 200) -> None:
        super().__init__(content, status_code, media_type=STREAM)


def attachment(content: bytes, name: str) -> Response:
    plain = "".join(letter if letter.isascii() and letter not in '"\\' else "_" for letter in name)
    told = f'attachment; filename="{plain}"' + (f"; filename*=UTF-8''{quote(name)}" if plain != name else "")
    return Download(content, headers={"Content-Disposition": told})


def plain_name(name: str | None, otherwise: str) -> str:
    """A file's own name, without folders and without what a terminal would obey."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in last if letter.isprintable())[:200] or otherwise


def streamed(request: Request, look: Callable[[Connection], Watched]) -> Events:
    """An event for each change of what is looked at, until it is graded."""
    return Events(_told(request, look))


async def _told(request: Request, look: Callable[[Connection], Watched]) -> AsyncIterator[str]:
    async for seen in watched(request, look):
        yield f"event: {seen.state}\ndata: {json.dumps(seen.model_dump(mode='json'))}\n\n"


async def watched(request: Request, look: Callable[[Connection], Watched]) -> AsyncIterator[Watched]:
    """What is looked at, each time it has changed, until it is graded, or nobody looks any more."""

    def look_again() -> Watched:
        with reading(engine_of(request)) as db:
            return look(db)

    last, pause, end = None, SOON, monotonic() + LOOK_FOR
    while monotonic() < end:
        seen = await asyncio.to_thread(look_again)
        if seen != last:
            yield seen
        if seen.state in SETTLED or await request.is_disconnected():
            return
        last = seen
        await asyncio.sleep(pause)
        pause = min(LOOK_EVERY, 2 * pause)  # most files are graded at once
