"""The app: the interface under /api/v1, signing in, and whether all is well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Body, FastAPI, Request, Response
from sqlalchemy import Engine, text

from grader import __version__
from grader.service import problems, students, teaching
from grader.service.identity import ALL, COOKIE, SESSION, Writes, now
from grader.service.limits import Limits
from grader.store import people
from grader.store.database import reading

LINK = "link"  # the scope of a token that only signs in


def create(engine: Engine, wake: Callable[[], None] = lambda: None, *, is_secure: bool = True) -> FastAPI:
    """The app over a database. `wake` is called when something waits; `is_secure` is whether browsers come by https."""
    app = FastAPI(
        title="grader", version=__version__, openapi_url="/api/v1/openapi.json", docs_url=None, redoc_url=None
    )
    app.state.engine, app.state.wake, app.state.is_secure = engine, wake, is_secure
    problems.install(app)
    app.include_router(students.router, prefix="/api/v1", tags=["students"])
    app.include_router(teaching.router, prefix="/api/v1", tags=["teaching"])
    app.post("/api/v1/session", status_code=204, tags=["session"])(sign_in)
    app.delete("/api/v1/session", status_code=204, tags=["session"])(sign_out)
    app.get("/healthz", tags=["operation"])(health)

    app.add_middleware(Limits)
    return app


def sign_in(request: Request, db: Writes, token: Annotated[str, Body(embed=True, max_length=200)]) -> Response:
    """Sign a browser in with the token of a link, which is used up by it, or with a token that is good for all."""
    found = people.signed_in(db, token, now())
    if found is None or not found.scopes & {LINK, ALL}:
        raise problems.Problem(
            403, "the link: it is used up, or too old; expected a new one; ask your instructor for it"
        )
    if LINK in found.scopes and not people.use_up(db, token, now()):
        raise problems.Problem(403, "the link: it has just been used; expected a new one; ask your instructor")
    session = people.issue(db, found.person, "session", [ALL], now(), now() + SESSION)
    response = Response(status_code=204)
    response.set_cookie(
        COOKIE, session, max_age=int(SESSION.total_seconds()), httponly=True, samesite="lax",
        secure=request.app.state.is_secure,
    )  # fmt: skip
    return response


def sign_out(request: Request, db: Writes) -> Response:
    """End the session of this browser."""
    people.revoke(db, request.cookies.get(COOKIE, ""), now())
    response = Response(status_code=204)
    response.delete_cookie(COOKIE)
    return response


def health(request: Request) -> dict[str, str]:
    """Whether the database answers."""
    with reading(request.app.state.engine) as db:
        db.execute(text("SELECT 1"))
    return {"database": "ok", "version": __version__}
