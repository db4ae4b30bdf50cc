"""How large a request may be, seen before its body is read, and what every answer says to browsers."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from fastapi import HTTPException

from grader.service import problems

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 1_200_000  # bytes: a file of a megabyte, and what stands around it
LARGEST_CLASS = 200_000_000  # bytes: the files of a class
OF_A_CLASS = re.compile(r"(/api/v1)?/assignments/[^/]+/batches")
HEADERS = {
    b"content-security-policy": b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    b"font-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    b"frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cache-control": b"no-store",
}
KEPT = {b"cache-control": b"public, max-age=604800"}  # what is the same for all


class Limits:
    """Around the app: a body that is too large is refused, by its length where that is told, else as it comes."""

    def __init__(self, app: ASGIApp, page: Callable[[Scope, int, str], ASGIApp]) -> None:
        self._app, self._page = app, page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def with_headers(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(_with_headers(scope, message))

        if refusal := self._refusal(scope):
            await refusal(scope, receive, with_headers)
            return
        try:
            await self._app(scope, _counted(scope, receive), with_headers)
        except Exception:
            logging.getLogger(__name__).exception("%s %s", scope["method"], scope["path"])
            if begun:
                raise
            await self._refused(scope, 500, FAULT)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        """What is answered before anything of a body is read, where it is to be refused."""
        if "\0" in scope["path"]:  # no database has such a key
            return problems.answer(404, "the address: there is none such; expected one of ours; see the list")
        length, most = dict(scope["headers"]).get(b"content-length", b"0"), largest(scope)
        if not length.isdigit() or int(length) > most:
            return self._refused(scope, 413, _too_large(scope))
        return None

    def _refused(self, scope: Scope, status: int, detail: str) -> ASGIApp:
        if scope["path"].startswith("/api/"):
            return problems.answer(status, detail)
        return self._page(scope, status, detail)


def _with_headers(scope: Scope, message: Message) -> Message:
    """What begins an answer, with what every one of ours says besides."""
    if message["type"] != "http.response.start":
        return message
    own = {name.lower() for name, _ in message["headers"]}
    wanted = HEADERS | KEPT if scope["path"].startswith("/static/") else HEADERS
    return {**message, "headers": [*message["headers"], *((k, v) for k, v in wanted.items() if k not in own)]}


def _counted(scope: Scope, receive: Receive) -> Receive:
    """A body that is cut off where it is larger than it may be."""
    taken, most = 0, largest(scope)

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most:
            raise HTTPException(413, _too_large(scope))
        return message

    return counted


def largest(scope: Scope) -> int:
    """How many bytes a body may have."""
    return LARGEST_CLASS if _is_class(scope) else LARGEST_BODY


def _too_large(scope: Scope) -> str:
    return CLASS_TOO_LARGE if _is_class(scope) else TOO_LARGE


def _is_class(scope: Scope) -> bool:
    return scope["method"] == "POST" and OF_A_CLASS.fullmatch(scope["path"]) is not None


FAULT = "a fault of ours: it is noted; expected none; try again, nothing that was answered is lost"
TOO_LARGE = "what was sent: it is larger than 1 MB; expected at most that; take out what is not needed"
CLASS_TOO_LARGE = (
    f"the download: it is larger than {LARGEST_CLASS // 10**6} MB; expected the files of one class; upload it in parts"
)
