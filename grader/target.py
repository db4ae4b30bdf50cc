"""The file an export writes: whole or not at all, and never one that is read."""

from __future__ import annotations

from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from grader.errors import UsageError
from grader.journal import replacing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def refuse_to_write(out: Path, folder: Path, *read: Path | None) -> None:
    """Raise UsageError where the file to write is one that is read, or the batch's own."""
    own = out.resolve()
    if own in {path.resolve() for path in read if path} or own.is_relative_to(folder.resolve()):
        raise UsageError(f"{out}: it is what is read, or the batch's; expected another file; name one with --out")


@contextmanager
def written(out: Path) -> Iterator[IO[bytes]]:
    """The file to write, whole or not at all. Raises UsageError where it cannot be."""
    try:
        with replacing(out) as file:
            yield file
    except (OSError, ValueError) as error:
        why = str(getattr(error, "strerror", None) or error).lower()
        raise UsageError(
            f"{out}: it cannot be written ({why}); expected a file in a folder that is there; name one"
        ) from None
