"""The app: the interface under /api/v1, the pages and signing in, put together."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

from fastapi import Body, FastAPI, Request, Response, Security
from fastapi.security import HTTPBearer
from starlette.staticfiles import StaticFiles

from grader import __version__
from grader.service import (
    batches,
    browser,
    exporting,
    forms,
    marking,
    marking_pages,
    operation,
    pages,
    problems,
    sessions,
    students,
    teaching,
    teaching_pages,
)
from grader.service.identity import COOKIE, Writes, now
from grader.service.limits import Limits
from grader.service.logs import Requests
from grader.store import people

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sqlalchemy import Engine

    from grader.sandbox import Sandbox


def create(
    engine: Engine, wake: Callable[[], None] = lambda: None, workers: Callable[[], int] = lambda: 0, *,
    walls: Sandbox | None = None, public_url: str = "", begun: Callable[[], None] = lambda: None,
) -> FastAPI:  # fmt: skip
    """The app over a database. `wake` is called when something waits, `workers` tells how many grade.

    `public_url` is where browsers find it, if that is not where they are answered; `walls` those behind which it is
    proved that this machine can grade; None where it does not. `begun` is called when whoever asks is answered.
    """
    app = FastAPI(
        title="grader", version=__version__, openapi_url="/api/v1/openapi.json", docs_url=None, redoc_url=None,
        lifespan=partial(_lifespan, begun),
    )  # fmt: skip
    app.state.engine, app.state.wake, app.state.workers = engine, wake, workers
    app.state.public_url, app.state.is_secure = public_url, public_url.startswith("https:")
    app.state.failures, app.state.meters = sessions.Failures(), operation.Meters()
    app.state.proof = operation.Proof(walls)
    problems.install(app, browser.trouble)
    signed_in = [Security(HTTPBearer(auto_error=False, description="A token, as POST /tokens gives one"))]
    for tag, part in INTERFACE.items():
        app.include_router(
            part.router, prefix="/api/v1", tags=[tag], dependencies=signed_in, responses=problems.DESCRIBED
        )
    app.post("/api/v1/session", status_code=204, tags=["session"], responses=problems.DESCRIBED)(sign_in)
    app.delete("/api/v1/session", status_code=204, tags=["session"])(sign_out)
    app.include_router(operation.router, tags=["operation"])
    for some in (pages, teaching_pages, marking_pages):
        app.include_router(some.router)
    app.add_exception_handler(browser.Away, pages.away)
    app.add_exception_handler(forms.Again, forms.shown_again)  # type: ignore[arg-type] # it is one of these
    app.mount("/static", StaticFiles(packages=[("grader.service", "static")]))
    app.add_middleware(Limits, page=browser.trouble)
    app.add_middleware(Requests, meters=app.state.meters)
    return app


INTERFACE = {"students": students, "teaching": teaching, "grading": marking, "batches": batches, "export": exporting}


@asynccontextmanager
async def _lifespan(begun: Callable[[], None], _: FastAPI) -> AsyncIterator[None]:
    begun()
    yield


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
