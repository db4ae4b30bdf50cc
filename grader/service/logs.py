"""What the service writes of its work, a line of JSON each: every request, and every grading.

Neither has a secret in it: an address is told as its pattern, people and submissions by what they are called outside.
"""

from __future__ import annotations

import logging
import sys
from time import monotonic
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from grader.service.operation import Meters

LOGGER = logging.getLogger("grader.service")
ID = b"x-request-id"
NAMED = ("course", "assignment", "submission", "person")  # parts of an address that are told


def to_stderr() -> None:
    """From now on, in this process."""
    from pythonjsonlogger.json import JsonFormatter

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter("%(levelname)s %(message)s", rename_fields={"levelname": "level"}, timestamp="time")
    )
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False


class Requests:
    """Around the app: each request has an id, which its answer tells, is measured, and leaves a line."""

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        self._app, self._meters = app, meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status, known = monotonic(), 500, uuid4().hex

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (ID, known.encode())]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            seconds = monotonic() - begun
            route = _pattern(scope)
            self._meters.request(scope["method"], route, status, seconds)
            told = {"request": known, "method": scope["method"], "route": route, "status": status}
            told |= {name: str(value) for name, value in scope.get("path_params", {}).items() if name in NAMED}
            LOGGER.info("request", extra={**told, "ms": round(1e3 * seconds, 1)})


def _pattern(scope: Scope) -> str:
    """The address with the names of what stands in it: as many as there are routes, and nobody's own."""
    if "route" not in scope:
        return "none"
    names = {str(value): f"{{{name}}}" for name, value in scope.get("path_params", {}).items()}
    return "/".join(names.get(part, part) for part in scope["path"].split("/"))
