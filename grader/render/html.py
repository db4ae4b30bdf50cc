"""A report as one self-contained page: nothing is loaded and nothing runs, and all that a student wrote is escaped."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from grader.render import heatmap, mathml
from grader.render.numbers import row
from grader.render.pages import template
from grader.render.words import FLAGS, late, walls, with_places

if TYPE_CHECKING:
    from jinja2 import Template

    from grader.report import Report


def page(report: Report) -> str:
    """Everything the report says to its audience, as HTML."""
    return _template().render(report=report)


@cache
def _template() -> Template:
    names = {"heatmap": heatmap.svg, "FLAGS": FLAGS, "late": late, "walls": walls, "with_places": with_places}
    return template("report.html", filters={"matrix": mathml.matrix, "row": row}, names=names)
