"""For whoever runs the service: whether all is well, proved, and how much there is of everything."""

from __future__ import annotations

from ipaddress import ip_address
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, Histogram, generate_latest

from grader import __version__, grading
from grader import rubric as rubrics
from grader.errors import GraderError
from grader.service import desk
from grader.service.identity import engine_of
from grader.service.problems import Problem, nothing
from grader.store import queue, submissions
from grader.store.database import reading
from grader.values import Submission

if TYPE_CHECKING:
    from grader.sandbox import Sandbox

router = APIRouter()
PROVED_FOR = 60.0  # seconds for which a proof that the walls stand is good
SEED = 1  # of the proof: what it comes to is nobody's grade
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
STATES = ("received", "grading", "fault")


class Meters:
    """What is counted while this process lives."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "grader_request_seconds", "How long requests took", ["method", "route", "status"], registry=self.registry
        )
        self.submissions = Gauge(
            "grader_submissions", "Submissions that are not graded", ["state"], registry=self.registry
        )
        self.gradings = Gauge("grader_gradings", "Gradings there have ever been", registry=self.registry)
        self.workers = Gauge("grader_workers", "Workers of this server that live", registry=self.registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        known = method if method in METHODS else "other"  # else whoever invents some fills our memory
        self._requests.labels(known, route, str(status)).observe(seconds)


class Proof:
    """That submissions can be graded here: one is, for real, now and then. Where none are, nothing is proved."""

    def __init__(self, walls: Sandbox | None) -> None:
        self.walls, self._lock = walls, Lock()
        self._until, self._trouble = 0.0, ""

    def trouble(self) -> str:
        """What is wrong, in words; nothing where all is well."""
        if self.walls is None or monotonic() < self._until or not self._lock.acquire(blocking=False):
            return self._trouble  # who comes while another looks is told what was found last
        try:
            self._trouble = _trouble(self.walls)
        finally:
            self._until = monotonic() + PROVED_FOR
            self._lock.release()
        return self._trouble


def _trouble(walls: Sandbox) -> str:
    rubric, assignment = desk.loaded(rubrics.find("backprop").read_text(encoding="utf-8"))
    try:
        starter = Submission("starter.py", assignment.STARTER.encode())
        report = grading.grade(starter, assignment, rubric, seed=SEED, sandbox=walls)
    except GraderError as error:
        return str(error)
    except Exception as error:  # whatever it is: it is looked at again in a while
        return f"{type(error).__name__}: {error}"
    return "" if report.status == "graded" else f"the starter file was found {report.status}"


@router.get("/healthz")
def health(request: Request) -> dict[str, object]:
    """Whether the database answers, a submission can be graded, and how many workers there are and files wait.

    `idle` is for how many seconds nothing has been graded, though something waits: whoever grades may be elsewhere.
    """
    with reading(engine_of(request)) as db:
        waiting, idle = submissions.waiting(db), queue.idle_for(db)
    proof: Proof = request.app.state.proof
    if trouble := proof.trouble():
        raise Problem(503, f"nothing can be graded: {trouble}", {"Retry-After": f"{PROVED_FOR:.0f}"})
    walls = "ok" if proof.walls else "elsewhere"
    workers = request.app.state.workers()
    return {
        "database": "ok", "walls": walls, "workers": workers, "waiting": waiting, "idle": int(idle.total_seconds()),
        "version": __version__,
    }  # fmt: skip


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(request: Request) -> Response:
    """How much there is of everything, as Prometheus reads it; for who asks from this machine."""
    if not _is_here(request):
        raise nothing("metrics")
    meters: Meters = request.app.state.meters
    with reading(engine_of(request)) as db:
        for state in STATES:
            meters.submissions.labels(state).set(submissions.count(db, state))
        meters.gradings.set(submissions.gradings(db))
    meters.workers.set(request.app.state.workers())
    return Response(generate_latest(meters.registry), media_type=CONTENT_TYPE_LATEST)


def _is_here(request: Request) -> bool:
    """Whether it is asked on this machine, by nobody who was passed on by a proxy."""
    if {"x-forwarded-for", "forwarded"} & set(request.headers):
        return False
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False
