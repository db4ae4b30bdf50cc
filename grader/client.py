"""The service from outside: a file is handed in, waited for, and its report brought back.

It knows the interface under /api/v1, and nothing of what is behind it.
"""

from __future__ import annotations

import re
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from grader import network
from grader.account import Wanted
from grader.errors import GraderFault, UsageError
from grader.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr

    from grader.values import Submission

ACCOUNT = {"token": Wanted("a token of the service that may submit and read")}
LIKE = "https://grader.example.edu/assignments/5f3c…"
LOOK_EVERY, LOOK_FOR = 0.3, 3600.0  # seconds
_PLACE = re.compile(r"(?P<before>.*)/assignments/(?P<assignment>[\w-]+)/?", re.ASCII)
WAITING = ("received", "grading")  # states of a submission that will have a report


def graded(address: str, token: SecretStr, submission: Submission, watch: Callable[[str], None]) -> Report:
    """Hand a file in at an assignment's address, and wait for its report, as a student sees it.

    `watch` is told how far it is. Raises UsageError where the service will not have it, GraderFault where it cannot be
    graded or is out of reach.
    """
    service, assignment = at(address, token)
    try:
        path = f"/assignments/{assignment}/submissions"
        found = service.ask(
            "POST", path, files={"file": (submission.name, submission.source)}, headers={"Idempotency-Key": uuid4().hex}
        )
        path = f"/submissions/{found['id']}"
        end = monotonic() + LOOK_FOR
        while found["state"] in WAITING and monotonic() < end:
            watch(f"{found['ahead']} before it" if found["ahead"] else "being graded")
            sleep(LOOK_EVERY)
            found = service.ask("GET", path)
        if found["state"] != "graded":
            raise GraderFault(
                f"{address}: attempt {found['attempt']} is {found['state']}; expected a report; it is kept there, and "
                "costs nothing: ask your instructor"
            )
        return Report.model_validate(service.ask("GET", f"{path}/report"))
    finally:
        service.close()


def at(address: str, token: SecretStr) -> tuple[Service, str]:
    """The service at an assignment's address, and which assignment it is. Raises UsageError for any other address."""
    parts = network.address(address, LIKE)
    place = _PLACE.fullmatch(parts.path)
    if place is None:
        raise UsageError(f"{address}: it is no assignment of the service's; expected one as {LIKE}; copy its address")
    return Service(f"{parts.scheme}://{parts.netloc}{place['before']}", token), place["assignment"]


class Declined(UsageError):
    """The service will not do what it was asked to; it said why, and with which status."""

    def __init__(self, said: str, status: int) -> None:
        super().__init__(said)
        self.status = status


class Service:
    """The interface, asked with a token, by any thread; what may be asked again is, where no answer comes."""

    def __init__(self, base: str, token: SecretStr) -> None:
        try:
            import httpx
        except ImportError:
            raise network.missing("client", "httpx", "--server") from None
        self._base = base
        self._client = httpx.Client(
            base_url=f"{base}/api/v1", timeout=network.TIMEOUT, trust_env=not network.is_here(base),
            headers={"Authorization": f"Bearer {token.get_secret_value()}"},
        )  # fmt: skip

    def close(self) -> None:
        self._client.close()

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """What is answered. What is asked here is made again where it was lost: it only asks, has a key, or is the same
        when it is done twice. Raises Declined, or GraderFault where no answer comes.
        """
        return network.patiently(lambda: self._once(method, path, options), self._base)

    def _once(self, method: str, path: str, options: dict[str, Any]) -> Any:
        known, status = network.answered(
            self._base, lambda: self._client.request(method, path, **options),
            "the service's; see that the address is right", is_safe=True,
        )  # fmt: skip
        if status >= 400:
            hint = "; see that GRADER_SERVER_TOKEN, or the file, holds a good one" if status == 401 else ""
            raise Declined(f"{self._base}: {_said(known, status)}{hint}", status)
        return known


def _said(known: Any, status: int) -> str:
    """The service's own words: it speaks as we do."""
    detail = known.get("detail") if isinstance(known, dict) else None
    return str(detail or f"refused with status {status}; expected it to be taken; see to it there")
