"""Files made of a batch alone: for platforms that take such a file, for other programs, and for people.

It knows which there are and how they are put together; what a platform's file looks like is its own (`lms`).
"""

from __future__ import annotations

import zipfile
from contextlib import contextmanager
from decimal import Decimal
from typing import IO, TYPE_CHECKING, NamedTuple

from grader import grades, lms, pushes
from grader.comparing import Change
from grader.errors import UsageError
from grader.journal import GRADES, page_name
from grader.lms import Entry, Made
from grader.render import gradescope, html
from grader.render.numbers import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from grader.grades import Grade, Origin
    from grader.report import Report

WHEN = (1980, 1, 1, 0, 0, 0)  # in archives: the same grades are the same bytes


class Source(NamedTuple):
    """A batch to make a file of: its folder, what the column is called, and whether who is missing has 0 points."""

    folder: Path
    platform: str
    column: str | None = None
    missing_zero: bool = False


def names() -> list[str]:
    """Every file that can be made."""
    return [*sorted(lms.makers()), *_FOR_ALL]


def make(source: Source, file: IO[bytes]) -> int:
    """Write the file; gives the number of students in it. Raises UsageError where it cannot be made."""
    if source.platform in _FOR_ALL:
        return _FOR_ALL[source.platform](source, file)
    entries = _entries(source)
    maximum = max((entry.maximum for entry in entries if entry.maximum), default=Decimal(0))
    files = lms.makers()[source.platform](Made(called(source), maximum, entries))
    if len(files) == 1:
        file.writelines(text.encode() for texts in files.values() for text in texts)
    else:
        with _archive(file) as archive:
            for name, texts in files.items():
                _put(archive, name, (text.encode() for text in texts))
    return len(entries)


def is_logged(platform: str) -> bool:
    """Whether the file is for a platform, and what it takes is noted."""
    return platform in lms.makers()


def changes(source: Source) -> Iterator[Change]:
    """What has changed since the file was made last, student by student."""
    last = {one.student: one.value for one in pushes.read(source.folder, source.platform, called(source))}
    for grade, _ in grades.read(source.folder):
        before, points = last.get(grade.student), _points(source, grade)
        kind = grade.state if points is None else _kind(before, points)
        after = before if points is None else plain(points)
        written = points is not None
        yield Change(grade.student, grade.name, kind, None, before, after, grade.maximum, written)


def _kind(before: str | None, points: Decimal) -> str:
    if before is None:
        return "new"
    if (last := Decimal(before)) == points:
        return "unchanged"
    return "raised" if points > last else "lowered"


def note(source: Source, made: Sequence[Change]) -> None:
    """The file was written: remember what is in it and was not in the last."""
    changed = (change for change in made if change.written and change.kind != "unchanged")
    pushed = (pushes.Pushed(change.student, None, change.after or "", change.before) for change in changed)
    pushes.append(source.folder, source.platform, called(source), pushed)


def called(source: Source) -> str:
    """What the column is called. Raises UsageError where nobody has said it: another name makes another column."""
    if not source.column:
        raise UsageError(
            f"--to {source.platform}: the column has no name; expected that of the gradebook; name it with --column"
        )
    return source.column


def _points(source: Source, grade: Grade) -> Decimal | None:
    if grade.state == "missing" and source.missing_zero:
        return Decimal(0)
    return grade.points


def _entries(source: Source) -> list[Entry]:
    """Everybody who has points, by the platform's own key where they came from it."""
    platform = source.platform.partition("-")[0]
    return [
        Entry(_key(platform, grade, origin), grade.name, grade.email, points, grade.maximum)
        for grade, origin in grades.read(source.folder)
        if (points := _points(source, grade)) is not None
    ]


def _key(platform: str, grade: Grade, origin: Origin) -> str:
    """The platform's own where the file came from it, but for Moodle's participants, whom no file asks for."""
    if origin.key and origin.platform == platform != "moodle":
        return origin.key
    return "" if grade.student == origin.key and lms.has_own_keys(origin.platform) else grade.student


# For people and for other programs.


def _csv(source: Source, file: IO[bytes]) -> int:
    file.write((source.folder / GRADES).read_bytes())
    return sum(1 for grade, _ in grades.read(source.folder) if grade.state == "graded")


def _xlsx(source: Source, file: IO[bytes]) -> int:
    from grader.render import workbook

    return workbook.write(file, grades.reported(source.folder))


def _html(source: Source, file: IO[bytes]) -> int:
    """A page a student, as students may see it."""
    return _each(source, file, lambda grade, report: (page_name(grade.student), html.page(report.seen_by("student"))))


def _gradescope(source: Source, file: IO[bytes]) -> int:
    return _each(
        source,
        file,
        lambda grade, report: (
            f"{page_name(grade.student).removesuffix('.html')}/results.json",
            gradescope.results(report),
        ),
    )


def _moodle_feedback(source: Source, file: IO[bytes]) -> int:
    """Pages in the folders of the download, by whose names Moodle finds the students again."""

    def placed(grade: Grade, report: Report) -> tuple[str, str]:
        origin = report.origin
        if origin is None or origin.platform != "moodle" or not origin.path:
            raise UsageError(
                f"--to moodle-feedback: {grade.student}'s file came from no download of Moodle's; expected all to, for "
                "feedback goes back by the names of its folders; grade such a download"
            )
        folder = origin.path.partition("/")[0].partition("_assignsubmission_")[0]
        return f"{folder}_assignsubmission_file/feedback.html", html.page(report.seen_by("student"))

    return _each(source, file, placed)


def _each(source: Source, file: IO[bytes], one: Callable[[Grade, Report], tuple[str, str]]) -> int:
    count = 0
    with _archive(file) as archive:
        for grade, report in grades.reported(source.folder):
            if report is not None:
                name, text = one(grade, report)
                _put(archive, name, [text.encode()])
                count += 1
    return count


_FOR_ALL: dict[str, Callable[[Source, IO[bytes]], int]] = {
    "csv": _csv, "gradescope": _gradescope, "html": _html, "moodle-feedback": _moodle_feedback, "xlsx": _xlsx,
}  # fmt: skip


@contextmanager
def _archive(file: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        yield archive


def _put(archive: zipfile.ZipFile, name: str, pieces: Iterator[bytes] | list[bytes]) -> None:
    info = zipfile.ZipInfo(name, WHEN)
    info.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(info, "w", force_zip64=True) as entry:
        for piece in pieces:
            entry.write(piece)
