"""The app: the interface under /api/v1, the pages, signing in, and whether all is well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Body, FastAPI, Request, Response, Security
from fastapi.responses import RedirectResponse
from fastapi.security import HTTPBearer
from sqlalchemy import Engine, text
from starlette.staticfiles import StaticFiles

from grader import __version__
from grader.service import batches, pages, problems, sessions, students, teaching
from grader.service.identity import COOKIE, Writes, now
from grader.service.limits import Limits
from grader.store import people
from grader.store.database import reading


def create(
    engine: Engine, wake: Callable[[], None] = lambda: None, workers: Callable[[], int] = lambda: 0, *,
    is_secure: bool = True,
) -> FastAPI:  # fmt: skip
    """The app over a database. `wake` is called when something waits, `workers` tells how many grade."""
    app = FastAPI(
        title="grader", version=__version__, openapi_url="/api/v1/openapi.json", docs_url=None, redoc_url=None
    )
    app.state.engine, app.state.wake, app.state.is_secure = engine, wake, is_secure
    app.state.workers = workers
    app.state.failures = sessions.Failures()
    problems.install(app, pages.trouble)
    signed_in = [Security(HTTPBearer(auto_error=False, description="A token, as POST /tokens gives one"))]
    app.include_router(students.router, prefix="/api/v1", tags=["students"], dependencies=signed_in)
    app.include_router(teaching.router, prefix="/api/v1", tags=["teaching"], dependencies=signed_in)
    app.include_router(batches.router, prefix="/api/v1", tags=["batches"], dependencies=signed_in)
    app.post("/api/v1/session", status_code=204, tags=["session"])(sign_in)
    app.delete("/api/v1/session", status_code=204, tags=["session"])(sign_out)
    app.get("/healthz", tags=["operation"])(health)

    app.include_router(pages.router)
    app.add_exception_handler(pages.Away, lambda *_: RedirectResponse("/enter", 303))
    app.mount("/static", StaticFiles(packages=[("grader.service", "static")]))
    app.add_middleware(Limits, page=pages.trouble)
    return app


def sign_in(request: Request, db: Writes, token: Annotated[str, Body(embed=True, max_length=200)]) -> Response:
    """Sign a browser in with the token of a link, which is used up by it, or with one that is good for all."""
    response = Response(status_code=204)
    sessions.remember(response, sessions.begin(request, db, token), is_secure=request.app.state.is_secure)
    return response


def sign_out(request: Request, db: Writes) -> Response:
    """End the session of this browser."""
    people.revoke(db, request.cookies.get(COOKIE, ""), now())
    response = Response(status_code=204)
    response.delete_cookie(COOKIE)
    return response


def health(request: Request) -> dict[str, object]:
    """Whether the database answers, and how many workers there are."""
    with reading(request.app.state.engine) as db:
        db.execute(text("SELECT 1"))
    return {"database": "ok", "workers": request.app.state.workers(), "version": __version__}
