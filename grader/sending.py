"""What of a comparison is to be sent to a platform's server: grades that change, comments and criteria that are news.

It knows no platform, and sends nothing.
"""

from __future__ import annotations

from contextlib import contextmanager
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, NamedTuple

from grader import grades, lms, pushes
from grader.comparing import CENTS
from grader.errors import UsageError, nearest
from grader.remote import Score, Watched, digest, watched
from grader.render import comment
from grader.roster import folded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pydantic import SecretStr

    from grader.comparing import Change, Comparison
    from grader.lms import Row
    from grader.pushes import Pushed
    from grader.remote import Live, Remote, RemoteCriterion
    from grader.report import Report


class Sending(NamedTuple):
    """A grade that is to be sent, and the change it is.

    `filled` is the digest of what the platform's own criteria are to have, or were given last. `left` is what is not
    known of a comment, or was not to be had.
    """

    change: Change
    score: Score
    filled: str | None = None
    left: str = ""


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


@contextmanager
def connected(platform: str, address: str, account: Mapping[str, SecretStr]) -> Iterator[Remote]:
    """The column at this address, as long as it is needed. Raises UsageError, or Unreachable."""
    secrets = [secret.get_secret_value() for secret in account.values()]
    with watched(address, secrets):
        remote = live(platform).connect(address, account)
    try:
        if not (remote.column.maximum and remote.column.maximum > 0):
            raise UsageError(
                f"{remote.column.title}: it is of {remote.column.told} points; expected more than 0; mend it there"
            )
        yield Watched(remote, address, secrets)
    finally:
        remote.close()


def prepared(
    comparison: Comparison, remote: Remote, *, comments: bool = False, criteria: bool = False
) -> list[Sending]:
    """Everything that is to be sent. With `criteria`, the platform's own rubric is filled too.

    Raises UsageError where the platform has other criteria than ours.
    """
    wanted = {
        change.student: change
        for change in comparison.changes()
        if change.written or ((comments or criteria) and change.kind == "unchanged" and not change.locked)
    }
    last = _last_pushed(comparison)
    theirs = _theirs(remote) if criteria else ()
    sendings = []
    for student, report in _reports(comparison, wanted):
        sending = _sending(wanted[student], report, last.get(student), theirs, comments=comments)
        if sending.change.written or sending.score.is_news or sending.score.criteria:
            sendings.append(sending)
    return sendings


def _last_pushed(comparison: Comparison) -> dict[str, Pushed]:
    """What was pushed last to each student, with the last comment and the last criteria that arrived."""
    order = comparison.order
    last: dict[str, Pushed] = {}
    for one in pushes.read(order.folder, order.platform, comparison.column.key):
        before = last.get(one.student)
        if one.seen:
            comment, criteria = (before.comment, before.criteria) if before else (None, None)
            last[one.student] = one._replace(comment=one.comment or comment, criteria=one.criteria or criteria)
    return last


def _reports(comparison: Comparison, wanted: Collection[str]) -> Iterator[tuple[str, Report | None]]:
    reported = grades.reported(comparison.order.folder) if wanted else ()
    return ((grade.student, report) for grade, report in reported if grade.student in wanted)


def _sending(
    change: Change, report: Report | None, last: Pushed | None, theirs: Sequence[RemoteCriterion], *, comments: bool
) -> Sending:
    """A grade that does not change is sent as it stands there, which may be finer than ours."""
    seen = report and report.seen_by("student")
    criteria = _criteria(seen, theirs) if seen and theirs else {}
    filled = digest(repr(sorted(criteria.items()))) if criteria else None
    score = Score(
        change.row or "",
        Decimal((change.before if change.kind == "unchanged" else change.after) or ""),
        report.submission.submitted if report else None,
        comment.text(seen) if seen and comments else None,
        last and last.comment,
        {} if last and filled == last.criteria else criteria,
    )
    return Sending(change, score, filled or (last and last.criteria))


def _theirs(remote: Remote) -> Sequence[RemoteCriterion]:
    if not remote.criteria:
        raise UsageError(
            f"--criteria: {remote.column.name} has no rubric that can be filled: there is none, or it gives the grade "
            "itself; expected one whose criteria have our ids or titles; make one, or leave --criteria out"
        )
    return remote.criteria


def _criteria(report: Report, theirs: Sequence[RemoteCriterion]) -> dict[str, Decimal]:
    """Points for each of the platform's criteria, as it counts them, by their titles or our ids."""
    ours = {folded(text): criterion for criterion in report.criteria for text in (criterion.id, criterion.title)}
    found = {one.id: ours.get(folded(one.title)) for one in theirs}
    known = {one.id for one in found.values() if one}
    lacking = [f"{one.id} ({one.title})" for one in report.criteria if one.id not in known]
    others = [one.title for one in theirs if found[one.id] is None]
    if lacking or others or len(known) != len(theirs):
        told = f"lacks {', '.join(lacking) or 'none'}, and has {', '.join(others) or 'none'} besides"
        raise UsageError(
            f"--criteria: the assignment's rubric {told}; expected each of ours once, by its id or title; name them so "
            "there, or leave --criteria out"
        )
    return {
        one.id: (mine.points * one.points / mine.max_points).quantize(CENTS, ROUND_HALF_UP)
        for one in theirs
        if (mine := found[one.id]) and mine.max_points
    }
