"""The `grade` command's way in: it starts a child for the submission before the parent's own imports.

Interpreter and numpy take the child longer than anything else does, so they begin first.
"""

from __future__ import annotations

import sys

from grader import sandbox, settings
from grader.errors import GraderError


def main() -> None:
    """Run the command line. Does not return."""
    started = _start_early(sys.argv[1:])
    try:
        from grader.cli import run

        sys.exit(run(started))
    finally:
        if started is not None:
            started.close()


def _start_early(arguments: list[str]) -> sandbox.Sandbox | None:
    """The sandbox `grade submit` will ask for, warming up; None where something else is to be done, or said."""
    if arguments[:1] != ["submit"] or "--help" in arguments:
        return None
    try:
        backend = sandbox.start(_asked_for(arguments))
        backend.warm()
    except GraderError:
        return None  # the command will meet it again, and report it
    return backend


def _asked_for(arguments: list[str]) -> str:
    for option, value in zip(arguments, [*arguments[1:], ""], strict=True):
        if option == "--sandbox":
            return value
        if option.startswith("--sandbox="):
            return option.partition("=")[2]
    return settings.sandbox_name() or sandbox.DEFAULT


if __name__ == "__main__":
    main()
