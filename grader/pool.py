"""Jobs through an executor in a bounded window: on this machine's cores, or on a cluster's.

The seam is the standard library's `Executor`; scheduling is the executor's. A worker that is lost takes no submission
with it: what it was at is tried again, each alone, and only what loses its worker again and again is a fault. It
knows neither rubrics nor files.
"""

from __future__ import annotations

import logging
import multiprocessing
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from threading import Thread
from typing import TYPE_CHECKING, Any

from grader import worker
from grader.errors import GraderFault, UsageError
from grader.worker import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from grader.worker import Job

    Start = Callable[[], Executor]

CHUNK = 8  # jobs handed out together, where there are many: what it costs to hand them out is shared
PER_WORKER = 3  # chunks in flight
TRIES = 3  # of a job that loses its worker
CONNECT_SECONDS = 15  # for a scheduler to answer
PATIENCE = 5.0  # seconds for processes that were killed to be gone
MOST_FAULTS = 20  # one after another, and nothing between: it is not the submissions


def start(cluster_address: str | None, workers: int, packed: bytes) -> Start:
    """How the executor is begun that was asked for: on a cluster, or so many workers here."""
    return partial(cluster, cluster_address) if cluster_address else partial(local, workers, packed)


def local(jobs: int, packed: bytes) -> Executor:
    """So many processes of this machine; one job at a time needs none."""
    if jobs == 1:
        return _Here()
    return _Processes(jobs, packed)


def cluster(address: str) -> Executor:
    """The workers of a Dask scheduler. Raises UsageError without the extra, GraderFault where nobody answers."""
    try:
        from distributed import Client
    except ImportError:
        raise UsageError(
            "--cluster: the package distributed is not installed; expected the extra `cluster`; run: "
            "pip install 'grader[cluster]'"
        ) from None
    for name in ("distributed", "distributed.client"):  # what it loses is found again here, or told in our words
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client: Any = Client(address, set_as_default=False, timeout=CONNECT_SECONDS)  # type: ignore[no-untyped-call]  # distributed has few types
    except (OSError, ValueError, TimeoutError) as error:
        raise GraderFault(
            f"--cluster {address}: no scheduler answers there ({error or type(error).__name__}); expected one, such as "
            "tcp://host:8786; start it, and run the same command again: what is graded stays graded"
        ) from None
    return _Cluster(client)


class _Here(Executor):
    """An executor of no process but this one."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function(*arguments, **keywords))
        return future


class _Processes(ProcessPoolExecutor):
    """Processes of this machine, and what their walls are made from, which is closed with them."""

    def __init__(self, jobs: int, packed: bytes) -> None:
        self._walls = worker.walls(packed)
        # spawned: a fork of a process that may have threads is no place to start from
        super().__init__(jobs, multiprocessing.get_context("spawn"), worker.prepare, (packed, self._walls))

    def submit(self, function: Callable[..., Any], packed: bytes, jobs: Sequence[Job]) -> Future[Any]:  # type: ignore[override]  # nothing else is ever handed out
        worker.expect(self._walls, jobs)
        return super().submit(function, packed, jobs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait, cancel_futures=cancel_futures)
        self._walls.close()


class _Cluster(Executor):
    """A client's own executor; and the client is closed with it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._executor = client.get_executor(pure=False)

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future[Any]:
        return self._executor.submit(function, *arguments, **keywords)  # type: ignore[no-any-return]  # distributed has no types

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 it knows no such thing
        self._executor.shutdown(wait=wait)
        self._client.close(timeout=2)


def conduct(start: Start, workers: int, packed: bytes, jobs: Iterator[Job]) -> Iterator[Result]:
    """The result of every job, as they come. Jobs are taken from the iterator only when there is room for them.

    Raises GraderFault where the executor cannot go on, and where nothing but faults comes back.
    """
    faults = 0
    for result in _results(start, workers, packed, jobs):
        faults = 0 if result.fault is None or result.alone else faults + 1
        yield result
        if faults >= MOST_FAULTS:
            raise GraderFault(f"{faults} submissions in a row could not be graded; the last: {result.fault}")


def _results(start: Start, workers: int, packed: bytes, jobs: Iterator[Job]) -> Iterator[Result]:
    while (first := next(jobs, None)) is not None:  # no executor is begun for nothing
        with _running(start) as executor:
            window = 1 if isinstance(executor, _Here) else PER_WORKER * workers
            lost = yield from _until_broken(
                lambda chunk: executor.submit(worker.work, packed, chunk), window, chain([first], jobs)
            )
        yield from _each_alone(start, packed, deque(lost))


def _until_broken(
    submit: Callable[[list[Job]], Future[list[Result]]], window: int, jobs: Iterator[Job]
) -> Generator[Result, None, list[Job]]:
    """Results until all jobs are done, or a worker is lost; gives the jobs that were lost with it."""
    running: dict[Future[list[Result]], list[Job]] = {}
    handed_out = 0
    while True:
        while len(running) < window and (chunk := list(islice(jobs, _size(handed_out, window)))):
            handed_out += len(chunk)
            try:
                running[submit(chunk)] = chunk
            except Exception:
                return [job for jobs in (*running.values(), chunk) for job in jobs]
        if not running:
            return []
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in [future for future in running if future in done and _succeeded(future)]:
            running.pop(future)
            yield from future.result()
        if any(future in running for future in done):
            return [job for chunk in running.values() for job in chunk]


def _size(handed_out: int, window: int) -> int:
    """One at first, so that a small class is shared evenly, and soon several; always one where nothing is shared."""
    return 1 if handed_out < 2 * window or window == 1 else CHUNK


def _succeeded(future: Future[list[Result]]) -> bool:
    return not future.cancelled() and future.exception() is None  # work() itself raises nothing


def _each_alone(start: Start, packed: bytes, lost: deque[Job]) -> Iterator[Result]:
    """Jobs whose worker was lost, each with nobody in its company."""
    tries = 1
    while lost:
        with _running(start) as executor:
            while lost:
                try:
                    future = executor.submit(worker.work, packed, [lost[0]])
                    wait([future])
                except Exception:  # the executor is no more, before it was asked
                    break
                if not _succeeded(future):
                    break
                lost.popleft()
                tries = 1
                yield from future.result()
        if lost and (tries := tries + 1) == TRIES:
            fault = (
                f"its worker was lost, {TRIES} times; expected it to live; free memory and try again (a script that "
                "grades in processes has to begin under if __name__ == '__main__')"
            )
            yield Result(lost.popleft().n, fault=fault)
            tries = 1


def _end(executor: Executor, seconds: float) -> None:
    """Shut it down, and wait so long and no longer: one that was interrupted while it began may never be done."""
    ending = Thread(target=partial(executor.shutdown, wait=seconds > 0, cancel_futures=True), daemon=True)
    ending.start()
    ending.join(seconds or None)


@contextmanager
def _running(start: Start) -> Iterator[Executor]:
    """An executor for as long as it is needed; where it is left early, by an interrupt say, its processes are ended."""
    others = set(multiprocessing.active_children())
    executor = start()
    try:
        yield executor
    except BaseException:
        started = set(multiprocessing.active_children()) - others
        for process in started:
            process.kill()
        _end(executor, PATIENCE if started else 0)  # what is not ours to kill is not waited for
        raise
    executor.shutdown(wait=True, cancel_futures=True)
