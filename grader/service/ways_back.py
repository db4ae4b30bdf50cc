"""On which page the form of an address stands, and what is typed into it: what is told of it where it ended elsewhere.

What is chosen is not typed, nor what is hidden in a form.
"""

from __future__ import annotations

import re

_FORMS = (  # addresses, their pages, and the fields of their forms that are typed
    (r"/courses", "/", "name"),
    (r"(/courses/[\w-]+)/(?:people(?:/.+)?|roster|links)", r"\1/people", "name email key section"),
    (r"(/courses/[\w-]+/assignments/new)", r"\1", "title due most_attempts rubric"),
    (r"(/assignments/[\w-]+)", r"\1", "text"),
    (r"(/assignments/[\w-]+/export(?:/[\w-]+)?)", r"\1", "column"),
    (r"(/assignments/[\w-]+)/rubric", r"\1/rubric", "rubric"),
    (r"(/assignments/[\w-]+)/settings", r"\1/rubric", "title due most_attempts"),
    (r"(/assignments/[\w-]+)/(?:batches|trials)", r"\1/class", "text"),
    (r"(/assignments/[\w-]+/(?:students|trials)/[\w-]+)/.+", r"\1", "points due text"),
    (r"(/submissions/[\w-]+)/regrade", r"\1", ""),
    (r"(/token|/enter)(?:/.+)?", r"\1", "days"),
)


def page_of(address: str) -> str | None:
    """The address of the page; None where no form is sent there."""
    page, _ = _form(address)
    return page


def typed_at(address: str) -> list[str]:
    """The names of the fields that are typed."""
    _, names = _form(address)
    return names.split()


def _form(address: str) -> tuple[str | None, str]:
    for pattern, page, names in _FORMS:
        if found := re.fullmatch(pattern, address):
            return found.expand(page), names
    return None, ""
