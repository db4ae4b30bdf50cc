"""Grades by LTI: what the specification and the platforms want, and what the library alone would not give them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from contracts.desk import Desk
from platforms import Answer
from platforms.lti import EXTENSION, PRIVATE, TEACHER, Lti, Student
from pydantic import SecretStr

from grader import lms, network
from grader.errors import UsageError
from grader.network import Unreachable
from grader.remote import Score

AGO = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setattr(network, "WAITS", [0.01] * 3)


@pytest.fixture
def open_lti(tmp_path):
    """A platform with these students, and a desk before it."""
    running = []

    def opened(*students, account=None, **options):
        server = Lti(*students, **options)
        running.append(server.running())
        running[-1].__enter__()
        known = {**server.account, **(account or {})}
        return server, Desk(
            tmp_path / "graded", "lti", server, {name: SecretStr(text) for name, text in known.items() if text}
        )

    yield opened
    for one in running:
        one.__exit__(None, None, None)


def ada(**options):
    return Student("u-ada", "Ada Lovelace", sourced="0001", email="ada@x.edu", **options)


def bob(**options):
    return Student("u-bob", "Bob Byron", sourced="0002", email="bob@x.edu", **options)


def scores(server):
    return [json.loads(request.body) for request in server.written()]


# Hazards.


@pytest.mark.parametrize("kind", ["", "canvas", "moodle"])
def test_hazard_3_no_score_is_ever_empty_or_unfinished(kind, open_lti):
    server, desk = open_lti(ada(), bob(points=4.0, changed=AGO), kind=kind)
    desk.graded({"0001": "0", "0002": "missing"}).push(comments=True)
    assert [(score["scoreGiven"], score["scoreMaximum"], score["gradingProgress"]) for score in scores(server)] == [
        (0.0, 10.0, "FullyGraded")
    ]
    assert (server.students["u-ada"].points, server.students["u-bob"].points) == (0.0, 4.0)


def test_hazard_4_canvas_adds_no_comment_twice_and_makes_no_submission(open_lti):
    server, desk = open_lti(ada(), kind="canvas")
    desk.graded({"0001": "7"}, submitted="2026-10-10T23:40:02+02:00").push(comments=True)
    desk.graded({"0001": "8"}).push()
    assert (server.students["u-ada"].comments, server.students["u-ada"].submissions) == (1, 0)
    desk.graded({"0001": "8"}, message="another").push(comments=True)
    assert server.students["u-ada"].comments == 2
    assert scores(server)[0]["submission"] == {"submittedAt": "2026-10-10T21:40:02.000+00:00"}
    assert all(score[EXTENSION] == {"new_submission": False} for score in scores(server))


def test_hazard_6_the_time_has_parts_of_a_second_and_grows(open_lti):
    server, desk = open_lti(ada())
    for points in ("7", "8", "9"):
        assert desk.graded({"0001": points}).states() == {"0001": "written"}
    stamps = [score["timestamp"] for score in scores(server)]
    assert stamps == sorted(set(stamps))
    assert all(stamp.endswith("+00:00") and "." in stamp for stamp in stamps)


def test_a_comment_stays_where_one_that_is_not_sent_is_cleared(open_lti):
    server, desk = open_lti(ada())
    desk.graded({"0001": "7"}).push(comments=True)
    first = server.students["u-ada"].comment
    desk.graded({"0001": "8"}).push()
    assert (server.students["u-ada"].points, server.students["u-ada"].comment) == (8.0, first)
    desk.graded({"0001": "9"}).push(comments=True)
    assert server.students["u-ada"].comment.startswith("hw.py: 9 of 10")


def test_somebody_s_own_comment_stays_and_that_is_told(open_lti):
    server, desk = open_lti(ada(points=3.0, comment="See me", changed=AGO))
    outcome = desk.graded({"0001": "7"}).push(comments=True)["0001"]
    assert (outcome.state, outcome.why) == ("written", "the comment was not: somebody's own stands there")
    assert (server.students["u-ada"].points, server.students["u-ada"].comment) == (7.0, "See me")


# Who is who.


def test_learners_are_found_by_id_and_address_on_every_page_and_teachers_are_not(open_lti):
    others = [Student(f"u{n}", f"S{n}", sourced=f"9{n}") for n in range(7)]
    _, desk = open_lti(
        *others,
        ada(),
        bob(),
        Student("t", "Teacher", sourced="0003", role=TEACHER),
        Student("x", sourced="0004", status="Inactive"),
    )
    desk.graded({"0001": "1", "bob@x.edu": "2", "0003": "3", "0004": "4", "96": "5"})
    assert {key: change.row for key, change in desk.changes().items()} == {
        "0001": "u-ada", "bob@x.edu": "u-bob", "0003": None, "0004": None, "96": "u6",
    }  # fmt: skip


def test_results_of_every_page_are_read(open_lti):
    students = [Student(f"u{n}", sourced=f"{n:04}", points=float(n), changed=AGO) for n in range(8)]
    _, desk = open_lti(*students)
    assert set(desk.graded({f"{n:04}": f"{n}" for n in range(8)}).kinds().values()) == {"unchanged"}


# Refusals, a student each.


@pytest.mark.parametrize(("kind", "status"), [("", 400), ("canvas", 400), ("moodle", 409)])
def test_a_later_change_is_not_overwritten_and_that_is_told(kind, status, open_lti):
    later = datetime.now(UTC) + timedelta(minutes=5)
    server, desk = open_lti(ada(points=3.0, changed=later), bob(), kind=kind)
    outcomes = desk.graded({"0001": "7", "0002": "6"}).push()
    assert (outcomes["0001"].state, outcomes["0002"].state) == ("failed", "written")
    assert (
        f"refused with status {status}: a later change of this grade, or one of this second, is noted there"
        in outcomes["0001"].why
    )
    assert server.students["u-ada"].points == 3.0


def test_who_is_no_student_any_more_is_told(open_lti):
    server, desk = open_lti(ada(), bob())
    with desk.graded({"0001": "7"}).compared() as (remote, _):
        server.students["u-ada"].role = TEACHER
        refused = remote.send([Score("u-ada", Decimal(7)), Score("u-bob", Decimal(6))]).grades
    assert list(refused) == ["u-ada"]
    assert "status 422: it is of no student of the course" in refused["u-ada"]
    assert server.students["u-bob"].points == 6.0


@pytest.mark.parametrize("status", [403, 404, 412, 413])
def test_one_who_is_refused_keeps_nobody_else_from_a_grade(status, open_lti):
    server, desk = open_lti(ada(), bob())
    server.troubles["write"] = [Answer(status, {"error": "no"})]
    outcomes = desk.graded({"0001": "7", "0002": "6"}).push()
    assert {key: outcome.state for key, outcome in outcomes.items()} == {"0001": "failed", "0002": "written"}
    assert f"refused with status {status}" in outcomes["0001"].why


def test_a_platform_that_gives_no_right_is_not_asked_for_everybody(open_lti):
    server, desk = open_lti(*(Student(f"u{n}", sourced=f"{n:04}") for n in range(9)))
    server.troubles["write"] = [None, *[Answer(403, {"error": "insufficient_scope"})] * 9]
    outcomes = desk.graded({f"{n:04}": "5" for n in range(9)}).push()
    assert [outcome.state for _, outcome in sorted(outcomes.items())] == ["written", *["failed"] * 8]
    assert "insufficient_scope" in outcomes["0001"].why
    assert len(server.written()) == 4


def test_a_number_of_the_platform_s_own_is_no_student_s_id(open_lti):
    _, desk = open_lti(Student("17", "Ada Lovelace", sourced="S99"))
    assert desk.graded({"17": "7"}).kinds() == {"17": "unmatched"}


def test_comments_that_are_told_nowhere_are_sent_once(open_lti):
    """Results need not have them."""
    server, desk = open_lti(ada(), bob(), tells_comments=False)
    assert desk.graded({"0001": "7", "0002": "6"}).states(comments=True) == {"0001": "written", "0002": "written"}
    assert desk.states(comments=True) == {"0001": "skipped", "0002": "skipped"}
    assert len(server.written()) == 2


# Access tokens.


def test_an_access_token_is_asked_for_once(open_lti):
    server, desk = open_lti(*(Student(f"u{n}", sourced=f"{n:04}") for n in range(9)))
    desk.graded({f"{n:04}": "5" for n in range(9)}).push()
    assert sum(request.path == "/token" for request in server.log) == 2  # one for grades, one for names


def test_an_access_token_that_has_ended_is_asked_for_again(open_lti):
    server, desk = open_lti(ada())
    desk.graded({"0001": "7"})
    assert desk.states(meanwhile=server.tokens.clear) == {"0001": "written"}


def test_an_access_token_of_short_life_is_not_used_to_its_end(open_lti):
    server, desk = open_lti(ada(), ttl=20)
    assert desk.graded({"0001": "7"}).states() == {"0001": "written"}
    assert sum(request.path == "/token" for request in server.log) > 2


def test_the_line_item_s_own_query_is_kept(open_lti):
    server, desk = open_lti(ada(), kind="moodle")
    desk.graded({"0001": "7"}).push()
    assert server.written()[0].url.endswith("/lineitem/scores?type_id=1")


# What is refused.


@pytest.mark.parametrize(
    "key", ["secret", "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----", PRIVATE[:200]]
)
def test_a_key_that_is_none_is_told_and_not_shown(key, open_lti):
    _, desk = open_lti(ada(), account={"private_key": key})
    with pytest.raises(UsageError, match="private_key: it cannot sign") as caught:
        desk.graded({"0001": "7"}).changes()
    assert key not in str(caught.value)


def test_another_client_is_refused(open_lti):
    _, desk = open_lti(ada(), account={"client_id": "client-2"})
    with pytest.raises(UsageError, match="invalid_client"):
        desk.graded({"0001": "7"}).changes()


def test_names_elsewhere_are_not_asked_for(open_lti):
    server, desk = open_lti(ada())
    server.troubles["read"] = [
        None,
        None,
        None,
        Answer(200, {"members": []}, {"Link": '<https://lms.example.edu/members?p=1>; rel="next"'}),
    ]
    with pytest.raises(UsageError, match=r"it sends to https://lms.example.edu/members"):
        desk.graded({"0001": "7"}).changes()


def test_pages_that_go_round_come_to_an_end(open_lti):
    server, desk = open_lti(ada())
    page = Answer(200, {"members": []}, {"Link": f'<{server.base}/members>; rel="next"'})
    server.troubles["read"] = [None, None, None, page]
    assert desk.graded({"0001": "7"}).kinds() == {"0001": "unmatched"}


@pytest.mark.parametrize("body", ["no json", [], {"members": 3}])
def test_answers_of_another_kind_are_told(body, open_lti):
    server, desk = open_lti(ada())
    server.troubles["read"] = [None, None, None, Answer(200, body)]
    with pytest.raises(Unreachable, match="its answer is not as LTI has it"):
        desk.graded({"0001": "7"}).changes()


def test_a_line_item_without_points_is_told(open_lti):
    _, desk = open_lti(ada(), maximum=0)
    with pytest.raises(UsageError, match="of 0 points, or no line item"):
        desk.graded({"0001": "7"}).changes()


@pytest.mark.parametrize("name", ["token_url", "memberships"])
def test_every_address_has_to_be_safe(name, open_lti):
    _, desk = open_lti(ada(), account={name: "http://lms.example.edu/token"})
    with pytest.raises(UsageError, match="no address that a secret may be sent to"):
        desk.graded({"0001": "7"}).changes()


def test_another_audience_is_asked_of_where_the_platform_wants_it(open_lti):
    _, desk = open_lti(ada(), account={"audience": "https://api.example.edu"})
    with pytest.raises(UsageError, match="InvalidAudienceError"):
        desk.graded({"0001": "7"}).changes()


def test_results_that_go_round_come_to_an_end(open_lti):
    server, desk = open_lti(ada())
    around = Answer(200, [], {"Link": f'<{server.at}/results>; rel="next"'})
    server.troubles["read"] = [None, None, None, None, around, around]
    assert desk.graded({"0001": "7"}).kinds() == {"0001": "new"}


def test_every_platform_says_what_it_wants_to_sign_in_with():
    assert all(wanted.what for live in lms.lives().values() for wanted in live.ACCOUNT.values())
