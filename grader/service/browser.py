"""What all pages have in common: who visits, the frame around them, and forms that are done or come back with a word.

It knows no page.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel, ValidationError

from grader import __version__
from grader.errors import UsageError
from grader.render import charts, mathml
from grader.render.numbers import plain
from grader.service.identity import ALL, COOKIE, Asker, csrf_of, engine_of, now, same
from grader.service.problems import Problem
from grader.store import people
from grader.store.database import reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

Shape = TypeVar("Shape", bound=BaseModel)


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


def page(name: str, who: Asker | None, status: int = 200, **known: Any) -> HTMLResponse:
    """One of the templates, filled in."""
    return HTMLResponse(rendered(name, visitor=who, **known), status)


def rendered(name: str, **known: Any) -> str:
    return _environment().get_template(name).render(known)


def trouble(status: int, title: str, detail: str) -> Response:
    """What cannot be done, as a page."""
    return page("trouble.html", None, status, title=title, detail=detail)


def filled(shape: type[Shape], **fields: Any) -> Shape:
    """What a form gives, as the interface takes it; what was left blank is not given. Raises Problem."""
    told = {name: value for name, value in fields.items() if value is not None and str(value).strip()}
    try:
        return shape.model_validate(told)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise Problem(422, f"{wrong['loc'][0]}: {wrong['msg']}; correct it") from None


class Again(Exception):
    """A form that could not be done: its page is shown again, with why."""

    def __init__(self, page: Callable[[Connection], Response]) -> None:
        self.page = page


def done(act: Callable[[], str], again: Callable[[Connection, str, int], Response]) -> Response:
    """On to the address that `act` gives. Raises Again where it cannot be done: then nothing is."""
    try:
        return RedirectResponse(act(), 303)
    except (Problem, UsageError) as error:
        raise refused(error, again) from None


def refused(error: Problem | UsageError, again: Callable[[Connection, str, int], Response]) -> Exception:
    """What to raise for what cannot be done: the page again, with why; but not to whom it is closed."""
    why, status = str(error), error.status if isinstance(error, Problem) else 400
    return error if status in (403, 404) else Again(lambda db: again(db, why, status))


def shown_again(request: Request, again: Again) -> Response:
    """After the transaction of the form has been taken back: a page takes long, and others want to write."""
    with reading(engine_of(request)) as db:
        return again.page(db)


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
