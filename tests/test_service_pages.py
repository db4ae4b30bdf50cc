"""The pages of the service without a script: forms, and what they lead to."""

from __future__ import annotations

import re

import databases
import pytest
from sqlalchemy import select
from test_service_api import GRADEBOOK, RIGHT, RUBRIC, WRONG, Service, walls, zipped  # noqa: F401 a fixture

from grader.service.identity import COOKIE, csrf_of
from grader.store import schema
from grader.store.database import reading, writing


@pytest.fixture
def service(tmp_path, monkeypatch, walls):  # noqa: F811 the fixture
    monkeypatch.setenv("GRADER_HOME", str(tmp_path))
    with databases.opened("sqlite", tmp_path) as engine:
        service = Service(engine, walls)
        yield service
        service.close()


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
    for part in ("class", "class/standing"):
        answer = Browser(service, "ada").get(f"/assignments/{service.assignment}/{part}")
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
    assert "grader_" not in browser.get("/token").text
    token = re.search(r"grader_[\w-]{43}", browser.post("/token").text)[0]
    service.tokens["made"] = token
    assert service.ask("made", "GET", "/me").json()["name"] == "ada"
    assert browser.client.post("/token", data={"csrf": "x"}).status_code == 403


def test_what_was_pasted_is_given_back_where_the_session_is_over(service):
    browser = Browser(service, "ada")
    browser.client.cookies.clear()
    answer = browser.client.post(
        f"/assignments/{service.assignment}", data={"csrf": "x", "key": "12345678", "text": "a < b"}
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
    assert difference["counts"] is False
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
