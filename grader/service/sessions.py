"""A browser's session: begun with the token of a link, which is used up by it, or one that is as good as its owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grader.service.identity import ALL, COOKIE, SESSION, now
from grader.service.problems import Problem
from grader.store import people

if TYPE_CHECKING:
    from fastapi import Response
    from sqlalchemy import Connection

LINK = "link"  # the scope of a token that only signs in


def begin(db: Connection, token: str) -> str:
    """The session's own token. Raises Problem for a link that is no good any more."""
    found = people.signed_in(db, token, now())
    if found is None or not found.scopes & {LINK, ALL}:
        raise Problem(403, "the link: it is used up, too old, or none; expected a new one; ask your instructor for it")
    if LINK in found.scopes and not people.use_up(db, token, now()):
        raise Problem(403, "the link: it has just been used; expected a new one; ask your instructor for it")
    return people.issue(db, found.person, "session", [ALL], now(), now() + SESSION)


def remember(response: Response, session: str, *, is_secure: bool) -> None:
    """Have the browser keep it, out of reach of any script."""
    seconds = int(SESSION.total_seconds())
    response.set_cookie(COOKIE, session, max_age=seconds, httponly=True, samesite="lax", secure=is_secure)
