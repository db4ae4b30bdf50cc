"""Who asks, and what they may: a token in the header, or the cookie of a browser that has signed in.

Whoever is not in a course does not learn that it is there.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple

from fastapi import Depends, Request
from sqlalchemy import Connection, Engine

from grader.service.problems import NOBODY, Problem, nothing
from grader.store import courses, people, submissions
from grader.store.courses import Assignment, Course
from grader.store.database import reading, writing
from grader.store.people import Member, Person
from grader.store.submissions import Submission

COOKIE = "grader_session"
SESSION = timedelta(hours=12)
ALL = "all"  # the scope of a session, and of tokens that are as good as their owner
LINK = "link"  # the scope of a token that only signs in, once
PERSONAL = "personal"  # and of one that signs in whenever its owner likes
ENTRANCE = {LINK, PERSONAL}
SAFE = ("GET", "HEAD", "OPTIONS")


class Asker(NamedTuple):
    """Who asks. `csrf` is what a form of theirs has to bring; None where no browser would send it by itself."""

    person: Person
    scopes: frozenset[str]
    csrf: str | None


def now() -> datetime:
    return datetime.now(UTC)


def engine_of(request: Request) -> Engine:
    found: Engine = request.app.state.engine
    return found


def base_of(request: Request) -> str:
    """Where this service is for browsers, with a slash at its end."""
    return f"{str(request.app.state.public_url or request.base_url).rstrip('/')}/"


def _reads(request: Request) -> Iterator[Connection]:
    with reading(engine_of(request)) as db:
        yield db


def _writes(request: Request) -> Iterator[Connection]:
    with writing(engine_of(request)) as db:
        yield db


# Both end before the answer is sent: it may take long, and what it tells of has to be done. Whoever asks is known
# before either is begun, or each request would wait for a second connection while it holds a first. And only so many
# are begun at a time, or those that have a connection would wait for threads, in which others wait for connections.
Reads = Annotated[Connection, Depends(_reads, scope="function", max_concurrency=12)]
Writes = Annotated[Connection, Depends(_writes, scope="function", max_concurrency=8)]


def asker(request: Request) -> Asker:
    """Raises Problem for nobody, and for a browser that was led here by another page."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    cookie = request.cookies.get(COOKIE)
    token = token if scheme.lower() == "bearer" else cookie or ""
    with reading(engine_of(request)) as db:
        found = people.signed_in(db, token.strip(), now()) if token else None
    if found is None or found.scopes & ENTRANCE:
        raise NOBODY
    by_cookie = scheme.lower() != "bearer"
    csrf = csrf_of(token) if by_cookie else None
    if csrf and request.method not in SAFE and not same(csrf, request.headers.get("X-CSRF-Token", "")):
        raise Problem(403, "the request: it does not come from a page of ours; expected its token; load the page again")
    return Asker(found.person, found.scopes, csrf)


Asks = Annotated[Asker, Depends(asker)]


def csrf_of(token: str) -> str:
    """What a page of this session puts into its forms."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Whether two secrets are the same, in a time that tells nothing of where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


def needs(asks: Asker, scope: str) -> None:
    """Raise Problem where the token is not good for this."""
    if not asks.scopes & {scope, ALL}:
        raise Problem(403, f"the token: it is good for {', '.join(sorted(asks.scopes))}; expected {scope}; use another")


# What they may see, and do.


def course_for(db: Connection, asks: Asker, public: str, role: str = "student") -> tuple[Course, Member]:
    """The course of this key, where the asker has the rights of this role."""
    course = courses.find(db, public)
    return _may(db, asks, course, f"course {public}", role)


def assignment_for(db: Connection, asks: Asker, public: str, role: str = "student") -> tuple[Assignment, Member]:
    """The assignment of this key, where the asker has the rights of this role in its course."""
    assignment = courses.find_assignment(db, public)
    course = assignment and courses.course_of(db, assignment.course_id)
    _, member = _may(db, asks, course, f"assignment {public}", role)
    assert assignment is not None
    return assignment, member


def submission_for(db: Connection, asks: Asker, public: str, role: str = "grader") -> tuple[Submission, Member]:
    """The submission of this key: the asker's own, or one in a course where they have the rights of this role."""
    submission = submissions.find(db, public)
    if submission is None:
        raise nothing(f"submission {public}")
    assignment = courses.assignment_of(db, submission.assignment_id)
    member = people.membership(db, assignment.course_id, asks.person)
    if member is None or (submission.person_id != asks.person.id and not people.may(member, role)):
        raise nothing(f"submission {public}")
    return submission, member


def _may(db: Connection, asks: Asker, course: Course | None, what: str, role: str) -> tuple[Course, Member]:
    member = course and people.membership(db, course.id, asks.person)
    if course is None or member is None:
        raise nothing(what)
    if not people.may(member, role):
        raise Problem(403, f"{what}: it takes the rights of {role}; you are {member.role}; ask an instructor")
    return course, member
