"""What holds of every platform whose server takes grades: nothing lost, lowered, invented, sent twice or told to others."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import pytest
from platforms import LOST, REFUSED, Answer
from platforms import canvas as canvases
from platforms import lti as ltis
from platforms import moodle as moodles
from pydantic import SecretStr

from contracts.desk import Desk
from grader import comparing, lms, network, pushes, pushing, sending
from grader.errors import GraderError, UsageError
from grader.lms import canvas
from grader.network import Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable


class Kind(NamedTuple):
    """A platform's server: made of ids and points, what stands of an id, how somebody changes it."""

    platform: str
    make: Callable
    stands: Callable
    edit: Callable
    account: Callable

    def signs_in(self, server):
        return {name: SecretStr(text) for name, text in self.account(server).items()}


def _canvas(grades):
    return canvases.Canvas(
        *(
            canvases.Student(9000 + n, f"S{n}", sis=key, entered=points)
            for n, (key, points) in enumerate(grades.items())
        )
    )


def _of(server, key):
    return next(one for one in server.students.values() if one.sis == key)


def _edit_canvas(server, key, points):
    _of(server, key).entered = points


def _moodle(grades):
    return moodles.Moodle(
        *(
            moodles.Student(500 + n, f"S{n}", idnumber=key, grade=points)
            for n, (key, points) in enumerate(grades.items())
        )
    )


def _participant(server, key):
    return next(one for one in server.students.values() if one.idnumber == key)


def _lti(kind):
    def make(grades):
        began = datetime.now(UTC) - timedelta(hours=1)
        students = (
            ltis.Student(f"u{n}", f"S{n}", sourced=key, points=points, changed=None if points is None else began)
            for n, (key, points) in enumerate(grades.items())
        )
        return ltis.Lti(*students, ltis.Student("t", "Teacher", role=ltis.TEACHER), kind=kind)

    return make


def _member(server, key):
    return next(one for one in server.students.values() if one.sourced == key)


LTI = Kind(
    "lti", _lti(""), lambda server, key: _member(server, key).points,
    lambda server, key, points: server.edit(_member(server, key).id, points), lambda server: server.account,
)  # fmt: skip
KINDS = {
    "canvas": Kind(
        "canvas", _canvas, lambda server, key: _of(server, key).entered, _edit_canvas, lambda _: {"token": canvases.TOKEN},
    ),
    "moodle": Kind(
        "moodle", _moodle, lambda server, key: _participant(server, key).grade,
        lambda server, key, points: setattr(_participant(server, key), "grade", points), lambda _: {"token": moodles.TOKEN},
    ),
    "lti": LTI,
    "lti of Canvas's": LTI._replace(make=_lti("canvas")),
    "lti of Moodle's": LTI._replace(make=_lti("moodle")),
}  # fmt: skip


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setattr(network, "WAITS", [0.01] * 3)
    monkeypatch.setattr(canvas, "POLLS", [0.001] * 50)


class Course:
    """One platform's server, running, and a desk before it."""

    def __init__(self, kind, folder):
        self.kind, self.platform, self.folder = kind, kind.platform, folder

    def has(self, grades):
        self.server = self.kind.make(grades)
        self._running = self.server.running()
        self._running.__enter__()
        self.account = self.kind.signs_in(self.server)
        self.desk = Desk(self.folder, self.platform, self.server, self.account)
        return self.desk

    def end(self):
        self._running.__exit__(None, None, None)

    def stands(self, *keys):
        return [self.kind.stands(self.server, key) for key in keys]

    def edit(self, key, points):
        self.kind.edit(self.server, key, points)

    def writes(self):
        return self.server.written()


@pytest.fixture(params=KINDS)
def course(request, tmp_path):
    course = Course(KINDS[request.param], tmp_path / "graded")
    yield course
    course.end()


def test_every_platform_with_a_server_has_one_here():
    assert {kind.platform for kind in KINDS.values()} == set(lms.lives())


def test_grades_are_written_read_back_and_noted(course):
    desk = course.has({"0001": None, "0002": 3.0, "0003": 8.0}).graded({"0001": "7.25", "0002": "9", "0003": "8"})
    assert desk.kinds() == {"0001": "new", "0002": "raised", "0003": "unchanged"}
    assert desk.states() == {"0001": "written", "0002": "written", "0003": "skipped"}
    assert course.stands("0001", "0002", "0003") == [7.25, 9.0, 8.0]
    assert [(line["student"], line["value"], line["before"]) for line in desk.log()] == [
        ("0001", "7.25", ""),
        ("0002", "9", "3"),
    ]


def test_a_second_push_sends_nothing(course):
    desk = course.has({"0001": None}).graded({"0001": "7.25"})
    desk.push()
    count = len(course.writes())
    assert desk.states() == {"0001": "skipped"}
    assert len(course.writes()) == count == 1


def test_a_dry_run_changes_nothing(course):
    desk = course.has({"0001": None}).graded({"0001": "7.25"})
    desk.changes()
    assert (course.writes(), course.stands("0001"), desk.log()) == ([], [None], [])


def test_a_real_0_is_written_and_a_missing_one_is_not(course):
    desk = course.has({"0001": None, "0002": None, "0003": None, "0004": 5.0})
    desk.graded({"0001": "0", "0002": "missing", "0003": "unreadable", "0004": "missing"})
    desk.push()
    assert course.stands("0001", "0002", "0003", "0004") == [0.0, None, 0.0, 5.0]


@pytest.mark.parametrize("there", [None, 0.0, 5.0])
@pytest.mark.parametrize("told", ["missing", "fault", "unreadable", "0", "7"])
def test_states_stay_what_they_are(told, there, course):
    """Missing, zero and fault never turn into one another: who has no points leaves what stands there."""
    desk = course.has({"0001": there}).graded({"0001": told})
    desk.push(forced=frozenset(comparing.BLOCKING), comments=True)
    assert course.stands("0001") == [{"missing": there, "fault": there, "unreadable": 0.0, "0": 0.0, "7": 7.0}[told]]


def test_missing_is_0_only_where_that_is_asked_for(course):
    desk = course.has({"0001": None, "0002": 4.0}).graded({"0001": "missing", "0002": "missing"})
    with pytest.raises(UsageError, match="lowered"):
        desk.push(missing_zero=True)
    assert desk.states(missing_zero=True, forced=frozenset(["lowered"])) == {"0001": "written", "0002": "written"}
    assert course.stands("0001", "0002") == [0.0, 0.0]


def test_a_fault_of_ours_overwrites_nothing(course):
    desk = course.has({"0001": 5.0, "0002": None}).graded({"0001": "fault", "0002": "3"})
    with pytest.raises(UsageError, match="fault"):
        desk.push()
    desk.push(forced=frozenset(["fault"]))
    assert course.stands("0001", "0002") == [5.0, 3.0]


def test_a_lower_grade_is_not_sent_unless_it_is_asked_for(course):
    desk = course.has({"0001": 9.0}).graded({"0001": "7"})
    with pytest.raises(UsageError, match="lowered"):
        desk.push()
    assert course.writes() == []
    desk.push(forced=frozenset(["lowered"]))
    assert course.stands("0001") == [7.0]


def test_what_somebody_has_changed_since_is_not_overwritten(course):
    desk = course.has({"0001": None}).graded({"0001": "7"})
    desk.push()
    course.edit("0001", 7.5)
    assert desk.graded({"0001": "9"}).kinds() == {"0001": "edited"}
    with pytest.raises(UsageError, match="edited"):
        desk.push()
    assert course.stands("0001") == [7.5]


def test_what_somebody_changes_between_the_look_and_the_push_is_not_overwritten(course):
    desk = course.has({"0001": 5.0, "0002": 5.0}).graded({"0001": "7", "0002": "8"})
    outcomes = desk.push(meanwhile=lambda: course.edit("0001", 9.5))
    assert (outcomes["0001"].state, outcomes["0002"].state) == ("skipped", "written")
    assert "found 9.5; expected 5" in outcomes["0001"].why
    assert course.stands("0001", "0002") == [9.5, 8.0]


def test_points_are_scaled_to_the_column(course):
    desk = course.has({"0001": None}).graded({"0001": "6.85"}, maximum="20")
    desk.push()
    assert course.stands("0001") == [pytest.approx(3.43)]
    assert desk.graded({"0001": "7"}, maximum="20").kinds() == {"0001": "raised"}  # nor is a float's noise an edit


def test_a_student_the_course_does_not_have_is_not_passed_over(course):
    desk = course.has({"0001": None}).graded({"0001": "7", "ghost": "3"})
    with pytest.raises(UsageError, match="unmatched"):
        desk.push()
    assert desk.states(forced=frozenset(["unmatched"])) == {"0001": "written", "ghost": "skipped"}


# Networks.


def test_an_answer_that_is_lost_is_no_grade_that_is_lost(course):
    desk = course.has({"0001": None, "0002": None}).graded({"0001": "7", "0002": "8"})
    desk.push(meanwhile=lambda: _befall(course, LOST))
    assert course.stands("0001", "0002") == [7.0, 8.0]
    assert [line["student"] for line in desk.log()] == ["0001", "0002"]


def test_a_connection_that_breaks_is_tried_again(course):
    desk = course.has({"0001": None}).graded({"0001": "7"})
    assert {one.state for one in desk.push(meanwhile=lambda: _befall(course, REFUSED)).values()} == {"written"}


def test_what_somebody_changes_while_a_server_is_lost_is_not_overwritten(course):
    desk = course.has({"0001": 5.0}).graded({"0001": "7"})

    def edited_and_lost(_):
        course.edit("0001", 9.5)
        return REFUSED

    outcome = desk.push(meanwhile=lambda: _befall(course, edited_and_lost))["0001"]
    assert (outcome.state, outcome.left, course.stands("0001")) == ("skipped", True, [9.5])


def test_a_grade_that_arrived_unseen_is_ours_all_the_same(course):
    """What somebody changes later is an edit of theirs, though nobody saw ours arrive."""
    desk = course.has({"0001": 5.0}).graded({"0001": "7"})

    def unseen(_):
        course.server.troubles["read"] = [Answer(404, "gone")] * 40

    assert desk.states(meanwhile=lambda: _befall(course, unseen)) == {"0001": "failed"}
    course.server.troubles["read"] = []
    course.server.get_on()
    assert (course.stands("0001"), desk.log(), desk.kinds()) == ([7.0], [], {"0001": "unchanged"})
    course.edit("0001", 7.5)
    assert desk.graded({"0001": "9"}).kinds() == {"0001": "edited"}


def test_a_grade_that_did_not_arrive_is_no_edit(course):
    desk = course.has({"0001": 5.0}).graded({"0001": "7"})
    assert desk.states(meanwhile=lambda: _befall(course, *[REFUSED] * 9)) == {"0001": "failed"}
    course.server.troubles["write"] = []
    assert desk.kinds() == {"0001": "raised"}


def test_a_finer_grade_is_not_rounded_for_a_comment_s_sake(course):
    desk = course.has({"0001": 7.254}).graded({"0001": "7.25"})
    assert desk.states(comments=True) == {"0001": "written"}
    assert course.stands("0001") == [pytest.approx(7.254)]


def test_answers_that_nobody_understands_are_a_server_that_is_lost(course):
    desk = course.has({"0001": None}).graded({"0001": "7"})

    def nonsense(_):
        course.server.troubles["read"] = [Answer(200, {"strange": [None]})] * 40

    outcome = desk.push(meanwhile=lambda: _befall(course, nonsense))["0001"]
    assert (outcome.state, outcome.left) == ("failed", True)
    with pytest.raises(GraderError):
        desk.changes()


def test_two_pushes_of_a_batch_do_not_run_at_once(course):
    desk = course.has({"0001": None}).graded({"0001": "7"})
    with pushes.held(desk.folder), pytest.raises(UsageError, match="another export of this batch is running"):
        desk.push()
    assert course.stands("0001") == [None]


def test_whoever_interrupts_is_told_of_everybody(course):
    grades = {f"{n:04}": "7" for n in range(1, 6)}
    desk = course.has(dict.fromkeys(grades)).graded(grades)
    with desk.compared() as (remote, comparison):
        sendings = sending.prepared(comparison, remote)
        pushed = pushing.push(comparison, _Interrupted(remote, 2), sendings, 2)
        outcomes = [next(pushed) for _ in grades]
        with pytest.raises(KeyboardInterrupt):
            next(pushed)
    assert [one.state for one in outcomes] == ["written", "written", "failed", "failed", "failed"]
    assert "it was interrupted" in outcomes[2].why
    assert desk.states() == dict(zip(grades, ["skipped"] * 2 + ["written"] * 3, strict=True))


class _Interrupted:
    """Somebody presses Ctrl-C when so many requests have been sent."""

    def __init__(self, remote, count):
        self.remote, self.count = remote, count
        self.rows = remote.rows

    def send(self, scores):
        self.count -= 1
        if not self.count:
            raise KeyboardInterrupt
        return self.remote.send(scores)


def test_a_class_of_change_may_be_left_out(course):
    desk = course.has({"0001": 9.0, "0002": None}).graded({"0001": "7", "0002": "6"})
    assert desk.states(kept=frozenset(["lowered"])) == {"0001": "skipped", "0002": "written"}
    assert course.stands("0001", "0002") == [9.0, 6.0]


def test_who_is_missing_is_not_given_0_while_a_row_is_unknown_however_it_is_forced(course):
    desk = course.has({"0001": None, "0002": None}).graded({"0001": "missing", "ghost": "3"})
    for options in ({"forced": frozenset(["unmatched"])}, {"kept": frozenset(["unmatched"])}):
        with pytest.raises(UsageError, match="expected every row to be known with --missing zero"):
            desk.push(missing_zero=True, **options)
    assert course.writes() == []


def test_a_server_that_failed_is_asked_what_it_has(course):
    desk = course.has({"0001": None}).graded({"0001": "7"})
    assert {one.state for one in desk.push(meanwhile=lambda: _befall(course, Answer(502, "bad gateway"))).values()} == {
        "written"
    }


def test_who_is_asked_to_wait_waits(course):
    desk = course.has({"0001": None}).graded({"0001": "7"})
    busy = Answer(429, "429 Too Many Requests", {"Retry-After": "0"})
    assert {one.state for one in desk.push(meanwhile=lambda: _befall(course, busy, busy)).values()} == {"written"}


def test_who_is_asked_to_wait_for_ever_gives_up_and_says_so(course):
    desk = course.has({"0001": None}).graded({"0001": "7"})
    course.server.troubles["read"] = [Answer(429, "no")] * 100
    with pytest.raises(Unreachable, match="to be left alone"):
        desk.changes()


def test_a_push_that_was_broken_off_goes_on_where_it_ended(course):
    grades = {f"{n:04}": str(n % 10) for n in range(1, 8)}
    desk = course.has(dict.fromkeys(grades)).graded(grades)
    states = desk.states(at_once=2, meanwhile=lambda: _befall(course, None, *[REFUSED] * 40))
    assert 0 < sum(state == "written" for state in states.values()) < 7
    assert set(states.values()) == {"written", "failed"}
    course.server.troubles = {"read": [], "write": []}
    states = desk.states()
    assert set(states.values()) == {"written", "skipped"}
    assert course.stands(*grades) == [float(points) for points in grades.values()]
    assert {line["student"] for line in desk.log()} == set(grades)


def _befall(course, *troubles):
    """Troubles for the next requests that write; None is none."""
    course.server.troubles["write"] = list(troubles)


# Secrets.


def test_no_secret_is_told(course, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    desk = course.has({"0001": None}).graded({"0001": "7"})
    outcomes = desk.push(meanwhile=lambda: _befall(course, Answer(500, "x"), REFUSED))
    told = caplog.text + "".join(capsys.readouterr()) + repr(outcomes) + repr(desk.log())
    for name in ("token", "private_key"):
        assert name not in course.account or course.account[name].get_secret_value() not in told


def test_no_secret_is_told_that_a_server_repeats(course):
    desk = course.has({"0001": None}).graded({"0001": "7"})
    said = []

    def echo(request):
        said.append(request.body + str(request.headers))
        return Answer(401, {"errors": [{"message": f"no: {request.headers} {request.body}"}]})

    outcomes = desk.push(meanwhile=lambda: _befall(course, *[echo] * 9))
    course.server.troubles = {"read": [echo] * 9, "write": []}
    with pytest.raises(GraderError) as caught:
        desk.changes()
    told = repr(outcomes) + str(caught.value)
    secrets = [course.account[name].get_secret_value() for name in ("token", "private_key") if name in course.account]
    secrets += re.findall(r"Bearer ([\w~-]+)", "".join(said))
    assert secrets
    assert [secret for secret in secrets if secret in told] == []


def test_what_is_for_this_machine_goes_through_no_proxy(course, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    desk = course.has({"0001": None}).graded({"0001": "7"})
    assert desk.states() == {"0001": "written"}


def test_an_address_with_a_password_is_refused_and_not_repeated(course):
    course.has({})
    with pytest.raises(UsageError, match="it holds a name or a password") as caught:
        lms.lives()[course.platform].connect("https://user:hush@x.example.edu/a", course.account)
    assert "hush" not in str(caught.value)


def test_who_sends_us_elsewhere_is_not_followed(course):
    desk = course.has({"0001": None}).graded({"0001": "7"})
    with course.kind.make({}).running() as other:
        elsewhere = Answer(302, None, {"Location": f"{other.base}/api"})
        course.server.troubles = {"read": [elsewhere], "write": []}
        with pytest.raises(UsageError, match="sends whoever asks on to"):
            desk.changes()
        assert other.log == []


@pytest.mark.parametrize(
    "address",
    [
        "http://canvas.example.edu/courses/1/assignments/2",
        "canvas.example.edu",
        "https://h:port/courses/1/assignments/2",
        "",
    ],
)
def test_secrets_go_to_safe_addresses_alone(address, course):
    course.has({})
    with pytest.raises(UsageError, match="no address that a secret may be sent to"):
        lms.lives()[course.platform].connect(address, course.account)


def test_another_page_is_no_assignment(course):
    course.has({})
    with pytest.raises(GraderError, match="expected one as"):
        lms.lives()[course.platform].connect(f"{course.server.base}/somewhere", course.account)
