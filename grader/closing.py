"""What a batch leaves, made anew from its journal: reports in order, grades, the class's page, what has changed.

Each file is whole or not there. It knows what a report says, and nothing of how it came about.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from grader import likeness
from grader.cohort import Cohort
from grader.journal import CHANGES, GRADES, INDEX, JOURNAL, OUTDATED, PAGES, page_name, replacing, write
from grader.ledger import Place
from grader.render import gradebook, html, overview
from grader.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grader.journal import Folder
    from grader.ledger import Entry, Ledger
    from grader.rubric import Rubric

SHOWN = 27  # characters of what has changed
MOST_SHOWN = 50  # changes and faults of a summary


class Change(NamedTuple):
    """A grade that is not what it was: for which attempt, the points, and what has changed besides."""

    student: str
    attempt: int
    before: float
    after: float
    why: str


class Summary(NamedTuple):
    """What a batch came to.

    `kept` of the attempts had a report that was still true. `changes` and `faults` (student and reason) are the first
    of `changed` and `failed`; `unplaced` counts what is no student's, `set_aside` reports of nobody who is here.
    `strangers` are the first of those who are on no roster, `doubts` of those who fit several rows of it, or a row
    that another fits too, with the keys of these.
    """

    cohort: Cohort
    platform: str | None
    attempts: int
    kept: int
    missing: int
    failed: int
    faults: tuple[tuple[str, str], ...]
    changed: int
    changes: tuple[Change, ...]
    unplaced: int
    set_aside: int
    strangers: tuple[str, ...] = ()
    doubts: tuple[tuple[str, tuple[str, ...]], ...] = ()


def close(rubric: Rubric, ledger: Ledger, folder: Folder, *, platform: str | None, kept: int) -> Summary:
    """Write everything, and say what it came to."""
    set_aside = _set_aside(ledger, folder)  # before the journal is written without them
    _keep_outdated(ledger, folder, before_closing=True)  # likewise
    cohort = Cohort(rubric)
    changed, changes = _write_changes(folder, _settled(rubric, ledger, folder, cohort))
    _keep_outdated(ledger, folder)
    criteria = [criterion.id for criterion in rubric.criteria]
    with replacing(folder.path / GRADES) as file:
        file.writelines(line.encode() for line in gradebook.lines(ledger.students(), criteria))
    noteworthy = [row for row in ledger.students() if row.fault or gradebook.status(row) == "missing"]
    faults = [(row.key, row.fault) for row in noteworthy if row.fault]  # of some, another attempt may have a grade
    missing = len(noteworthy) - len(faults)
    course = overview.Course(rubric.title, cohort, missing, len(faults), likeness.alike(ledger.sketches))
    with replacing(folder.path / INDEX) as file:
        page = overview.page(course, criteria, ledger.students(), ledger.unplaced(), page_of=_address)
        file.writelines(piece.encode() for piece in page)
    return Summary(
        cohort=cohort,
        platform=platform,
        attempts=ledger.count()[0],
        kept=kept,
        missing=missing,
        failed=len(faults),
        faults=tuple(faults[:MOST_SHOWN]),
        changed=changed,
        changes=changes,
        unplaced=sum(1 for _ in ledger.unplaced()),
        set_aside=set_aside,
        strangers=tuple(islice(ledger.strangers(), MOST_SHOWN)),
        doubts=tuple(islice(ledger.doubts(), MOST_SHOWN)),
    )


def _settled(rubric: Rubric, ledger: Ledger, folder: Folder, cohort: Cohort) -> Iterator[Change]:
    """Put the journal in order; find what counts for each student; and tell what has changed."""
    with replacing(folder.path / JOURNAL) as journal:
        for student, found in groupby(ledger.reports(), key=lambda found: found[0].student):
            attempts = []
            for entry, place, before in found:
                line = folder.read(place)
                journal.write(line + b"\n")
                attempts.append((entry.n, Report.model_validate_json(line)))
                if before and (change := _change(entry, before, attempts[-1][1])):
                    yield change
            n, counting = _counting(rubric, attempts)
            if counting.origin:
                ledger.introduce(student, counting.origin.name, counting.origin.email, counting.origin.section)
            ledger.grade(n, cohort.add(counting), counting.submission.sketch)
            if attempts[1:] or not folder.page(student).exists():
                write(folder.page(student), html.page(counting).encode())


def _counting(rubric: Rubric, attempts: list[tuple[int, Report]]) -> tuple[int, Report]:
    """The attempt that counts: of several that are best, the first."""
    if rubric.attempts.counts == "best":
        return max(attempts, key=lambda attempt: attempt[1].points)
    return attempts[-1]


def _change(entry: Entry, before: dict[str, Any], report: Report) -> Change | None:
    if before["points"] == float(report.points):
        return None
    now = {
        "the submission": (before["submission"], report.submission.sha256),
        "when it was submitted": (before["submitted"], report.model_dump(mode="json")["submission"]["submitted"]),
        "the rubric": (before["rubric"], report.rubric.sha256),
        "the assignment": (before["assignment_version"], report.assignment_version),
        "the grader": (before["grader_version"], report.grader_version),
        "the seed": (before["seed"], report.seed),
        "the walls": (before["sandbox"], report.sandbox.backend),
        "the packages": (before["packages"], report.sandbox.packages_in_words),
    }
    why = [f"{what}: {str(old)[:SHOWN]} -> {str(new)[:SHOWN]}" for what, (old, new) in now.items() if old != new]
    told = "; ".join(why) or "nothing but the run: it does not always answer the same"
    return Change(entry.student, entry.attempt, before["points"], float(report.points), told)


def _write_changes(folder: Folder, changes: Iterator[Change]) -> tuple[int, tuple[Change, ...]]:
    """How many there are, and the first of them; all are in a file of their own, where there are any."""
    first = tuple(islice(changes, MOST_SHOWN))
    if not first:
        (folder.path / CHANGES).unlink(missing_ok=True)  # they were an earlier run's
        return 0, ()
    with replacing(folder.path / CHANGES) as file:
        lines = 0
        for line in gradebook.table(Change._fields, chain(first, changes)):
            lines += file.write(line.encode()) > 0
    return lines - 1, first


def _set_aside(ledger: Ledger, folder: Folder) -> int:
    """Keep the reports of nobody who is here, apart from the others; their pages go."""
    count = 0
    for place in ledger.left_over():
        line = folder.read(place)
        folder.set_aside(line)
        _take_away_page(line, ledger, folder)
        count += 1
    return count


def _keep_outdated(ledger: Ledger, folder: Folder, *, before_closing: bool = False) -> None:
    """Keep what could not be made anew: it counts for nothing, and is what the next run's is compared with."""
    path = folder.path / OUTDATED
    stale = ledger.stale(before_closing=before_closing)
    lines = [folder.read(one) if isinstance(one, Place) else one for one in stale]
    if not lines:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as file:
        file.writelines(line + b"\n" for line in lines)
    for line in lines:
        _take_away_page(line, ledger, folder)


def _take_away_page(line: bytes, ledger: Ledger, folder: Folder) -> None:
    with suppress(ValueError):  # it may be a line that is no report at all
        student = Report.model_validate_json(line).student or ""
        if not ledger.has_report(student):
            folder.page(student).unlink(missing_ok=True)


def _address(student: str) -> str:
    return f"{PAGES}/{quote(page_name(student))}"
