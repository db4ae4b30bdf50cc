"""The queue: whoever grades takes a submission for a while, and gives it back with what came of it, or a fault.

The table of submissions is the queue, and the truth of it: a row that is not given back in time is taken again. What is
to be graded once more comes back into it. It knows nothing of how anything is graded.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select, update

from grader.store import notices, schema
from grader.store.database import clock, hold
from grader.store.submissions import BATCH, FIELDS, Submission, waits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from grader.store.courses import Assignment, RubricVersion
    from grader.store.submissions import Run

MOST_TRIES = 3  # that may lose their worker
_table = schema.submission


def claim(db: Connection, worker: str, now: datetime) -> Submission | None:
    """The next one to be graded, which is this worker's for now; None where there is none."""
    nearest = select(_table.c.id).where(_table.c.state == "received").order_by(_table.c.priority, _table.c.id).limit(1)
    if db.dialect.name == "postgresql":
        nearest = nearest.with_for_update(skip_locked=True)
    taken = {"state": "grading", "worker": worker, "claimed": now, "tries": _table.c.tries + 1}
    query = update(_table).where(_table.c.id == nearest.scalar_subquery()).values(taken).returning(*FIELDS)
    row = db.execute(query).one_or_none()
    return Submission(*row) if row else None


def finish(db: Connection, submission: Submission, worker: str, rubric: RubricVersion, run: Run, now: datetime) -> bool:
    """Add what came of it; False, and nothing is added, where it is not this worker's any more."""
    if not _give_back(db, submission, worker, {"state": "graded", "tries": 0, "fault": None, "trial_id": None}):
        return False
    values = {
        "submission_id": submission.id, "rubric_id": rubric.id, "trial_id": submission.trial_id,
        "why": submission.why, "finished": now,
    }  # fmt: skip
    db.execute(insert(schema.grading_run).values(**values, **run._asdict()))
    return True


def fail(db: Connection, submission: Submission, worker: str, fault: str) -> None:
    """It could not be graded, by our fault: to be tried again, and after so many tries for a person to look at."""
    after = waits(db) if submission.tries < MOST_TRIES else {"state": "fault"}
    _give_back(db, submission, worker, {**after, "fault": fault})


def _give_back(db: Connection, submission: Submission, worker: str, values: Mapping[str, object]) -> bool:
    """Whether it was this worker's still."""
    mine = (_table.c.id == submission.id, _table.c.state == "grading", _table.c.worker == worker)
    return bool(_back(db, mine, values))


def _back(db: Connection, which: Sequence[ColumnElement[bool]], values: Mapping[str, object]) -> int:
    """Take these from their workers; gives how many there were.

    What was to be graded once more meanwhile waits, whatever came of it; and what was to be tried in a trial that has
    been settled meanwhile is as it was.
    """
    free = {"worker": None, "claimed": None}
    query = update(_table).where(*which).values(**values, **free)
    rows = db.execute(query.returning(_table.c.id, _table.c.again, _table.c.trial_id)).all()
    if wished := [row.id for row in rows if row.again is not None]:
        anew = {
            **waits(db), "why": _table.c.again, "again": None, "priority": BATCH, "tries": 0, "fault": None,
            "trial_id": None,
        }  # fmt: skip
        db.execute(update(_table).where(_table.c.id.in_(wished)).values(anew))
    if tried := [row.id for row in rows if row.trial_id is not None]:
        settled = select(schema.trial.c.id).where(schema.trial.c.outcome.is_not(None))
        was = {"state": "graded", "fault": None, "trial_id": None}
        db.execute(update(_table).where(_table.c.id.in_(tried), _table.c.trial_id.in_(settled)).values(was))
    return len(rows)


def renew(db: Connection, worker: str, now: datetime) -> None:
    """This worker is at it still."""
    mine = (_table.c.state == "grading", _table.c.worker == worker)
    db.execute(update(_table).where(*mine).values(claimed=now))


def put_back(db: Connection, worker: str) -> None:
    """What this worker has waits again, and is none the worse for it: it was kept from giving it back."""
    mine = (_table.c.state == "grading", _table.c.worker == worker)
    if db.execute(select(_table.c.id).where(*mine).limit(1)).first():  # nearly always there is nothing
        _back(db, mine, {**waits(db), "tries": _table.c.tries - 1})


def put_all_back(db: Connection) -> None:
    """What was begun waits again, and is none the worse for it: nobody is at it in this database.

    What waited already does so from now on: until now nobody could have graded it.
    """
    _back(db, (_table.c.state == "grading",), {**waits(db), "tries": _table.c.tries - 1})
    db.execute(update(_table).where(_table.c.state == "received").values(waits(db)))


def reclaim(db: Connection, before: datetime) -> int:
    """Take from workers what they have had since before this time: they are gone. Gives how many there were."""
    return _take(db, _table.c.claimed < before)


def take_from(db: Connection, worker: str) -> int:
    """Take what this worker has: it is gone."""
    return _take(db, _table.c.worker == worker)


def _take(db: Connection, theirs: ColumnElement[bool]) -> int:
    lost = (_table.c.state == "grading", theirs)
    hold(db, _table, *lost)
    gone = {"state": "fault", "fault": "its workers were lost, one after another"}
    count = _back(db, (*lost, _table.c.tries >= MOST_TRIES), gone)
    return count + _back(db, lost, waits(db))


def idle_since(db: Connection) -> datetime | None:
    """Since when nothing has been graded, though something waits; None where nothing does, or somebody is at it.

    It is since the first of what waits came into the queue, or since something else was graded after that.
    """
    if db.execute(select(_table.c.id).where(_table.c.state == "grading").limit(1)).first():
        return None
    first: datetime | None = db.execute(select(func.min(_table.c.queued)).where(_table.c.state == "received")).scalar()
    run = schema.grading_run.c
    last: datetime | None = db.execute(select(run.finished).order_by(run.id.desc()).limit(1)).scalar()
    return max(first, last or first) if first else None


def idle_for(db: Connection) -> timedelta:
    """For how long nothing has been graded, though something waits; nothing where all is well."""
    since = idle_since(db)
    return max(clock(db) - since, timedelta()) if since else timedelta()


def grade_again(db: Connection, submission: Submission, why: str) -> None:
    """Put it into the queue once more, behind whoever waits; or when it is graded, where it is just being."""
    _again(db, _table.c.id == submission.id, why)


def grade_all_again(db: Connection, assignment: Assignment, why: str) -> int:
    """Put every attempt at an assignment into the queue once more; gives how many there are."""
    return _again(db, _table.c.assignment_id == assignment.id, why)


def _again(db: Connection, which: ColumnElement[bool], why: str) -> int:
    """What still waits is graded by the rubric of then as it is, and counts, also where it was a trial."""
    notices.tell(db)
    hold(db, _table, which)  # else what is taken or given back just now is found neither idle nor being graded
    values = {**waits(db), "priority": BATCH, "tries": 0, "why": why, "fault": None, "trial_id": None}
    idle = _table.c.state.in_(("graded", "fault")) | ((_table.c.state == "received") & _table.c.trial_id.is_not(None))
    done = db.execute(update(_table).where(which, idle).values(values)).rowcount
    return done + db.execute(update(_table).where(which, _table.c.state == "grading").values(again=why)).rowcount
