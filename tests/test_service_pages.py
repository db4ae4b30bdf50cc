"""The pages of the service without a script: forms, and what they lead to."""

from __future__ import annotations

import re

import databases
import pytest
from test_service_api import RIGHT, WRONG, Service, walls  # noqa: F401 a fixture

from grader.service.identity import COOKIE, csrf_of


@pytest.fixture
def service(tmp_path, monkeypatch, walls):  # noqa: F811 the fixture
    monkeypatch.setenv("GRADER_HOME", str(tmp_path))
    with databases.opened("sqlite", tmp_path) as engine:
        yield Service(engine, walls)


class Browser:
    """What a browser without a script does."""

    def __init__(self, service, who=None):
        self.service, self.client = service, service.client
        self.client.cookies.clear()
        if who:
            self.client.post("/enter", data={"token": service.tokens[who]})

    def get(self, path):
        return self.client.get(path)

    def post(self, path, data=None, **options):
        csrf = csrf_of(self.client.cookies.get(COOKIE, ""))
        return self.client.post(path, data={"csrf": csrf, **(data or {})}, **options)

    def hand_in(self, content=RIGHT, **data):
        page = self.get(f"/assignments/{self.service.assignment}").text
        key = re.search(r'name="key" value="([^"]+)"', page)[1]
        return self.post(
            f"/assignments/{self.service.assignment}", {"key": key, **data}, files={"file": ("hw.py", content)}
        )


def test_who_is_nobody_is_led_to_the_entrance(service):
    browser = Browser(service)
    for path in ("/", f"/assignments/{service.assignment}", "/submissions/x"):
        answer = browser.get(path)
        assert (answer.status_code, answer.url.path) == (200, "/enter")


def test_a_link_asks_before_it_is_used_up(service):
    path = f"/courses/{service.course}/members/{service.people['ada'].public}/invitation"
    link = service.ask("teacher", "POST", path).json()["link"]
    browser = Browser(service)
    for _ in range(2):  # a mail program looks, and then a person
        page = browser.get(link.partition("testserver")[2])
        token = re.search(r'name="token" value="([^"]+)"', page.text)[1]
    entered = browser.client.post("/enter", data={"token": token})
    assert (entered.status_code, entered.url.path) == (200, "/")
    assert "Backprop" in entered.text
    assert browser.get(link.partition("testserver")[2]).url.path == "/"
    browser.client.cookies.clear()
    again = browser.client.post("/enter", data={"token": token + "x"})
    assert (again.status_code, "used up" in again.text) == (403, True)


def test_a_student_hands_in_and_reads(service):
    browser = Browser(service, "ada")
    waiting = browser.hand_in(WRONG)
    assert 'http-equiv="refresh"' in waiting.text
    service.grade()
    page = browser.get(waiting.url.path)
    assert 'http-equiv="refresh"' not in page.text
    report = browser.get(f"{waiting.url.path}/report")
    assert "Ask yourself" in report.text
    assert "a1" not in re.findall(r'<span class="id">(\w+)', report.text)
    home = browser.get(f"/assignments/{service.assignment}").text
    assert "counts" in home


def test_what_is_pasted_is_handed_in(service):
    browser = Browser(service, "ada")
    page = browser.get(f"/assignments/{service.assignment}").text
    key = re.search(r'name="key" value="([^"]+)"', page)[1]
    for _ in range(2):  # the button is pressed twice
        answer = browser.post(
            f"/assignments/{service.assignment}", {"key": key, "text": RIGHT.decode().replace("\n", "\r\n")}
        )
    service.grade()
    attempts = service.ask("ada", "GET", f"/assignments/{service.assignment}/submissions").json()["items"]
    assert [(one["attempt"], one["name"], one["points"]) for one in attempts] == [(1, "submission.py", 9.0)]
    assert answer.url.path == f"/submissions/{attempts[0]['id']}"


def test_what_cannot_be_handed_in_is_told_where_it_was_to_be(service):
    browser = Browser(service, "ada")
    answer = browser.hand_in(b"#" * 1_000_001)
    assert (answer.status_code, 'role="alert"' in answer.text, "larger than 1 MB" in answer.text) == (413, True, True)
    answer = browser.hand_in(b"#" * 3_000_000)
    assert (answer.status_code, "To the beginning" in answer.text, "larger than 1 MB" in answer.text) == (
        413,
        True,
        True,
    )
    answer = browser.hand_in(b"", text="  ")
    assert (answer.status_code, "there is nothing in it" in answer.text) == (400, True)


def test_what_a_person_said_is_read_by_the_student(service):
    service.graded(content=WRONG)
    path = f"/assignments/{service.assignment}/grades/{service.people['ada'].public}/override"
    service.ask("helper", "PUT", path, json={"points": 9.5, "reason": "argued <well>"})
    page = Browser(service, "ada").get(f"/assignments/{service.assignment}").text
    assert "override to 9.5 points: argued &lt;well&gt;" in page


def test_a_form_of_another_page_is_refused(service):
    browser = Browser(service, "ada")
    for path, data in ((f"/assignments/{service.assignment}", {"key": "12345678", "text": "x"}), ("/leave", {})):
        answer = browser.client.post(path, data={"csrf": "0" * 64, **data})
        assert (answer.status_code, "not of a page of ours" in answer.text) == (403, True)
    assert service.ask("ada", "GET", f"/assignments/{service.assignment}/submissions").json()["items"] == []


def test_who_leaves_is_gone(service):
    browser = Browser(service, "ada")
    session = browser.client.cookies[COOKIE]
    assert browser.post("/leave").url.path == "/enter"
    browser.client.cookies.set(COOKIE, session)
    assert browser.get("/").url.path == "/enter"


def test_the_class_is_for_those_who_teach(service):
    found = service.graded()
    page = Browser(service, "helper").get(f"/assignments/{service.assignment}/class")
    assert "nothing yet" in page.text
    ada = service.people["ada"].public
    of_ada = Browser(service, "helper").get(f"/assignments/{service.assignment}/students/{ada}")
    assert f'href="/submissions/{found}"' in of_ada.text
    assert "attempt 1, of 10, by version 1 of the rubric: submitted" in of_ada.text
    assert Browser(service, "bob").get(f"/assignments/{service.assignment}/students/{ada}").status_code == 403
    answer = Browser(service, "ada").get(f"/assignments/{service.assignment}/class")
    assert (answer.status_code, "ask an instructor" in answer.text) == (403, True)
    assert Browser(service, "bob").get(f"/submissions/{found}").status_code == 404


def test_what_students_write_stays_text(service):
    browser = Browser(service, "ada")
    page = browser.get(f"/assignments/{service.assignment}").text
    key = re.search(r'name="key" value="([^"]+)"', page)[1]
    evil = "<script>alert(1)</script>.py"
    browser.post(
        f"/assignments/{service.assignment}", {"key": key}, files={"file": (evil, b"raise ValueError('<b>x</b>')")}
    )
    service.grade()
    [one] = service.ask("ada", "GET", f"/assignments/{service.assignment}/submissions").json()["items"]
    for path in (f"/submissions/{one['id']}", f"/submissions/{one['id']}/report"):
        text = browser.get(path).text
        assert "<script>alert" not in text
        assert "<b>x</b>" not in text


def test_no_page_needs_anything_from_elsewhere_or_a_script(service):
    browser = Browser(service, "teacher")
    found = service.graded()
    for path in (
        "/",
        "/enter",
        f"/assignments/{service.assignment}",
        f"/assignments/{service.assignment}/class",
        f"/submissions/{found}",
        f"/submissions/{found}/report",
        "/nothing",
    ):
        text = browser.get(path).text
        assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", text)
        assert "<script" not in text
        assert " style=" not in text or path.endswith("report")
    style = browser.get("/static/style.css")
    assert (style.status_code, "http" in style.text) == (200, False)


def test_a_token_is_made_by_a_button_and_shown_once(service):
    browser = Browser(service, "ada")
    assert "grader_" not in browser.get("/token").text
    token = re.search(r"grader_[\w-]{43}", browser.post("/token").text)[0]
    service.tokens["made"] = token
    assert service.ask("made", "GET", "/me").json()["name"] == "ada"
    assert browser.client.post("/token", data={"csrf": "x"}).status_code == 403
