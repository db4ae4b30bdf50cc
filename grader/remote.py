"""What a platform's server is to the grader: one column of a gradebook that can be looked at and written to.

A platform that has one offers what `Live` names. It knows no platform, and nothing of how one is spoken to.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from pydantic import SecretStr

    from grader.account import Wanted
    from grader.lms import Column, Row


class Score(NamedTuple):
    """A grade on its way to a server: whose row, the points as its column counts them, and when it was handed in.

    `comment` is for the student to read; where it is None, what stands there stays. `told` is the digest of the comment
    that was sent last. `criteria` has points for the platform's own criteria, by their ids.
    """

    ref: str
    points: Decimal
    submitted: datetime | None = None
    comment: str | None = None
    told: str | None = None
    criteria: Mapping[str, Decimal] = {}

    @property
    def is_news(self) -> bool:
        """Whether the comment is another than the last."""
        return self.comment is not None and digest(self.comment) != self.told


class Refused(NamedTuple):
    """What a server, or its rules, would not have, by whose row, and why: grades, or the comments beside them."""

    grades: dict[str, str]
    comments: dict[str, str]


SOMEBODYS = "the comment was not: somebody's own stands there"


class RemoteCriterion(NamedTuple):
    """A criterion of a rubric that a platform has."""

    id: str
    title: str
    points: Decimal


class Remote(Protocol):
    """One column of a gradebook, on its server. Whatever is asked of it may raise Unreachable, or UsageError.

    `criteria` are of the platform's own rubric, if it has one that can be filled.
    """

    column: Column
    criteria: tuple[RemoteCriterion, ...]

    def rows(self, refs: Collection[str] | None = None) -> Iterator[Row]:
        """What stands there now, of everybody or of these at least."""

    def send(self, scores: Sequence[Score]) -> Refused:
        """Give these grades, which are in the `rows` asked for last. They are to be read back, all of them."""

    def close(self) -> None: ...


class Live(Protocol):
    """What a module of this package offers whose platform takes grades over the network.

    ACCOUNT is what it wants to sign in with, AT_ONCE how many grades are sent before they are read back, LIKE what an
    address looks like.
    """

    TITLE: str
    ACCOUNT: Mapping[str, Wanted]
    AT_ONCE: int
    LIKE: str

    def connect(self, address: str, account: Mapping[str, SecretStr]) -> Remote:
        """The column that this address is of. Raises UsageError, or Unreachable."""


def digest(text: str) -> str:
    """Of a text's words: how a platform breaks its lines makes no difference."""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()
