"""What the service remembers of gradings: it is read once, and whatever changes shows at once, on both databases."""

from __future__ import annotations

import re

import databases
import pytest
from sqlalchemy import event
from test_service_api import HIDDEN, RIGHT, WRONG, Service, service  # noqa: F401 a fixture
from test_service_pages import Browser

from grader.service import remembered
from grader.store import backups

WORTH_LESS = HIDDEN.replace("points = 2", "points = 1")
ALL_SHOWN = HIDDEN.replace("visible = false", "visible = true")


@pytest.fixture(autouse=True)
def _nothing_remembered():
    forget()


def forget():
    remembered._known.clear()


class Looks:
    """Looks at a class, each of which has to be as if nothing had been remembered."""

    def __init__(self, looked_at):
        self.service, self.at = looked_at, f"/assignments/{looked_at.assignment}"
        self.browser = Browser(looked_at, "teacher")

    def __call__(self):
        remembering = self._everything()
        forget()
        assert remembering == self._everything()
        return remembering

    def _everything(self):
        """The class's page and the part of it that is asked for again and again, and what a student has."""
        pages = [self.browser.get(f"{self.at}/class{part}") for part in ("", "/standing")]
        told = [page.text.partition("<h1>")[2] or page.text for page in pages]
        return *told, self.service.ask("ada", "GET", f"{self.at}/submissions").json()["items"]

    def points(self):
        return [one["points"] for one in self()[-1]]


@pytest.fixture
def looks(service):  # noqa: F811 the fixture
    return Looks(service)


def says(service, what, **words):  # noqa: F811 not the fixture
    method, path = ("PUT", "override") if what == "override" else ("POST", what)
    at = f"/assignments/{service.assignment}/grades/{service.people['ada'].public}/{path}"
    assert service.ask("teacher", method, at, json=words).status_code == 200


def test_what_a_person_says_shows_at_once(service, looks):  # noqa: F811 the fixture
    service.graded("ada", WRONG)
    graded = looks()
    says(service, "override", points=3.25, reason="argued well")
    overridden = looks()
    assert ("<b>3.25</b> of 10" in overridden[1], "overridden" in overridden[0]) == (True, True)
    assert overridden[2] == graded[2]  # what the attempt came to
    says(service, "release", text="a mistake")
    assert looks() == graded


def test_points_of_a_person_s_alone_are_of_no_run(service, looks):  # noqa: F811 the fixture
    says(service, "override", points=7, reason="by hand")
    assert "<b>7</b> of 10" in looks()[1]
    service.graded("ada", WRONG)
    assert "<b>7</b> of 10" in looks()[1]


def test_another_attempt_shows_at_once(service, looks):  # noqa: F811 the fixture
    service.graded("ada", WRONG)
    [first] = looks.points()
    service.hand_in("ada", RIGHT)
    page, standing, _ = looks()
    first_look = re.sub(r'<p class="quiet">The lists below.*?</p>', "", standing)
    assert ("<b>1</b> wait to be graded" in standing, "load it again" in standing) == (True, True)
    assert first_look in page
    assert f'hx-get="{looks.at}/class/standing"' in standing
    service.grade()
    second, again = looks.points()
    assert (second, again, second > first) == (9.0, first, True)
    assert "<b>10</b> of 10" in looks()[1]


def test_a_regrade_by_another_rubric_shows_at_once(service, looks):  # noqa: F811 the fixture
    service.graded("ada", RIGHT)
    assert looks.points() == [9.0]  # and one that is hidden
    at = f"/assignments/{service.assignment}"
    for rubric, points, standing in ((WORTH_LESS, 7.0, "<b>8</b> of 8"), (ALL_SHOWN, 10.0, "<b>10</b> of 10")):
        service.ask("teacher", "PUT", f"{at}/rubric", json={"rubric": rubric})
        assert "by a version of the rubric with other points" in looks()[1]
        service.ask("teacher", "POST", f"{at}/regrade", json={"text": "another rubric"})
        service.grade()
        assert (looks.points(), standing in looks()[1]) == ([points], True)


def test_a_trial_shows_when_it_is_applied_and_no_sooner(service, looks):  # noqa: F811 the fixture
    service.graded("ada", RIGHT)
    at = f"/assignments/{service.assignment}"
    service.ask("teacher", "PUT", f"{at}/rubric", json={"rubric": WORTH_LESS})
    for ending, points in (("drop", 9.0), ("apply", 7.0)):
        trial = service.tried()
        assert looks.points() == [9.0]
        service.ask("teacher", "POST", f"{at}/trials/{trial}/{ending}")
        assert looks.points() == [points]


def test_who_leaves_and_who_is_called_otherwise_shows_at_once(service, looks):  # noqa: F811 the fixture
    service.graded("ada", RIGHT)
    service.graded("bob", WRONG)
    assert "<b>2</b> of 2 have a grade" in looks()[1]
    members = f"/courses/{service.course}/members"
    service.ask("teacher", "PUT", members, json=[{"name": "bob", "email": "bob@x.edu", "key": "called-so"}])
    assert "called-so" in looks()[0]
    service.ask("teacher", "DELETE", f"{members}/{service.people['bob'].public}")
    assert ("<b>1</b> of 1 have a grade" in looks()[1], "called-so" in looks()[0]) == (True, False)


def test_a_report_is_read_once(service, looks):  # noqa: F811 the fixture
    service.graded("ada", RIGHT)
    service.graded("bob", WRONG)
    read = []

    def note(connection, cursor, statement, parameters, context, executemany):
        read.extend(parameters for _ in range("grading_run.report" in statement))

    event.listen(service.engine, "before_cursor_execute", note)
    looks._everything()
    assert len(read) == 1
    looks._everything()
    assert len(read) == 1
    service.graded("ada", WRONG)
    looks._everything()
    assert len(read) == 2


def test_no_more_is_remembered_than_there_is_room_for(service, looks, monkeypatch):  # noqa: F811 the fixture
    monkeypatch.setattr(remembered, "MOST", 2)
    for who in ("ada", "bob", "ada", "ada"):
        service.graded(who, RIGHT if who == "bob" else WRONG)
        looks()
        assert len(remembered._known) <= 2


def test_another_run_of_the_same_number_is_another(tmp_path, monkeypatch, walls):
    """A backup that was restored goes on with numbers that have been given since it was made."""
    monkeypatch.setenv("GRADER_HOME", str(tmp_path))
    (tmp_path / "restored").mkdir()
    with (
        databases.opened("sqlite", tmp_path) as lost,
        databases.opened("sqlite", tmp_path / "restored", fresh=True) as restored,
    ):
        service = Service(lost, walls)
        backups.write(lost, tmp_path / "backup")
        service.graded("ada", RIGHT)
        assert Looks(service).points() == [9.0]
        before = Looks(service)._everything()
        backups.restore(restored, tmp_path / "backup")
        service.engine = service.client.app.state.engine = restored
        service.graded("ada", WRONG)
        assert Looks(service)() != before
        assert Looks(service).points() != [9.0]
