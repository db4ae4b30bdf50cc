"""A server that may be slow, busy or out of reach: how long it is waited for, and which addresses are asked at all.

It knows no platform.
"""

from __future__ import annotations

import re
from time import sleep
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import SplitResult, urlsplit

from grader.errors import GraderFault, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import httpx
    import requests

T = TypeVar("T")
TIMEOUT = 60  # seconds for an answer to begin
WAITS = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]  # seconds between tries, where a server asks to be left alone
TRIES = 3  # for an answer to what may be asked again
LONGEST_WAIT = 120.0  # whatever the server asks for
BUSY = "it asks to be left alone for a while"
HERE = ("localhost", "127.0.0.1", "::1")


class Unreachable(GraderFault):
    """A server gave no answer, or none that can be understood: whether it did what was asked is not known."""


class Busy(Exception):
    """The server did nothing, for now; it may have said after how many seconds to come again."""

    def __init__(self, said: str, after: str | None = None) -> None:
        super().__init__(said)
        self.after = float(after) if after and after.isdecimal() else None


class Lost(Exception):
    """No answer came to a question that may be asked again; `error` is what is to be said of it in the end."""

    def __init__(self, error: Unreachable) -> None:
        super().__init__(str(error))
        self.error = error


def patiently(ask: Callable[[], T], whom: str) -> T:
    """What is answered at last. Raises Unreachable where no answer comes, and whatever else `ask` raises."""
    lost = 0
    for wait in [*WAITS, None]:
        try:
            return ask()
        except Busy as busy:
            if wait is None:
                raise Unreachable(
                    f"{whom}: {busy}, {len(WAITS) + 1} times; expected an answer in the end; run the same command "
                    "later, which goes on where this one ended"
                ) from None
            sleep(min(wait if busy.after is None else busy.after, LONGEST_WAIT))
        except Lost as lost_one:
            lost += 1
            if lost == TRIES or wait is None:
                raise lost_one.error from None
            sleep(wait)
    raise AssertionError("unreachable")


def session(whom: str, urls: Sequence[str], check: Callable[[requests.Response], None]) -> requests.Session:
    """One that asks nobody but who is at these addresses, waits where it is asked to, follows nobody elsewhere, and
    takes no password from a .netrc.

    `check` looks at every answer but those that say to come again, and raises what is to be said of it. Every request
    may raise Unreachable, or UsageError where it would fail again.
    """
    import requests

    allowed = {origin(url) for url in urls}

    class Careful(requests.Session):
        def request(self, method: str | bytes, url: str | bytes, *args: Any, **options: Any) -> requests.Response:
            if origin(str(url)) not in allowed:
                raise UsageError(f"{whom}: it sends to {url!s}; expected an address of its own; ask its keepers why")
            options |= {"timeout": TIMEOUT, "allow_redirects": False}  # a grade that is sent on becomes a question
            return patiently(lambda: self._once(method, url, *args, **options), whom)

        def _once(self, method: str | bytes, url: str | bytes, *args: Any, **options: Any) -> requests.Response:
            try:
                answer = super().request(method, url, *args, **options)
            except requests.RequestException as error:
                raise not_reached(whom, error, is_safe=method == "GET") from None
            refuse_status(whom, answer.status_code, answer.headers, is_safe=method == "GET")
            check(answer)
            return answer

    made = Careful()
    made.trust_env = not all(map(is_here, urls))  # what is for this machine goes through nobody's proxy
    made.auth = lambda request: request  # else a .netrc takes the place of the token
    return made


def answered(whom: str, request: Callable[[], httpx.Response], expected: str, *, is_safe: bool) -> tuple[Any, int]:
    """The JSON that is answered to a request, once, and the status it came with. `expected` is said where it is none.

    Raises Busy, Lost or Unreachable, or UsageError where it would fail again.
    """
    import httpx

    try:
        answer = request()
    except httpx.HTTPError as error:
        raise not_reached(whom, error, is_safe=is_safe) from None
    refuse_status(whom, answer.status_code, answer.headers, is_safe=is_safe)
    try:
        return answer.json(), answer.status_code
    except ValueError:
        raise Unreachable(f"{whom}: its answer is no JSON; expected {expected}") from None


def refuse_status(whom: str, status: int, headers: Mapping[str, str], *, is_safe: bool) -> None:
    """Raise what is to be said of an answer that is none. `is_safe` is whether the request may be made again."""
    if status == 429:
        raise Busy(BUSY, headers.get("Retry-After"))
    if status >= 500 and is_safe:
        raise Busy(f"it failed with status {status}", headers.get("Retry-After"))
    if status >= 500:
        raise Unreachable(f"{whom}: it failed with status {status}; expected an answer; run the same command again")
    if 300 <= status < 400:
        to = headers.get("Location", "nowhere").partition("?")[0]
        raise UsageError(
            f"{whom}: it sends whoever asks on to {to}; expected an answer; give the address it has itself"
        )


def not_reached(whom: str, error: Exception, *, is_safe: bool) -> Unreachable | Lost:
    """What is to be raised where no answer came."""
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner  # those around the innermost repeat what was asked
    reason = getattr(cause, "reason", None)
    in_words = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", reason if isinstance(reason, str) else type(cause).__name__)
    why = (in_words if reason else getattr(cause, "strerror", None) or in_words).lower()
    told = Unreachable(
        f"{whom}: it was not reached ({why}); expected an answer; see to the connection and the address, and run the "
        "same command again"
    )
    return Lost(told) if is_safe else told


def missing(extra: str, package: str, option: str = "--at") -> UsageError:
    """What is said where an extra is not installed."""
    return UsageError(
        f"{option}: {package} is not installed; expected the extra grader[{extra}]; install it: python -m pip install "
        f"'grader[{extra}]'"
    )


def address(text: str, like: str) -> SplitResult:
    """The parts of an address that secrets may be sent to. `like` is one as it should be. Raises UsageError."""
    parts = urlsplit(text.strip())
    if "@" in parts.netloc:
        raise UsageError(
            f"{parts.scheme}://…@{parts.netloc.rpartition('@')[2]}{parts.path}: it holds a name or a password; "
            f"expected an address without, such as {like}; leave them out"
        )
    try:
        safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in HERE)
        whole = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is no number
        safe = whole = False
    if not (safe and whole):
        raise UsageError(
            f"{text}: it is no address that a secret may be sent to; expected one that begins with https://, such as "
            f"{like}; copy it from the browser"
        )
    return parts


def is_here(url: str) -> bool:
    """Whether it is an address of this machine's own."""
    return urlsplit(url).hostname in HERE


def origin(url: str | SplitResult) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: what may see the same secret."""
    parts = urlsplit(url) if isinstance(url, str) else url
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
