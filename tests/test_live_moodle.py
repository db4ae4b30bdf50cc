"""Grades into Moodle: what its web service does with them that another would not."""

from __future__ import annotations

import pytest
from contracts.desk import Desk
from platforms import Answer
from platforms.moodle import READING, TOKEN, Moodle, Student
from pydantic import SecretStr

from grader import network
from grader.errors import UsageError
from grader.lms import moodle
from grader.network import Unreachable


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setattr(network, "WAITS", [0.01] * 3)


@pytest.fixture
def open_moodle(tmp_path):
    """A Moodle with these students, and a desk before it."""
    running = []

    def opened(*students, token=TOKEN, **options):
        server = Moodle(*students, **options)
        running.append(server.running())
        running[-1].__enter__()
        return server, Desk(tmp_path / "graded", "moodle", server, {"token": SecretStr(token)})

    yield opened
    for one in running:
        one.__exit__(None, None, None)


def ada(**options):
    return Student(501, "Ada Lovelace", idnumber="0001", email="ada@x.edu", number=71, **options)


def bob(**options):
    return Student(502, "Bob Byron", idnumber="0002", email="bob@x.edu", number=72, **options)


# Who is who.


def test_participants_of_a_download_are_found_by_their_number_and_others_by_id_and_address(open_moodle):
    _, desk = open_moodle(ada(), bob())
    desk.graded({"71": "7"}, origin={"platform": "moodle"})
    assert desk.changes()["71"].row == "501"
    assert {key: change.row for key, change in desk.graded({"0001": "1", "bob@x.edu": "2"}).changes().items()} == {
        "0001": "501",
        "bob@x.edu": "502",
    }


def test_a_user_s_number_is_no_participant_s(open_moodle):
    _, desk = open_moodle(ada(), bob())
    assert desk.graded({"501": "7"}, origin={"platform": "moodle"}).kinds() == {"501": "unmatched"}


def test_a_service_that_tells_no_numbers_is_asked_without(open_moodle):
    _, desk = open_moodle(ada(), functions=READING - {"mod_assign_get_user_mappings"} | {"mod_assign_save_grades"})
    assert desk.graded({"0001": "7"}).states() == {"0001": "written"}


def test_a_course_of_several_pages_and_requests_is_filled(open_moodle, monkeypatch):
    monkeypatch.setattr(moodle, "PAGE", 50)
    server, desk = open_moodle(*(Student(1000 + n, f"S{n}", idnumber=f"{n:04}") for n in range(180)))
    desk.graded({f"{n:04}": f"{n % 11}" for n in range(180)}).push(comments=True)
    assert [student.grade for student in server.students.values()] == [n % 11 for n in range(180)]
    assert max(len(request.form) for request in server.written()) < 1000


def test_pages_that_go_round_come_to_an_end(open_moodle):
    server, desk = open_moodle(ada(), bob())
    server.skips = False
    assert desk.graded({"0001": "7"}).kinds() == {"0001": "new"}


# Feedback.


def test_hazard_5_feedback_arrives_for_it_goes_by_the_assignment_s_own_function(open_moodle):
    server, desk = open_moodle(ada())
    desk.graded({"0001": "7"}).push(comments=True)
    assert server.students[501].comment.startswith("hw.py: 7 of 10 points<br>")


def test_hazard_2_feedback_that_stands_there_is_not_erased_by_a_grade(open_moodle):
    server, desk = open_moodle(ada(grade=3.0, comment="<p>Well &amp; done</p>"))
    desk.graded({"0001": "7"}).push()
    assert (server.students[501].grade, server.students[501].comment) == (7.0, "<p>Well &amp; done</p>")


def test_somebody_s_own_feedback_stays_and_that_is_told(open_moodle):
    server, desk = open_moodle(ada(grade=3.0, comment="<p>See me</p>"))
    outcome = desk.graded({"0001": "7"}).push(comments=True)["0001"]
    assert (outcome.state, outcome.why) == ("written", "the comment was not: somebody's own stands there")
    assert (server.students[501].grade, server.students[501].comment) == (7.0, "<p>See me</p>")
    assert desk.log()[0]["comment"] is None


def test_our_own_feedback_is_replaced_by_news_and_kept_without(open_moodle):
    server, desk = open_moodle(ada())
    desk.graded({"0001": "7"}, message="0 < 1 & 2 > 1").push(comments=True)
    first = server.students[501].comment
    assert "0 &lt; 1 &amp; 2 &gt; 1" in first
    assert desk.states(comments=True) == {"0001": "skipped"}
    desk.graded({"0001": "8"}).push()
    assert server.students[501].comment == first
    desk.graded({"0001": "9"}).push(comments=True)
    assert server.students[501].comment.startswith("hw.py: 9 of 10")


def test_an_assignment_without_feedback_comments_says_so(open_moodle):
    server, desk = open_moodle(ada(), comments=False)
    outcome = desk.graded({"0001": "7"}).push(comments=True)["0001"]
    assert (outcome.state, server.students[501].grade, server.students[501].comment) == ("written", 7.0, None)
    assert "feedback comments are switched off" in outcome.why


# Release.


def test_a_grade_that_is_released_stays_so(open_moodle):
    server, desk = open_moodle(ada(grade=3.0, state="released"), bob(), markingworkflow=1)
    desk.graded({"0001": "7", "0002": "6"}).push()
    assert (server.students[501].state, server.students[502].state) == ("released", "")


def test_feedback_that_cannot_be_read_before_its_release_is_not_risked(open_moodle):
    server, desk = open_moodle(ada(grade=3.0, comment="<p>Mine</p>", state="inmarking"), bob(), markingworkflow=1)
    changes = desk.graded({"0001": "7", "0002": "6"}).changes()
    assert (changes["0001"].kind, changes["0002"].kind) == ("locked", "new")
    assert "would be lost" in changes["0001"].note
    desk.push(forced=frozenset(["locked"]))
    assert (server.students[501].comment, server.students[502].grade) == ("<p>Mine</p>", 6.0)


def test_feedback_that_cannot_be_read_is_not_risked_for_a_comment_s_sake(open_moodle):
    server, desk = open_moodle(ada(grade=7.0, comment="<p>Mine</p>", state="inmarking"), markingworkflow=1)
    assert desk.graded({"0001": "7"}).states(comments=True) == {"0001": "skipped"}
    assert server.students[501].comment == "<p>Mine</p>"


def test_feedback_of_a_team_is_read_though_no_grade_is_told(open_moodle):
    server, desk = open_moodle(ada(comment="<p>Ours</p>"), teamsubmission=1)
    outcome = desk.graded({"0001": "7"}).push(comments=True)["0001"]
    assert (outcome.why, server.students[501].comment) == (
        "the comment was not: somebody's own stands there",
        "<p>Ours</p>",
    )


# What Moodle passes over without a word.


@pytest.mark.parametrize("closed", ["locked", "overridden"])
def test_a_grade_that_moodle_would_keep_is_told_before(closed, open_moodle):
    _, desk = open_moodle(ada(grade=3.0, **{closed: True}), bob())
    assert desk.graded({"0001": "7", "0002": "6"}).kinds() == {"0001": "locked", "0002": "new"}


@pytest.mark.parametrize("closed", ["locked", "overridden"])
def test_a_grade_that_moodle_has_kept_is_told_after(closed, open_moodle):
    functions = READING - {"gradereport_user_get_grade_items"} | {"mod_assign_save_grades"}
    _, desk = open_moodle(ada(grade=3.0, **{closed: True}), bob(), functions=functions)
    outcomes = desk.graded({"0001": "7", "0002": "6"}).push()
    assert {key: outcome.state for key, outcome in outcomes.items()} == {"0001": "failed", "0002": "written"}
    assert "3 stands there; expected 7" in outcomes["0001"].why


def test_a_record_without_a_grade_is_a_blank(open_moodle):
    _, desk = open_moodle(ada(grade=-1.0))
    assert desk.graded({"0001": "7"}).kinds() == {"0001": "new"}


def test_one_who_cannot_be_saved_keeps_nobody_else_from_a_grade(open_moodle):
    server, desk = open_moodle(ada(fails=True), bob())
    outcomes = desk.graded({"0001": "7", "0002": "6"}).push()
    assert {key: outcome.state for key, outcome in outcomes.items()} == {"0001": "failed", "0002": "written"}
    assert "dmlwriteexception: Error writing to database" in outcomes["0001"].why
    assert server.students[502].grade == 6.0


# What is refused.


def test_a_token_that_is_not_accepted_is_told(open_moodle):
    _, desk = open_moodle(ada(), token="another")
    with pytest.raises(UsageError, match="invalidtoken.*expected a valid token"):
        desk.graded({"0001": "7"}).changes()


def test_a_function_the_service_does_not_have_is_named(open_moodle):
    _, desk = open_moodle(ada(), functions=READING)
    outcome = desk.graded({"0001": "7"}).push()["0001"]
    assert outcome.state == "failed"
    assert "expected a service that has the function mod_assign_save_grades" in outcome.why


@pytest.mark.parametrize("grade", [-3, 0])
def test_an_assignment_without_points_is_told(grade, open_moodle):
    _, desk = open_moodle(ada(), grade=grade)
    with pytest.raises(UsageError, match="graded by a scale or not at all"):
        desk.graded({"0001": "7"}).changes()


def test_another_activity_is_no_assignment(open_moodle):
    _, desk = open_moodle(ada(), cmid=99)
    with pytest.raises(UsageError, match="no assignment, or not for this user"):
        desk.graded({"0001": "7"}).changes()


def test_a_site_without_web_services_is_told(open_moodle):
    server, desk = open_moodle(ada())
    server.troubles["read"] = [Answer(200, "<html>", {}, "text/html")]
    with pytest.raises(Unreachable, match="see that REST is switched on"):
        desk.graded({"0001": "7"}).changes()
