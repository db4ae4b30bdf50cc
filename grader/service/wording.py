"""What the grader says to whoever has typed a command, in the words of a page: nobody there has named an option.

Nor does anybody there know of our folders: a file has the name it was sent with.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from grader.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_IN_A_TERMINAL = (  # what is said there, and here; what is a part of another one comes after it
    (r" with --dry-run, and leave them out with --keep .*, or (.*) with --force", r", and leave them out, or \1"),
    (r"--matches lets you say|--matches finds some by name", "give the member the key or address they have there"),
    (r"grade with a --roster that has the(ir)? ids (and|or) addresses", r"give the members the\1 ids \2 addresses"),
    (r"every row to be known with --missing zero; leave that out", "every row to be known; leave the zeros out"),
    (r"name it with --column", "say which"),
    (r"--column ", "the column "),
    (r"expected the address that grades go to, with --at", "expected one whose gradebook is a file; choose that"),
    (r"--to ", ""),
    (r"unpack it and name the folder, if it is what you think it is", "upload the files of one class"),
    (r"expected a folder or a zip( archive)?", "expected a zip archive"),
    (r"unpack it( yourself)? and name the folder", "zip its files anew"),
    (r"put the files into a folder as", "zip the files as"),
)


def of_a_page(text: str) -> str:
    for there, here in _IN_A_TERMINAL:
        text = re.sub(there, here, text)
    return text


@contextmanager
def on_a_page(names: Mapping[Path, str] | None = None) -> Iterator[None]:
    """Raises UsageError in the words of a page; `names` is what is known there by these paths of ours."""
    try:
        yield
    except UsageError as error:
        told = str(error)
        for path, name in (names or {}).items():
            told = told.replace(str(path), name)
        raise UsageError(of_a_page(told)) from None
