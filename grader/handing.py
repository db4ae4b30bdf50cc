"""A class handed in at a service: an executor whose worker is the service, and the rubric that it grades by.

Every file is handed in under a key that is always the same, so that whoever was interrupted begins again and has
nothing there twice. What a report says is the service's; here it is told of whom the batch knows.
"""

from __future__ import annotations

from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from grader import client, grading, intake, worker
from grader.account import Wanted
from grader.client import LOOK_EVERY, LOOK_FOR, WAITING, Declined
from grader.errors import GraderError, GraderFault, UsageError
from grader.report import Report
from grader.worker import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import SecretStr

    from grader.assignments import Assignment
    from grader.report import OriginReport
    from grader.rubric import Rubric
    from grader.worker import Job

T = TypeVar("T")
ACCOUNT = {"token": Wanted("a token of the service that may read and grade")}
AT_ONCE = 8  # requests, where nobody says how many
OF_ITS_OWN = (400, 404, 409, 413, 422)  # what is wrong with one submission, or with whose it is said to be


class Place(NamedTuple):
    """An assignment of a service's, what it is graded by there, and how many requests are made at once.

    With `again` everything is graded anew there.
    """

    address: str
    token: SecretStr
    rubric: Rubric
    assignment: Assignment
    at_once: int
    again: bool

    def start(self) -> Executor:
        return _Handing(self)


def at(address: str, token: SecretStr, *, at_once: int = AT_ONCE, again: bool = False) -> Place:
    """The assignment at this address. Raises UsageError for none, or where the token is not good for a class."""
    service, public = client.at(address, token)
    with closing(service):
        path = f"/assignments/{public}"
        rubric, assignment = grading.loaded(service.ask("GET", f"{path}/rubrics")[0]["rubric"])
        counts = service.ask("GET", path)["counts"]  # it may be another than the rubric's
    counting = rubric.model_copy(update={"attempts": rubric.attempts.model_copy(update={"counts": counts})})
    return Place(address, token, counting, assignment, at_once, again)


class _Handing(Executor):
    """Whatever it is to run, it does what `worker.work` does, with the service for walls."""

    def __init__(self, place: Place) -> None:
        self._place, self._ending = place, Event()
        self._service, self._public = client.at(place.address, place.token)
        self._threads = ThreadPoolExecutor(place.at_once)

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future[Any]:  # noqa: ARG002 see above
        _, jobs = arguments
        return self._threads.submit(self._work, jobs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._ending.set()
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
        self._service.close()

    def _work(self, jobs: Sequence[Job]) -> list[Result]:
        """All are handed in before any is waited for: a service grades several at once."""
        taken = [_tried(job, partial(self._hand_in, job)) for job in jobs]
        return [
            one if isinstance(one, Result) else _tried(job, partial(self._result, job, one))
            for job, one in zip(jobs, taken, strict=True)
        ]

    def _hand_in(self, job: Job) -> dict[str, Any]:
        submission, attempt = job.submission, job.origin.attempt if job.origin else 1
        if submission.refused:
            raise UsageError(f"{submission.refused}; expected a file that can be handed in; ask the student for it")
        time = submission.submitted
        data = {"student": submission.student} | ({"submitted": time.isoformat()} if time and time.tzinfo else {})
        key = intake.request_key(self._public, submission.sha256, time, attempt)
        ask = self._service.ask
        found: dict[str, Any] = ask(
            "POST", f"/assignments/{self._public}/members/submissions", data=data,
            files={"file": (submission.name, submission.source)}, headers={"Idempotency-Key": key},
        )  # fmt: skip
        if self._place.again or found["state"] == "fault":  # a fault of an earlier run's
            ask("POST", f"/submissions/{found['id']}/regrade", json={"text": "the batch was run again"})
            found = ask("GET", f"/submissions/{found['id']}")
        return found

    def _result(self, job: Job, found: dict[str, Any]) -> Result:
        path, end = f"/submissions/{found['id']}", monotonic() + LOOK_FOR
        while found["state"] in WAITING and monotonic() < end:
            if self._ending.wait(LOOK_EVERY):
                raise GraderFault("it was interrupted; expected its report; run the same command again")
            found = self._service.ask("GET", path)
        if found["state"] != "graded":
            raise GraderFault(
                f"it is {found['state']} at the service; expected a report; see what is wrong there, and run the same "
                "command again"
            )
        report = Report.model_validate(self._service.ask("GET", f"{path}/report?audience=instructor"))
        if report.rubric.sha256 != self._place.rubric.sha256:
            return Result(job.n, fault=ANOTHER_RUBRIC, alone=True)
        return worker.reported(_introduced(job, report.origin), report)


ANOTHER_RUBRIC = (
    "it was graded by another version of the rubric than the assignment has now; expected the same for all; have it "
    "graded again with --redo"
)


def _introduced(job: Job, told: OriginReport | None) -> Job:
    """With what the service knows of the student, where no roster says it; attempts are counted as the batch does."""
    if job.origin is None or told is None:
        return job
    known = {name: getattr(job.origin, name) or getattr(told, name) for name in ("name", "email", "section")}
    return job._replace(origin=job.origin.model_copy(update=known))


def _tried(job: Job, act: Callable[[], T]) -> T | Result:
    """What comes of it, or what is wrong, as a result."""
    try:
        return act()
    except GraderError as error:
        alone = error.status in OF_ITS_OWN if isinstance(error, Declined) else isinstance(error, UsageError)
        return Result(job.n, fault=str(error), alone=alone)
    except (LookupError, TypeError, ValueError) as error:
        why = f"the service's answer is not understood ({type(error).__name__}); expected a report of this grader's"
        return Result(job.n, fault=f"{why}; install the same version on both sides")
