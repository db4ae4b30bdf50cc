"""A server that may be slow, busy or out of reach: how long it is waited for, and which addresses are asked at all.

It knows no platform.
"""

from __future__ import annotations

from time import sleep
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import SplitResult, urlsplit

from grader.errors import GraderFault, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
TIMEOUT = 60  # seconds for an answer to begin
WAITS = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]  # seconds between tries, where a server asks to be left alone
LONGEST_WAIT = 120.0  # whatever the server asks for
HERE = ("localhost", "127.0.0.1", "::1")


class Unreachable(GraderFault):
    """A server gave no answer, or none that can be understood: whether it did what was asked is not known."""


class Busy(Exception):
    """The server refused, for now, and did nothing; it may have said after how many seconds to come again."""

    def __init__(self, said: str, after: str | None = None) -> None:
        super().__init__(said)
        self.after = float(after) if after and after.isdecimal() else None


def patiently(ask: Callable[[], T], whom: str) -> T:
    """What is answered at last. Raises Unreachable where the server stays busy, and whatever else `ask` raises."""
    for wait in WAITS:
        try:
            return ask()
        except Busy as busy:
            sleep(min(wait if busy.after is None else busy.after, LONGEST_WAIT))
    try:
        return ask()
    except Busy as busy:
        raise Unreachable(
            f"{whom}: it asked {len(WAITS) + 1} times to be left alone for a while ({busy}); expected it to answer in "
            "the end; run the same command later, which goes on where this one ended"
        ) from None


def address(text: str, like: str) -> SplitResult:
    """The parts of an address that secrets may be sent to. `like` is one as it should be. Raises UsageError."""
    parts = urlsplit(text.strip())
    try:
        safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in HERE)
        whole = bool(parts.hostname) and (parts.port is None or parts.port > 0) and "@" not in parts.netloc
    except ValueError:  # a port that is no number
        safe = whole = False
    if not (safe and whole):
        raise UsageError(
            f"{text}: it is no address that a secret may be sent to; expected one that begins with https://, such as "
            f"{like}; copy it from the browser"
        )
    return parts


def origin(url: str | SplitResult) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: what may see the same secret."""
    parts = urlsplit(url) if isinstance(url, str) else url
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
