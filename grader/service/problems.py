"""What a request is told when it cannot be done: problem+json (RFC 9457), in the words of our errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy import exc
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from starlette.exceptions import HTTPException

from grader.errors import GraderFault, UsageError
from grader.service.shapes import Trouble
from grader.store.database import is_full

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fastapi import FastAPI, Request, Response
    from starlette.types import Scope

UNKNOWN = "It went wrong"
MEDIA_TYPE = "application/problem+json"
AGAIN_AFTER = "5"  # seconds
TITLES = {
    400: "It cannot be done", 401: "Nobody is signed in", 403: "You may not", 404: "There is no such thing",
    405: "It is not done this way", 409: "It is in conflict", 413: "It is too large", 415: "It is of another kind",
    422: "It is not as it should be", 429: "Too many", 500: "It went wrong, by our fault", 503: "Not now",
}  # fmt: skip


_AS_JSON = {"content": {MEDIA_TYPE: {"schema": Trouble.model_json_schema()}}}
DESCRIBED: dict[int | str, dict[str, Any]] = {  # for the description of the interface
    "4XX": {"description": "It cannot be done: why, and what to do", **_AS_JSON},
    "503": {"description": "Not now: when to come again", **_AS_JSON},
}


class Problem(Exception):
    """A request that cannot be done: the status, and what to say."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


NOBODY = Problem(
    401, "you are not signed in; expected a token as Authorization: Bearer, or your link; sign in",
    {"WWW-Authenticate": "Bearer"},
)  # fmt: skip


def nothing(what: str) -> Problem:
    """Said of what is not there, and of what is nobody's business but its owner's: they look alike."""
    return Problem(404, f"{what}: there is none of this name for you; expected one of yours; see the list")


def install(app: FastAPI, page: Callable[[Scope, int, str], Response]) -> None:
    """Have the app tell all that goes wrong this way; `page` makes one of status and detail, for browsers."""

    def told(
        request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None, **more: object
    ) -> Response:
        if request.url.path.startswith("/api/"):
            return answer(status, detail, headers, **more)
        response = page(request.scope, status, detail)
        response.headers.update(headers or {})
        return response

    again = {"Retry-After": AGAIN_AFTER}
    handlers: dict[type[Exception], Callable[[Request, Any], Response]] = {
        Problem: lambda request, problem: told(request, problem.status, problem.detail, problem.headers),
        UsageError: lambda request, error: told(request, 400, str(error)),
        GraderFault: lambda request, error: told(request, 503, str(error), again),
        DataError: lambda request, _: told(request, 422, NOT_KEPT),
        IntegrityError: lambda request, _: told(request, 409, CONFLICT),
        exc.TimeoutError: lambda request, _: told(request, 503, OUT_OF_REACH, again),
        DBAPIError: lambda request, error: told(request, 503, NO_ROOM if is_full(error) else OUT_OF_REACH, again),
        HTTPException: lambda request, error: told(
            request, error.status_code, str(error.detail), _headers(request, error)
        ),
        RequestValidationError: lambda request, error: told(request, 422, **_invalid(error)),
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def _headers(request: Request, error: HTTPException) -> Mapping[str, str]:
    """Which methods an address has is told of all its routes, and not of the first alone."""
    if error.status_code != 405:
        return error.headers or {}
    asked = request.url.path.split("/")
    for pattern, methods in request.app.openapi()["paths"].items():
        parts = pattern.split("/")
        if len(parts) == len(asked) and all(a == b or a.startswith("{") for a, b in zip(parts, asked, strict=True)):
            return {"Allow": ", ".join(sorted(method.upper() for method in methods))}
    return error.headers or {}


NOT_KEPT = "a text: it holds what no database keeps, such as a NUL; expected plain text; take that out"
CONFLICT = "it: somebody has done the same at the same moment; expected one of you; look, and do it again if need be"
NO_ROOM = "the service: its disk is full; expected room; tell your instructor, nothing that was answered is lost"
OUT_OF_REACH = "the database does not answer; expected it to come back; try again, nothing that was answered is lost"


def answer(status: int, detail: str, headers: Mapping[str, str] | None = None, **more: object) -> JSONResponse:
    body = {"type": "about:blank", "title": TITLES.get(status, UNKNOWN), "status": status, "detail": detail, **more}
    return JSONResponse(jsonable_encoder(body), status, dict(headers or {}), MEDIA_TYPE)


def _invalid(error: RequestValidationError) -> dict[str, Any]:
    """Where it is wrong and how, without repeating what was sent."""
    errors = [{"loc": one["loc"], "msg": one["msg"], "type": one["type"]} for one in error.errors()]
    detail = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in errors)
    return {"detail": detail, "errors": errors}
