"""Grades into a gradebook on a server: some at a time, each read back, and noted when it is seen to stand there.

What was sent is never taken for written: a server that gives no answer may have done it, and one that gives a good one
may not have. It knows no platform.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, NamedTuple

from grader import grades, lms, pushes
from grader.comparing import CENTS, refuse_blocked, stands
from grader.errors import GraderError, UsageError, nearest
from grader.network import Unreachable
from grader.pushes import Pushed
from grader.remote import Refused, Score, digest
from grader.render import comment
from grader.render.numbers import plain
from grader.roster import folded

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator, Sequence

    from grader.comparing import Change, Comparison
    from grader.lms import Row
    from grader.remote import Live, Remote, RemoteCriterion
    from grader.report import Report

TRIES = 3  # a server that broke off is asked what it has, and given the rest
ENOUGH = 3  # in a row that are refused alone: so are the others, then


class Outcome(NamedTuple):
    """What came of one grade: written, failed or skipped, and why where it was not written."""

    student: str
    row: str | None
    state: str
    why: str = ""


class Sending(NamedTuple):
    """A grade that is to be sent, and the change it is; and what is not known of its comment."""

    change: Change
    score: Score
    unsure: str = ""


class Column:
    """A column on a server, as something to compare with."""

    version = None

    def __init__(self, remote: Remote) -> None:
        self._remote, self.column = remote, remote.column

    def rows(self) -> Iterator[Row]:
        return self._remote.rows()


def live(platform: str) -> Live:
    """The platform of this name that takes grades over the network. Raises UsageError."""
    known = lms.lives()
    if platform not in known:
        near = nearest(platform, list(known))
        raise UsageError(
            f"--to {platform}: there is no platform of this name that takes grades over the network; expected one of: "
            f"{', '.join(known)}" + (f"; did you mean {near}?" if near else "")
        )
    return known[platform]


def prepared(
    comparison: Comparison, remote: Remote, *, comments: bool = False, criteria: bool = False
) -> list[Sending]:
    """Everything that is to be sent: grades that change and, if they are wanted, comments that have.

    With `criteria`, the platform's own rubric is filled too. Raises UsageError where it has other criteria.
    """
    order = comparison.order
    wanted = {
        change.student: change
        for change in comparison.changes()
        if change.written or (comments and change.kind == "unchanged")
    }
    told = {
        one.student: one.comment
        for one in pushes.read(order.folder, order.platform, comparison.column.key)
        if one.comment is not None
    }
    sendings = []
    for student, report in _reports(comparison, wanted):
        change = wanted[student]
        seen = report and report.seen_by("student")
        score = Score(
            change.row or "",
            Decimal(change.after or ""),
            report.submission.submitted if report else None,
            comment.text(seen) if seen and comments else None,
            told.get(student),
            _criteria(seen, remote.criteria) if seen and criteria else {},
        )
        if change.written or score.is_news:
            sendings.append(Sending(change, score))
    return sendings


def _reports(comparison: Comparison, wanted: Collection[str]) -> Iterator[tuple[str, Report | None]]:
    reported = grades.reported(comparison.order.folder) if wanted else ()
    return ((grade.student, report) for grade, report in reported if grade.student in wanted)


def _criteria(report: Report, theirs: Sequence[RemoteCriterion]) -> dict[str, Decimal]:
    """Points for each of the platform's criteria, as it counts them, by their titles or our ids."""
    ours = {folded(text): criterion for criterion in report.criteria for text in (criterion.id, criterion.title)}
    found = {one.id: ours.get(folded(one.title)) for one in theirs}
    if None in found.values() or len({one.id for one in found.values() if one}) != len(report.criteria):
        raise UsageError(
            f"--criteria: the assignment's rubric has {', '.join(one.title for one in theirs) or 'no criteria'}; "
            f"expected {', '.join(criterion.title for criterion in report.criteria)}; name them so there, or leave "
            "--criteria out"
        )
    return {
        one.id: (mine.points * one.points / mine.max_points).quantize(CENTS, ROUND_HALF_UP)
        for one in theirs
        if (mine := found[one.id])
    }


def push(comparison: Comparison, remote: Remote, sendings: Sequence[Sending], at_once: int) -> Iterator[Outcome]:
    """Send what is to be sent; what came of every student of the batch, as soon as it is known.

    A server out of reach ends it: what was not sent then has failed. Raises UsageError where something is blocked;
    then nothing is sent.
    """
    refuse_blocked(f"--to {comparison.order.platform}", comparison.blocked())
    pushes.check(comparison.order.folder)
    sent = {sending.change.student for sending in sendings}
    for change in comparison.changes():
        if change.student not in sent:
            yield Outcome(change.student, change.row, "skipped", change.kind)
    broken = ""
    for n in range(0, len(sendings), at_once):
        known: set[str] = set()
        try:
            for outcome in () if broken else _some(comparison, remote, sendings[n : n + at_once]):
                known.add(outcome.student)
                yield outcome
        except GraderError as error:
            broken = f"it is not known whether it was written, for the platform was lost: {error}"
        for change, *_ in sendings[n : n + at_once]:
            if change.student not in known:
                yield Outcome(change.student, change.row, "failed", broken)
        broken = broken and "it was not sent, for the platform had been lost before"


def _some(comparison: Comparison, remote: Remote, sendings: Sequence[Sending]) -> Iterator[Outcome]:
    """Look, send, look again. One grade may have kept others from being written, so who is left is tried alone."""
    waiting = {sending.score.ref: sending for sending in sendings}
    there = _rows(remote, waiting)
    for ref, (change, *_) in list(waiting.items()):
        if why := _changed_meanwhile(there.get(ref), change):
            yield _outcome(waiting.pop(ref), "skipped", why)
    refused = yield from _sent(comparison, remote, waiting)
    in_vain = 0
    for ref in [ref for ref in waiting if ref not in refused and len(sendings) > 1]:
        if in_vain < ENOUGH:
            alone = {ref: waiting.pop(ref)}
            refused |= yield from _sent(comparison, remote, alone)
            waiting |= alone
            in_vain = in_vain + 1 if alone else 0
    for ref, sending in waiting.items():
        yield _outcome(sending, "failed", refused.get(ref, "it was not tried alone: others before it were, in vain"))


def _sent(
    comparison: Comparison, remote: Remote, waiting: dict[str, Sending]
) -> Generator[Outcome, None, dict[str, str]]:
    """Send these; who is seen to have them is written, and no longer waits. Gives why others have not, where that is
    known. Raises Unreachable.
    """
    refused = Refused({}, {})
    for attempt in range(TRIES if waiting else 0):
        broken: Unreachable | None = None
        try:
            refused = remote.send([sending.score for sending in waiting.values()])
        except Unreachable as error:
            broken = error
            waiting |= {ref: _without_comment(sending) for ref, sending in waiting.items()}
        there = _rows(remote, waiting)
        told = {ref: _told(sending, refused) for ref, sending in waiting.items()}
        done = [sending for ref, sending in told.items() if _is_there(there.get(ref), sending.score)]
        _note(comparison, done)
        for sending in done:
            waiting.pop(sending.score.ref)
            yield _outcome(sending, "written", sending.unsure)
        if broken is None or not waiting:
            break
        if attempt == TRIES - 1:
            raise broken
    if len(waiting) == 1:
        [(ref, sending)] = waiting.items()
        refused.grades.setdefault(ref, _instead(there.get(ref), sending.score))
    return refused.grades


def _without_comment(sending: Sending) -> Sending:
    """What a server that broke off may still be about to add is not sent twice: the next run sees whether it has."""
    if not sending.score.is_news:
        return sending
    unsure = "it is not known whether the comment was; run the same command again, which sees to it"
    return sending._replace(score=sending.score._replace(comment=None), unsure=unsure)


def _told(sending: Sending, refused: Refused) -> Sending:
    """As it was sent, without a comment that was refused."""
    why = refused.comments.get(sending.score.ref)
    return sending._replace(score=sending.score._replace(comment=None), unsure=why) if why else sending


def _rows(remote: Remote, refs: Collection[str]) -> dict[str, Row]:
    return {row.person.ref: row for row in remote.rows(refs)}


def _changed_meanwhile(row: Row | None, change: Change) -> str:
    if row is None:
        return "the student has gone from the gradebook; run the same command again"
    if stands(row) != change.before:
        found, expected = (text or "blank" for text in (stands(row), change.before))
        return f"somebody has changed it meanwhile: found {found}; expected {expected}; run the same command again"
    return ""


def _is_there(row: Row | None, score: Score) -> bool:
    if row is None or row.standing.points is None or row.standing.points.quantize(CENTS) != score.points:
        return False
    return not score.is_news or row.comments is None or digest(score.comment or "") in row.comments


def _instead(row: Row | None, score: Score) -> str:
    if row is None:
        return "the platform took it, and does not have the student any more"
    if row.standing.points is not None and row.standing.points.quantize(CENTS) == score.points:
        return "the grade stands there, the comment does not"
    return (
        f"the platform took it, and {stands(row) or 'nothing'} stands there; expected {plain(score.points)}; look "
        "there whether something else decides this grade"
    )


def _note(comparison: Comparison, done: Iterable[Sending]) -> None:
    """A comment that was not sent is news the next time too."""
    order = comparison.order
    pushed = (
        Pushed(
            change.student, change.row, change.after or "", change.before,
            comment=score.told if score.comment is None else digest(score.comment),
        )
        for change, score, _ in done
    )  # fmt: skip
    pushes.append(order.folder, order.platform, comparison.column.key, pushed)


def _outcome(sending: Sending, state: str, why: str = "") -> Outcome:
    return Outcome(sending.change.student, sending.change.row, state, why)
