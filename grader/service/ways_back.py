"""On which page the form of an address stands: there it leads back to, where it ended elsewhere."""

from __future__ import annotations

import re

_FORMS = (
    (r"/courses", "/"),
    (r"(/courses/[\w-]+)/(?:people(?:/.+)?|roster|links)", r"\1/people"),
    (r"(/courses/[\w-]+/assignments/new)", r"\1"),
    (r"(/assignments/[\w-]+(?:/export(?:/[\w-]+)?)?)", r"\1"),
    (r"(/assignments/[\w-]+)/(?:rubric|settings)", r"\1/rubric"),
    (r"(/assignments/[\w-]+)/(?:batches|trials)", r"\1/class"),
    (r"(/assignments/[\w-]+/(?:students|trials)/[\w-]+)/.+", r"\1"),
    (r"(/submissions/[\w-]+)/regrade", r"\1"),
    (r"(/token|/enter)(?:/.+)?", r"\1"),
)


def page_of(address: str) -> str | None:
    """The address of the page; None where no form is sent there."""
    for pattern, page in _FORMS:
        if found := re.fullmatch(pattern, address):
            return found.expand(page)
    return None
