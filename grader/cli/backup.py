"""`grade backup` and `grade restore`: all that the service keeps in one file, and back from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.shared import DatabaseOption, known_database, own_database, server_extra

if TYPE_CHECKING:
    from grader.store.backups import Part

TOLD = {"person": "people", "submission": "submissions", "grading_run": "gradings", "grade_event": "words on grades"}


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write, which is not there yet.")],
    database: DatabaseOption = None,
) -> None:
    """Write all that the service keeps to one file, while it runs."""
    with server_extra("backup"):
        from grader.store import backups
        from grader.store import database as databases

    engine = databases.connect(database or known_database(), is_made=False)
    print(f"{file}: {_told(backups.write(engine, file))}")
    engine.dispose()


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that grade backup wrote.")],
    database: DatabaseOption = None,
) -> None:
    """Fill an empty database with what a backup holds: SQLite or PostgreSQL, whichever it came from."""
    with server_extra("restore"):
        from grader.store import backups
        from grader.store import database as databases

    engine = databases.connect(database or own_database())
    print(f"{file}: restored: {_told(backups.restore(engine, file))}")
    engine.dispose()


def _told(parts: list[Part]) -> str:
    rows = {part.name: part.rows for part in parts}
    return ", ".join(f"{rows[name]} {words}" for name, words in TOLD.items())
