"""Grades into a gradebook on a server: some at a time, looked at before, sent, read back, and noted.

What was sent is never taken for written: a server that gives no answer may have done it, and one that gives a good one
may not have. It knows no platform.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from grader import pushes
from grader.comparing import CENTS, stands
from grader.errors import GraderError
from grader.network import Unreachable
from grader.pushes import Pushed
from grader.remote import digest
from grader.render.numbers import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from grader.comparing import Comparison
    from grader.lms import Row
    from grader.remote import Refused, Remote, Score
    from grader.sending import Sending

TRIES = 3  # a server that broke off is asked what it has, and given the rest
NOT_FILLED = "the grade is written; its criteria are not; look there whether the rubric has changed"
NOT_KNOWN = "it is not known whether the comment arrived; run it again"
UNSURE = "the grade is written; it is not known whether the comment is; run the same command again"


class Outcome(NamedTuple):
    """What came of one grade: written, failed or skipped, and why. `left` is whether something is still to be done."""

    student: str
    row: str | None
    state: str
    why: str = ""
    left: bool = False


def push(comparison: Comparison, remote: Remote, sendings: Sequence[Sending], at_once: int) -> Iterator[Outcome]:
    """Send what is to be sent; what came of every student of the batch, as soon as it is known.

    A server that is lost, or refuses all, ends it, and so does Ctrl-C, which is raised again at the end: what was not
    sent then has failed. Raises UsageError where something is blocked; then nothing is sent.
    """
    comparison.refuse_blocked(f"--to {comparison.order.platform}")
    with pushes.held(comparison.order.folder):
        sent = {sending.change.student for sending in sendings}
        for change in comparison.changes():
            if change.student not in sent:
                yield Outcome(change.student, change.row, "skipped", change.kind)
        yield from _all(comparison, remote, sendings, at_once)


def _all(comparison: Comparison, remote: Remote, sendings: Sequence[Sending], at_once: int) -> Iterator[Outcome]:
    ended, interrupt = "", None
    for n in range(0, len(sendings), at_once):
        sitting = _Sitting(comparison, remote, sendings[n : n + at_once])
        try:
            if not ended:
                yield from sitting.outcomes()
        except GraderError as error:
            ended = f"it is not seen there, and no more can be sent: {error}"
        except KeyboardInterrupt as interrupted:
            ended, interrupt = "it was interrupted, and may be written or not; run the same command again", interrupted
        yield from sitting.failed(ended)
        ended = ended and "it was not sent, for the push had ended before; run the same command again"
    if interrupt is not None:
        raise interrupt


class _Sitting:
    """Some grades on their way; `waiting` has those of which nothing is known yet, by whose row."""

    def __init__(self, comparison: Comparison, remote: Remote, sendings: Sequence[Sending]) -> None:
        self._comparison, self._remote = comparison, remote
        self._waiting = {sending.score.ref: sending for sending in sendings}
        self._why: dict[str, str] = {}

    def outcomes(self) -> Iterator[Outcome]:
        """Of those that were written, or are not to be. Raises GraderError where no more can be sent."""
        yield from self._send(list(self._waiting))
        yield from self.failed("it was not taken")

    def failed(self, why: str) -> Iterator[Outcome]:
        """Everybody who still waits."""
        for ref in list(self._waiting):
            yield self._outcome(ref, "failed", self._why.get(ref, why), left=True)

    def _send(self, refs: Sequence[str]) -> Iterator[Outcome]:
        """One grade may keep others from being written: who is left is tried again in two halves."""
        yield from self._try(refs)
        left = [ref for ref in refs if ref in self._waiting and ref not in self._why]
        if len(refs) == 1:
            self._why |= {ref: self._not_there(self._waiting[ref]) for ref in left}
        elif left:
            middle = (len(left) + 1) // 2
            for half in filter(None, (left[:middle], left[middle:])):
                yield from self._send(half)

    def _try(self, refs: Sequence[str]) -> Iterator[Outcome]:
        """Look, send, and look again; after a server broke off, once more what is not there."""
        for attempt in range(TRIES):
            there = self._look(refs)
            if attempt:
                yield from self._settled(refs, there, None)
            yield from self._changed_meanwhile(refs, there)
            some = [self._waiting[ref] for ref in refs if ref in self._waiting]
            if not some:
                return
            self._note(some, seen=False)
            try:
                refused = self._remote.send([sending.score for sending in some])
            except GraderError as error:
                yield from self._leave_comments(some)
                if attempt == TRIES - 1 or not isinstance(error, Unreachable):
                    yield from self._settled(refs, self._look(refs), None)
                    raise
            else:
                self._why |= refused.grades
                yield from self._settled(refs, self._look(refs), refused)
                return

    def _look(self, refs: Iterable[str]) -> dict[str, Row]:
        waiting = [ref for ref in refs if ref in self._waiting]
        return {row.person.ref: row for row in self._remote.rows(waiting)} if waiting else {}

    def _changed_meanwhile(self, refs: Iterable[str], there: dict[str, Row]) -> Iterator[Outcome]:
        """What is not as it was compared with is left alone."""
        for ref in [ref for ref in refs if ref in self._waiting]:
            row, before = there.get(ref), self._waiting[ref].change.before
            if row is None:
                why = "the student has gone from the gradebook"
            elif row.locked:
                why = row.locked
            elif stands(row) != before:
                why = f"somebody has changed it meanwhile: found {stands(row) or 'blank'}; expected {before or 'blank'}"
            else:
                continue
            yield self._outcome(ref, "skipped", f"{why}; run the same command again", left=True)

    def _settled(self, refs: Iterable[str], there: dict[str, Row], refused: Refused | None) -> Iterator[Outcome]:
        """Who is seen to have the grade. `refused` is what the server answered; None where it did not."""
        done = []
        for ref in [ref for ref in refs if ref in self._waiting and ref in there]:
            sending = _as_it_came(self._waiting[ref], there[ref], refused)
            if _stands_there(there[ref], sending) and not (sending.change.kind == "unchanged" and ref in self._why):
                done.append(sending)
        self._note(done, seen=True)
        for sending in done:
            self._why.pop(sending.score.ref, None)
            is_left = sending.left in (UNSURE, NOT_FILLED)
            yield self._outcome(sending.score.ref, "failed" if is_left else "written", sending.left, left=is_left)

    def _leave_comments(self, some: Iterable[Sending]) -> Iterator[Outcome]:
        """What a server that broke off may be about to add is not sent twice: the next run sees whether it has."""
        for sending in some:
            ref = sending.score.ref
            if sending.score.is_news and sending.change.kind == "unchanged":
                yield self._outcome(ref, "failed", NOT_KNOWN, left=True)
            elif sending.score.is_news:
                self._waiting[ref] = sending._replace(score=sending.score._replace(comment=None), left=UNSURE)

    def _outcome(self, ref: str, state: str, why: str, *, left: bool) -> Outcome:
        change = self._waiting.pop(ref).change
        return Outcome(change.student, change.row, state, why, left)

    def _not_there(self, sending: Sending) -> str:
        row = self._look([sending.score.ref]).get(sending.score.ref)
        found = stands(row) or "nothing" if row else "nothing"
        return (
            f"the platform took it, and {found} stands there; expected {plain(sending.score.points)}; look there "
            "whether something else decides this grade"
        )

    def _note(self, some: Iterable[Sending], *, seen: bool) -> None:
        """Before it is sent, so that it is known for ours whatever happens; and again when it is seen there."""
        order = self._comparison.order
        pushed = (
            Pushed(
                change.student, change.row, plain(score.points), change.before,
                comment=_comment_told(score) if seen else None, criteria=filled if seen else None, seen=seen,
            )
            for change, score, filled, _ in some
        )  # fmt: skip
        pushes.append(order.folder, order.platform, self._comparison.column.key, pushed)


def _comment_told(score: Score) -> str | None:
    """The digest of the comment the student has now."""
    return score.told if score.comment is None else digest(score.comment)


def _as_it_came(sending: Sending, row: Row, refused: Refused | None) -> Sending:
    """Without a comment that was refused, or of which it is not known whether it arrived; and the same of criteria."""
    score = sending.score
    if refused and (why := refused.comments.get(score.ref)):
        return sending._replace(score=score._replace(comment=None), left=why)
    is_seen = row.comments is not None and digest(score.comment or "") in row.comments
    if score.is_news and not is_seen and (refused is None or refused.whole):
        sending = sending._replace(score=score._replace(comment=None), left=UNSURE)
    if row.criteria is not None and any(row.criteria.get(key) != points for key, points in score.criteria.items()):
        sending = sending._replace(filled=None, left=NOT_FILLED)
    return sending


def _stands_there(row: Row, sending: Sending) -> bool:
    """Whether it is as it is to be. Of a grade that was there before, what was to come with it has to be there too."""
    points = row.standing.points
    if points is None or points.quantize(CENTS) != sending.score.points.quantize(CENTS):
        return False
    return sending.change.kind != "unchanged" or sending.left not in (UNSURE, NOT_FILLED)
