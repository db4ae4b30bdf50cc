"""Grades into Canvas: what its server does with them that another would not."""

from __future__ import annotations

from decimal import Decimal

import pytest
from contracts.desk import CRITERIA, Desk
from platforms import LOST, REFUSED, Answer
from platforms.canvas import THROTTLED, TOKEN, TOO_MANY, UNAUTHORIZED, Canvas, Student
from pydantic import SecretStr

from grader import network
from grader.errors import UsageError
from grader.lms import canvas
from grader.network import Unreachable
from grader.remote import Score

RUBRIC = [{"id": f"_{n}", "description": title, "points": 10, "ratings": []} for n, (_, title) in enumerate(CRITERIA)]


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setattr(network, "WAITS", [0.01] * 3)
    monkeypatch.setattr(canvas, "POLLS", [0.001] * 5)


@pytest.fixture
def open_canvas(tmp_path):
    """A Canvas with these students, and a desk before it."""
    running = []

    def opened(*students, token=TOKEN, **assignment):
        server = Canvas(*students, **assignment)
        running.append(server.running())
        running[-1].__enter__()
        return server, Desk(tmp_path / "graded", "canvas", server, {"token": SecretStr(token)})

    yield opened
    for one in running:
        one.__exit__(None, None, None)


ADA, BOB, EVE = (
    lambda **options: Student(9001, "Lovelace, Ada", sis="0001", login="ada", **options),
    lambda **options: Student(9002, "Byron, Bob", sis="0002", login="bob", email="bob@x.edu", **options),
    lambda **options: Student(9003, "Eve, Eve", sis="0003", login="eve", **options),
)


# Who is who.


def test_students_are_found_by_number_id_login_and_address(open_canvas):
    _, desk = open_canvas(ADA(), BOB(), EVE(), Student(9004, "Moe", login="moe"))
    desk.graded({"0001": "1", "bob@x.edu": "2", "eve": "3"})
    assert {student: change.row for student, change in desk.changes().items()} == {
        "0001": "9001",
        "bob@x.edu": "9002",
        "eve": "9003",
    }
    desk.graded({"9004": "1"}, origin={"platform": "canvas"})
    assert desk.kinds() == {"9004": "new"}


def test_a_course_of_several_pages_is_read_to_its_end(open_canvas):
    server, desk = open_canvas(*(Student(10000 + n, f"S{n}", sis=f"{n:04}") for n in range(230)))
    desk.graded({f"{n:04}": f"{n % 11}" for n in range(230)})
    assert set(desk.states().values()) == {"written"}
    assert [student.entered for student in server.students.values()] == [n % 11 for n in range(230)]


def test_the_test_student_is_nobody_on_the_server_too(open_canvas):
    _, desk = open_canvas(ADA())
    with desk.graded({"0001": "1"}).compared() as (_, comparison):
        assert list(comparison.rows_of_nobody()) == []


def test_who_is_not_given_the_assignment_or_is_excused_stays_so(open_canvas):
    server, desk = open_canvas(ADA(given=False), BOB(excused=True), EVE())
    assert desk.graded({"0001": "1", "0002": "2", "0003": "3"}).kinds() == {
        "0001": "unassigned",
        "0002": "excused",
        "0003": "new",
    }
    desk.push()
    assert (server.students[9002].excused, server.students[9002].entered, server.students[9003].entered) == (
        True,
        None,
        3.0,
    )


def test_who_is_excused_between_the_look_and_the_push_stays_so(open_canvas):
    server, desk = open_canvas(ADA())
    outcome = desk.graded({"0001": "1"}).push(meanwhile=lambda: setattr(server.students[9001], "excused", True))["0001"]
    assert (outcome.state, server.students[9001].excused) == ("skipped", True)
    assert "found excused; expected blank" in outcome.why


# Hazard 7: requests too many, by either status.


@pytest.mark.parametrize("busy", [THROTTLED, TOO_MANY])
@pytest.mark.parametrize("what", ["read", "write"])
def test_hazard_7_both_answers_to_a_request_too_many_are_waited_out(busy, what, open_canvas):
    server, desk = open_canvas(ADA())
    desk.graded({"0001": "7"})
    server.troubles[what] = [busy, busy]
    assert desk.states() == {"0001": "written"}


def test_a_refusal_is_no_request_too_many(open_canvas):
    server, desk = open_canvas(ADA())
    server.troubles["read"] = [UNAUTHORIZED]
    with pytest.raises(UsageError, match=r"status 403 .*not authorized.*expected a teacher's token"):
        desk.graded({"0001": "7"}).changes()
    assert len(server.log) == 1


def test_a_token_that_is_not_accepted_is_told_and_not_repeated(open_canvas):
    _, desk = open_canvas(ADA(), token="7~another")
    with pytest.raises(UsageError, match="Invalid access token") as caught:
        desk.graded({"0001": "7"}).changes()
    assert "another" not in str(caught.value)


# The job.


def test_one_who_cannot_be_graded_keeps_nobody_else_from_a_grade(open_canvas):
    server, desk = open_canvas(ADA(), BOB(closed=True), EVE())
    outcomes = desk.graded({"0001": "1", "0002": "2", "0003": "3"}).push()
    assert [outcome.state for _, outcome in sorted(outcomes.items())] == ["written", "failed", "written"]
    assert "Canvas refused it: Unexpected error, ID" in outcomes["0002"].why
    assert [student.entered for student in server.students.values()] == [1.0, None, 3.0]


def test_several_who_cannot_be_graded_keep_nobody_else_from_a_grade(open_canvas):
    students = [Student(9000 + n, f"S{n}", sis=f"{n:04}", closed=n in (0, 1, 2, 9)) for n in range(20)]
    _, desk = open_canvas(*students)
    states = desk.graded({f"{n:04}": "5" for n in range(20)}).states()
    assert [n for n in range(20) if states[f"{n:04}"] == "failed"] == [0, 1, 2, 9]


def test_who_has_left_meanwhile_is_told_and_the_others_are_graded(open_canvas):
    server, desk = open_canvas(ADA(), BOB())
    outcomes = desk.graded({"0001": "1", "0002": "2"}).push(meanwhile=lambda: server.students.pop(9001))
    assert (outcomes["0001"].state, outcomes["0002"].state) == ("skipped", "written")


def test_a_job_that_has_failed_for_somebody_unknown_names_them(open_canvas):
    server, desk = open_canvas(ADA(), BOB())
    desk.graded({"0001": "1", "0002": "2"})
    with desk.compared() as (remote, _):
        list(remote.rows())
        server.students[9001].given = False
        scores = [Score("9001", Decimal(1)), Score("9002", Decimal(2))]
        assert remote.send(scores).grades == {"9001": "Canvas does not ask this assignment of the student"}
    assert server.students[9002].entered == 2.0


def test_a_job_that_does_not_end_is_not_waited_for_for_ever(open_canvas, monkeypatch):
    monkeypatch.setattr(canvas, "POLLS", [0.001])
    _, desk = open_canvas(ADA())
    outcome = desk.graded({"0001": "1"}).push()["0001"]
    assert outcome.state == "failed"
    assert "it is running after" in outcome.why


def test_an_answer_that_is_none_is_told(open_canvas):
    server, desk = open_canvas(ADA())
    server.troubles["read"] = [Answer(200, "<html>Sign in</html>", {}, "text/html")]
    with pytest.raises(Unreachable, match="its answer is no JSON"):
        desk.graded({"0001": "1"}).changes()


def test_a_page_under_another_name_is_not_asked_for(open_canvas):
    server, desk = open_canvas(ADA())
    server.troubles["read"] = [
        None,
        Answer(200, [], {"Link": '<https://canvas.example.edu/api/v1/x?page=2>; rel="next"'}),
    ]
    with pytest.raises(UsageError, match="it calls itself https://canvas.example.edu"):
        desk.graded({"0001": "1"}).changes()


# What stands there.


def test_points_that_lateness_took_off_are_no_edit(open_canvas):
    server, desk = open_canvas(ADA())
    desk.graded({"0001": "8"}).push()
    server.students[9001].deducted = 0.8
    assert desk.kinds() == {"0001": "unchanged"}
    assert desk.graded({"0001": "9"}).states() == {"0001": "written"}
    assert server.students[9001].score == pytest.approx(8.2)


def test_a_grade_that_canvas_takes_for_the_one_there_is_told(open_canvas):
    """What is given is compared with what lateness left of the last: then nothing happens, and nobody is told."""
    _, desk = open_canvas(ADA(entered=8.0, deducted=1.0))
    outcome = desk.graded({"0001": "7"}).push(forced=frozenset(["lowered"]))["0001"]
    assert (outcome.state, outcome.why.partition(";")[0]) == ("failed", "the platform took it, and 8 stands there")


@pytest.mark.parametrize(
    ("assignment", "why"),
    [
        ({"grading_type": "pass_fail"}, "without points"),
        ({"grading_type": "not_graded"}, "has no grades"),
        ({"points_possible": 0}, "is of 0 points"),
        ({"points_possible": None}, "is of None points"),
        ({"published": False}, "is not published"),
        ({"moderated_grading": True}, "is moderated"),
    ],
)
def test_an_assignment_that_takes_no_points_is_told(assignment, why, open_canvas):
    _, desk = open_canvas(ADA(), **assignment)
    with pytest.raises(UsageError, match=why):
        desk.graded({"0001": "7"}).changes()


def test_no_blank_is_ever_sent(open_canvas):
    server, desk = open_canvas(ADA(), BOB(entered=3.0), EVE())
    desk.graded({"0001": "0", "0002": "missing", "0003": "unreadable"}).push(comments=True)
    sent = [(name, value) for request in server.written() for name, value in request.form]
    assert {name for name, value in sent if not value.strip()} == set()
    assert sorted(value for name, value in sent if "posted_grade" in name) == ["0", "0"]


# Comments.


def test_a_comment_is_sent_once(open_canvas):
    server, desk = open_canvas(ADA())
    desk.graded({"0001": "7"}).push(comments=True)
    [comment] = server.students[9001].comments
    assert comment.splitlines()[0] == "hw.py: 7 of 10 points"
    assert desk.states(comments=True) == {"0001": "skipped"}
    assert len(server.students[9001].comments) == 1


def test_a_comment_whose_answer_was_lost_is_not_sent_again(open_canvas):
    """The job is somewhere in Canvas, and may be run at any time."""
    server, desk = open_canvas(ADA())
    outcome = desk.graded({"0001": "7"}).push(comments=True, meanwhile=lambda: server.troubles.update(write=[LOST]))[
        "0001"
    ]
    assert (outcome.state, outcome.left, server.students[9001].entered) == ("failed", True, 7.0)
    assert "it is not known whether the comment is" in outcome.why
    for _ in range(2):
        server._progress(1)
    assert desk.states(comments=True) == {"0001": "written"}
    assert desk.states(comments=True) == {"0001": "skipped"}
    assert len(server.students[9001].comments) == 1


def test_a_comment_that_was_lost_with_its_job_is_sent_by_the_next_run(open_canvas):
    server, desk = open_canvas(ADA())
    desk.graded({"0001": "7"}).push(comments=True, meanwhile=lambda: server.troubles.update(write=[REFUSED]))
    assert server.students[9001].comments == []
    assert desk.states(comments=True) == {"0001": "written"}
    assert len(server.students[9001].comments) == 1


def test_a_comment_that_has_changed_is_sent_though_the_grade_is_the_same(open_canvas):
    server, desk = open_canvas(ADA())
    desk.graded({"0001": "7"}).push(comments=True)
    desk.graded({"0001": "7"}, message="it is not transposed")
    assert desk.kinds() == {"0001": "unchanged"}
    assert desk.states(comments=True) == {"0001": "written"}
    assert len(server.students[9001].comments) == 2
    assert ("posted_grade" in server.written()[-1].body) is False


def test_without_comments_there_are_none(open_canvas):
    server, desk = open_canvas(ADA())
    desk.graded({"0001": "7"}).push()
    assert server.students[9001].comments == []
    assert desk.log()[0]["comment"] is None


# The rubric.


def test_the_rubric_is_filled_by_the_titles_of_its_criteria(open_canvas):
    server, desk = open_canvas(ADA(), rubric=RUBRIC)
    desk.graded({"0001": "7"}).push(criteria=True)
    assert server.students[9001].rubric == {"_0": 10.0, "_1": 4.0}
    assert server.students[9001].entered == 7.0


def test_the_rubric_of_a_grade_that_is_there_already_is_filled(open_canvas):
    server, desk = open_canvas(ADA(entered=7.0), rubric=RUBRIC)
    assert desk.graded({"0001": "7"}).states(criteria=True) == {"0001": "written"}
    assert server.students[9001].rubric == {"_0": 10.0, "_1": 4.0}
    assert desk.states(criteria=True) == {"0001": "skipped"}


def test_a_rubric_that_is_not_filled_is_told(open_canvas):
    server, desk = open_canvas(ADA(), rubric=RUBRIC)
    server.loses_rubrics = True
    outcome = desk.graded({"0001": "7"}).push(criteria=True)["0001"]
    assert (outcome.state, outcome.left, server.students[9001].entered) == ("failed", True, 7.0)
    assert "the grade is written; its criteria are not" in outcome.why


@pytest.mark.parametrize(
    ("rubric", "why"),
    [
        (None, "has no rubric that can be filled"),
        (RUBRIC[:1], r"lacks y1 \(The derivative by the last layer\)"),
        ([*RUBRIC, {"id": "_9", "description": "Style", "points": 1}], "has Style besides"),
    ],
)
def test_another_rubric_is_told_before_anything_is_sent(rubric, why, open_canvas):
    server, desk = open_canvas(ADA(), rubric=rubric)
    with pytest.raises(UsageError, match=why):
        desk.graded({"0001": "7"}).push(criteria=True)
    assert server.written() == []


def test_a_rubric_that_gives_the_grade_itself_is_not_filled(open_canvas):
    _, desk = open_canvas(ADA(), rubric=RUBRIC, use_rubric_for_grading=True)
    with pytest.raises(UsageError, match="or it gives the grade itself"):
        desk.graded({"0001": "7"}).push(criteria=True)
    assert desk.states() == {"0001": "written"}


# Points, and what is none.


def test_points_possible_may_have_three_decimals(open_canvas):
    server, desk = open_canvas(ADA(), points_possible=33.333)
    desk.graded({"0001": "7"}).push()
    assert server.students[9001].entered == 23.33


@pytest.mark.parametrize("kind", ["letter_grade", "gpa_scale", "percent"])
def test_a_number_that_names_a_grade_is_not_sent_as_one(kind, open_canvas):
    """In a scheme with a grade called 7, say, which is worth 50 percent."""
    server, desk = open_canvas(ADA(), BOB(), grading_type=kind, points_possible=30.0)
    server.scheme = {"7": 0.5, "12": 1.0}
    desk.graded({"0001": "7", "0002": "3.33"}, maximum="30").push()
    assert [student.entered for student in server.students.values()] == [pytest.approx(7), pytest.approx(3.33)]
    assert set(desk.kinds().values()) == {"unchanged"}


def test_an_assignment_that_grades_whole_groups_is_refused(open_canvas):
    _, desk = open_canvas(ADA(), group_category_id=5, grade_group_students_individually=False)
    with pytest.raises(UsageError, match="to their whole group"):
        desk.graded({"0001": "7"}).changes()


def test_an_assignment_that_grades_the_students_of_groups_is_filled(open_canvas):
    _, desk = open_canvas(ADA(), group_category_id=5, grade_group_students_individually=True)
    assert desk.graded({"0001": "7"}).states() == {"0001": "written"}


def test_a_comment_that_canvas_keeps_otherwise_is_sent_once(open_canvas):
    server, desk = open_canvas(ADA(), BOB())
    server.cleans = True
    desk.graded({"0001": "7", "0002": "6"}, message="A <y and z> B")
    assert set(desk.states(comments=True).values()) == {"written"}
    assert set(desk.states(comments=True).values()) == {"skipped"}
    assert [len(student.comments) for student in server.students.values()] == [1, 1]


def test_a_header_of_another_kind_is_no_matter(open_canvas):
    server, desk = open_canvas(ADA())
    server.troubles["read"] = [lambda request: Answer(200, server.assignment, {"X-Rate-Limit-Remaining": "unlimited"})]
    assert desk.graded({"0001": "7"}).states() == {"0001": "written"}
