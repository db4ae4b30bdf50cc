"""What a request is told when it cannot be done: problem+json (RFC 9457), in the words of our errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, DBAPIError
from starlette.exceptions import HTTPException

from grader.errors import GraderFault, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI, Request

MEDIA_TYPE = "application/problem+json"
AGAIN_AFTER = "5"  # seconds
TITLES = {
    400: "It cannot be done", 401: "Nobody is signed in", 403: "You may not", 404: "There is no such thing",
    405: "It is not done this way", 409: "It is in conflict", 413: "It is too large", 415: "It is of another kind",
    422: "It is not as it should be", 429: "Too many", 503: "Not now",
}  # fmt: skip


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


def install(app: FastAPI) -> None:
    """Have the app tell all that goes wrong this way."""
    app.add_exception_handler(Problem, _problem)  # type: ignore[arg-type] # handlers are of their own exception
    app.add_exception_handler(UsageError, lambda _, error: answer(400, str(error)))
    app.add_exception_handler(GraderFault, lambda _, error: answer(503, str(error), {"Retry-After": AGAIN_AFTER}))
    app.add_exception_handler(DataError, lambda *_: answer(422, NOT_KEPT))
    app.add_exception_handler(DBAPIError, lambda *_: answer(503, OUT_OF_REACH, {"Retry-After": AGAIN_AFTER}))
    app.add_exception_handler(RequestValidationError, _invalid)  # type: ignore[arg-type] # as above
    app.add_exception_handler(HTTPException, _http)  # type: ignore[arg-type] # as above


NOT_KEPT = "a text: it holds what no database keeps, such as a NUL; expected plain text; take that out"
OUT_OF_REACH = "the database does not answer; expected it to come back; try again, nothing that was answered is lost"


def answer(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    body = {"type": "about:blank", "title": TITLES.get(status, "It went wrong"), "status": status, "detail": detail}
    return JSONResponse(body, status, dict(headers or {}), MEDIA_TYPE)


def _problem(_: Request, problem: Problem) -> JSONResponse:
    return answer(problem.status, problem.detail, problem.headers)


def _http(_: Request, error: HTTPException) -> JSONResponse:
    return answer(error.status_code, str(error.detail), error.headers)


def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    """Where it is wrong and how, without repeating what was sent."""
    told = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
    found = answer(422, "; ".join(told) or "it is not as it should be")
    errors = [{"loc": one["loc"], "msg": one["msg"], "type": one["type"]} for one in error.errors()]
    known = {"type": "about:blank", "title": TITLES[422], "status": 422, "detail": "; ".join(told), "errors": errors}
    return JSONResponse(jsonable_encoder(known), 422, media_type=found.media_type)
