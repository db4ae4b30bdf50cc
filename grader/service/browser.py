"""What all pages have in common: who visits, that a form is of ours, and the frame around them.

It knows no page.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Form, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from grader import __version__
from grader.render import charts, mathml
from grader.render.numbers import plain
from grader.service import ways_back
from grader.service.forms import NONE, Refusal
from grader.service.given_back import typed
from grader.service.identity import ALL, COOKIE, Asker, csrf_of, engine_of, now, same
from grader.service.problems import TITLES, UNKNOWN, Problem
from grader.store import people
from grader.store.database import reading

if TYPE_CHECKING:
    from starlette.types import Scope


class Away(Exception):
    """A browser that has to sign in first."""


def visitor(request: Request) -> Asker:
    """Who has signed in with this browser. Raises Away for nobody."""
    session = request.cookies.get(COOKIE, "")
    with reading(engine_of(request)) as db:
        found = people.signed_in(db, session, now()) if session else None
    if found is None or found.scopes != {ALL}:
        raise Away
    return Asker(found.person, found.scopes, csrf_of(session))


Visitor = Annotated[Asker, Depends(visitor)]


def _sender(who: Visitor, csrf: Annotated[str, Form()] = "") -> Asker:
    """Who sends a form of ours. Raises Problem for one of another page."""
    refuse_foreign(who, csrf)
    return who


def refuse_foreign(who: Asker, csrf: str) -> None:
    """Raise Problem for a form of another page, which does not know what stands in ours."""
    if not same(csrf, who.csrf or ""):
        raise Problem(403, "the form: it is not of a page of ours, or of an old one; load the page again")


Sender = Annotated[Asker, Depends(_sender)]


def page(name: str, who: Asker | None, refusal: Refusal = NONE, **known: Any) -> HTMLResponse:
    """One of the templates, filled in; where a form of it was refused, with that."""
    return HTMLResponse(rendered(name, visitor=who, refusal=refusal, **known), refusal.status)


def rendered(name: str, **known: Any) -> str:
    return _environment().get_template(name).render(known)


def trouble(scope: Scope, status: int, detail: str) -> Response:
    """What cannot be done, as a page; of a form with the way back to it and what was typed. It asks no database."""
    path, title = scope["path"], TITLES.get(status, UNKNOWN)
    back = ways_back.page_of(path) if scope["method"] == "POST" else None
    return page("trouble.html", None, Refusal(detail, status, path, typed(scope) or {}), title=title, back=back)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("grader.service"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {"plain": plain, "moment": moment, "math": mathml.markup}
    made.globals |= {"version": __version__, "distribution": charts.distribution, "share": charts.share}
    return made


def moment(time: datetime) -> str:
    """As everybody reads it alike; no server knows a reader's own zone."""
    return time.astimezone(UTC).strftime("%-d %b %Y, %H:%M UTC")
