"""The templates of pages: everything that is filled in is escaped, and what is not given is a mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from grader.render import mathml
from grader.render.numbers import plain

if TYPE_CHECKING:
    from jinja2 import Template


def template(name: str, *, filters: dict[str, Any], names: dict[str, Any]) -> Template:
    """One of them, with these filters and names besides those that all have."""
    environment = Environment(
        loader=PackageLoader("grader.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"math": mathml.markup, "plain": plain, **filters}
    environment.globals |= names
    return environment.get_template(name)
