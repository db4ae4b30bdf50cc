"""Who may be who, for a person to confirm: a small CSV that is written with suggestions, and read with answers."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from grader.errors import UsageError
from grader.journal import replacing
from grader.render import gradebook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from grader.matching import Suggestion

COLUMNS = ("student", "name", "row", "row_name", "confirmed")
YES, NO = ("yes", "y", "true", "1", "x"), ("", "no", "n", "false", "0")


def read(path: Path) -> Iterator[tuple[int, str, str, bool]]:
    """What was decided: line, student, what the row is found by, and yes or no. Raises UsageError for another table."""
    for number, row in _rows(path):
        answer = (row["confirmed"] or "").strip().casefold()
        if answer not in (*YES, *NO):
            raise UsageError(f"{path}:{number}: confirmed is {answer!r}; expected yes or no; write one of them")
        if answer:
            yield number, row["student"], row["row"], answer in YES


def write(path: Path, suggestions: Iterator[Suggestion]) -> int:
    """Add what is not in the table yet, and keep every answer; gives the number of lines that wait for one."""
    known = {(row["student"], row["row"]): row for _, row in _rows(path)} if path.exists() else {}
    for one in suggestions:
        shown = one._asdict() | {"name": gradebook.inert(one.name), "row_name": gradebook.inert(one.row_name)}
        known.setdefault((one.student, one.row), shown)
    if not known:
        return 0
    with replacing(path) as file:
        rows = ([row[column] for column in COLUMNS] for row in known.values())
        file.writelines(line.encode() for line in gradebook.table(COLUMNS, rows))
    return sum(not (row["confirmed"] or "").strip() for row in known.values())


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                found = ", ".join(reader.fieldnames or ["none"])
                raise UsageError(
                    f"{path}: its columns are {found}; expected {', '.join(COLUMNS)}; name another file, which is "
                    "then written"
                )
            for row in reader:
                yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise UsageError(f"{path}: it cannot be read ({why}); expected a CSV file in UTF-8; save it as one") from None
