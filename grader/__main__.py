"""The `grade` command's way in: it starts a child for the submission before the parent's own imports.

Interpreter and numpy take the child longer than anything else does, so they begin first.
"""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from typing import NoReturn

from grader import sandbox
from grader.errors import GraderError


def main() -> NoReturn:
    """Run the command line."""
    started: sandbox.Sandbox | None = None
    try:
        _prepare()
        _import_quickly()
        started = _start_early(sys.argv[1:])
        from grader.cli import run

        gc.freeze()  # what is imported stays; it need not be searched for garbage again and again
        gc.enable()
        code = run(started)
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except SystemExit as ending:
        code = int(ending.code or 0)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # one is enough: what was begun is cleaned up now
        if started is not None:
            started.close()
    _leave(code)


def _prepare() -> None:
    for name in ("SIGTERM", "SIGHUP"):
        if ending := getattr(signal, name, None):
            signal.signal(ending, lambda number, _: sys.exit(128 + number))  # so that what was begun is cleaned up
    if child_ended := getattr(signal, "SIGCHLD", None):
        signal.signal(child_ended, signal.SIG_DFL)  # who was started ignoring it cannot wait for a child
    if sys.stderr is None:  # else what is told there would go to stdout
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 for as long as this process lives
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without our letters still gets its report


def _leave(code: int) -> NoReturn:
    """End at once: taking the interpreter apart takes longer than the grading did."""
    try:
        for stream in filter(None, (sys.stdout, sys.stderr)):  # either may have been closed from the start
            stream.flush()
    except BrokenPipeError:  # the reader has seen enough
        pass
    except OSError as error:
        from grader.cli import tell_of_lost_output

        code = tell_of_lost_output(error)
    os._exit(code)


def _import_quickly() -> None:
    """Leave out what costs a short-lived command a third of its imports and gives it nothing."""
    gc.disable()  # nothing that is imported becomes garbage
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # else every installed package is looked through
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # no thread is worth starting for matrices this small


def _start_early(arguments: list[str]) -> sandbox.Sandbox | None:
    """The sandbox `grade submit` will ask for, warming up; None where something else is to be done, or said."""
    elsewhere = any(argument.startswith("--server") for argument in arguments)
    if arguments[:1] != ["submit"] or "--help" in arguments or elsewhere:
        return None
    try:
        backend = sandbox.start(sandbox.wanted(_named(arguments)))
        backend.warm()
    except GraderError:
        return None  # the command will meet it again, and report it
    return backend


def _named(arguments: list[str]) -> str | None:
    """The value of --sandbox; the command itself looks again, and has the last word."""
    for option, value in zip(arguments, [*arguments[1:], ""], strict=True):
        if option == "--sandbox":
            return value
        if option.startswith("--sandbox="):
            return option.partition("=")[2]
    return None


if __name__ == "__main__":
    main()
