"""The pages of the service without a script: forms, and what they lead to."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import databases
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import select, update
from test_service_api import GRADEBOOK, RIGHT, RUBRIC, WRONG, Service, zipped

from grader.service import shapes
from grader.service.forms import filled
from grader.service.identity import COOKIE, csrf_of
from grader.service.problems import Problem
from grader.service.ways_back import page_of, typed_at
from grader.store import queue, schema
from grader.store.database import reading, writing


@pytest.fixture
def service(tmp_path, monkeypatch, walls):
    monkeypatch.setenv("GRADER_HOME", str(tmp_path))
    with databases.opened("sqlite", tmp_path) as engine:
        service = Service(engine, walls)
        yield service


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
        key = re.search(r'name="once" value="([^"]+)"', page)[1]
        return self.post(
            f"/assignments/{self.service.assignment}", {"once": key, **data}, files={"file": ("hw.py", content)}
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
    key = re.search(r'name="once" value="([^"]+)"', page)[1]
    for _ in range(2):  # the button is pressed twice
        answer = browser.post(
            f"/assignments/{service.assignment}", {"once": key, "text": RIGHT.decode().replace("\n", "\r\n")}
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
    for path, data in ((f"/assignments/{service.assignment}", {"once": "12345678", "text": "x"}), ("/leave", {})):
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
    for part in ("class", "class/standing"):
        answer = Browser(service, "ada").get(f"/assignments/{service.assignment}/{part}")
        assert (answer.status_code, "ask an instructor" in answer.text) == (403, True)
    assert Browser(service, "bob").get(f"/submissions/{found}").status_code == 404


def test_what_students_write_stays_text(service):
    browser = Browser(service, "ada")
    page = browser.get(f"/assignments/{service.assignment}").text
    key = re.search(r'name="once" value="([^"]+)"', page)[1]
    evil = "<script>alert(1)</script>.py"
    browser.post(
        f"/assignments/{service.assignment}", {"once": key}, files={"file": (evil, b"raise ValueError('<b>x</b>')")}
    )
    service.grade()
    [one] = service.ask("ada", "GET", f"/assignments/{service.assignment}/submissions").json()["items"]
    for path in (f"/submissions/{one['id']}", f"/submissions/{one['id']}/report"):
        text = browser.get(path).text
        assert "<script>alert" not in text
        assert "<b>x</b>" not in text


def test_no_page_needs_anything_from_elsewhere_or_a_script_of_its_own(service):
    browser = Browser(service, "teacher")
    found = service.graded()
    for path in (
        "/",
        "/enter",
        f"/assignments/{service.assignment}",
        f"/assignments/{service.assignment}/class",
        f"/assignments/{service.assignment}/rubric",
        f"/assignments/{service.assignment}/export",
        f"/assignments/{service.assignment}/students/{service.people['ada'].public}",
        f"/courses/{service.course}/people",
        f"/courses/{service.course}/assignments/new",
        f"/submissions/{found}",
        f"/submissions/{found}/report",
        f"/submissions/{found}/source",
        "/token",
        "/nothing",
    ):
        text = browser.get(path).text
        assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", text)
        assert all(one.startswith(' src="/static/') for one in re.findall(r"<script([^>]*)>", text))
        assert not re.search(r"\son\w+=", text)
        assert " style=" not in text or path.endswith("report")
    style = browser.get("/static/style.css")
    assert (style.status_code, "http" in style.text) == (200, False)
    for name in ("htmx.min.js", "htmx-sse.min.js", "inter-latin.woff2"):
        answer = browser.get(f"/static/vendor/{name}")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "public, max-age=604800")


def test_a_token_is_made_by_a_button_and_shown_once(service):
    browser = Browser(service, "ada")
    page = browser.get("/token").text
    assert ("grader_" in page, "teaching and grading" in page) == (False, False)
    service.tokens["made"] = re.search(r"grader_[\w-]{43}", browser.post("/token").text)[0]
    assert service.ask("made", "GET", "/me").json() | {"id": ""} == {
        "id": "", "name": "ada", "email": "ada@x.edu", "scopes": ["read", "submit"],
    }  # fmt: skip
    assert browser.client.post("/token", data={"csrf": "x"}).status_code == 403


def test_a_token_is_good_for_what_is_chosen(service):
    browser = Browser(service, "helper")
    assert "teaching and grading" in browser.get("/token").text
    page = browser.post("/token", {"scopes": "read submit grade", "days": "3"}).text
    service.tokens["made"] = re.search(r"grader_[\w-]{43}", page)[0]
    [made] = [one for one in service.ask("helper", "GET", "/tokens").json() if one["label"] == "page"]
    lasts = datetime.fromisoformat(made["expires"]) - datetime.fromisoformat(made["created"])
    assert (made["scopes"], round(lasts / timedelta(days=1))) == (["grade", "read", "submit"], 3)
    assert service.ask("made", "GET", f"/assignments/{service.assignment}/grades").status_code == 200
    assert service.client.post("/api/v1/session", json={"token": service.tokens["made"]}).status_code == 403


def test_what_was_pasted_is_given_back_where_the_session_is_over(service):
    browser = Browser(service, "ada")
    browser.client.cookies.clear()
    answer = browser.client.post(
        f"/assignments/{service.assignment}", data={"csrf": "x", "once": "12345678", "text": "a < b"}, headers=OURS
    )
    assert (answer.status_code, "a &lt; b" in answer.text, "Nothing was handed in" in answer.text) == (401, True, True)


def test_a_submission_is_shown_live(service):
    found = service.graded()
    answer = Browser(service, "ada").get(f"/submissions/{found}/live")
    assert answer.headers["content-type"].startswith("text/event-stream")
    first, second = answer.text.strip().split("\n\n")
    assert first.startswith('data: <p class="points">')
    assert second == "event: end\ndata:"
    assert Browser(service, "bob").get(f"/submissions/{found}/live").status_code == 404


def test_a_file_is_read_with_the_numbers_of_its_lines(service):
    found = service.graded(content=b"# <b>\nx = 1\n")
    text = Browser(service, "ada").get(f"/submissions/{found}/source").text
    assert '<th scope="row">1</th><td><code># &lt;b&gt;</code></td>' in text
    assert Browser(service, "bob").get(f"/submissions/{found}/source").status_code == 404


def test_a_session_is_seen_and_ended(service):
    browser = Browser(service, "ada")
    text = browser.get("/token").text
    assert "session" in text
    [ending] = re.findall(r"/token/(\w+)/end.*session", text)
    assert browser.post(f"/token/{ending}/end").url.path == "/enter"


# Those who teach.


def test_a_course_is_begun_and_filled(service):
    browser = Browser(service, "teacher")
    made = browser.post("/courses", {"name": "Deep <Learning>"})
    assert "People of Deep &lt;Learning&gt;" in made.text
    people = made.url.path
    roster = {"file": ("r.csv", b"id,name,email\n7,Cyd,cyd@x.edu\n8,Dee,\n")}
    assert "Cyd" in browser.post(people.replace("people", "roster"), files=roster).text
    assert "Eve" in browser.post(people, {"name": "Eve", "role": "grader", "key": "9"}).text
    refused = browser.post(people, {"name": "Eve", "email": "nothing"})
    assert (refused.status_code, 'role="alert"' in refused.text) == (422, True)
    [person] = re.findall(r"people/([\w-]+)/link.*Cyd", refused.text)
    link = re.search(r"http://testserver(/enter\?token=[\w-]+)", browser.post(f"{people}/{person}/link").text)[1]
    assert "Cyd" not in browser.post(f"{people}/{person}/remove").text
    assert "signs you in" in Browser(service).get(link).text


def test_what_came_after_it_was_due_is_told_also_where_that_costs_nothing(service):
    here = f"/assignments/{service.assignment}"
    Browser(service, "ada").hand_in()
    for due, told in (("2020-01-01T00:00:00Z", True), ("2100-01-01T00:00:00Z", False)):
        changed = {"title": "Backprop", "counts": "latest", "due": due}
        assert service.ask("teacher", "PUT", here, json=changed).status_code == 200
        for who, page in (("ada", here), ("teacher", f"{here}/students/{service.people['ada'].public}")):
            assert ("after it was due" in Browser(service, who).get(page).text) is told


def test_who_opens_another_s_link_is_asked(service):
    browser = Browser(service, "bob")
    page = browser.get(f"/enter?token={service.tokens['ada']}")
    assert (page.url.path, "You are signed in as bob; this link is for ada." in page.text) == ("/enter", True)
    assert browser.get(f"/enter?token={service.tokens['bob']}").url.path == "/"
    assert browser.get("/enter?token=grader_none").url.path == "/"


def test_the_whole_link_is_as_good_as_its_token(service):
    link = f"https://grader.example.edu/enter?token={service.tokens['ada']}"
    assert service.client.post("/enter", data={"token": link}, follow_redirects=False).status_code == 303


def test_an_empty_file_is_no_rubric_and_not_none(service):
    teacher = Browser(service, "teacher")
    for path in (f"/courses/{service.course}/assignments/new", f"/assignments/{service.assignment}/rubric"):
        answer = teacher.post(path, {"title": "Empty", "rubric": RUBRIC}, files={"file": ("rubric.toml", b"")})
        assert (answer.status_code, "there is nothing in the file" in answer.text) == (422, True)


def test_a_wrong_roster_changes_nothing(service):
    browser = Browser(service, "teacher")
    twice = {"file": ("r.csv", b"id,name\n7,Cyd\n7,Dee\n")}
    answer = browser.post(f"/courses/{service.course}/roster", files=twice)
    assert (answer.status_code, "stands in line 2 already" in answer.text, "Cyd" in answer.text) == (400, True, False)
    assert "Cyd" not in browser.get(f"/courses/{service.course}/people").text


def test_an_assignment_is_asked_and_its_rubric_changed(service):
    browser = Browser(service, "teacher")
    path = f"/courses/{service.course}/assignments/new"
    wrong = browser.post(path, {"title": "HW 2", "rubric": "points ="})
    assert (wrong.status_code, "points =" in wrong.text, "HW 2" in wrong.text) == (400, True, True)
    assert browser.post(path, {"title": "HW 2", "rubric": RUBRIC, "due": "soon"}).status_code == 422
    made = browser.post(path, {"title": "HW 2", "rubric": RUBRIC, "due": "2030-01-02T03:04", "most_attempts": "3"})
    assert ("2 Jan 2030, 03:04 UTC" in made.text, "3 left" in made.text) == (True, True)
    upload = {"file": ("new.toml", RUBRIC.replace("points = 3", "points = 4").encode())}
    assert "Version 2 counts" in browser.post(f"{made.url.path}/rubric", files=upload).text
    refused = browser.post(f"{made.url.path}/rubric", {"rubric": "x"})
    assert (refused.status_code, 'role="alert"' in refused.text) == (400, True)


def test_a_grader_says_otherwise(service):
    service.graded()
    browser = Browser(service, "helper")
    ada = f"/assignments/{service.assignment}/students/{service.people['ada'].public}"
    assert (
        "override by helper: late &lt;talk&gt;"
        in browser.post(f"{ada}/override", {"points": "7.5", "text": "late <talk>"}).text
    )
    assert "comment by helper: well done" in browser.post(f"{ada}/comment", {"text": "well done"}).text
    assert "release by helper" in browser.post(f"{ada}/release", {"text": "no"}).text
    wrong = browser.post(f"{ada}/override", {"points": "many", "text": "x"})
    assert (wrong.status_code, "points: " in wrong.text) == (422, True)
    assert browser.post(f"{ada}/extension", {"due": "2030-01-01T00:00", "text": "ill"}).status_code == 403
    more = Browser(service, "teacher").post(f"{ada}/extension", {"due": "2030-01-01T00:00", "text": "ill"})
    assert "until 2030-01-01 00:00 UTC: ill" in more.text


def test_a_regrade_is_tried_on_a_page(service):
    service.graded(content=WRONG)
    browser = Browser(service, "teacher")
    path = f"/assignments/{service.assignment}"
    browser.post(f"{path}/rubric", {"rubric": RUBRIC.replace("points = 1\n", "points = 2\n")})
    trial = browser.post(f"{path}/trials", {"text": "typo", "people": service.people["ada"].public})
    assert "1 to go" in trial.text
    assert browser.post(f"{trial.url.path}/apply").status_code == 400
    service.grade()
    seen = browser.get(trial.url.path).text
    assert ("1 attempt with other points" in seen, "Apply it" in seen) == (True, True)
    assert "A regrade is being tried" in browser.get(f"{path}/class").text
    assert "It is applied." in browser.post(f"{trial.url.path}/apply").text
    assert "A regrade is being tried" not in browser.get(f"{path}/class").text
    assert browser.post(f"{path}/trials", {"text": ""}).status_code == 422


def test_the_class_is_shown_with_what_it_has_misunderstood(service):
    service.graded(content=WRONG)
    text = Browser(service, "teacher").get(f"/assignments/{service.assignment}/class").text
    for told in ("1</b> of 2 have a grade", 'class="distribution"', "What they have misunderstood", "Nothing yet"):
        assert told in text


def test_that_nobody_grades_is_told_to_those_who_teach(service):
    browser, path = Browser(service, "helper"), f"/assignments/{service.assignment}/class"
    service.hand_in()
    assert "is a worker at work?" not in browser.get(path).text
    with writing(service.engine) as db:
        db.execute(update(schema.submission).values(queued=datetime.now(UTC) - timedelta(minutes=5)))
    assert "Nothing has been graded for 5 minutes: is a worker at work?" in browser.get(path).text
    with writing(service.engine) as db:
        queue.claim(db, "w", datetime.now(UTC))
    assert "is a worker at work?" not in browser.get(path).text


def test_a_class_is_handed_in_on_a_page(service):
    browser = Browser(service, "teacher")
    path = f"/assignments/{service.assignment}/batches"
    archive = {"file": ("class.zip", zipped({"0003.py": RIGHT, "zoe.py": RIGHT}))}
    seen = browser.post(path, files=archive)
    assert ("0 of 1 graded" in seen.text, "zoe.py" in seen.text, "What is no student" in seen.text) == (
        True,
        True,
        True,
    )
    service.grade()
    assert "1 of 1 graded" in browser.get(seen.url.path).text
    assert "class.zip" in browser.get(f"/assignments/{service.assignment}/class").text
    wrong = browser.post(path, files={"file": ("class.zip", b"PK")})
    assert (wrong.status_code, 'role="alert"' in wrong.text) == (400, True)
    assert browser.client.post(path, data={"csrf": "0"}, files=archive).status_code == 403
    for who in ("helper", "ada", "stranger"):
        assert Browser(service, who).post(path, files=archive).status_code in (403, 404)


def test_a_gradebook_is_filled_on_a_page(service):
    service.graded()
    browser = Browser(service, "teacher")
    path = f"/assignments/{service.assignment}/export"
    seen = browser.post(path, {"platform": "canvas"}, files={"file": ("grades.csv", GRADEBOOK.encode())})
    assert ("1 raised" in seen.text, "1 missing" in seen.text) == (True, True)
    filled = browser.post(seen.url.path)
    assert (filled.headers["content-disposition"], "A,10" in filled.text) == (
        'attachment; filename="grades.csv"',
        True,
    )
    wrong = browser.post(path, {"platform": "canvas"})
    assert (wrong.status_code, "the gradebook is missing" in wrong.text) == (400, True)
    folder = browser.get(f"/assignments/{service.assignment}/class.zip")
    assert folder.headers["content-disposition"] == 'attachment; filename="class.zip"'


# Every form is for those alone whom the table of the interface names.

FORMS = {
    "/courses": "teacher",
    "/courses/{course}/people": "teacher",
    "/courses/{course}/people/{ada}/link": "teacher",
    "/courses/{course}/people/{ada}/remove": "teacher",
    "/courses/{course}/assignments/new": "teacher",
    "/assignments/{assignment}/rubric": "teacher",
    "/assignments/{assignment}/trials": "teacher",
    "/assignments/{assignment}/export": "teacher",
    "/assignments/{assignment}/students/{ada}/override": "helper",
    "/assignments/{assignment}/students/{ada}/comment": "helper",
    "/assignments/{assignment}/students/{ada}/extension": "teacher",
    "/submissions/{submission}/regrade": "helper",
}
FILLED = {
    "name": "x", "title": "x", "rubric": RUBRIC, "text": "x", "points": "1", "due": "2030-01-01T00:00", "platform": "csv",
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_for_whom_it_is(form, service):
    found = service.graded()
    path = form.format(
        course=service.course, assignment=service.assignment, submission=found, ada=service.people["ada"].public
    )
    allowed = {"teacher": {"teacher"}, "helper": {"teacher", "helper"}}[FORMS[form]]
    for who in ("stranger", "bob", "ada", "helper", "teacher"):
        browser = Browser(service, who)
        assert browser.client.post(path, data={"csrf": "0", **FILLED}).status_code == 403
        status = browser.post(path, FILLED).status_code
        is_theirs = who in allowed or (who == "stranger" and form == "/courses")  # they teach elsewhere
        assert status == 200 if is_theirs else status in (403, 404), (who, status)


def test_nobody_is_signed_out_by_an_instructor_of_another_course(service):
    roster = [{"name": "x", "email": "teacher@x.edu"}]
    [course] = [one["id"] for one in service.ask("stranger", "GET", "/courses").json()]
    [one] = service.ask("stranger", "PUT", f"/courses/{course}/members", json=roster).json()
    assert service.ask("stranger", "DELETE", f"/courses/{course}/members/{one['id']}").status_code == 204
    assert service.ask("teacher", "GET", "/me").status_code == 200
    assert service.ask("teacher", "DELETE", f"/courses/{service.course}/members/{service.people['ada'].public}")
    assert service.ask("ada", "GET", "/me").status_code == 401


def test_nothing_of_nobody_s_upload_is_read(service, monkeypatch):
    def endless():
        for _ in range(1000):
            read.append(1)
            yield b"x" * 100_000

    read = []
    service.client.cookies.clear()
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": "100000000"}
    path = f"/assignments/{service.assignment}/batches"
    answer = service.client.post(path, content=endless(), headers=headers, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/enter")


@pytest.mark.parametrize("name", ["成績.csv", 'a"b.csv', "..", "é" * 150 + ".csv"])
def test_a_gradebook_of_any_name_is_filled(name, service):
    service.graded()
    begun = service.exported("canvas", (name, GRADEBOOK.encode()))
    answer = service.ask("teacher", "POST", f"/assignments/{service.assignment}/exports/{begun}/file", json={})
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith("attachment; filename=")


def test_what_is_no_export_leaves_nothing(service):
    path = f"/assignments/{service.assignment}/exports"
    answer = service.ask("teacher", "POST", path, data={"platform": "canvas"}, files={"file": ("g.csv", b"x,y\n")})
    assert (answer.status_code, answer.json()["detail"].startswith("g.csv: it has no column")) == (400, True)
    with reading(service.engine) as db:
        assert db.execute(select(schema.export.c.id)).all() == []


def test_points_above_all_there_are_go_into_no_gradebook_by_themselves(service):
    service.graded()
    path = f"/assignments/{service.assignment}"
    said = {"points": 100, "reason": "mistyped"}
    service.ask("teacher", "PUT", f"{path}/grades/{service.people['ada'].public}/override", json=said)
    begun = service.exported("canvas", ("grades.csv", GRADEBOOK.encode()))
    seen = Browser(service, "teacher").get(f"{path}/export/{begun}").text
    assert "somebody has set it, or mistyped it" in seen
    answer = Browser(service, "teacher").post(f"{path}/export/{begun}")
    assert (answer.status_code, 'role="alert"' in answer.text) == (400, True)
    assert Browser(service, "teacher").post(f"{path}/export/{begun}", {"force": "above"}).status_code == 200


def test_who_has_another_s_address_for_a_key_harms_no_export(service):
    roster = [{"name": "Kl", "email": "kl@x.edu"}, {"name": "Mo", "key": "kl@x.edu"}]
    assert service.ask("teacher", "PUT", f"/courses/{service.course}/members", json=roster).status_code == 200
    assert service.ask("teacher", "GET", f"/assignments/{service.assignment}/class").status_code == 200


def test_a_rubric_that_is_kept_unchanged_is_the_same_version(service):
    browser = Browser(service, "teacher")
    path = f"/assignments/{service.assignment}/rubric"
    [kept] = [one["rubric"] for one in service.ask("teacher", "GET", f"{path}s").json()]
    assert "Version 1 counts" in browser.post(path, {"rubric": kept}).text


@pytest.mark.parametrize("path", ["trials/x/appply", "students/x/overrride"])
def test_a_wrong_address_does_nothing(path, service):
    answer = Browser(service, "teacher").post(f"/assignments/{service.assignment}/{path}", {"text": "x"})
    assert answer.status_code == 422


def test_a_time_with_a_zone_is_of_that_zone(service):
    made = Browser(service, "teacher").post(
        f"/courses/{service.course}/assignments/new", {"title": "Z", "rubric": RUBRIC, "due": "2030-01-02T03:04+09:00"}
    )
    assert "1 Jan 2030, 18:04 UTC" in made.text


def test_a_form_that_cannot_be_done_holds_nobody_up(service, monkeypatch):
    """Its page is made after its transaction has been taken back."""
    from grader.service import classes

    def cohort(db, *what):
        with writing(service.engine):  # would wait for the other's end
            return found(db, *what)

    found = classes.cohort
    monkeypatch.setattr(classes, "cohort", cohort)
    answer = Browser(service, "teacher").post(f"/assignments/{service.assignment}/trials", {"text": ""})
    assert (answer.status_code, 'role="alert"' in answer.text) == (422, True)


def test_who_waits_long_is_shown_the_end_still(service, monkeypatch):
    from grader.service import answers

    monkeypatch.setattr(answers, "LOOK_FOR", 0.3)
    found = service.hand_in().json()["id"]
    answer = Browser(service, "ada").get(f"/submissions/{found}/live")
    assert "event: end" not in answer.text


@pytest.mark.parametrize("platform", ["xlsx", "html", "gradescope"])
def test_files_are_made_of_a_class_whose_names_are_in_another_order_than_its_keys(platform, service):
    roster = [{"name": f"{letter}", "key": f"{n}"} for letter, n in zip("zyxab", range(50, 55), strict=True)]
    service.ask("teacher", "PUT", f"/courses/{service.course}/members", json=roster)
    archive = {"file": ("class.zip", zipped({f"{n}.py": RIGHT for n in range(50, 55)}))}
    service.ask("teacher", "POST", f"/assignments/{service.assignment}/batches", files=archive)
    service.grade()
    begun = service.exported(platform)
    answer = service.ask("teacher", "POST", f"/assignments/{service.assignment}/exports/{begun}/file", json={})
    assert answer.status_code == 200, answer.text


def test_a_gradebook_that_was_never_imported_is_filled_again(service):
    service.graded()
    path = f"/assignments/{service.assignment}/exports"
    for _ in range(2):
        begun = service.exported("canvas", ("grades.csv", GRADEBOOK.encode()))
        answer = service.ask("teacher", "POST", f"{path}/{begun}/file", json={})
        assert answer.text == GRADEBOOK.replace("A,3", "A,10")


def test_an_assignment_is_changed_for_everybody(service):
    browser = Browser(service, "teacher")
    path = f"/assignments/{service.assignment}"
    changed = browser.post(f"{path}/settings", {"title": "HW <2>", "counts": "best", "due": "2030-01-02T03:04"})
    for told in ("HW &lt;2&gt;", "2 Jan 2030, 03:04 UTC", "the best one counts"):
        assert told in changed.text
    wrong = browser.post(f"{path}/settings", {"title": "HW", "counts": "best", "most_attempts": "0"})
    assert (wrong.status_code, 'role="alert"' in wrong.text) == (422, True)
    assert browser.post(f"{path}/settings", {"title": "HW", "counts": "latest"}).status_code == 200
    assert service.ask("ada", "GET", path).json()["due"] is None


def test_all_students_are_sent_their_links(service):
    answer = Browser(service, "teacher").post(f"/courses/{service.course}/links")
    lines = answer.text.splitlines()
    assert lines[0] == "name,email,key,link"
    token = re.search(r"ada,ada@x.edu,0003,http://testserver/enter\?token=([\w-]+)", answer.text)[1]
    assert service.client.post("/api/v1/session", json={"token": token}).status_code == 204
    assert Browser(service, "helper").post(f"/courses/{service.course}/links").status_code == 403


def test_a_gradebook_is_no_roster(service):
    gradebook = {"file": ("g.csv", GRADEBOOK.encode())}
    answer = Browser(service, "teacher").post(f"/courses/{service.course}/roster", files=gradebook)
    assert (answer.status_code, "a gradebook is no roster" in answer.text) == (422, True)


def test_a_file_and_a_text_are_one_too_many(service):
    answer = Browser(service, "ada").hand_in(RIGHT, text="x = 1")
    assert (answer.status_code, "both a file and a text" in answer.text) == (422, True)


def test_more_time_is_in_the_future(service):
    ada = f"/assignments/{service.assignment}/students/{service.people['ada'].public}"
    answer = Browser(service, "teacher").post(f"{ada}/extension", {"due": "2020-01-01T00:00", "text": "ill"})
    assert (answer.status_code, "it is past" in answer.text) == (422, True)


def test_an_override_is_no_difference_of_a_trial_s(service):
    service.graded(content=WRONG)
    path = f"/assignments/{service.assignment}"
    said = {"points": 9, "reason": "argued"}
    service.ask("teacher", "PUT", f"{path}/grades/{service.people['ada'].public}/override", json=said)
    doubled = RUBRIC.replace("points = 1\n", "points = 2\n")
    service.ask("teacher", "PUT", f"{path}/rubric", json={"rubric": doubled})
    trial = service.tried()
    [difference] = service.ask("teacher", "GET", f"{path}/trials/{trial}").json()["differences"]
    assert (difference["counts"], difference["overridden"]) == (False, True)
    assert (difference["before_of"], difference["after_of"]) == (10, 13)
    page = Browser(service, "teacher").get(f"{path}/trials/{trial}").text
    assert "those points stay" in page
    assert '<span class="quiet">of 13</span>' in page
    service.ask("teacher", "POST", f"{path}/trials/{trial}/apply")
    service.ask("teacher", "PUT", f"{path}/rubric", json={"rubric": RUBRIC})
    assert "by a version of the rubric with other points" in Browser(service, "teacher").get(f"{path}/class").text


def test_a_gradebook_is_a_roster_where_that_is_said(service):
    """Its keys are those of the platform's downloads, by which a class is handed in."""
    path = f"/courses/{service.course}/roster"
    gradebook = {"file": ("g.csv", b"Student,ID,SIS User ID,SIS Login ID,Section,HW (1),HW (2)\n    Points Possible,,,,,1,2\n"
                          b'"Zoe, Q",811,,zoe@x.edu,A,,\n')}  # fmt: skip
    told = service.ask("teacher", "POST", path, data={"platform": "canvas"}, files=gradebook).json()
    assert [(one["key"], one["name"], one["email"]) for one in told] == [("811", "Zoe, Q", "zoe@x.edu")]
    archive = {"file": ("class.zip", zipped({"zoeq_811_5_hw.py": RIGHT}))}
    batch = service.ask("teacher", "POST", f"/assignments/{service.assignment}/batches", files=archive).json()
    assert (batch["platform"], batch["added"], batch["unplaced"]) == ("canvas", 1, 0)
    answer = Browser(service, "teacher").post(path, {"platform": "moodle"}, files=gradebook)
    assert (answer.status_code, "the gradebook: it has no column" in answer.text) == (400, True)


# A form that is refused.


class Forms(HTMLParser):
    """The forms of a page by the addresses they are sent to: what a browser would send, and whether they are seen."""

    def __init__(self, page):
        super().__init__()
        self.sent, self.seen = {}, {}
        self._open, self._details, self._fields = None, [], {}
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        if tag == "details":
            self._details.append("open" in known)
        elif tag == "form":
            self._fields = self.sent[known["action"]] = {}
            self.seen[known["action"]] = all(self._details)
        elif tag == "input" and (known.get("type") != "checkbox" or "checked" in known):
            self._fields.setdefault(known.get("name"), []).append(known.get("value", ""))
        elif tag in ("select", "textarea"):
            self._open = (tag, known.get("name"))
            self._fields[known.get("name")] = []
        elif tag == "option":
            self._value, self._chosen = known.get("value"), "selected" in known

    def handle_endtag(self, tag):
        if tag == "details":
            self._details.pop()
        elif tag in ("select", "textarea"):
            self._open = None

    def handle_data(self, data):
        tag, name = self._open or (None, None)
        if tag == "textarea":
            self._fields[name] = [data.removeprefix("\n")]  # as every browser does
        elif tag == "select" and data.strip() and (self._chosen or not self._fields[name]):
            self._fields[name] = [data if self._value is None else self._value]


BROKEN = "\n\npoints = <\n"
PICTURE = ("x.png", b"\x89PNG\xff")
REFUSED = {  # by whom it is sent, what, and what is answered
    "/courses": ("teacher", {"name": "x" * 201}, 422),
    "/courses/{course}/people": (
        "teacher",
        {"name": "<Eve>", "email": "nothing", "key": "9", "section": "B", "role": "grader"},
        422,
    ),
    "/courses/{course}/roster": ("teacher", {"platform": "moodle", "file": PICTURE}, 400),
    "/courses/{course}/assignments/new": (
        "teacher",
        {"title": "H & W", "rubric": BROKEN, "due": "2030-01-02T03:04", "counts": "best", "most_attempts": "3"},
        400,
    ),
    "/assignments/{assignment}": ("ada", {"text": "\na < b\n", "file": PICTURE}, 422),
    "/assignments/{assignment}/rubric": ("teacher", {"rubric": BROKEN}, 400),
    "/assignments/{assignment}/settings": (
        "teacher",
        {"title": "", "due": "2030-01-02T03:04", "counts": "best", "most_attempts": "0"},
        422,
    ),
    "/assignments/{assignment}/batches": ("teacher", {"file": PICTURE}, 400),
    "/assignments/{assignment}/trials": ("teacher", {"text": "y" * 10_001, "people": "{ada}"}, 422),
    "/assignments/{assignment}/students/{ada}/override": ("helper", {"points": "many", "text": "<why>"}, 422),
    "/assignments/{assignment}/students/{ada}/release": ("helper", {"text": "y" * 10_001}, 422),
    "/assignments/{assignment}/students/{ada}/comment": ("helper", {"text": "\n" + "y" * 10_001}, 422),
    "/assignments/{assignment}/students/{ada}/extension": ("teacher", {"due": "2020-01-01T00:00", "text": "ill"}, 422),
    "/assignments/{assignment}/export": ("teacher", {"platform": "moodle", "column": "HW <1>"}, 400),
    "/assignments/{assignment}/export/{export}": ("teacher", {"keep": "lowered"}, 400),
    "/token": ("helper", {"scopes": "read submit grade", "days": "0"}, 422),
}
WITHOUT_FIELDS = {
    "/leave",
    "/enter",  # what is pasted there is a secret
    "/token/{id}/end",
    "/courses/{course}/people/{ada}/link",
    "/courses/{course}/people/{ada}/remove",
    "/courses/{course}/links",
    "/submissions/{submission}/regrade",
    "/assignments/{assignment}/trials/{trial}/apply",
}


@pytest.mark.parametrize("form", REFUSED)
def test_a_form_that_is_refused_loses_nothing(form, service):
    service.graded()
    ada = service.people["ada"].public
    known = {"course": service.course, "assignment": service.assignment, "ada": ada}
    if "{export}" in form:
        known["export"] = blocked(service)
    who, sent, status = REFUSED[form]
    path, files = form.format(**known), {"file": PICTURE} if "file" in sent else None
    typed = {name: text.replace("{ada}", ada) for name, text in sent.items() if name != "file"}
    hidden = {"once": "12345678"} if who == "ada" else {}
    answer = Browser(service, who).post(path, {**hidden, **typed}, files=files)
    assert (answer.status_code, 'role="alert"' in answer.text) == (status, True), answer.text
    found = Forms(answer.text)
    assert found.seen[path]
    assert {name: found.sent[path].get(name) for name in typed} == {name: [text] for name, text in typed.items()}
    others = [fields for at, fields in found.sent.items() if at != path]
    assert not any(text in fields.get(name, ()) for fields in others for name, text in typed.items() if name == "text")


WRONG_AGAIN = {  # what else is refused, of fields whose bounds are the interface's
    "/courses": {"name": "a\0b"},
    "/courses/{course}/people": {"name": "Eve", "key": "\0"},
    "/courses/{course}/assignments/new": {"title": "H", "rubric": "\n# \0"},
    "/assignments/{assignment}/rubric": {"rubric": "\n# \0"},
    "/assignments/{assignment}/students/{ada}/comment": {"text": "\na\0b"},
    "/assignments/{assignment}/trials": {"text": "a\0b"},
    "/assignments/{assignment}/export": {"platform": "csv", "column": "a\0b"},
    "/assignments/{assignment}/export ": {"platform": "csv", "column": "y" * 301},
}


@pytest.mark.parametrize("form", WRONG_AGAIN)
def test_what_no_database_keeps_or_is_too_long_is_refused_on_its_page(form, service):
    service.graded()
    path = form.strip().format(course=service.course, assignment=service.assignment, ada=service.people["ada"].public)
    answer = Browser(service, "teacher").post(path, WRONG_AGAIN[form])
    assert (answer.status_code, bool(re.search("holds a NUL|too long", answer.text))) == (422, True), answer.text
    sent = Forms(answer.text).sent[path]
    assert {name: sent[name] for name in WRONG_AGAIN[form]} == {n: [text] for n, text in WRONG_AGAIN[form].items()}


def test_a_platform_is_no_longer_than_the_interface_takes_it(service):
    path = f"/assignments/{service.assignment}/export"
    answer = Browser(service, "teacher").post(path, {"platform": "y" * 41})
    assert (answer.status_code, "40 letters at most" in answer.text) == (422, True)


def blocked(service):
    """An export of which two kinds of change are blocked."""
    service.graded("bob", WRONG)
    said = {"points": 100, "reason": "mistyped"}
    path = f"/assignments/{service.assignment}/grades/{service.people['ada'].public}/override"
    service.ask("teacher", "PUT", path, json=said)
    return service.exported("canvas", ("grades.csv", GRADEBOOK.replace("bob@x.edu,A,", "bob@x.edu,A,10").encode()))


def sent_to(service):
    """The addresses of the pages' forms, as routes."""
    routes = [one for one in service.client.app.routes if isinstance(one, APIRoute) and not one.path.startswith("/api")]
    return [one for one in routes if "POST" in one.methods], [one for one in routes if "GET" in one.methods]


def test_every_form_is_among_those_that_are_refused(service):
    known = {re.sub(r"\{\w+\}", "x", form) for form in (*REFUSED, *WITHOUT_FIELDS)}
    for route in sent_to(service)[0]:
        assert any(route.path_regex.fullmatch(form) for form in known), route.path


def test_every_form_leads_back_to_its_page(service):
    forms, pages = sent_to(service)
    for route in forms:
        back = page_of(re.sub(r"\{\w+\}", "x", route.path))
        assert any(page.path_regex.fullmatch(back) for page in pages), route.path
    assert page_of("/assignments/x/starter") is None


def test_what_is_typed_into_a_form_is_known(service):
    """What is chosen or hidden is not."""
    chosen = {"platform", "role", "counts", "scopes", "keep", "people", "file"}
    for form, (_, sent, _) in REFUSED.items():
        assert set(sent) - chosen <= set(typed_at(re.sub(r"\{\w+\}", "x", form))), form
    assert not chosen & {name for form in (*REFUSED, *WITHOUT_FIELDS) for name in typed_at(form)}


def test_only_a_form_leads_back(service):
    browser = Browser(service, "ada")
    for path in ("/assignments/x", f"/assignments/{service.assignment}/rubric"):
        assert "Back to where you were" not in browser.get(path).text
    assert "Back to where you were" in browser.post("/assignments/x", {"text": "x"}).text


@pytest.mark.parametrize(("to", "page"), [("", ""), ("/batches", "/class"), ("/settings", "/rubric")])
def test_what_is_too_large_leads_back_to_its_form(to, page, service, monkeypatch):
    from grader.service import limits

    monkeypatch.setattr(limits, "LARGEST_CLASS", 1_200_000)
    path = f"/assignments/{service.assignment}"
    answer = Browser(service, "teacher").post(f"{path}{to}", files={"file": ("x", b"#" * 1_300_000)})
    assert (answer.status_code, f'href="{path}{page}"' in answer.text) == (413, True)


def test_a_form_is_refused_to_whom_its_page_is_closed(service):
    """They are told, and shown nothing of it but what they had typed."""
    service.graded()
    path = f"/assignments/{service.assignment}/students/{service.people['ada'].public}/comment"
    answer = Browser(service, "bob").post(path, {"text": "mine"})
    assert (answer.status_code, "ask an instructor" in answer.text) == (403, True)
    assert (given_back(answer), "Say otherwise" in answer.text) == ({"text": ["mine"]}, False)


def test_who_may_not_make_somebody_what_they_say_loses_nothing(service):
    path = f"/courses/{service.course}/people"
    answer = Browser(service, "teacher").post(path, {"name": "admin", "email": "admin@x.edu", "role": "student"})
    assert (answer.status_code, "you cannot make admin student" in answer.text) == (403, True)
    assert Forms(answer.text).sent[path]["email"] == ["admin@x.edu"]


def test_a_pasted_text_is_given_back_where_no_attempt_is_left(service):
    path = f"/assignments/{service.assignment}"
    changed = {"title": "HW", "counts": "latest", "most_attempts": 1}
    service.ask("teacher", "PUT", path, json=changed)
    service.hand_in()
    answer = Browser(service, "ada").post(path, {"once": "12345678", "text": "a < b"})
    assert (answer.status_code, Forms(answer.text).sent[path]["text"]) == (400, ["a < b"])


def test_what_an_uploaded_rubric_held_stands_in_the_form(service):
    path = f"/assignments/{service.assignment}/rubric"
    browser = Browser(service, "teacher")
    answer = browser.post(path, {"rubric": RUBRIC}, files={"file": ("new.toml", BROKEN.encode())})
    assert (answer.status_code, Forms(answer.text).sent[path]["rubric"]) == (400, [BROKEN])
    answer = browser.post(path, {"rubric": BROKEN}, files={"file": PICTURE})
    assert (answer.status_code, Forms(answer.text).sent[path]["rubric"]) == (422, [BROKEN])


def test_all_that_was_typed_is_given_back_where_the_session_is_over(service):
    browser = Browser(service, "teacher")
    browser.client.cookies.clear()
    data = {"csrf": "<secret>", "points": "8.5", "text": "first\nsecond"}
    answer = browser.client.post(f"/assignments/{service.assignment}/students/x/override", data=data, headers=OURS)
    assert answer.status_code == 401
    assert given_back(answer) == {"points": ["8.5"], "text": ["first\nsecond"]}
    assert "&lt;secret&gt;" not in answer.text


def test_a_page_with_a_refused_form_is_not_loaded_anew(service):
    """Else what was typed would be lost to those without script."""
    service.hand_in()
    browser, path = Browser(service, "teacher"), f"/assignments/{service.assignment}"
    assert 'http-equiv="refresh"' in browser.get(f"{path}/class").text
    assert 'http-equiv="refresh"' not in browser.post(f"{path}/trials", {"text": ""}).text


@pytest.mark.parametrize(
    ("shape", "fields", "told"),
    [
        (shapes.Override, {"points": "many", "reason": "x"}, "points: found 'many'; expected a number; correct it"),
        (shapes.Override, {"points": "nan", "reason": "x"}, "points: found 'nan'; expected a number; correct it"),
        (shapes.Override, {"points": "-1", "reason": "x"}, "points: found '-1'; expected 0 at least; correct it"),
        (
            shapes.Override,
            {"points": "1e9", "reason": "x"},
            "points: found '1e9'; expected 1000000 at most; correct it",
        ),
        (
            shapes.Override,
            {"points": "1.234", "reason": "x"},
            "points: found '1.234'; expected 2 decimal places at most; round it",
        ),
        (shapes.Override, {"points": "1", "reason": " "}, "reason: it is missing; expected it; fill it in"),
        (shapes.NewCourse, {"name": "x" * 201}, "name: it is too long; expected 200 letters at most; shorten it"),
        (
            shapes.NewMember,
            {"name": "Eve", "email": "no{thing}"},
            "email: found 'no{thing}'; expected such as ada@x.edu; correct it",
        ),
        (
            shapes.NewMember,
            {"name": "Eve", "role": "king"},
            "role: found 'king'; expected 'student', 'grader', 'instructor' or 'admin'; choose one",
        ),
        (
            shapes.ChangedAssignment,
            {"title": "x", "counts": "best", "most_attempts": "1.5"},
            "most attempts: found '1.5'; expected a whole number; correct it",
        ),
    ],
)
def test_what_is_wrong_in_a_form_is_told_in_our_words(shape, fields, told):
    with pytest.raises(Problem) as caught:
        filled(shape, **fields)
    assert str(caught.value) == told


@pytest.mark.parametrize("due", ["0001-01-01T00:00+09:00", "1990-01-01T00:00", "soon"])
def test_a_time_that_is_none_is_told(due, service):
    path = f"/assignments/{service.assignment}/settings"
    answer = Browser(service, "teacher").post(path, {"title": "HW", "counts": "best", "due": due})
    assert (answer.status_code, "due: " in answer.text, Forms(answer.text).sent[path]["due"]) == (422, True, [due])


# A form that ends on another page.

OURS = {"Sec-Fetch-Site": "same-origin"}


class GivenBack(HTMLParser):
    """What a page gives back to be copied, by the labels."""

    def __init__(self, page):
        super().__init__()
        self.texts, self._label, self._in = {}, "", ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self._in = tag if tag == "label" or (tag == "textarea" and "readonly" in known) else ""
        if tag == "input" and "readonly" in known:
            self.texts.setdefault(self._label, []).append(known["value"])

    def handle_data(self, data):
        if self._in == "label":
            self._label = data
        elif self._in == "textarea":
            self.texts.setdefault(self._label, []).append(data.removeprefix("\n"))

    def handle_endtag(self, tag):
        self._in = ""


def given_back(answer):
    return GivenBack(answer.text).texts


TEXT = "\nfirst <b>\nsecond"
COMMENT = "/assignments/{assignment}/students/{ada}/comment"
BROKEN_DOWN = {  # what befalls the database, and what is answered
    "ALTER TABLE person RENAME TO away": 503,
    "ALTER TABLE grade_event RENAME TO away": 503,
    "CREATE TRIGGER t BEFORE INSERT ON grade_event BEGIN SELECT RAISE(ABORT, 'twice'); END": 409,
}


@pytest.mark.parametrize("befalls", BROKEN_DOWN)
def test_what_was_typed_outlives_the_database(befalls, service):
    service.graded()
    path = COMMENT.format(assignment=service.assignment, ada=service.people["ada"].public)
    browser = Browser(service, "helper")
    with writing(service.engine) as db:
        db.exec_driver_sql(befalls)
    answer = browser.post(path, {"text": TEXT})
    assert (answer.status_code, given_back(answer)) == (BROKEN_DOWN[befalls], {"text": [TEXT]})


def test_what_was_typed_outlives_a_fault_of_ours(service):
    browser, service.client.app.state.engine = Browser(service, "ada"), None
    answer = browser.post(f"/assignments/{service.assignment}", {"once": "12345678", "text": TEXT})
    assert (answer.status_code, given_back(answer)) == (500, {"text": [TEXT]})


@pytest.mark.parametrize("is_signed_in", [True, False])
@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        (OURS, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "http://testserver"}, True),
        ({"Origin": "http://testserver.elsewhere"}, False),
        ({"Origin": "null"}, False),
        ({}, False),
    ],
)
def test_only_what_a_page_of_ours_sent_is_given_back(headers, is_ours, is_signed_in, service):
    """Another one's words stand on none of ours: the form's secret may be old, or never have been one."""
    client = Browser(service, "ada" if is_signed_in else None).client
    data = {"csrf": csrf_of(""), "once": "12345678", "key": "87654321", "text": "call 555", "Call us": "now"}
    answer = client.post(f"/assignments/{service.assignment}", data=data, headers=headers)
    assert answer.status_code == (403 if is_signed_in else 401)
    assert given_back(answer) == ({"text": ["call 555"]} if is_ours else {})
    assert "Call us" not in answer.text


def test_what_was_chosen_or_hidden_is_not_what_was_typed(service):
    browser = Browser(service)
    path = f"/courses/{service.course}/people"
    answer = browser.client.post(path, data={"name": "Eve", "key": "9", "role": "grader", "csrf": "x"}, headers=OURS)
    assert given_back(answer) == {"name": ["Eve"], "key": ["9"]}


@pytest.mark.parametrize("old", [{"key": "12345678"}, {}])
def test_a_page_that_was_opened_before_an_upgrade_hands_in(old, service):
    browser, path = Browser(service, "ada"), f"/assignments/{service.assignment}"
    answers = [browser.post(path, {**old, "text": "x = 1"}) for _ in range(2)]
    assert [one.status_code for one in answers] == [200, 200]
    found = service.ask("ada", "GET", f"{path}/submissions").json()["items"]
    assert len(found) == (1 if old else 2)


@pytest.mark.parametrize("once", ["1234567", "1" * 201, "12345678\0"])
def test_what_makes_a_press_the_same_is_bounded(once, service):
    path = f"/assignments/{service.assignment}"
    answer = Browser(service, "ada").post(path, {"once": once, "text": "x = 1"})
    assert (answer.status_code, Forms(answer.text).sent[path]["text"]) == (422, ["x = 1"])


@pytest.mark.parametrize("as_file", [{}, {"files": {"file": ("", b"")}}])
def test_a_text_that_is_too_large_is_told_as_a_file_is(as_file, service):
    path, text = f"/assignments/{service.assignment}", "\n" + "x" * 1_100_000
    answer = Browser(service, "ada").post(path, {"once": "12345678", "text": text}, **as_file)
    assert (answer.status_code, "larger than 1 MB" in answer.text) == (413, True)
    assert Forms(answer.text).sent[path]["text"] == [text]
