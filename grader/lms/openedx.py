"""Open edX: its bulk grades take a CSV with a line a user and a column new_override-<id> for a subsection.

What is blank there is passed over (edx-bulk-grades). The id is the last part of the subsection's block.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from grader.delimited import line
from grader.errors import UsageError
from grader.lms import keyed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from grader.lms import Made

TITLE = "Open edX"
_BLOCK = re.compile(r"[A-Za-z0-9_]+")


def _bulk(made: Made) -> dict[str, Iterator[str]]:
    """By username, which is the key that the roster or the files have to have."""
    if not _BLOCK.fullmatch(made.column):
        raise UsageError(
            f"--column {made.column}: it is no id of a subsection; expected letters and digits, as behind grade- in "
            "the file that Open edX lets you download; give that"
        )

    def lines() -> Iterator[str]:
        yield line(("username", f"new_override-{made.column}"), end="\r\n")
        for entry in made.entries:
            yield line((keyed(entry, TITLE), f"{entry.points.normalize():f}"), end="\r\n")

    return {"bulk_grades.csv": lines()}


MAKES: dict[str, Callable[[Made], dict[str, Iterator[str]]]] = {"openedx": _bulk}
