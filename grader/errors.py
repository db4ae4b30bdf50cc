"""Every way the grader itself can fail.

    GraderError
    ├── UsageError    the caller asked for something that cannot be; exit 2
    └── GraderFault   the grader or its machine failed; exit 3, no report, worth another try

A student's failing code is neither: it is a result. Messages read
*subject: what was found; what was expected; what to do*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class GraderError(Exception):
    """Anything the grader reports instead of a grade."""

    exit_code: int


class UsageError(GraderError):
    """The command, the rubric or a path is not usable; the message says how to mend it."""

    exit_code = 2


class GraderFault(GraderError):
    """Our own failure: it never costs a student a point."""

    exit_code = 3


def nearest(found: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, if any."""
    from difflib import get_close_matches  # only ever needed for a mistake

    return next(iter(get_close_matches(found, list(known), 1)), None)
