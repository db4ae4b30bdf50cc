"""A class as one self-contained page: how the points lie, what was right, which mistakes were made, and who has what.

The page comes in pieces, for a course may have any number of rows. Its only script sorts the table, and needs no
network; without it the table is in order of the students' keys.
"""

from __future__ import annotations

import base64
import hashlib
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from grader.render import charts
from grader.render.gradebook import status
from grader.render.numbers import plain
from grader.render.pages import template
from grader.render.words import FLAGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from jinja2 import Template

    from grader.cohort import Cohort
    from grader.ledger import Row
    from grader.likeness import Alike
    from grader.lms import Unplaced

BUFFERED = 200  # pieces of the template that make one of the page


class Course(NamedTuple):
    """What the page says above its table."""

    title: str
    cohort: Cohort
    missing: int
    faults: int
    alike: Sequence[Alike]


def page(
    course: Course,
    criteria: Sequence[str],
    rows: Iterable[Row],
    unplaced: Iterable[Unplaced],
    *,
    page_of: Callable[[str], str],
) -> Iterator[str]:
    """The page, in pieces. `page_of` is the address of a student's own page."""
    stream = _template().stream(
        course=course, cohort=course.cohort, criteria=criteria, rows=rows, unplaced=unplaced, page_of=page_of
    )
    stream.enable_buffering(BUFFERED)
    return iter(stream)


@cache
def _template() -> Template:
    script = files("grader.render").joinpath("templates/sort.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    names = {
        "status": status, "notes": _notes, "distribution": charts.distribution, "share": charts.share,
        "script": Markup(script), "script_digest": digest,  # noqa: S704 the script is ours
    }  # fmt: skip
    return template("class.html", filters={"number": _number}, names=names)


def _notes(row: Row) -> str:
    grade = row.grade or {}
    late = ["late"] if grade["late"] or grade["marked_late"] else []
    attempt = [f"attempt {grade['attempt']}"] if grade["attempt"] > 1 else []
    note = [grade["note"]] if grade["note"] else []
    return "; ".join([*late, *attempt, *note, *(FLAGS[flag] for flag in grade["flags"])])


def _number(text: str) -> str:
    return plain(Decimal(text))
