"""What was typed is not lost where a form ends on a page without it: the database is away, say, or the session over.

It is kept as the form is read, so that nothing has to be asked for it then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from grader.service.identity import COOKIE, base_of, csrf_of, same
from grader.service.limits import LARGEST_BODY, largest
from grader.service.problems import Problem
from grader.service.ways_back import typed_at

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.datastructures import FormData
    from starlette.types import Scope

_KEPT = "grader.typed"  # in a request's scope


class Route(APIRoute):
    """An address of the pages: what is typed into a form of ours is kept for whatever page it ends on."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[None, None, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            if request.method == "POST" and largest(request.scope) <= LARGEST_BODY:  # nobody's upload is read
                request.scope[_KEPT] = await _typed(request)
            return await handle(request)

        return handled


def typed(scope: Scope) -> dict[str, list[str]] | None:
    """What was typed into the fields of a form of ours, by their names; None where no form has been read."""
    found: dict[str, list[str]] | None = scope.get(_KEPT)
    return found


async def _typed(request: Request) -> dict[str, list[str]]:
    """Nothing of a form that may be another site's: its words are not shown as ours. Raises Problem."""
    try:
        form = await request.form(max_part_size=LARGEST_BODY)  # one text may be all of it: its own page refuses that
    except ClientDisconnect:
        raise Problem(400, "the form: it broke off; expected all of it; send it again") from None
    names = typed_at(request.url.path) if _is_of_ours(request, form) else []
    return {name: [text for text in form.getlist(name) if isinstance(text, str)] for name in names}


def _is_of_ours(request: Request, form: FormData) -> bool:
    """Whether a page of ours sent it: it knows what stands in those of this session, or the browser says so."""
    session, csrf = request.cookies.get(COOKIE, ""), str(form.get("csrf", ""))
    if session and same(csrf, csrf_of(session)):
        return True
    if site := request.headers.get("Sec-Fetch-Site"):
        return site in ("same-origin", "none")
    ours = urlsplit(base_of(request))
    return request.headers.get("Origin") == f"{ours.scheme}://{ours.netloc}"
