"""A browser's session: begun with the token of a link, which is used up by it, or one that is as good as its owner."""

from __future__ import annotations

from collections import OrderedDict, deque
from time import monotonic
from typing import TYPE_CHECKING

from grader.service.identity import ALL, COOKIE, LINK, PERSONAL, SESSION, now
from grader.service.problems import Problem
from grader.store import people

if TYPE_CHECKING:
    from fastapi import Request, Response
    from sqlalchemy import Connection

MOST_FAILURES, LATELY = 20, 60.0  # of one address, in so many seconds
MOST_ADDRESSES = 10_000  # that are remembered


class Failures:
    """Who has tried to sign in lately, and could not."""

    def __init__(self) -> None:
        self._by_address: OrderedDict[str, deque[float]] = OrderedDict()

    def refuse(self, address: str) -> None:
        """Raise Problem for who has tried too often; they may come again in a while."""
        times = self._by_address.get(address, deque())
        while times and times[0] < monotonic() - LATELY:
            times.popleft()
        if len(times) >= MOST_FAILURES:
            raise Problem(429, "the sign-in: it failed too often; expected a link; try again in a minute", AGAIN)

    def note(self, address: str) -> None:
        self._by_address.setdefault(address, deque()).append(monotonic())
        self._by_address.move_to_end(address)
        while len(self._by_address) > MOST_ADDRESSES:
            self._by_address.popitem(last=False)


AGAIN = {"Retry-After": f"{LATELY:.0f}"}


def begin(request: Request, db: Connection, token: str) -> str:
    """The session's own token. Raises Problem for a link that is no good any more, and for who tries too often."""
    failures: Failures = request.app.state.failures
    address = request.client.host if request.client else ""
    failures.refuse(address)
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Problem(403, "the sign-in: another page sent you; expected a form of ours; open your link itself")
    try:
        return _begun(db, token)
    except Problem:
        failures.note(address)
        raise


def _begun(db: Connection, token: str) -> str:
    found = people.signed_in(db, token, now())
    if found is None or not found.scopes & {LINK, PERSONAL, ALL}:
        raise Problem(403, "the link: it is used up, too old, or none; expected a new one; ask your instructor for it")
    if LINK in found.scopes and not people.use_up(db, token, now()):
        raise Problem(403, "the link: it has just been used; expected a new one; ask your instructor for it")
    return people.issue(db, found.person, "session", [ALL], now(), now() + SESSION)


def remember(response: Response, session: str, *, is_secure: bool) -> None:
    """Have the browser keep it, out of reach of any script."""
    seconds = int(SESSION.total_seconds())
    response.set_cookie(COOKIE, session, max_age=seconds, httponly=True, samesite="lax", secure=is_secure)
