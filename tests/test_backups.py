"""Backups: all of what was there at one moment, back in either database; and nothing of what is not good."""

from __future__ import annotations

import resource
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import databases
import pytest
from served import ran
from sqlalchemy import func, select, text, update

from grader.errors import GraderFault, UsageError
from grader.store import backups, courses, database, grades, people, queue, schema, submissions
from grader.store.database import snapshot, writing
from grader.store.submissions import Run

NOW = datetime(2026, 10, 10, 12, 30, 15, 123456, tzinfo=UTC)


@pytest.fixture(params=databases.KINDS)
def engine(request, tmp_path):
    with databases.opened(request.param, tmp_path) as engine:
        yield engine


@contextmanager
def empty(kind, folder):
    """A database nobody has used."""
    with databases.url_of(kind, folder) as url:
        engine = database.connect(url)
        try:
            yield engine
        finally:
            engine.dispose()


class Course:
    """Whoever hands in here has a run and a comment from the same moment on."""

    def __init__(self, engine, students=3):
        self.engine = engine
        with writing(engine) as db:
            self.teacher = people.add(db, "Grace Hopper ∂σ/∂z", "grace@x.edu", NOW)
            self.course = courses.create(db, "ML", NOW)
            self.students = [people.add(db, f"s{n}", f"s{n}@x.edu", NOW) for n in range(students)]
            for n, student in enumerate(self.students):
                people.enrol(db, self.course.id, student, "student", NOW, key=f"{n:04}")
            people.issue(db, self.teacher, "laptop", ["all"], NOW, NOW + timedelta(days=1))
            self.assignment = courses.add_assignment(db, self.course, "Backprop", NOW, counts="best", due=NOW)
            self.rubric = courses.add_rubric(db, self.assignment, "points = 1", self.teacher, NOW)
            courses.extend(db, self.assignment, self.students[0], NOW + timedelta(days=1), "ill", self.teacher, NOW)
            grades.override(db, self.assignment, self.students[0], Decimal("6.85"), "argued", self.teacher, NOW)

    def hand_in(self, n):
        student = self.students[n % len(self.students)]
        with writing(self.engine) as db:
            content = b"\0\xff print(%d)" % n + b"#" * (1000 * (n % 50))
            submissions.receive(db, self.assignment, student, "hw.py", content, NOW)
            taken = queue.claim(db, f"w{n}", NOW)
            run = Run(Decimal("7.25"), Decimal(10), "graded", '{"a": "é\\u0000"}', "1", "1")
            queue.finish(db, taken, f"w{n}", self.rubric, run, NOW)
            grades.comment(db, self.assignment, student, f"for {taken.public}", self.teacher, NOW)


def everything(engine):
    """All rows of all tables, and everybody's grade."""
    with snapshot(engine) as db:
        tables = [db.execute(select(table).order_by(*table.primary_key.columns)).all() for table in backups.TABLES]
        assignments = [one for course in _courses(db) for one in courses.assignments(db, course)]
        return tables, [list(grades.current(db, one)) for one in assignments]


def _courses(db):
    return [courses.course_of(db, number) for (number,) in db.execute(select(schema.course.c.id))]


@pytest.mark.parametrize("kind", databases.KINDS)
def test_what_is_restored_is_what_there_was_in_either_database(kind, engine, tmp_path):
    course = Course(engine)
    for n in range(20):
        course.hand_in(n)
    backup = tmp_path / "course.backup"
    written = backups.write(engine, backup)
    assert {part.name: part.rows for part in written}["grading_run"] == 20
    assert backup.stat().st_mode & 0o777 == 0o600
    (tmp_path / "other").mkdir()
    with empty(kind, tmp_path / "other") as other:
        assert backups.restore(other, backup) == written
        assert everything(other) == everything(engine)
        course.engine = other
        course.hand_in(99)  # its numbers follow on those that were restored
        again = {part.name: part.rows for part in backups.write(other, tmp_path / "again.backup")}
        assert (again["submission"], again["grading_run"]) == (21, 21)


def test_what_was_being_graded_waits_for_nobody_where_it_is_restored(engine, tmp_path):
    course = Course(engine)
    with writing(engine) as db:
        submissions.receive(db, course.assignment, course.students[0], "hw.py", b"1", NOW)
        begun = queue.claim(db, "a machine of then", NOW)
    backups.write(engine, tmp_path / "course.backup")
    (tmp_path / "other").mkdir()
    with empty("sqlite", tmp_path / "other") as other:
        backups.restore(other, tmp_path / "course.backup")
        with writing(other) as db:
            again = queue.claim(db, "a machine of now", NOW)
    assert (again.public, again.tries) == (begun.public, begun.tries)


def test_a_backup_is_of_one_moment_while_everybody_hands_in(engine, tmp_path):
    course = Course(engine)
    for n in range(200):
        course.hand_in(n)
    done = []

    def keep_on(n):
        while not done:
            course.hand_in(n)
            n += 4

    with ThreadPoolExecutor(4) as pool:
        busy = [pool.submit(keep_on, 1000 + n) for n in range(4)]
        try:
            counts = [{p.name: p.rows for p in backups.write(engine, tmp_path / f"{n}.backup")} for n in range(3)]
        finally:
            done.append(True)
        for one in busy:
            one.result()
    with snapshot(engine) as db:
        in_the_end = db.execute(select(func.count()).select_from(schema.submission)).scalar_one()
    assert 200 <= counts[0]["submission"] < counts[-1]["submission"] <= in_the_end
    for one in counts:
        assert one["submission"] == one["grading_run"] == one["grade_event"] - 1
    (tmp_path / "other").mkdir()
    with empty("sqlite", tmp_path / "other") as other:
        backups.restore(other, tmp_path / "1.backup")
        restored, there = everything(other)[0], everything(engine)[0]
        for old, new in zip(restored, there, strict=True):
            assert set(old) <= set(new)


def test_a_database_with_anything_in_it_is_left_alone(engine, tmp_path):
    Course(engine)
    backups.write(engine, tmp_path / "course.backup")
    before = everything(engine)
    with pytest.raises(UsageError, match="there is something in it"):
        backups.restore(engine, tmp_path / "course.backup")
    assert everything(engine) == before


@pytest.mark.parametrize("kind", databases.KINDS)
def test_somebody_else_s_database_is_left_alone(kind, tmp_path):
    with databases.opened("sqlite", tmp_path) as source:
        backups.write(source, tmp_path / "course.backup")
    (tmp_path / "other").mkdir()
    with empty(kind, tmp_path / "other") as other:
        with writing(other) as db:
            db.execute(text("CREATE TABLE theirs (id INTEGER)"))
        with pytest.raises(UsageError, match="in theirs"):
            backups.restore(other, tmp_path / "course.backup")


def test_a_file_that_is_there_is_not_written_over(engine, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="it is there already"):
        backups.write(engine, tmp_path / "thesis.tex")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def cut(path):
    path.write_bytes(path.read_bytes()[:-5000])


def altered(path):
    """A byte of a student's file, as a disk may alter it."""
    whole = path.read_bytes()
    at = whole.index(b"print(7)")
    path.write_bytes(whole[:at] + b"q" + whole[at + 1 :])


def asked(path, change):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(change)


DAMAGES = {
    "cut off": (cut, GraderFault),
    "a byte": (altered, GraderFault),
    "a row less": (lambda path: asked(path, "DELETE FROM grade_event WHERE id = 3"), GraderFault),
    "other points": (lambda path: asked(path, "UPDATE grading_run SET points = 1000 WHERE id = 2"), GraderFault),
    "no contents": (lambda path: asked(path, "DROP TABLE backup"), UsageError),
    "another version": (lambda path: asked(path, "UPDATE alembic_version SET version_num = '0'"), UsageError),
    "something else": (lambda path: path.write_text("a thesis"), UsageError),
    "nothing": (lambda path: path.unlink(), UsageError),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_of_a_backup_that_is_damaged_nothing_is_restored(damage, tmp_path):
    backup = tmp_path / "course.backup"
    with databases.opened("sqlite", tmp_path) as engine:
        course = Course(engine)
        for n in range(20):
            course.hand_in(n)
        backups.write(engine, backup)
    harm, error = DAMAGES[damage]
    harm(backup)
    (tmp_path / "other").mkdir()
    with empty("sqlite", tmp_path / "other") as other:
        with pytest.raises(error, match=r"course\.backup: "):
            backups.restore(other, backup)
        with snapshot(other) as db:
            assert database.version(db) is None


def test_what_a_database_cannot_hold_is_told_and_nothing_of_it_is_there(tmp_path):
    """A NUL in a text is one thing that SQLite keeps, and PostgreSQL does not."""
    with databases.opened("sqlite", tmp_path) as source:
        course = Course(source)
        with writing(source) as db:
            grades.comment(db, course.assignment, course.students[0], "a\0b", course.teacher, NOW)
        backups.write(source, tmp_path / "course.backup")
    with empty("postgresql", tmp_path) as other:
        with pytest.raises(GraderFault, match="it cannot be restored"):
            backups.restore(other, tmp_path / "course.backup")
        with snapshot(other) as db:
            assert database.version(db) is None


def test_a_file_that_went_bad_in_the_database_is_told_and_no_backup_is_left(engine, tmp_path):
    course = Course(engine)
    course.hand_in(1)
    with writing(engine) as db:
        db.execute(update(schema.blob).values(content=b"something else"))
    with pytest.raises(GraderFault, match="it is damaged"):
        backups.write(engine, tmp_path / "course.backup")
    assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == []


def test_a_database_of_another_version_is_not_backed_up(engine, tmp_path):
    with writing(engine) as db:
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    try:
        with pytest.raises(GraderFault, match="it is of version 9999"):
            backups.write(engine, tmp_path / "course.backup")
    finally:
        with writing(engine) as db:
            db.execute(text(f"UPDATE alembic_version SET version_num = '{database.latest()}'"))
    assert list(tmp_path.glob("*backup*")) == []


# The commands.


@pytest.mark.parametrize("kind", databases.KINDS)
def test_the_commands_move_a_course_from_one_database_to_another(kind, tmp_path):
    home, backup = tmp_path / "home", tmp_path / "course.backup"
    with databases.opened("sqlite", tmp_path) as engine:
        Course(engine).hand_in(1)
        told = "4 people, 1 submissions, 1 gradings, 2 words on grades\n"
        assert ran(home, "backup", backup, "--database", engine.url)[:2] == (0, f"{backup}: {told}")
        (tmp_path / "other").mkdir()
        with databases.url_of(kind, tmp_path / "other") as url:
            assert ran(home, "restore", backup, "--database", url)[:2] == (0, f"{backup}: restored: {told}")
            code, _, said = ran(home, "restore", backup, "--database", url)
            assert (code, "there is something in it" in said) == (2, True)


def test_where_there_is_no_database_none_is_made_to_be_backed_up(tmp_path):
    code, _, told = ran(tmp_path, "backup", tmp_path / "course.backup")
    assert (code, "there is no such database" in told, list(tmp_path.iterdir())) == (3, True, [])


def test_a_full_disk_leaves_no_backup(tmp_path):
    """A limit on the size of files stands for the disk; it holds for the command that is started."""
    with databases.opened("sqlite", tmp_path) as engine:
        course = Course(engine)
        for n in range(40):
            course.hand_in(n)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        try:
            code, _, told = ran(tmp_path, "backup", tmp_path / "course.backup", "--database", engine.url)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (code, "it cannot be written" in told) == (3, True), told
    assert list(tmp_path.glob("*backup*")) == list(tmp_path.glob(".*draft")) == []
