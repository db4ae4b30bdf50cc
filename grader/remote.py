"""What a platform's server is to the grader: one column of a gradebook that can be looked at and written to.

A platform that has one offers what `Live` names. It knows no platform, and nothing of how one is spoken to.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from grader.errors import GraderError
from grader.network import Unreachable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from pydantic import SecretStr

    from grader.account import Wanted
    from grader.lms import Column, Row


SHORTEST = 7  # letters: what is shorter is no secret, and may be a word


class Score(NamedTuple):
    """A grade on its way to a server: whose row, the points as its column counts them, and when it was handed in.

    `comment` is for the student to read; where it is None, what stands there stays. `told` is the digest of the comment
    that was sent last. `criteria` has points for the platform's own criteria, by their ids; none where they stay.
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
    """What a server, or its rules, would not have, by whose row, and why: grades, or the comments beside them.

    `whole` is whether it broke off over one of them, so that some of the others may have been given and some not.
    """

    grades: dict[str, str]
    comments: dict[str, str]
    whole: bool = False


SOMEBODYS = "the comment was not: somebody's own stands there"


class RemoteCriterion(NamedTuple):
    """A criterion of a rubric that a platform has."""

    id: str
    title: str
    points: Decimal


class Remote(Protocol):
    """One column of a gradebook, on its server. Whatever is asked of it may raise Unreachable, or UsageError.

    `criteria` are those of the platform's own rubric, where it has one that can be filled and gives no grade itself.
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


class Watched:
    """Another remote: an answer of its that nobody understands is none, and no message of its has a secret."""

    def __init__(self, remote: Remote, address: str, secrets: Sequence[str]) -> None:
        self.column, self.criteria = remote.column, remote.criteria
        self.close = remote.close
        self._remote, self._address, self._secrets = remote, address, secrets

    def rows(self, refs: Collection[str] | None = None) -> Iterator[Row]:
        with watched(self._address, self._secrets):
            return iter(list(self._remote.rows(refs)))

    def send(self, scores: Sequence[Score]) -> Refused:
        with watched(self._address, self._secrets):
            refused = self._remote.send(scores)
        grades = {ref: _without(why, self._secrets) for ref, why in refused.grades.items()}
        return refused._replace(grades=grades)


@contextmanager
def watched(address: str, secrets: Sequence[str]) -> Iterator[None]:
    """What is wrong with a server, or what it says, told without a secret. Raises GraderError."""
    try:
        yield
    except GraderError as error:
        raise type(error)(_without(str(error), secrets)) from None
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise Unreachable(
            f"{address}: its answer is not understood ({type(error).__name__}: {_without(str(error), secrets)}); "
            "expected one of the platform's interface; see that the address is right"
        ) from error


def _without(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        for piece in (secret, *secret.splitlines()):
            text = text.replace(piece, "…") if len(piece) > SHORTEST else text
    return re.sub(r"(?i)(bearer\s+)\S+|eyJ[\w-]+\.[\w-]+\.[\w-]+", r"\1…", text)


def digest(text: str) -> str:
    """Of a text's words: how a platform breaks its lines makes no difference."""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()
