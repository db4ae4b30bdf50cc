"""What the service keeps, on both databases: nothing lost, nothing twice, nothing changed that was only to be added to."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from time import sleep

import databases
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, inspect, select, text, update
from sqlalchemy.exc import IntegrityError

from grader.errors import GraderFault, UsageError
from grader.store import backups, courses, database, grades, people, queue, schema, submissions, trials
from grader.store.database import reading, writing
from grader.store.submissions import Run

NOW = datetime(2026, 10, 10, 12, tzinfo=UTC)


def at(minutes):
    return NOW + timedelta(minutes=minutes)


@pytest.fixture(params=databases.KINDS)
def engine(request, tmp_path):
    with databases.opened(request.param, tmp_path) as engine:
        yield engine


class Course:
    """A course with an instructor, two students and an assignment."""

    def __init__(self, engine, **assignment):
        self.engine = engine
        with writing(engine) as db:
            self.teacher = people.add(db, "Grace", "grace@x.edu", NOW)
            self.ada, self.bob = (people.add(db, name, f"{name}@x.edu", NOW) for name in ("ada", "bob"))
            self.course = courses.create(db, "ML", NOW)
            people.enrol(db, self.course.id, self.teacher, "instructor", NOW)
            people.enrol(db, self.course.id, self.ada, "student", NOW, key="0001")
            people.enrol(db, self.course.id, self.bob, "student", NOW, key="0002")
            self.assignment = courses.add_assignment(db, self.course, "Backprop", NOW, **assignment)
            self.rubric = courses.add_rubric(db, self.assignment, "points = 1", self.teacher, NOW)

    def hand_in(self, person=None, content=b"print(1)", **options):
        with writing(self.engine) as db:
            return submissions.receive(db, self.assignment, person or self.ada, "hw.py", content, NOW, **options)

    def grade(self, points, worker="w"):
        """The next in the queue."""
        with writing(self.engine) as db:
            taken = queue.claim(db, worker, NOW)
        with writing(self.engine) as db:
            queue.finish(db, taken, worker, self.rubric, run(points), NOW)
        return taken

    def points(self, person=None):
        with reading(self.engine) as db:
            found = grades.of_person(db, self.assignment, person or self.ada)
        return found and (found.points, found.graded)


def run(points):
    return Run(Decimal(points), Decimal(10), "graded", "{}", "1", "1")


@pytest.fixture
def course(engine):
    return Course(engine)


def begun(engine, act):
    """Act in a transaction of its own, until it is done or waits for one that is open; gives what it will come to."""

    def alone():
        with writing(engine) as db:
            return act(db)

    pool = ThreadPoolExecutor(1)
    coming = pool.submit(alone)
    pool.shutdown(wait=False)
    while engine.dialect.name == "postgresql" and not coming.done() and not _waits(engine):
        sleep(0.01)
    return coming  # SQLite's waits at its beginning


def _waits(engine):
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with reading(engine) as db:
        return db.execute(text(waiting)).first()


# The tables.


@pytest.mark.parametrize("kind", databases.KINDS)
def test_migrations_lead_to_the_tables_of_today(kind, tmp_path):
    with databases.opened(kind, tmp_path, fresh=True) as engine, engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": kind == "postgresql"})
        assert compare_metadata(context, schema.metadata) == []
        assert inspect(connection).get_view_names() == ["current_grade"]


@pytest.mark.parametrize("kind", databases.KINDS)
def test_migrations_lead_back_and_forth_with_data(kind, tmp_path):
    with databases.opened(kind, tmp_path, fresh=True) as engine:
        Course(engine).hand_in()
        database.migrate(engine, "0001c")
        database.migrate(engine, "base")
        assert inspect(engine).get_table_names() == ["alembic_version"]
        database.migrate(engine)
        Course(engine).hand_in()


@pytest.mark.parametrize("kind", databases.KINDS)
def test_a_database_of_a_later_grader_is_left_alone(kind, tmp_path):
    with databases.opened(kind, tmp_path, fresh=True) as engine:
        with writing(engine) as db:
            db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(GraderFault, match="it is of a later grader"):
            database.migrate(engine)


@pytest.mark.parametrize(
    ("url", "kind", "why"),
    [
        ("nothing", UsageError, "it is no database's address"),
        ("mysql://host/name", UsageError, "it is of mysql"),
        ("sqlite:////nowhere/at/all.db", GraderFault, "it cannot be opened"),
        ("postgresql://somebody:hush@127.0.0.1:9/x", GraderFault, "it cannot be opened"),
    ],
)
def test_what_is_no_database_is_told_without_a_password(url, kind, why):
    with pytest.raises(kind, match=why) as caught:
        database.connect(url)
    assert "hush" not in str(caught.value)


def test_nothing_with_a_grade_can_be_deleted(course):
    course.hand_in()
    course.grade("7")
    for table in (schema.submission, schema.person, schema.assignment, schema.rubric, schema.blob, schema.course):
        with pytest.raises(IntegrityError), writing(course.engine) as db:
            db.execute(delete(table))


def test_a_transaction_is_whole_or_never_was(course):
    def broken_off():
        with writing(course.engine) as db:
            submissions.receive(db, course.assignment, course.ada, "hw.py", b"1", NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken_off()
    with reading(course.engine) as db:
        assert (submissions.waiting(db), db.execute(select(schema.blob)).all()) == (0, [])


def test_times_are_told_with_their_zone_and_points_exactly(course):
    east = timezone(timedelta(hours=9))
    with writing(course.engine) as db:
        courses.extend(db, course.assignment, course.ada, NOW.astimezone(east), "ill", course.teacher, NOW)
        grades.override(db, course.assignment, course.ada, Decimal("6.85"), "see me", course.teacher, NOW)
        due = courses.due(db, course.assignment, course.ada)
    assert (due, due.tzinfo, course.points()[0]) == (NOW, UTC, Decimal("6.85"))


@pytest.mark.parametrize("value", [Decimal("0.001"), Decimal("1e-9")])
def test_finer_points_are_not_kept(value, course):
    with pytest.raises(Exception, match="more than two decimals"), writing(course.engine) as db:
        grades.override(db, course.assignment, course.ada, value, "", course.teacher, NOW)


def test_a_time_without_a_zone_is_not_kept(course):
    with pytest.raises(Exception, match="without a zone"), writing(course.engine) as db:
        courses.create(db, "x", datetime(2026, 1, 1))


# People.


def test_a_token_is_whose_it_is_and_kept_nowhere(course):
    with writing(course.engine) as db:
        token = people.issue(db, course.ada, "laptop", ["submit"], NOW)
        assert people.signed_in(db, token, NOW) == (course.ada, frozenset(["submit"]))
        assert people.signed_in(db, token + "x", NOW) is None
        assert token not in str(db.execute(select(schema.token)).all())


def test_a_token_ends_when_it_is_revoked_or_its_time_has_come(course):
    with writing(course.engine) as db:
        one = people.issue(db, course.ada, "a", [], NOW)
        other = people.issue(db, course.ada, "b", [], NOW, expires=at(5))
        assert people.revoke(db, one, NOW)
        assert not people.revoke(db, one, NOW)
        assert people.signed_in(db, one, NOW) is None
        assert people.signed_in(db, other, at(4)) is not None
        assert people.signed_in(db, other, at(5)) is None


def test_a_link_is_good_once(course):
    with writing(course.engine) as db:
        token = people.issue(db, course.ada, "link", ["all"], NOW)

    def use(_):
        with writing(course.engine) as db:
            return people.use_up(db, token, NOW)

    with ThreadPoolExecutor(8) as pool:
        assert sum(found is not None for found in pool.map(use, range(8))) == 1


def test_many_are_added_as_one_after_another(course, monkeypatch):
    monkeypatch.setattr(people, "AT_ONCE", 2)
    with writing(course.engine) as db:
        wanted = [
            ("Zoe", "zoe@x.edu"), ("Ada L.", " ADA@x.edu"), ("Cyd", None), ("Zoe Ray", "ZOE@x.edu "), ("Cyd", None),
            ("Bob", "bob@x.edu"), ("Dee", " "),
        ]  # fmt: skip
        zoe, ada, cyd, zoe_again, other_cyd, bob, dee = people.add_all(db, wanted, NOW)
        assert (ada, bob, zoe_again, dee.email) == (course.ada, course.bob, zoe, None)
        assert (zoe.name, zoe.email) == ("Zoe", "zoe@x.edu")
        assert len({zoe.public, cyd.public, other_cyd.public, dee.public}) == 4
        assert people.add_all(db, [], NOW) == []


def test_who_is_added_by_several_at_the_same_moment_is_one_person(course):
    def add(order):
        with writing(course.engine) as db:
            wanted = [(f"s{n}", f"s{n}@x.edu") for n in range(30)][::order]
            return {one.email: one.id for one in people.add_all(db, wanted, NOW)}

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(add, [1, -1, 1, -1])
    assert (len(first), others) == (30, [first] * 3)


def test_many_are_enrolled_as_one_after_another(course, monkeypatch):
    """Whatever they become, in whichever order, and whoever has a key already: also somebody who has left."""
    monkeypatch.setattr(people, "AT_ONCE", 3)
    draw, refused = random.Random(1), 0
    with writing(course.engine) as db:
        left, *new = people.add_all(db, [(name, None) for name in ("left", "new", "newer")], NOW)
        people.enrol(db, course.course.id, left, "student", NOW, "0003")
        people.leave(db, course.course.id, left, NOW)
        somebody = [course.ada, course.bob, left, *new]
        for _ in range(80):
            becoming = [
                people.Member(
                    draw.choice(somebody), course.course.id, draw.choice(["student", "grader"]),
                    draw.choice([None, "0001", "0002", "0003", "0004"]), draw.choice([None, "A"]),
                )
                for _ in range(draw.randint(1, 6))
            ]  # fmt: skip
            apart = _enrolled(db, course.course.id, [[one] for one in becoming])
            assert _enrolled(db, course.course.id, [becoming]) == apart
            refused += isinstance(apart, str)
    assert 20 < refused < 60


def _enrolled(db, course_id, all_of_them):
    """The members when these have been enrolled, or why they are not; then it is as if nothing had been."""
    change = db.begin_nested()
    try:
        for some in all_of_them:
            people.enrol_all(db, some, NOW)
        return sorted(people.members(db, course_id))
    except UsageError as error:
        return str(error)
    finally:
        change.rollback()


def test_of_two_rosters_at_once_one_waits_for_the_other(course):
    def enrol(db, person, section):
        people.enrol(db, course.course.id, person, "student", NOW, section=section)

    def both(db):
        enrol(db, course.bob, "B")
        enrol(db, course.ada, "B")

    with writing(course.engine) as db:
        enrol(db, course.ada, "A")
        other = begun(course.engine, both)
        enrol(db, course.bob, "A")
    other.result()
    with reading(course.engine) as db:
        assert {one.section for one in people.members(db, course.course.id, "student")} == {"B"}


def test_people_are_known_by_their_address_and_members_by_one_key(course):
    with writing(course.engine) as db:
        assert people.add(db, "Ada L.", " ADA@x.edu ", NOW) == course.ada
        people.enrol(db, course.course.id, course.ada, "grader", NOW, key="0001")
        assert people.membership(db, course.course.id, course.ada).role == "grader"
        with pytest.raises(UsageError, match="another member of the course has this key"):
            people.enrol(db, course.course.id, course.bob, "student", NOW, key="0001")
        assert [one.person.name for one in people.members(db, course.course.id)] == ["ada", "bob", "Grace"]
        people.leave(db, course.course.id, course.bob, NOW)
        assert people.membership(db, course.course.id, course.bob) is None
        assert [one.key for one in people.members(db, course.course.id, "student")] == []


@pytest.mark.parametrize(
    ("role", "wanted", "may"),
    [("grader", "grader", True), ("grader", "instructor", False), ("admin", "student", True), (None, "student", False)],
)
def test_a_role_has_the_rights_of_those_below(role, wanted, may, course):
    member = role and people.Member(course.ada, 1, role, None, None)
    assert people.may(member, wanted) is may


# Courses.


def test_a_rubric_s_versions_are_kept_and_the_last_one_counts(course):
    with writing(course.engine) as db:
        assert courses.add_rubric(db, course.assignment, "points = 1", course.teacher, NOW).version == 1
        assert courses.add_rubric(db, course.assignment, "points = 2", course.teacher, NOW).version == 2
        assert courses.rubric(db, course.assignment).text == "points = 2"
        bare = courses.add_assignment(db, course.course, "Bare", NOW)
        with pytest.raises(UsageError, match="it has no rubric"):
            courses.rubric(db, bare)


def test_an_extension_is_one_student_s_and_the_last_one_counts(engine):
    course = Course(engine, due=at(10))
    with writing(engine) as db:
        for minutes in (60, 30):
            courses.extend(db, course.assignment, course.ada, at(minutes), "ill", course.teacher, NOW)
        assert courses.due(db, course.assignment, course.ada) == at(30)
        assert courses.due(db, course.assignment, course.bob) == at(10)


def test_what_is_found_by_its_public_key_is_found_by_no_other(course):
    with reading(course.engine) as db:
        assert courses.find(db, course.course.public) == course.course
        assert courses.find_assignment(db, course.assignment.public) == course.assignment
        assert courses.find(db, str(course.course.id)) is None
        assert list(courses.of(db, course.ada)) == [course.course]
        assert list(courses.assignments(db, course.course)) == [course.assignment]


# Handing in.


def test_the_same_file_is_kept_once_and_every_attempt_is(course):
    first, second = course.hand_in(), course.hand_in(course.bob)
    assert (first.blob, first.attempt, second.attempt) == (second.blob, 1, 1)
    assert course.hand_in().attempt == 2
    with reading(course.engine) as db:
        assert len(db.execute(select(schema.blob)).all()) == 1
        assert submissions.content(db, first) == b"print(1)"
        assert [one.attempt for one in submissions.of_person(db, course.assignment, course.ada)] == [2, 1]


def test_the_same_request_a_hundred_times_at_once_is_one_submission(course):
    with ThreadPoolExecutor(16) as pool:
        found = {one.public for one in pool.map(lambda _: course.hand_in(key="the same"), range(100))}
    assert len(found) == 1


def test_many_at_once_are_as_many_attempts(course):
    with ThreadPoolExecutor(16) as pool:
        attempts = [one.attempt for one in pool.map(lambda n: course.hand_in(content=b"%d" % (n % 3)), range(40))]
    assert sorted(attempts) == list(range(1, 41))


def test_there_are_no_more_attempts_than_there_may_be(engine):
    course = Course(engine, most_attempts=2)
    course.hand_in(key="a")
    course.hand_in()
    with pytest.raises(UsageError, match="2 of 2 attempts are used up"):
        course.hand_in()
    assert course.hand_in(key="a").attempt == 1
    assert course.hand_in(course.bob).attempt == 1


def test_a_fault_of_ours_uses_no_attempt_up(engine):
    course = Course(engine, most_attempts=1)
    course.hand_in()
    for _ in range(queue.MOST_TRIES):
        with writing(engine) as db:
            queue.fail(db, queue.claim(db, "w", NOW), "w", "no walls")
    assert course.hand_in().attempt == 2
    with pytest.raises(UsageError, match="1 of 1 attempts are used up"):
        course.hand_in()


# The queue.


def test_who_waits_is_graded_before_what_does_not_and_in_order(course):
    batch = course.hand_in(course.bob, priority=submissions.BATCH)
    first, second = course.hand_in(), course.hand_in()
    with reading(course.engine) as db:
        assert [submissions.ahead_of(db, one) for one in (batch, first, second)] == [2, 0, 1]
    assert [course.grade("1").public for _ in range(3)] == [first.public, second.public, batch.public]
    with writing(course.engine) as db:
        assert queue.claim(db, "w", NOW) is None


def test_everyone_is_graded_once_however_many_grade(course):
    wanted = {course.hand_in(content=b"%d" % n).public for n in range(30)}

    def work(name):
        done = []
        while True:
            with writing(course.engine) as db:
                taken = queue.claim(db, name, NOW)
            if taken is None:
                return done
            with writing(course.engine) as db:
                assert queue.finish(db, taken, name, course.rubric, run("1"), NOW)
            done.append(taken.public)

    with ThreadPoolExecutor(6) as pool:
        done = [public for some in pool.map(work, "abcdef") for public in some]
    assert sorted(done) == sorted(wanted)


def test_a_worker_that_is_lost_has_its_work_taken_and_what_it_brings_late_is_not_kept(course):
    mine = course.hand_in()
    with writing(course.engine) as db:
        taken = queue.claim(db, "lost", at(0))
        assert queue.reclaim(db, at(-1)) == 0
        assert queue.reclaim(db, at(1)) == 1
        again = queue.claim(db, "other", at(2))
        assert (again.public, again.tries) == (mine.public, 2)
        assert not queue.finish(db, taken, "lost", course.rubric, run("1"), at(3))
        assert queue.finish(db, again, "other", course.rubric, run("7"), at(3))
        assert not queue.finish(db, again, "other", course.rubric, run("8"), at(3))
    assert course.points() == (Decimal(7), Decimal(7))


@pytest.mark.parametrize("way", ["fail", "lost"])
def test_what_costs_three_workers_is_set_aside_for_a_person(way, course):
    poison, other = course.hand_in(), course.hand_in(course.bob)
    for n in range(queue.MOST_TRIES):
        with writing(course.engine) as db:
            taken = queue.claim(db, "w", at(n))
            assert taken.public == poison.public
            queue.fail(db, taken, "w", "no walls") if way == "fail" else queue.reclaim(db, at(n + 1))
    with reading(course.engine) as db:
        found = submissions.find(db, poison.public)
        assert (found.state, bool(found.fault)) == ("fault", True)
    assert course.grade("1").public == other.public
    with writing(course.engine) as db:
        queue.grade_again(db, poison, "walls mended")
    assert course.grade("5").public == poison.public


def waits_for(db):
    since = queue.idle_since(db)
    return since and database.clock(db) - since


@pytest.mark.parametrize("way", ["failed", "lost", "put back", "wished"])
def test_what_comes_back_into_the_queue_waits_since_then(way, course):
    one = course.hand_in()
    _, ways = taken_and_given_back(course)
    ways |= {"put back": lambda db: queue.put_back(db, "w"), "wished": ways["finished"]}
    with writing(course.engine) as db:
        db.execute(update(schema.submission).values(queued=database.clock(db) - timedelta(days=30)))
        if way == "wished":
            queue.grade_again(db, one, "typo")
        assert waits_for(db) is None
        ways[way](db)
        db.execute(update(schema.grading_run).values(finished=one.received - timedelta(days=3000)))
        assert waits_for(db) < timedelta(hours=1)


def test_what_is_restored_waits_since_then(course, tmp_path):
    course.hand_in()
    with writing(course.engine) as db:
        db.execute(update(schema.submission).values(queued=database.clock(db) - timedelta(days=30)))
        assert waits_for(db) >= timedelta(days=30)
    backups.write(course.engine, tmp_path / "backup")
    (tmp_path / "other").mkdir()
    with databases.opened("sqlite", tmp_path / "other") as other:
        backups.restore(other, tmp_path / "backup")
        with reading(other) as db:
            assert waits_for(db) < timedelta(hours=1)


def taken_and_given_back(course):
    """Ways to begin grading what waits, and to end it."""
    with writing(course.engine) as db:
        taken = queue.claim(db, "w", NOW)
    return taken, {
        "finished": lambda db: queue.finish(db, taken, "w", course.rubric, run(3), NOW),
        "failed": lambda db: queue.fail(db, taken, "w", "no walls"),
        "lost": lambda db: queue.take_from(db, "w"),
    }


@pytest.mark.parametrize("way", ["finished", "failed", "lost"])
def test_a_regrade_that_is_wished_while_a_grading_is_given_back_is_not_lost(way, course):
    course.hand_in()
    taken, ways = taken_and_given_back(course)
    with writing(course.engine) as db:
        ways[way](db)
        wish = begun(course.engine, lambda db: queue.grade_all_again(db, course.assignment, "typo"))
    assert wish.result() == (way == "finished")  # what waits already is graded by the rubric of then
    assert course.grade(5).id == taken.id
    assert course.points() == (5, 5)


def test_a_regrade_that_is_wished_while_a_grading_begins_is_not_lost(course):
    course.hand_in()
    with writing(course.engine) as db:
        taken = queue.claim(db, "w", NOW)
        wish = begun(course.engine, lambda db: queue.grade_all_again(db, course.assignment, "typo"))
    assert wish.result() == 1
    with writing(course.engine) as db:
        queue.finish(db, taken, "w", course.rubric, run(3), NOW)
    assert course.grade(5).why == "typo"


# Grades.


@pytest.mark.parametrize(("counts", "points"), [("latest", "4"), ("best", "9")])
def test_the_attempt_that_counts_makes_the_grade(counts, points, engine):
    course = Course(engine, counts=counts)
    assert course.points() is None
    for had in ("3", "9", "4"):
        course.hand_in()
        course.grade(had)
    assert course.points() == (Decimal(points), Decimal(points))
    assert course.points(course.bob) is None


def test_what_a_person_says_counts_until_they_take_it_back(course):
    course.hand_in()
    course.grade("4")
    with writing(course.engine) as db:
        grades.override(db, course.assignment, course.ada, Decimal(8), "argued well", course.teacher, at(1))
        grades.comment(db, course.assignment, course.ada, "come by", course.teacher, at(2))
    assert course.points() == (Decimal(8), Decimal(4))
    course.hand_in()
    course.grade("5")
    assert course.points() == (Decimal(8), Decimal(5))
    with writing(course.engine) as db:
        grades.release(db, course.assignment, course.ada, "mended", course.teacher, at(3))
    assert course.points() == (Decimal(5), Decimal(5))


def test_who_handed_in_nothing_may_be_given_points(course):
    with writing(course.engine) as db:
        grades.override(db, course.assignment, course.bob, Decimal(6), "on paper", course.teacher, NOW)
        assert [(one.person_id, one.points) for one in grades.current(db, course.assignment)] == [(course.bob.id, 6)]
    assert course.points(course.bob) == (Decimal(6), None)


def test_a_grade_can_say_why_it_is_what_it_is(course):
    course.hand_in()
    taken = course.grade("4")
    with writing(course.engine) as db:
        queue.grade_again(db, taken, "regrade: the rubric was mended")
    course.grade("5")
    with writing(course.engine) as db:
        grades.override(db, course.assignment, course.ada, Decimal(6), "kindness", course.teacher, at(1))
        happened = [
            (one.kind, one.points, one.text, one.by) for one in grades.history(db, course.assignment, course.ada)
        ]
    assert happened == [
        ("graded", Decimal(4), "attempt 1, of 10, by version 1 of the rubric: submitted", None),
        ("graded", Decimal(5), "attempt 1, of 10, by version 1 of the rubric: regrade: the rubric was mended", None),
        ("override", Decimal(6), "kindness", "Grace"),
    ]


@given(
    steps=st.lists(st.sampled_from(["hand in", "grade", "again", "override", "release"]), max_size=12), data=st.data()
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
def test_the_grade_is_always_the_last_word_or_the_attempt_that_counts(engine, steps, data):
    course = Course(engine, counts=data.draw(st.sampled_from(["latest", "best"])))
    with writing(engine) as db:  # of the examples before
        db.execute(update(schema.submission).values(state="graded"))
    attempts, said = {}, None
    waiting = []
    for step in steps:
        if step == "hand in":
            waiting.append(course.hand_in(content=b"x").attempt)
        elif step == "grade" and waiting:
            points = data.draw(st.integers(0, 10))
            attempts[course.grade(points).attempt] = points
            waiting.pop(0)
        elif step == "again" and attempts:
            attempt = data.draw(st.sampled_from(sorted(attempts)))
            with writing(engine) as db:
                one = next(
                    one for one in submissions.of_person(db, course.assignment, course.ada) if one.attempt == attempt
                )
                if one.state == "graded":
                    queue.grade_again(db, one, "again")
                    waiting.append(attempt)
        elif step in ("override", "release"):
            said = data.draw(st.integers(0, 10)) if step == "override" else None
            with writing(engine) as db:
                if said is not None:
                    grades.override(db, course.assignment, course.ada, Decimal(said), "", course.teacher, NOW)
                else:
                    grades.release(db, course.assignment, course.ada, "", course.teacher, NOW)
    counted = (
        (max(attempts.values()) if course.assignment.counts == "best" else attempts[max(attempts)])
        if attempts
        else None
    )
    expected = said if said is not None else counted
    found = course.points()
    assert (found and found[0]) == (None if expected is None else Decimal(expected))


# Trials.


def a_trial(course, of=None):
    with writing(course.engine) as db:
        return trials.begin(db, course.assignment, of, "typo", course.teacher, NOW)


def test_a_trial_counts_when_it_is_applied(course):
    course.hand_in()
    course.grade(3)
    course.hand_in(course.bob)
    course.grade(5)
    trial = a_trial(course)
    with reading(course.engine) as db:
        assert trials.progress(db, trial) == (2, 0, 0)
    course.grade(7)
    with writing(course.engine) as db, pytest.raises(UsageError, match="1 of it wait still"):
        trials.apply(db, trial, course.teacher, NOW)
    course.grade(5)
    assert [course.points(who) for who in (course.ada, course.bob)] == [(3, 3), (5, 5)]
    with reading(course.engine) as db:
        assert trials.progress(db, trial) == (0, 2, 0)
        [difference] = trials.differences(db, trial)
        assert (difference.person_id, difference.before, difference.after, difference.counts) == (
            course.ada.id, 3, 7, True,
        )  # fmt: skip
        assert [one.points for one in grades.history(db, course.assignment, course.ada)] == [3]
    with writing(course.engine) as db:
        trials.apply(db, trial, course.teacher, NOW)
    assert course.points() == (7, 7)
    with reading(course.engine) as db:
        assert {one.points for one in grades.history(db, course.assignment, course.ada)} == {3, 7, None}


def test_a_trial_that_is_dropped_changes_nothing(course):
    for _ in range(3):
        course.hand_in()
        course.grade(3)
    trial = a_trial(course)
    course.grade(9)
    with writing(course.engine) as db:  # one is being graded, and one waits
        taken = queue.claim(db, "w", NOW)
        trials.drop(db, trial, course.teacher, NOW)
    with writing(course.engine) as db:
        queue.finish(db, taken, "w", course.rubric, run(9), NOW)
    with reading(course.engine) as db:
        assert {one.state for one in submissions.of_person(db, course.assignment, course.ada)} == {"graded"}
        assert trials.open_of(db, course.assignment) is None
    assert course.points() == (3, 3)
    with writing(course.engine) as db, pytest.raises(UsageError, match="it is settled"):
        trials.apply(db, trial, course.teacher, NOW)


@pytest.mark.parametrize("settle", [trials.apply, trials.drop])
def test_a_fault_in_a_trial_costs_no_grade_and_gives_no_attempt(settle, engine):
    course = Course(engine, most_attempts=1)
    course.hand_in()
    course.grade(3)
    trial = a_trial(course)
    for _ in range(queue.MOST_TRIES):
        with writing(engine) as db:
            queue.fail(db, queue.claim(db, "w", NOW), "w", "oh")
    with pytest.raises(UsageError, match="1 of 1 attempts are used up"):
        course.hand_in()
    with writing(engine) as db:
        assert trials.progress(db, trial) == (0, 0, 1)
        settle(db, trial, course.teacher, NOW)
        assert {one.state for one in submissions.of_person(db, course.assignment, course.ada)} == {"graded"}
    assert course.points() == (3, 3)
    with pytest.raises(UsageError, match="1 of 1 attempts are used up"):
        course.hand_in()


def test_a_regrade_that_is_wished_while_a_trial_grades_is_not_lost(course):
    one = course.hand_in()
    course.grade(3)
    trial = a_trial(course)
    with writing(course.engine) as db:
        queue.claim(db, "w", NOW)
        queue.grade_again(db, one, "extension: ill")
        queue.take_from(db, "w")
        trials.drop(db, trial, course.teacher, NOW)
    course.grade(8)
    assert course.points() == (8, 8)


def test_what_is_dropped_while_it_is_graded_is_as_it_was(course):
    course.hand_in()
    course.grade(3)
    trial = a_trial(course)
    with writing(course.engine) as db:
        taken = queue.claim(db, "w", NOW)
        trials.drop(db, trial, course.teacher, NOW)
        queue.fail(db, taken, "w", "oh")
        assert {one.state for one in submissions.of_person(db, course.assignment, course.ada)} == {"graded"}
        assert queue.claim(db, "w", NOW) is None


@pytest.mark.parametrize("way", ["failed", "lost"])
def test_what_is_dropped_while_it_is_given_back_is_as_it_was(way, course):
    course.hand_in()
    course.grade(3)
    trial = a_trial(course)
    _, ways = taken_and_given_back(course)
    with writing(course.engine) as db:
        ways[way](db)
        drop = begun(course.engine, lambda db: trials.drop(db, trial, course.teacher, NOW))
    drop.result()
    with writing(course.engine) as db:
        assert {one.state for one in submissions.of_person(db, course.assignment, course.ada)} == {"graded"}
        assert queue.claim(db, "w", NOW) is None


def test_a_trial_that_is_begun_while_a_grading_is_given_back_is_of_it_too(course):
    course.hand_in()
    _, ways = taken_and_given_back(course)
    with writing(course.engine) as db:
        ways["finished"](db)
        trial = begun(course.engine, lambda db: trials.begin(db, course.assignment, None, "typo", course.teacher, NOW))
    with reading(course.engine) as db:
        assert trials.progress(db, trial.result()) == (1, 0, 0)


def test_what_is_graded_again_since_is_no_difference_of_a_trial(course):
    one = course.hand_in()
    course.grade(3)
    trial = a_trial(course)
    course.grade(7)
    with writing(course.engine) as db:
        queue.grade_again(db, one, "regrade: argued")
    course.grade(5)
    with reading(course.engine) as db:
        assert list(trials.differences(db, trial)) == []
    with writing(course.engine) as db:
        trials.apply(db, trial, course.teacher, NOW)
    assert course.points() == (5, 5)


def test_a_trial_is_by_one_version_of_the_rubric(course):
    course.hand_in()
    course.grade(3)
    trial = a_trial(course)
    with writing(course.engine) as db:
        courses.add_rubric(db, course.assignment, "points = 2", course.teacher, NOW)
        assert trials.rubric_id(db, trial.id) == course.rubric.id


def test_whoever_applies_a_trial_is_told(course):
    course.hand_in()
    course.grade(3)
    trial = a_trial(course)
    course.grade(7)
    with writing(course.engine) as db:
        trials.apply(db, trial, course.bob, at(9))
    with reading(course.engine) as db:
        last = grades.history(db, course.assignment, course.ada)[-1]
    assert (last.kind, last.by, last.at, last.text) == ("applied", "bob", at(9), "the regrade counts: typo")


def test_a_trial_is_of_whom_it_is_asked_and_one_at_a_time(course):
    course.hand_in()
    course.grade(3)
    course.hand_in(course.bob)
    course.grade(3)
    trial = a_trial(course, [course.bob])
    with pytest.raises(UsageError, match="a trial of it is open"):
        a_trial(course)
    assert course.grade(4).person_id == course.bob.id
    with reading(course.engine) as db:
        assert trials.progress(db, trial) == (0, 1, 0)
        assert trials.find(db, course.assignment, trial.public) == trial == trials.open_of(db, course.assignment)


def test_there_has_to_be_something_to_try(course):
    course.hand_in()
    with pytest.raises(UsageError, match="nothing of theirs is graded"):
        a_trial(course)


def test_who_is_graded_again_meanwhile_is_so_for_good(course):
    one = course.hand_in()
    course.grade(3)
    trial = a_trial(course)
    with writing(course.engine) as db:
        queue.grade_again(db, one, "regrade: argued")
    course.grade(8)
    assert course.points() == (8, 8)
    with writing(course.engine) as db:
        assert trials.progress(db, trial) == (0, 0, 0)
        trials.drop(db, trial, course.teacher, NOW)
    assert course.points() == (8, 8)
