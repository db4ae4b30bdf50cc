"""Workers of the service: every submission is graded once, whatever becomes of who grades it."""

from __future__ import annotations

import os
import signal
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Event

import databases
import pytest
from conftest import ROOT, solutions
from sqlalchemy import select

from grader import report as reports
from grader import sandbox as sandboxes
from grader.errors import GraderFault, UsageError
from grader.service import crew as crews
from grader.service import desk
from grader.service.crew import Crew
from grader.store import courses, grades, people, queue, schema, submissions
from grader.store.database import reading, writing

RUBRIC = (ROOT / "rubrics" / "backprop.toml").read_text()
RIGHT = (ROOT / "submissions" / "backprop" / "right.py").read_bytes()
WRONG = (ROOT / "submissions" / "backprop" / "transposed.py").read_bytes()
LATE = "\n[late]\ndeadline = 2026-10-10T12:00:00Z\npercent_per_day = 10\n"


@pytest.fixture(params=databases.KINDS)
def engine(request, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADER_HOME", str(tmp_path))
    with databases.opened(request.param, tmp_path) as engine:
        yield engine


class Course:
    def __init__(self, engine, rubric=RUBRIC, **options):
        self.engine, now = engine, datetime.now(UTC)
        with writing(engine) as db:
            self.course = courses.create(db, "ML", now)
            self.ada = people.add(db, "Ada", "ada@x.edu", now)
            people.enrol(db, self.course.id, self.ada, "student", now, key="0001")
            self.assignment = courses.add_assignment(db, self.course, "Backprop", now, **options)
            courses.add_rubric(db, self.assignment, rubric, None, now)

    def hand_in(self, content, *, at=None, **options):
        with writing(self.engine) as db:
            return submissions.receive(
                db, self.assignment, self.ada, "hw.py", content, at or datetime.now(UTC), **options
            )

    def state(self, submission):
        with reading(self.engine) as db:
            return submissions.find(db, submission.public)

    def report(self, submission):
        with reading(self.engine) as db:
            return reports.Report.model_validate_json(grades.report(db, submission))

    def runs(self):
        with reading(self.engine) as db:
            return [row.submission_id for row in db.execute(select(schema.grading_run.c.submission_id))]


def test_a_submission_is_graded_as_anywhere_else(engine, walls):
    course = Course(engine)
    right, wrong = course.hand_in(RIGHT), course.hand_in(WRONG)
    assert [desk.grade_next(engine, "w", walls) for _ in range(3)] == [True, True, False]
    assert (course.report(right).points, course.report(right).student) == (Decimal(10), "0001")
    assert "gradient_layout" in {criterion.misconception for criterion in course.report(wrong).criteria}
    assert course.state(wrong).state == "graded"


def test_whatever_is_handed_in_gets_a_report(engine, walls):
    course = Course(engine)
    files = [b"", b"\0", b"def f(:", b"\xff\xfe", b"import os; os._exit(3)", b"PK\3\4"]
    handed_in = [course.hand_in(content) for content in files]
    while desk.grade_next(engine, "w", walls):
        pass
    assert {course.report(one).status for one in handed_in} == {"unreadable"}


def test_who_has_more_time_is_late_after_it(engine, walls):
    course = Course(engine, RUBRIC + LATE)
    due = datetime(2026, 10, 10, 12, tzinfo=UTC)
    first = course.hand_in(RIGHT, at=due + timedelta(hours=30))
    desk.grade_next(engine, "w", walls)
    with writing(engine) as db:
        courses.extend(db, course.assignment, course.ada, due + timedelta(days=1), "ill", course.ada, due)
    second = course.hand_in(RIGHT, at=due + timedelta(hours=30))
    desk.grade_next(engine, "w", walls)
    assert [course.report(one).points for one in (first, second)] == [Decimal(8), Decimal(9)]


def test_a_rubric_that_is_changed_grades_what_comes_after(engine, walls):
    course = Course(engine)
    first = course.hand_in(RIGHT)
    desk.grade_next(engine, "w", walls)
    with writing(engine) as db:
        courses.add_rubric(db, course.assignment, RUBRIC.replace("points = 2", "points = 1"), None, datetime.now(UTC))
        queue.grade_again(db, course.state(first), "the rubric was changed")
    desk.grade_next(engine, "w", walls)
    assert course.report(first).max_points < 10
    assert len(course.runs()) == 2


def test_a_fault_of_ours_is_told_and_tried_again(engine, walls):
    course = Course(engine, RUBRIC.replace('assignment = "backprop"', 'assignment = "nothing"'))
    one = course.hand_in(RIGHT)
    while desk.grade_next(engine, "w", walls):
        pass
    assert (course.state(one).state, course.runs()) == ("fault", [])
    assert "found 'nothing'; expected one of: backprop" in course.state(one).fault


def test_a_rubric_brings_no_code():
    with pytest.raises(UsageError, match="name one that comes with the grader"):
        desk.loaded(RUBRIC.replace('assignment = "backprop"', 'assignment = "evil.py"'))


# A crew.


def eventually(done, seconds=60):
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)


def test_a_crew_grades_everything_once(engine, walls):
    course = Course(engine)
    files = [one.path.read_bytes() for one in solutions()[:12]]
    with Crew(engine, 2, walls) as crew:
        handed_in = [course.hand_in(content) for content in files]
        crew.wake()
        eventually(lambda: all(course.state(one).state == "graded" for one in handed_in))
    assert sorted(course.runs()) == sorted(one.id for one in handed_in)


def test_a_worker_that_is_killed_is_replaced_and_its_work_is_done_once(engine, walls):
    course = Course(engine)
    with Crew(engine, 1, walls) as crew:
        one = course.hand_in(b"import time\ntime.sleep(3)\n" + RIGHT)
        crew.wake()
        eventually(lambda: course.state(one).state == "grading")
        os.kill(crew._places[0].process.pid, signal.SIGKILL)
        eventually(lambda: course.state(one).state == "graded")
        assert crew.alive == 1
    assert (course.runs(), course.report(one).points) == ([one.id], Decimal(10))


def test_where_no_worker_can_be_begun_it_is_tried_again(engine, monkeypatch):
    """What workers share may be lost too, or the machine have no room for it just now."""
    monkeypatch.setattr(crews, "SOON", 0.0)
    course = Course(engine)
    with closing(sandboxes.start(sandboxes.DEFAULT)) as walls, Crew(engine, 1, walls) as crew:
        stem = walls._walls.stem
        refused = Event()

        def no_stem():
            refused.set()
            raise GraderFault("no room")

        monkeypatch.setattr(walls._walls, "stem", no_stem)
        os.kill(crew._places[0].process.pid, signal.SIGKILL)
        assert refused.wait(60)
        monkeypatch.setattr(walls._walls, "stem", stem)
        one = course.hand_in(RIGHT)
        eventually(lambda: course.state(one).state == "graded")


def test_what_was_begun_is_brought_to_its_end(engine, walls):
    course = Course(engine)
    with Crew(engine, 1, walls) as crew:
        one = course.hand_in(b"import time\ntime.sleep(1)\n" + RIGHT)
        crew.wake()
        eventually(lambda: course.state(one).state == "grading")
    assert course.state(one).state == "graded"


def test_a_worker_that_takes_long_is_not_lost(engine, walls, monkeypatch):
    """It tells that it is there; else its submission would be graded again and again, and never."""
    monkeypatch.setattr(crews, "LEASE", timedelta(seconds=2))
    course = Course(engine)
    with Crew(engine, 1, walls) as crew:
        one = course.hand_in(b"import time\ntime.sleep(4)\n" + RIGHT)
        crew.wake()
        eventually(lambda: course.state(one).state == "grading")
        with writing(engine) as db:  # as its own clock does every ten seconds, which is too seldom for a test
            queue.renew(db, crew._places[0].name, datetime.now(UTC) + timedelta(seconds=30))
        eventually(lambda: course.state(one).state == "graded")
    assert (course.runs(), course.state(one).tries) == ([one.id], 0)


def test_what_is_to_be_graded_once_more_while_it_is_graded_is(engine, walls):
    course = Course(engine)
    one = course.hand_in(RIGHT)
    with writing(engine) as db:
        taken = queue.claim(db, "w", datetime.now(UTC))
        queue.grade_again(db, taken, "the rubric was changed")
        assert queue.grade_all_again(db, course.assignment, "and again") == 1
    with writing(engine) as db:
        queue.fail(db, taken, "w", "no walls")
    assert course.state(one).why == "and again"  # which is the next try, too
    desk.grade_next(engine, "w", walls)
    assert len(course.runs()) == 1
    assert not desk.grade_next(engine, "w", walls)
    assert not desk.grade_next(engine, "w", walls)
