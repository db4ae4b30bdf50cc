"""People, what they sign in with, and what they are in a course.

A token is told once, when it is made; of it only a digest is kept. It knows nothing of work that is handed in.
"""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, bindparam, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from grader.errors import UsageError
from grader.store import schema
from grader.store.database import hold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

AT_ONCE = 500  # people asked for or written by one statement
NAMED = 16  # letters of its digest that name a token
PREFIX = "grader_"  # of a token, by which one is known wherever it is found
RIGHTS = {"student": 0, "grader": 1, "instructor": 2, "admin": 3}


class Person(NamedTuple):
    """Somebody; `public` is what others may see of who it is."""

    id: int
    public: str
    name: str
    email: str | None


class Member(NamedTuple):
    """What a person is in a course; `key` is what rosters and downloads call a student."""

    person: Person
    course_id: int
    role: str
    key: str | None
    section: str | None


class SignedIn(NamedTuple):
    """Whose a token is, and what it is good for."""

    person: Person
    scopes: frozenset[str]


class Token(NamedTuple):
    """What is known of a token: `id` is not what signs in."""

    id: str
    label: str
    scopes: frozenset[str]
    created: datetime
    expires: datetime | None


_PERSON = (schema.person.c.id, schema.person.c.public, schema.person.c.name, schema.person.c.email)


def unguessable() -> str:
    """A key that nobody can guess: 128 bits of chance."""
    return secrets.token_urlsafe(16)


def add(db: Connection, name: str, email: str | None, now: datetime) -> Person:
    """Somebody new; or who is known by this address, with the name they have."""
    return add_all(db, [(name, email)], now)[0]


def add_all(db: Connection, wanted: Sequence[tuple[str, str | None]], now: datetime) -> list[Person]:
    """The same of many names and addresses, in order, with few questions; an address is one person's."""
    addressed = [(name, address(email) or None) for name, email in wanted]
    known = by_addresses(db, {email for _, email in addressed if email})
    new: dict[str, str] = {}  # names by addresses
    for name, email in addressed:
        if email and email not in known:
            new.setdefault(email, name)
    try:
        with db.begin_nested():
            known |= {one.email: one for one in _added(db, [(new[email], email) for email in sorted(new)], now)}
    except IntegrityError:  # somebody else has just added some of them
        return add_all(db, wanted, now)
    others = iter(_added(db, [one for one in addressed if not one[1]], now))
    return [known[email] if email else next(others) for _, email in addressed]


def _added(db: Connection, wanted: Sequence[tuple[str, str | None]], now: datetime) -> list[Person]:
    rows = [{"public": unguessable(), "name": name, "email": email, "created": now} for name, email in wanted]
    if not rows:
        return []
    added = {row.public: Person(*row) for row in db.execute(insert(schema.person).returning(*_PERSON), rows)}
    return [added[str(row["public"])] for row in rows]


def address(email: str | None) -> str | None:
    """An address as it is kept."""
    return email.strip().casefold() if email else None


def change(db: Connection, person: Person, name: str, email: str | None) -> Person:
    """The same person by another name, or with an address that nobody has."""
    changed = person._replace(name=name, email=address(email))
    values = {"name": changed.name, "email": changed.email}
    db.execute(update(schema.person).where(schema.person.c.id == person.id).values(values))
    return changed


def by_addresses(db: Connection, emails: set[str]) -> dict[str | None, Person]:
    """Who is known by these addresses."""
    found: dict[str | None, Person] = {}
    left = iter(emails)
    while some := list(islice(left, AT_ONCE)):
        rows = db.execute(select(*_PERSON).where(schema.person.c.email.in_(some)))
        found |= {row.email: Person(*row) for row in rows}
    return found


def find(db: Connection, number: int) -> Person:
    """The one of this number, who there has to be."""
    return Person(*db.execute(select(*_PERSON).where(schema.person.c.id == number)).one())


def issue(
    db: Connection, person: Person, label: str, scopes: Iterable[str], now: datetime, expires: datetime | None = None
) -> str:
    """A new token, which is not told again."""
    token = PREFIX + secrets.token_urlsafe(32)
    values = {
        "person_id": person.id, "sha256": _digest(token), "label": label, "scopes": " ".join(sorted(scopes)),
        "created": now, "expires": expires,
    }  # fmt: skip
    db.execute(insert(schema.token).values(values))
    return token


def signed_in(db: Connection, token: str, now: datetime) -> SignedIn | None:
    """Whose token this is; None where it is nobody's, or no longer."""
    known = schema.token.c
    row = db.execute(
        select(*_PERSON, known.scopes)
        .join(schema.token)
        .where(
            known.sha256 == _digest(token), known.revoked.is_(None), or_(known.expires.is_(None), known.expires > now)
        )
    ).one_or_none()
    return SignedIn(Person(*row[:4]), frozenset(row.scopes.split())) if row else None


def use_up(db: Connection, token: str, now: datetime) -> SignedIn | None:
    """As `signed_in`, once: whoever comes second with it is nobody."""
    found = signed_in(db, token, now)
    if found and revoke(db, token, now):
        return found
    return None


def revoke(db: Connection, token: str, now: datetime) -> bool:
    """Whether it was good until now."""
    known = schema.token
    done = update(known).where(known.c.sha256 == _digest(token), known.c.revoked.is_(None)).values(revoked=now)
    return db.execute(done).rowcount == 1


def revoke_all(db: Connection, person: Person, label: str | None, now: datetime) -> None:
    """All of somebody's tokens of this label, or all they have."""
    known = schema.token
    theirs = [known.c.person_id == person.id, known.c.revoked.is_(None)]
    theirs += [known.c.label == label] if label else []
    db.execute(update(known).where(*theirs).values(revoked=now))


def tokens(db: Connection, person: Person, now: datetime) -> Iterator[Token]:
    """Somebody's that are good, the latest first."""
    known = schema.token.c
    query = select(known.sha256, known.label, known.scopes, known.created, known.expires)
    good = (known.person_id == person.id, known.revoked.is_(None), or_(known.expires.is_(None), known.expires > now))
    for row in db.execute(query.where(*good).order_by(known.id.desc())):
        yield Token(row.sha256[:NAMED], row.label, frozenset(row.scopes.split()), row.created, row.expires)


def end(db: Connection, person: Person, named: str, now: datetime) -> bool:
    """Whether somebody had a token of this id; it is good no more."""
    known = schema.token
    theirs = (known.c.person_id == person.id, func.substr(known.c.sha256, 1, NAMED) == named, known.c.revoked.is_(None))
    return db.execute(update(known).where(*theirs).values(revoked=now)).rowcount == 1


def name_of(token: str) -> str:
    """What a token is called, which is not what signs in."""
    return _digest(token)[:NAMED]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


# In a course.


def enrol(
    db: Connection, course_id: int, person: Person, role: str, now: datetime, key: str | None = None,
    section: str | None = None,
) -> Member:  # fmt: skip
    """Make somebody a member, or what they are from now on. Raises UsageError for a key that another one has."""
    member = Member(person, course_id, role, key, section)
    enrol_all(db, [member], now)
    return member


def enrol_all(db: Connection, members: Iterable[Member], now: datetime) -> None:
    """The same of many, one after another, with few questions."""
    some: dict[int, Member] = {}
    for one in members:
        if one.person.id in some or len(some) == AT_ONCE:  # nobody is twice among those who are written together
            _enrol_together(db, list(some.values()), now)
            some = {}
        some[one.person.id] = one
    _enrol_together(db, list(some.values()), now)


def _enrol_together(db: Connection, members: Sequence[Member], now: datetime) -> None:
    if not members:
        return
    table, course_id = schema.member, members[0].course_id
    hold(db, schema.course, schema.course.c.id == course_id)  # two rosters at once would wait for one another
    theirs = table.c.person_id.in_([one.person.id for one in members])
    same = table.c.key.in_([one.key for one in members if one.key is not None])
    rows = db.execute(select(table.c.person_id, table.c.key).where(table.c.course_id == course_id, or_(theirs, same)))
    had: dict[int, str | None] = {row.person_id: row.key for row in rows}
    _refuse_others_keys(members, had)
    values = [
        {"whose": one.person.id, "role": one.role, "key": one.key, "section": one.section, "gone": None}
        for one in members
    ]
    changed = [row for row in values if row["whose"] in had]
    if changed:  # in order, and first: who is new may have a key that another one has no more
        mine = and_(table.c.course_id == course_id, table.c.person_id == bindparam("whose"))
        names = ("role", "key", "section", "gone")
        db.execute(update(table).where(mine).values({name: bindparam(name) for name in names}), changed)
    new = [
        {"course_id": course_id, "person_id": row.pop("whose"), "joined": now, **row}
        for row in values
        if row["whose"] not in had
    ]
    if new:
        db.execute(insert(table), new)


def _refuse_others_keys(members: Sequence[Member], had: Mapping[int, str | None]) -> None:
    """Raise UsageError for a key that another one has when it is somebody's turn."""
    whose = {key: number for number, key in had.items() if key is not None}
    for one in members:
        number, key = one.person.id, one.key
        if key is not None and whose.setdefault(key, number) != number:
            raise UsageError(
                f"{key}: another member of the course has this key; expected one for each; correct the roster"
            )
        if (before := had.get(number)) is not None and before != key:
            del whose[before]


def leave(db: Connection, course_id: int, person: Person, now: datetime) -> None:
    """They are no member any more; what they did stays."""
    table = schema.member
    where = and_(table.c.course_id == course_id, table.c.person_id == person.id)
    db.execute(update(table).where(where).values(gone=now))


def membership(db: Connection, course_id: int, person: Person) -> Member | None:
    """What somebody is in a course; None for who is nothing."""
    return next(_members(db, course_id, schema.member.c.person_id == person.id), None)


def members(db: Connection, course_id: int, role: str | None = None) -> Iterator[Member]:
    """Everybody in a course, by name."""
    return _members(db, course_id, *([schema.member.c.role == role] if role else []))


def _members(db: Connection, course_id: int, *conditions: object) -> Iterator[Member]:
    table = schema.member.c
    rows = db.execute(
        select(*_PERSON, table.role, table.key, table.section)
        .join(schema.member)
        .where(table.course_id == course_id, table.gone.is_(None), *conditions)  # type: ignore[arg-type] # SQL's
    )
    return iter(sorted((Member(Person(*row[:4]), course_id, *row[4:]) for row in rows), key=_by_name))


def _by_name(member: Member) -> tuple[str, str, int]:
    """Case and diacritics tell names apart that are the same without; no order of a database's does so."""
    name = member.person.name
    letters = (one for one in unicodedata.normalize("NFKD", name) if not unicodedata.combining(one))
    return "".join(letters).casefold(), name, member.person.id


def student(db: Connection, course_id: int, text: str) -> Member | None:
    """The student of a course whose key this is; or else who is shown by it, or has it for an address."""
    mine, person = schema.member.c, schema.person.c
    for theirs in (mine.key == text, person.public == text, person.email == text.strip().casefold()):
        if found := next(_members(db, course_id, mine.role == "student", theirs), None):
            return found
    return None


def keyed(db: Connection, course_id: int) -> dict[str, Person]:
    """Whom each key of a course means, also of those who have left it."""
    table = schema.member.c
    rows = db.execute(
        select(*_PERSON, table.key).join(schema.member).where(table.course_id == course_id, table.key.is_not(None))
    )
    return {row.key: Person(*row[:4]) for row in rows}


def memberships(db: Connection, person: Person) -> list[Member]:
    """What somebody is, in every course they are in."""
    table = schema.member.c
    query = select(table.course_id, table.role, table.key, table.section)
    rows = db.execute(query.where(table.person_id == person.id, table.gone.is_(None)))
    return [Member(person, *row) for row in rows]


def may(member: Member | None, role: str) -> bool:
    """Whether somebody has the rights of this role, or of one above it."""
    return member is not None and RIGHTS[member.role] >= RIGHTS[role]
