"""How large a request may be, seen before its body is read, and what every answer says to browsers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import HTTPException

from grader.service import problems

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 1_200_000  # bytes: a file of a megabyte, and what stands around it
HEADERS = {
    b"content-security-policy": b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    b"font-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    b"frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cache-control": b"no-store",
}


class Limits:
    """Around the app: a body that is too large is refused, by its length where that is told, else as it comes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *((k, v) for k, v in HEADERS.items() if k not in own)]
            await send(message)

        if "\0" in scope["path"]:  # no database has such a key
            await problems.answer(404, "the address: there is none such; expected one of ours; see the list")(
                scope, receive, with_headers
            )
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            await _too_large()(scope, receive, with_headers)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > LARGEST_BODY:
                raise HTTPException(413, TOO_LARGE)
            return message

        await self._app(scope, counted, with_headers)


TOO_LARGE = f"the request: it is larger than {LARGEST_BODY:,} bytes; expected a file of 1 MB at most; take the data out"


def _too_large() -> ASGIApp:
    return problems.answer(413, TOO_LARGE)
