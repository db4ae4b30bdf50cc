"""The weakest backend: a fresh interpreter a submission. It contains accidents, not attacks.

What it has: an isolated interpreter that holds no answer, a clean environment, an empty working
directory, resource limits, and a process group of its own that is killed whole at the end. What it has
not: the student's code can still read files, the grader's own among them, open sockets, see other
processes of its user, and start one that leaves the group. It works wherever there are POSIX processes.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import BoundedSemaphore
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from grader.errors import GraderFault
from grader.sandbox import interpreter
from grader.sandbox.exchange import Ending
from grader.sandbox.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROGRAM = """
import gc, os
gc.disable()
request, response = os.dup(0), os.dup(1)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.dup2(2, 1)
from grader.sandbox import harness, rlimits
harness.forget_the_grader()
gc.freeze()
gc.enable()
harness.open_output(1)
harness.serve(request, response, rlimits.confine)
"""


class Unconfined:
    """Runs each submission in a fresh interpreter; the next one warms up when asked to."""

    name = "unconfined"

    layers = ("process group", "rlimits", "clean environment", "empty working directory")
    missing = ()

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._free = BoundedSemaphore(workers)
        self._spares: list[_Process] = []

    def __reduce__(self) -> Any:
        """Sent to another process, it is another one like it."""
        return Unconfined, (self.workers,)

    def warm(self) -> None:
        """Start the next child now: it imports numpy while the caller does something else."""
        self._spares.append(_Process())

    def expect(self, source: bytes) -> None:
        """Nothing is shared by its processes."""

    @contextmanager
    def session(self, source: bytes) -> Iterator[Session]:
        with self._free, Session(source, self._next) as session:
            yield session

    def close(self) -> None:
        while self._spares:
            self._spares.pop().close()

    def _next(self) -> _Process:
        try:
            return self._spares.pop()  # in one step: several threads may ask
        except IndexError:
            return _Process()


def start(workers: int = 1) -> Unconfined:
    """The backend, ready. Raises GraderFault where it cannot work at all."""
    if os.name != "posix":
        raise GraderFault(
            "sandbox 'unconfined': this is not a POSIX system; expected Linux or macOS; "
            "run the grader in WSL or in a container"
        )
    return Unconfined(workers)


class _Process:
    """One child: its pipes, its working directory, its end."""

    def __init__(self) -> None:
        try:
            # two folders: the child may do to the inner one what it likes, the outer one stays ours
            self._directory = Path(tempfile.mkdtemp(prefix="submission-"))
        except OSError as error:
            raise _unstartable(error) from None
        try:
            (self._directory / "work").mkdir(0o700)
            self._popen = _popen(self._directory / "work")
        except OSError as error:
            _remove(self._directory)
            raise _unstartable(error) from None
        assert self._popen.stdin and self._popen.stdout and self._popen.stderr  # three pipes were asked for
        self.request = self._popen.stdin.fileno()
        self.response = self._popen.stdout.fileno()
        self.output = self._popen.stderr.fileno()
        self._ending: Ending | None = None

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def kill(self) -> None:
        if self._ending is None:  # once reaped, its number may be another process's
            with suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
                os.killpg(self._popen.pid, signal.SIGKILL)

    def reap(self, seconds: float) -> Ending | None:
        until, pause = monotonic() + seconds, 0.0001
        while self._ending is None and not self._collect():
            if monotonic() >= until:
                return None
            sleep(pause)
            pause = min(2 * pause, 0.01)
        return self._ending

    def _collect(self) -> bool:
        process, status, usage = os.wait4(self._popen.pid, os.WNOHANG)
        if not process:
            return False
        self.kill()  # what it started; no new process takes over a number within the microseconds since
        self._popen.returncode = os.waitstatus_to_exitcode(status)
        self._ending = Ending(self._popen.returncode, usage.ru_utime + usage.ru_stime)
        return True

    def close(self) -> None:
        self.kill()
        self.reap(10.0)
        for pipe in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if pipe is not None:
                pipe.close()
        _remove(self._directory)


def _remove(directory: Path) -> None:
    """Remove a folder whatever became of what is in it; links are removed and not followed."""
    for outer, folders, _ in os.walk(directory):
        for folder in (Path(outer, name) for name in folders):
            if not folder.is_symlink():
                with suppress(OSError):  # what escaped may still be at work here
                    folder.chmod(0o700)  # before the walk goes on into it
    shutil.rmtree(directory, ignore_errors=True)


def _unstartable(error: OSError) -> GraderFault:
    return GraderFault(
        f"sandbox 'unconfined': a child cannot be started ({error.strerror or error}); expected a machine with "
        "processes, files and space to spare; free some and try again"
    )


def _popen(directory: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        interpreter.command(_PROGRAM),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        cwd=directory,
        env=interpreter.environment(str(directory)),
        start_new_session=True,
    )
