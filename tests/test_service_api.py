"""The interface of the service, on both databases: what it does, for whom, and what it tells of anything else."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import databases
import pytest
from conftest import ROOT
from fastapi.testclient import TestClient
from sqlalchemy import update

from grader import grades as batch_grades
from grader import sandbox as sandboxes
from grader.service import app as apps
from grader.service import begin, desk, operation
from grader.service.identity import COOKIE, csrf_of
from grader.store import courses, people, queue, schema
from grader.store.database import writing

RUBRIC = (ROOT / "rubrics" / "backprop.toml").read_text()
RIGHT = (ROOT / "submissions" / "backprop" / "right.py").read_bytes()
WRONG = (ROOT / "submissions" / "backprop" / "transposed.py").read_bytes()
HIDDEN = RUBRIC.replace('id = "a1"', 'id = "a1"\nvisible = false', 1)


ROLES = {"admin": "admin", "teacher": "instructor", "helper": "grader", "ada": "student", "bob": "student"}


def zipped(files):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        for name, content in files.items():
            made.writestr(zipfile.ZipInfo(name, (2026, 10, 10, 12, 0, 0)), content)
    return archive.getvalue()


class Service:
    """The service over a database, with somebody of every kind in a course, and somebody in none."""

    def __init__(self, engine, walls):
        self.engine, self._walls, now = engine, walls, datetime.now(UTC)
        self.woken = 0
        self.tokens = {}
        with writing(engine) as db:
            course, other = courses.create(db, "ML", now), courses.create(db, "Other", now)
            self.people = {name: people.add(db, name, f"{name}@x.edu", now) for name in (*ROLES, "stranger")}
            for n, (name, role) in enumerate(ROLES.items()):
                people.enrol(db, course.id, self.people[name], role, now, key=f"{n:04}")
            people.enrol(db, other.id, self.people["stranger"], "instructor", now)
            for name, person in self.people.items():
                self.tokens[name] = people.issue(db, person, "test", ["all"], now)
            self.assignment_row = courses.add_assignment(db, course, "Backprop", now)
            courses.add_rubric(db, self.assignment_row, HIDDEN, None, now)
        self.course, self.assignment = course.public, self.assignment_row.public
        self.client = TestClient(apps.create(engine, self._wake, walls=walls), raise_server_exceptions=False)

    def _wake(self):
        self.woken += 1

    def ask(self, who, method, path, **options):
        headers = {"Authorization": f"Bearer {self.tokens[who]}"} if who else {}
        headers |= options.pop("headers", {})
        return self.client.request(method, f"/api/v1{path}", headers=headers, **options)

    def hand_in(self, who="ada", content=RIGHT, name="hw.py", **headers):
        files = {"file": (name, content)}
        return self.ask(who, "POST", f"/assignments/{self.assignment}/submissions", files=files, headers=headers)

    def upload(self, files, who="teacher", name="class.zip", **headers):
        content = files if isinstance(files, bytes) else zipped(files)
        path = f"/assignments/{self.assignment}/batches"
        return self.ask(who, "POST", path, files={"file": (name, content)}, headers=headers)

    def grade(self):
        while desk.grade_next(self.engine, "w", self._walls):
            pass

    def known_token(self, who):
        self.ask(who, "POST", "/tokens", json={"label": "another", "scopes": ["read"]})
        return self.ask(who, "GET", "/tokens").json()[0]["id"]

    def tried(self):
        path = f"/assignments/{self.assignment}/trials"
        found = self.ask("teacher", "POST", path, json={"text": "a typo"}).json()["id"]
        self.grade()
        return found

    def exported(self, platform="csv", file=None, **data):
        files = {"file": file} if file else None
        path = f"/assignments/{self.assignment}/exports"
        return self.ask("teacher", "POST", path, data={"platform": platform, **data}, files=files).json()["id"]

    def graded(self, who="ada", content=RIGHT):
        found = self.hand_in(who, content).json()["id"]
        self.grade()
        return found


@pytest.fixture(params=databases.KINDS)
def service(request, tmp_path, monkeypatch, walls):
    monkeypatch.setenv("GRADER_HOME", str(tmp_path))
    with databases.opened(request.param, tmp_path) as engine:
        service = Service(engine, walls)
        yield service


# A student's way.


def test_a_student_hands_in_and_reads_the_report(service):
    answer = service.hand_in(content=WRONG)
    assert (answer.status_code, service.woken) == (202, 1)
    found = answer.json()
    assert answer.headers["Location"] == f"/api/v1/submissions/{found['id']}"
    assert (found["state"], found["ahead"], found["attempt"], found["name"]) == ("received", 0, 1, "hw.py")
    path = f"/submissions/{found['id']}"
    assert service.ask("ada", "GET", f"{path}/report").status_code == 404
    service.grade()
    assert service.ask("ada", "GET", path).json()["state"] == "graded"
    report = service.ask("ada", "GET", f"{path}/report").json()
    assert report["audience"] == "student"
    assert "a1" not in {criterion["id"] for criterion in report["criteria"]}
    page = service.ask("ada", "GET", f"{path}/report", headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert "hw.py" in page.text
    assert "sandbox" in page.headers["content-security-policy"]


def test_what_is_hidden_is_for_graders(service):
    found = service.graded(content=WRONG)
    path = f"/submissions/{found}/report?audience=instructor"
    assert service.ask("ada", "GET", path).status_code == 403
    assert "a1" in {criterion["id"] for criterion in service.ask("helper", "GET", path).json()["criteria"]}
    assert service.ask("ada", "GET", f"/submissions/{found}").json()["max_points"] < 10


def test_a_grader_is_told_whose_a_report_is(service):
    service.graded(content=WRONG)
    found = service.graded()
    path = f"/submissions/{found}/report"
    assert service.ask("ada", "GET", path).json()["origin"] is None
    told = service.ask("helper", "GET", f"{path}?audience=instructor").json()["origin"]
    named = {"key": "0003", "name": "ada", "email": "ada@x.edu", "section": None, "attempt": 2, "attempts": 2}
    assert named.items() <= told.items()
    service.ask("teacher", "DELETE", f"/courses/{service.course}/members/{service.people['ada'].public}")
    told = service.ask("helper", "GET", f"{path}?audience=instructor").json()["origin"]
    assert (told["key"], told["name"]) == (service.people["ada"].public, "ada")


def test_an_assignment_tells_what_a_student_has_to_know(service):
    found = service.graded()
    told = service.ask("ada", "GET", f"/assignments/{service.assignment}").json()
    assert (told["title"], told["attempts"], told["attempts_left"], told["points"]) == ("Backprop", 1, None, 10.0)
    assert [one["id"] for one in service.ask("ada", "GET", f"/courses/{service.course}/assignments").json()] == [
        told["id"]
    ]
    assert service.ask("ada", "GET", "/courses").json() == [{"id": service.course, "name": "ML", "role": "student"}]
    assert service.ask("ada", "GET", "/me").json()["name"] == "ada"
    assert b"def dy_db" in service.ask("ada", "GET", f"/assignments/{service.assignment}/starter").content
    assert "a1" not in {
        one["id"] for one in service.ask("ada", "GET", f"/assignments/{service.assignment}/rubric").json()
    }
    assert [
        one["id"] for one in service.ask("ada", "GET", f"/assignments/{service.assignment}/submissions").json()["items"]
    ] == [found]


def test_attempts_come_in_pages(service, monkeypatch):
    from grader.service import students

    monkeypatch.setattr(students, "PAGE", 2)
    for _ in range(5):
        service.hand_in()
    attempts, path = [], f"/assignments/{service.assignment}/submissions"
    page = service.ask("ada", "GET", path).json()
    while True:
        attempts += [one["attempt"] for one in page["items"]]
        if page["next"] is None:
            break
        page = service.ask("ada", "GET", f"{path}?before={page['next']}").json()
    assert attempts == [5, 4, 3, 2, 1]


def test_the_same_request_is_one_submission(service):
    key = {"Idempotency-Key": "0123456789"}
    assert len({service.hand_in(**key).json()["id"] for _ in range(3)}) == 1
    assert service.hand_in().json()["attempt"] == 2
    assert service.hand_in("bob", **key).json()["attempt"] == 1
    answer = service.hand_in(content=WRONG, **key)
    assert (answer.status_code, "it was another file's" in answer.json()["detail"]) == (409, True)


@pytest.mark.parametrize("content", [b"", b" \n\t "])
def test_nothing_is_no_attempt(content, service):
    assert service.hand_in(content=content).status_code == 400
    assert service.ask("ada", "GET", f"/assignments/{service.assignment}").json()["attempts"] == 0


def test_a_file_s_name_is_made_harmless(service):
    for name, kept in (
        ("../../etc/passwd", "passwd"),
        ("a\\b.py", "b.py"),
        ("x\x1b[31m.py", "x[31m.py"),
        ("n" * 300, "n" * 200),
    ):
        assert service.hand_in(name=name).json()["name"] == kept


def test_what_was_handed_in_is_kept_and_never_shown_as_a_page(service):
    found = service.graded(content=b"<script>alert(1)</script>")
    answer = service.ask("ada", "GET", f"/submissions/{found}/file")
    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert (answer.headers["content-type"], answer.headers["x-content-type-options"]) == (
        "application/octet-stream",
        "nosniff",
    )
    page = service.ask("ada", "GET", f"/submissions/{found}/report", headers={"Accept": "text/html"})
    assert "<script>alert" not in page.text


def test_a_submission_can_be_watched_until_it_is_graded(service):
    found = service.graded()
    answer = service.ask("ada", "GET", f"/submissions/{found}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert re.findall(r"event: (\w+)", answer.text) == ["graded"]


@pytest.mark.parametrize("size", [1_000_001, 1_300_000])
def test_what_is_too_large_is_refused(size, service):
    answer = service.hand_in(content=b"#" * size)
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert service.ask("ada", "GET", f"/assignments/{service.assignment}/submissions").json()["items"] == []


def test_a_body_that_does_not_tell_its_length_is_refused_too(service):
    def endless():
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.py"\r\n\r\n'
        for _ in range(200):
            yield b"x" * 10_000

    answer = service.ask(
        "ada",
        "POST",
        f"/assignments/{service.assignment}/submissions",
        content=endless(),
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    assert answer.status_code == 413


def test_a_full_queue_says_when_to_come_again(service, monkeypatch):
    from grader.service import students

    monkeypatch.setattr(students, "MOST_WAITING", 1)
    assert service.hand_in().status_code == 202
    answer = service.hand_in()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")


def test_who_hands_in_too_often_waits(service, monkeypatch):
    from grader.service import students

    monkeypatch.setattr(students, "MOST_LATELY", 2)
    key = {"Idempotency-Key": "0123456789"}
    assert [service.hand_in(**key).status_code, service.hand_in().status_code] == [202, 202]
    answer = service.hand_in()
    assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (429, True)
    assert (service.hand_in(**key).status_code, service.hand_in("bob").status_code) == (202, 202)


def test_who_guesses_links_waits(service, monkeypatch):
    from grader.service import sessions

    monkeypatch.setattr(sessions, "MOST_FAILURES", 3)
    answers = [service.client.post("/api/v1/session", json={"token": f"grader_{n}"}).status_code for n in range(5)]
    assert answers == [403, 403, 403, 429, 429]
    assert service.client.post("/api/v1/session", json={"token": service.tokens["ada"]}).status_code == 429


# Those who teach.


def test_a_course_is_begun_filled_and_asked_something(service):
    course = service.ask("teacher", "POST", "/courses", json={"name": "New"}).json()
    roster = [{"name": "Cyd", "email": "cyd@x.edu", "key": "77"}, {"name": "Dee", "key": "78"}]
    enrolled = service.ask("teacher", "PUT", f"/courses/{course['id']}/members", json=roster).json()
    again = service.ask("teacher", "PUT", f"/courses/{course['id']}/members", json=roster).json()
    assert [one["id"] for one in again] == [one["id"] for one in enrolled]
    new = {"title": "HW", "rubric": RUBRIC, "most_attempts": 3, "due": "2030-01-01T00:00:00+09:00"}
    made = service.ask("teacher", "POST", f"/courses/{course['id']}/assignments", json=new)
    assert (made.status_code, made.json()["attempts_left"], made.json()["due"]) == (201, 3, "2029-12-31T15:00:00Z")
    assert [one["key"] for one in service.ask("teacher", "GET", f"/courses/{course['id']}/members").json()] == [
        "77",
        "78",
        None,
    ]


def test_people_are_in_the_order_in_which_they_are_looked_for(service):
    names = ["Adam", "Ádám", "Adele", "Emile", "Émile", "Émile", "emma", "Ödön", "Oona", "zoë", "Zoe Ray"]
    enrolled = [{"name": name, "key": f"x{n}"} for n, name in enumerate(reversed(names))]
    service.ask("teacher", "PUT", f"/courses/{service.course}/members", json=enrolled)
    courses, assignments = f"/courses/{service.course}", f"/assignments/{service.assignment}"
    students = sorted([*names, "ada", "bob"], key=["ada", *names[:3], "bob", *names[3:]].index)
    for path in (f"{courses}/members", f"{assignments}/grades"):
        assert [
            one["name"] for one in service.ask("teacher", "GET", path).json() if one["name"] in students
        ] == students
    sent = service.ask("teacher", "POST", f"{courses}/invitations").json()
    assert [one["name"] for one in sent] == students
    service.ask("teacher", "POST", "/session", json={"token": service.tokens["teacher"]})
    for path, shown in (
        (f"{courses}/people", r"<td>(\w[^<@]*)</td>"),
        (f"{assignments}/class", r"students/[^>]*>([^<]+)<"),
    ):
        found = re.findall(shown, service.client.get(path).text)
        assert [name for name in found if name in students] == students


def test_a_personal_link_signs_in_until_it_is_made_anew(service):
    path = f"/courses/{service.course}/members/{service.people['ada'].public}/invitation"
    token = service.ask("teacher", "POST", path).json()["link"].partition("token=")[2]
    assert service.client.get("/api/v1/me", headers={"Authorization": f"Bearer {id}"}).status_code == 401
    for _ in range(2):
        answer = service.client.post("/api/v1/session", json={"token": token})
        assert answer.status_code == 204
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert service.client.get("/api/v1/courses").status_code == 200
    service.ask("teacher", "POST", path)
    assert service.client.post("/api/v1/session", json={"token": token}).status_code == 403


def test_who_has_signed_in_makes_tokens_for_scripts(service):
    made = service.ask("ada", "POST", "/tokens", json={"label": "script", "scopes": ["submit"]})
    service.tokens["script"] = made.json()["token"]
    assert (made.status_code, service.hand_in("script").status_code) == (201, 202)
    assert service.ask("script", "POST", "/tokens", json={"label": "x", "scopes": ["all"]}).status_code == 403
    assert service.ask("script", "POST", "/tokens", json={"label": "x", "scopes": ["submit"]}).status_code == 201


def test_a_browser_is_not_led_here_by_other_pages(service):
    service.client.post("/api/v1/session", json={"token": service.tokens["ada"]})
    path = f"/api/v1/assignments/{service.assignment}/submissions"
    files = {"file": ("hw.py", RIGHT)}
    assert service.client.post(path, files=files).status_code == 403
    session = service.client.cookies[COOKIE]
    assert service.client.post(path, files=files, headers={"X-CSRF-Token": csrf_of(session)}).status_code == 202
    assert service.client.delete("/api/v1/session").status_code == 204
    service.client.cookies.set(COOKIE, session)
    assert service.client.get("/api/v1/courses").status_code == 401


def test_grades_are_overridden_explained_and_released(service):
    service.graded(content=WRONG)
    ada = service.people["ada"].public
    path = f"/assignments/{service.assignment}/grades"
    before = {one["name"]: one for one in service.ask("helper", "GET", path).json()}
    assert (before["ada"]["overridden"], before["bob"]["points"]) == (False, None)
    service.ask("helper", "PUT", f"{path}/{ada}/override", json={"points": 9.5, "reason": "argued well"})
    after = {one["name"]: one for one in service.ask("helper", "GET", path).json()}
    assert (after["ada"]["points"], after["ada"]["graded"], after["ada"]["overridden"]) == (
        9.5,
        before["ada"]["points"],
        True,
    )
    service.ask("helper", "POST", f"{path}/{ada}/comments", json={"text": "come by"})
    told = service.ask("helper", "POST", f"{path}/{ada}/release", json={"text": "mended"}).json()
    assert [(one["kind"], one["by"]) for one in told] == [
        ("graded", None),
        ("override", "helper"),
        ("comment", "helper"),
        ("release", "helper"),
    ]
    assert service.ask("ada", "GET", f"{path}/{ada}/history").json() == told


def test_a_regrade_is_by_the_rubric_of_now(service):
    found = service.graded()
    assert service.ask(
        "teacher", "PUT", f"/assignments/{service.assignment}/rubric", json={"rubric": RUBRIC}
    ).json() == {"version": 2}
    assert service.ask(
        "teacher", "POST", f"/assignments/{service.assignment}/regrade", json={"text": "all is seen"}
    ).json() == {"submissions": 1}
    service.grade()
    assert service.ask("ada", "GET", f"/submissions/{found}").json()["max_points"] == 10.0
    assert service.ask("helper", "POST", f"/submissions/{found}/regrade", json={"text": "once more"}).status_code == 202


def test_a_regrade_is_tried_and_then_applied_or_dropped(service):
    found = service.graded(content=WRONG)
    ada, path = service.people["ada"].public, f"/assignments/{service.assignment}"
    points = service.ask("ada", "GET", path).json()["points"]
    doubled = HIDDEN.replace("points = 1\n", "points = 2\n")
    service.ask("teacher", "PUT", f"{path}/rubric", json={"rubric": doubled})
    begun = service.ask("teacher", "POST", f"{path}/trials", json={"text": "doubled", "people": [ada]}).json()
    assert (begun["state"], begun["waiting"]) == ("open", 1)
    assert service.ask("ada", "GET", f"/submissions/{found}").json()["state"] == "graded"
    assert service.ask("teacher", "POST", f"{path}/trials/{begun['id']}/apply").status_code == 400
    service.grade()
    seen = service.ask("teacher", "GET", f"{path}/trials/{begun['id']}").json()
    [difference] = seen["differences"]
    assert (difference["name"], difference["before"], difference["counts"]) == ("ada", points, True)
    assert service.ask("ada", "GET", path).json()["points"] == points
    applied = service.ask("teacher", "POST", f"{path}/trials/{begun['id']}/apply").json()
    assert (applied["state"], applied["differences"]) == ("applied", [difference])
    assert service.ask("ada", "GET", path).json()["points"] == difference["after"] > points
    dropped = service.tried()
    assert service.ask("teacher", "POST", f"{path}/trials/{dropped}/drop").json()["state"] == "dropped"
    assert service.ask("teacher", "GET", f"{path}/trials/x").status_code == 404


ROSTER = "\ufeffid,name,email,section\n0003,ada,ada@x.edu,A\n77,Cyd,cyd@x.edu,B\n"


def test_a_roster_is_taken_as_it_comes(service):
    path = f"/courses/{service.course}/roster"
    for _ in range(2):
        told = service.ask("teacher", "POST", path, files={"file": ("r.csv", ROSTER.encode())}).json()
    assert [(one["key"], one["name"], one["role"], one["section"]) for one in told] == [
        ("0003", "ada", "student", "A"),
        ("77", "Cyd", "student", "B"),
    ]
    helper = b"email\nhelper@x.edu\n"
    [one] = service.ask("teacher", "POST", path, files={"file": ("r.csv", helper)}).json()
    assert (one["role"], one["name"]) == ("grader", "helper")
    for wrong, told in (
        (b"a,b\n1,2\n", "expected some of the columns"),
        (b"\xff", "UTF-8"),
        (b"email\nx\n", "email: found 'x'; expected such as ada@x.edu"),
    ):
        answer = service.ask("teacher", "POST", path, files={"file": ("r.csv", wrong)})
        assert answer.status_code in (400, 422)
        assert told in answer.json()["detail"]
    assert len(service.ask("teacher", "GET", f"/courses/{service.course}/members").json()) == len(ROLES) + 1


GRADEBOOK = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Backprop (1)\n    Points Possible,,,,,10\n"
    "ada,1,0003,ada@x.edu,A,3\nbob,2,0004,bob@x.edu,A,\nzoe,3,9,zoe@x.edu,A,\n"
)


def test_a_gradebook_is_compared_and_filled(service):
    service.graded()
    path = f"/assignments/{service.assignment}"
    begun = service.exported("canvas", ("grades.csv", GRADEBOOK.encode()))
    seen = service.ask("teacher", "GET", f"{path}/exports/{begun}").json()
    assert (seen["column"], seen["blocked"], seen["not_in_the_class"]) == ("Backprop (1)", [], ["zoe"])
    assert [(one["student"], one["kind"], one["before"], one["after"]) for one in seen["changes"]] == [
        ("0003", "raised", "3", "10"),
        ("0004", "missing", "", ""),
    ]
    answer = service.ask("teacher", "POST", f"{path}/exports/{begun}/file", json={})
    assert answer.headers["content-disposition"] == 'attachment; filename="grades.csv"'
    assert answer.text == GRADEBOOK.replace("A,3", "A,10")


def test_what_somebody_has_changed_there_is_not_written_over(service):
    service.graded()
    path = f"/assignments/{service.assignment}/exports"
    begun = service.exported("canvas", ("grades.csv", GRADEBOOK.encode()))
    service.ask("teacher", "POST", f"{path}/{begun}/file", json={})
    edited = GRADEBOOK.replace("A,3", "A,9").encode()
    begun = service.exported("canvas", ("grades.csv", edited))
    seen = service.ask("teacher", "GET", f"{path}/{begun}").json()
    assert [one["kind"] for one in seen["blocked"]] == ["edited"]
    answer = service.ask("teacher", "POST", f"{path}/{begun}/file", json={})
    assert (answer.status_code, "edited" in answer.json()["detail"]) == (400, True)
    assert service.ask("teacher", "POST", f"{path}/{begun}/file", json={"force": ["edited"]}).status_code == 200


def test_what_is_no_gradebook_is_told(service):
    path = f"/assignments/{service.assignment}/exports"
    for data, file in (
        ({"platform": "canvas"}, None),
        ({"platform": "blackbord"}, None),
        ({"platform": "canvas"}, b"x"),
    ):
        answer = service.ask("teacher", "POST", path, data=data, files={"file": ("g.csv", file)} if file else None)
        assert (answer.status_code, "expected" in answer.json()["detail"]) == (400, True)


@pytest.mark.parametrize(("platform", "name"), [("csv", "grades.csv"), ("xlsx", "grades.xlsx"), ("html", "grades.zip")])
def test_a_file_is_made_from_the_class_alone(platform, name, service):
    service.graded()
    begun = service.exported(platform)
    answer = service.ask("teacher", "POST", f"/assignments/{service.assignment}/exports/{begun}/file", json={})
    assert (answer.status_code, f'"{name}"' in answer.headers["content-disposition"]) == (200, True)


def test_the_class_is_what_a_batch_leaves(service, tmp_path):
    """And `grade export` goes on from there, with what a person has said."""
    service.graded()
    path = f"/assignments/{service.assignment}"
    for name, points in (("ada", 11.5), ("bob", 4)):  # more than there are, and without anything handed in
        said = {"points": points, "reason": "argued"}
        service.ask("teacher", "PUT", f"{path}/grades/{service.people[name].public}/override", json=said)
    answer = service.ask("teacher", "GET", f"{path}/class")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path)
    names = {str(one.relative_to(tmp_path / "class")) for one in (tmp_path / "class").rglob("*") if one.is_file()}
    assert names == {"reports.jsonl", "grades.csv", "index.html", "reports/0003.html", "reports/0004.html"}
    found = {grade.student: (grade.state, grade.points) for grade, _ in batch_grades.read(tmp_path / "class")}
    assert found == {"0003": ("graded", Decimal("11.5")), "0004": ("graded", Decimal(4))}
    assert "teacher has set the points: argued" in (tmp_path / "class" / "reports" / "0003.html").read_text()


def test_a_class_is_shown_while_its_rubric_changes(service):
    service.graded()
    path = f"/assignments/{service.assignment}"
    less = RUBRIC.partition('[[criteria]]\nid = "b2"')[0]
    assert service.ask("teacher", "PUT", f"{path}/rubric", json={"rubric": less}).status_code == 200
    assert service.ask("teacher", "GET", f"{path}/class").status_code == 200


def test_a_rubric_that_is_none_is_told_with_its_mistakes(service):
    answer = service.ask("teacher", "PUT", f"/assignments/{service.assignment}/rubric", json={"rubric": "points = "})
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("rubric.toml")


def test_an_extension_is_seen_by_its_student(service):
    due = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    path = f"/assignments/{service.assignment}/grades/{service.people['ada'].public}/extension"
    assert service.ask("teacher", "PUT", path, json={"due": due, "reason": "ill"}).status_code == 204
    assert service.ask("ada", "GET", f"/assignments/{service.assignment}").json()["due"] is not None
    assert service.ask("bob", "GET", f"/assignments/{service.assignment}").json()["due"] is None
    assert service.ask("teacher", "PUT", path, json={"due": "2030-01-01T00:00:00", "reason": "x"}).status_code == 422
    earlier = {"due": (datetime.now(UTC) + timedelta(days=2)).isoformat(), "reason": "x"}
    assert "expected more time" in service.ask("teacher", "PUT", path, json=earlier).json()["detail"]
    told = service.ask("ada", "GET", path.replace("extension", "history")).json()
    assert [(one["kind"], one["by"]) for one in told] == [("extension", "teacher")]


def test_more_time_has_what_was_late_graded_again(service):
    late = "\n[late]\ndeadline = 2026-10-10T12:00:00Z\npercent_per_day = 10\nfloor_percent = 50\n"
    new = {"title": "Late", "rubric": RUBRIC + late}
    service.assignment = service.ask("teacher", "POST", f"/courses/{service.course}/assignments", json=new).json()["id"]
    found = service.graded()
    assert service.ask("ada", "GET", f"/submissions/{found}").json()["points"] == 5.0
    assert service.ask("ada", "GET", f"/assignments/{service.assignment}").json()["due"] == "2026-10-10T12:00:00Z"
    path = f"/assignments/{service.assignment}/grades/{service.people['ada'].public}/extension"
    service.ask("teacher", "PUT", path, json={"due": "2030-01-01T00:00:00Z", "reason": "ill"})
    service.grade()
    assert service.ask("ada", "GET", f"/submissions/{found}").json()["points"] == 10.0


def test_two_deadlines_are_one_too_many(service):
    late = "\n[late]\ndeadline = 2026-10-10T12:00:00Z\npercent_per_day = 10\n"
    new = {"title": "Late", "rubric": RUBRIC + late, "due": "2026-10-11T12:00:00Z"}
    answer = service.ask("teacher", "POST", f"/courses/{service.course}/assignments", json=new)
    assert (answer.status_code, "expected one of both" in answer.json()["detail"]) == (422, True)


# Who may do what.

MAY = {
    "GET /me": "stranger admin teacher helper ada bob",
    "POST /tokens": "stranger admin teacher helper ada bob",
    "GET /courses": "stranger admin teacher helper ada bob",
    "POST /courses": "stranger admin teacher",
    "GET /courses/{course}/assignments": "admin teacher helper ada bob",
    "POST /courses/{course}/assignments": "admin teacher",
    "GET /courses/{course}/members": "admin teacher helper",
    "PUT /courses/{course}/members": "admin teacher",
    "POST /courses/{course}/members/{person}/invitation": "admin teacher",
    "DELETE /courses/{course}/members/{person}": "admin teacher",
    "GET /assignments/{assignment}/faults": "admin teacher helper",
    "GET /assignments/{assignment}": "admin teacher helper ada bob",
    "GET /assignments/{assignment}/starter": "admin teacher helper ada bob",
    "GET /assignments/{assignment}/rubric": "admin teacher helper ada bob",
    "PUT /assignments/{assignment}/rubric": "admin teacher",
    "POST /assignments/{assignment}/submissions": "admin teacher helper ada bob",
    "GET /assignments/{assignment}/submissions": "admin teacher helper ada bob",
    "GET /assignments/{assignment}/grades": "admin teacher helper",
    "GET /assignments/{assignment}/grades/{person}/submissions": "admin teacher helper",
    "PUT /assignments/{assignment}/grades/{person}/override": "admin teacher helper",
    "POST /assignments/{assignment}/grades/{person}/release": "admin teacher helper",
    "POST /assignments/{assignment}/grades/{person}/comments": "admin teacher helper",
    "GET /assignments/{assignment}/grades/{person}/history": "admin teacher helper ada",
    "PUT /assignments/{assignment}/grades/{person}/extension": "admin teacher",
    "POST /assignments/{assignment}/regrade": "admin teacher",
    "POST /courses/{course}/roster": "admin teacher",
    "POST /assignments/{assignment}/trials": "admin teacher",
    "GET /assignments/{assignment}/trials/{trial}": "admin teacher",
    "POST /assignments/{assignment}/trials/{trial}/apply": "admin teacher",
    "POST /assignments/{assignment}/trials/{trial}/drop": "admin teacher",
    "GET /assignments/{assignment}/class": "admin teacher",
    "POST /assignments/{assignment}/exports": "admin teacher",
    "GET /assignments/{assignment}/exports/{export}": "admin teacher",
    "POST /assignments/{assignment}/exports/{export}/file": "admin teacher",
    "POST /assignments/{assignment}/batches": "admin teacher",
    "GET /assignments/{assignment}/batches": "admin teacher helper",
    "GET /assignments/{assignment}/batches/{batch}": "admin teacher helper",
    "GET /assignments/{assignment}/batches/{batch}/events": "admin teacher helper",
    "POST /assignments/{assignment}/members/submissions": "admin teacher helper",
    "GET /assignments/{assignment}/rubrics": "admin teacher helper",
    "PUT /assignments/{assignment}": "admin teacher",
    "POST /courses/{course}/invitations": "admin teacher",
    "GET /tokens": "stranger admin teacher helper ada bob",
    "DELETE /tokens/{id}": "ada",
    "GET /submissions/{submission}": "admin teacher helper ada",
    "GET /submissions/{submission}/report": "admin teacher helper ada",
    "GET /submissions/{submission}/file": "admin teacher helper ada",
    "GET /submissions/{submission}/events": "admin teacher helper ada",
    "POST /submissions/{submission}/regrade": "admin teacher helper",
}
FORMS = {
    "POST /assignments/{assignment}/submissions": {"files": {"file": ("hw.py", RIGHT)}},
    "POST /assignments/{assignment}/exports": {"data": {"platform": "csv"}},
    "POST /assignments/{assignment}/members/submissions": {
        "files": {"file": ("hw.py", RIGHT)},
        "data": {"student": "0003"},
    },
    "POST /assignments/{assignment}/batches": {"files": {"file": ("class.zip", zipped({"0003.py": RIGHT}))}},
    "POST /courses/{course}/roster": {"files": {"file": ("roster.csv", b"id,name\n77,Cyd\n")}},
}
BODIES = {
    "PUT /assignments/{assignment}": {"title": "x", "counts": "best", "due": "2030-01-01T00:00:00Z"},
    "POST /assignments/{assignment}/exports/{export}/file": {},
    "POST /courses": {"name": "x"},
    "POST /tokens": {"label": "x", "scopes": ["read"]},
    "POST /courses/{course}/assignments": {"title": "x", "rubric": RUBRIC},
    "PUT /courses/{course}/members": [],
    "PUT /assignments/{assignment}/rubric": {"rubric": RUBRIC},
    "PUT /assignments/{assignment}/grades/{person}/override": {"points": 1, "reason": "x"},
    "PUT /assignments/{assignment}/grades/{person}/extension": {"due": "2030-01-01T00:00:00Z", "reason": "x"},
}


def test_the_table_has_everything_that_can_be_asked(service):
    paths = service.client.get("/api/v1/openapi.json").json()["paths"]
    asked = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, methods in paths.items()
        for method in methods
        if path.startswith("/api/v1")
    }
    assert asked - {"POST /session", "DELETE /session"} == set(MAY)


@pytest.mark.parametrize("what", MAY)
def test_who_may_do_what(what, service):
    found = service.graded()
    method, path = what.split(" ")
    path = path.format(
        course=service.course, assignment=service.assignment, submission=found, person=service.people["ada"].public,
        trial=service.tried() if "{trial}" in path else "", export=service.exported() if "{export}" in path else "",
        batch=service.upload({"0003.py": RIGHT}).json()["id"] if "{batch}" in path else "",
        id=service.known_token("ada") if "{id}" in path else "",
    )  # fmt: skip
    service.grade()
    options = {"json": BODIES.get(what, {"text": "x"})} if method in ("POST", "PUT") else {}
    if what in FORMS:
        options = FORMS[what]
    for who in (None, "stranger", "bob", "ada", "helper", "admin", "teacher"):
        if method == "DELETE" and who == "teacher":
            continue  # it is done
        status = service.ask(who, method, path, **options).status_code
        if who is None:
            assert status == 401
        elif who in MAY[what].split():
            is_done = "trial" in what and who == "teacher"  # there is one at a time, and it is settled once
            assert status in (200, 201, 202, 204) or (status == 400 and is_done), (who, status)
        else:
            sees_it = (
                who != "stranger" and "{id}" not in what and ("/submissions/{submission}" not in what or who == "ada")
            )
            assert status == (403 if sees_it else 404), (who, status)


def test_a_token_is_good_for_its_scopes_alone(service):
    with writing(service.engine) as db:
        service.tokens["reads"] = people.issue(db, service.people["ada"], "r", ["read"], datetime.now(UTC))
    assert service.ask("reads", "GET", "/courses").status_code == 200
    answer = service.hand_in("reads")
    assert (answer.status_code, answer.json()["detail"]) == (
        403,
        "the token: it is good for read; expected submit; use another",
    )


def test_nobody_becomes_somebody_else_by_a_course_of_their_own(service):
    """Whoever is enrolled by their address anywhere can be sent a link there; it would be theirs everywhere."""
    course = service.ask("teacher", "POST", "/courses", json={"name": "Trap"}).json()["id"]
    for name in ("admin", "stranger"):
        [one] = service.ask(
            "teacher", "PUT", f"/courses/{course}/members", json=[{"name": "x", "email": f"{name}@x.edu"}]
        ).json()
        answer = service.ask("teacher", "POST", f"/courses/{course}/members/{one['id']}/invitation")
        assert (answer.status_code, "a course you do not teach" in answer.json()["detail"]) == (403, True)


def test_nobody_is_made_less_by_who_is_less(service):
    for name in ("admin", "teacher"):
        roster = [{"name": "x", "email": f"{name}@x.edu", "role": "student"}]
        assert service.ask("teacher", "PUT", f"/courses/{service.course}/members", json=roster).status_code == 403
    roster = [{"name": "x", "email": "ada@x.edu"}]
    assert service.ask("teacher", "PUT", f"/courses/{service.course}/members", json=roster).json()[0]["key"] == "0003"


def test_who_is_removed_is_gone(service):
    path = f"/courses/{service.course}/members/{service.people['ada'].public}"
    assert service.ask("teacher", "DELETE", path).status_code == 204
    assert service.ask("ada", "GET", "/me").status_code == 401
    for name in ("teacher", "admin"):
        path = f"/courses/{service.course}/members/{service.people[name].public}"
        assert service.ask("teacher", "DELETE", path).status_code == 403


def test_who_has_a_key_alone_comes_back_by_it_and_may_get_a_name_and_an_address(service):
    path = f"/courses/{service.course}/members"

    def enrolled(**row):
        return service.ask("teacher", "PUT", path, json=[{"key": "77", **row}])

    [cyd] = enrolled(name="Cyd").json()
    handed_in = {"data": {"student": "77"}, "files": {"file": ("hw.py", RIGHT)}}
    service.ask("teacher", "POST", f"/assignments/{service.assignment}/members/submissions", **handed_in)
    service.grade()
    assert service.ask("teacher", "DELETE", f"{path}/{cyd['id']}").status_code == 204
    roster = {"file": ("r.csv", b"id,email\n77,cyd@x.edu\n")}
    [back] = service.ask("teacher", "POST", f"/courses/{service.course}/roster", files=roster).json()
    assert (back["id"], back["name"], back["email"]) == (cyd["id"], "Cyd", "cyd@x.edu")
    grades = service.ask("teacher", "GET", f"/assignments/{service.assignment}/grades").json()
    assert [one["points"] for one in grades if one["key"] == "77"] == [10]

    [dee] = service.ask("teacher", "PUT", path, json=[{"name": "Dee", "key": "78"}]).json()
    [renamed] = service.ask("teacher", "PUT", path, json=[{"name": "Dee Dee", "key": "78"}]).json()
    assert (renamed["id"], renamed["name"]) == (dee["id"], "Dee Dee")
    answer = service.ask("teacher", "PUT", path, json=[{"name": "Dee", "key": "78", "email": "cyd@x.edu"}])
    assert (answer.status_code, "another member of the course has this key" in answer.text) == (400, True)


def test_a_sign_in_from_another_page_is_refused(service):
    for path, body in (
        ("/api/v1/session", {"json": {"token": service.tokens["ada"]}}),
        ("/enter", {"data": {"token": service.tokens["ada"]}}),
    ):
        answer = service.client.post(path, headers={"Sec-Fetch-Site": "cross-site"}, **body)
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


def test_a_fault_of_ours_is_found_by_those_who_teach(service):
    found = service.hand_in().json()["id"]
    with writing(service.engine) as db:
        for _ in range(3):
            taken = queue.claim(db, "w", datetime.now(UTC))
            queue.fail(db, taken, "w", "no walls")
    [fault] = service.ask("helper", "GET", f"/assignments/{service.assignment}/faults").json()
    assert fault == {"submission": found, "person": service.people["ada"].public, "fault": "no walls"}


def test_our_own_fault_has_the_headers_too(service, monkeypatch):
    from grader.service import students

    monkeypatch.setattr(students, "PAGE", None)
    answer = service.ask("ada", "GET", f"/assignments/{service.assignment}/submissions")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("due", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_of_no_calendar_is_told(due, service):
    new = {"title": "x", "rubric": RUBRIC, "due": due}
    assert service.ask("teacher", "POST", f"/courses/{service.course}/assignments", json=new).status_code == 422


def test_nobody_makes_somebody_more_than_they_are(service):
    roster = [{"name": "Eve", "email": "eve@x.edu", "role": "admin"}]
    assert service.ask("teacher", "PUT", f"/courses/{service.course}/members", json=roster).status_code == 403
    path = f"/courses/{service.course}/members/{service.people['admin'].public}/invitation"
    assert service.ask("teacher", "POST", path).status_code == 403


# Everything else.


@pytest.mark.parametrize(
    "path", ["/nothing", "/courses/1/assignments", "/assignments/x", "/submissions/1", "/submissions/%00"]
)
def test_what_is_not_there_is_told_as_a_problem(path, service):
    answer = service.ask("ada", "GET", path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert set(answer.json()) == {"type", "title", "status", "detail"}


def test_a_text_that_no_database_keeps_is_told(service):
    answer = service.ask("teacher", "POST", "/courses", json={"name": "a\0b"})
    assert answer.status_code in (201, 422)


def test_what_is_not_as_it_should_be_is_told_without_repeating_it(service):
    answer = service.ask("teacher", "POST", "/courses", json={"name": "", "hush": "secret"})
    assert answer.status_code == 422
    assert "secret" not in answer.text


def test_every_answer_has_the_headers_that_browsers_obey(service):
    for path in ("/healthz", "/api/v1/me", "/api/v1/openapi.json"):
        headers = service.client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")


def test_the_service_proves_that_it_is_well(service, monkeypatch):
    told = service.client.get("/healthz").json()
    assert (told["database"], told["walls"]) == ("ok", "ok")
    gone = sandboxes.start(sandboxes.DEFAULT)
    gone.close()
    monkeypatch.setattr(service.client.app.state, "proof", operation.Proof(gone))
    answer = service.client.get("/healthz")
    assert (answer.status_code, "nothing can be graded" in answer.text, "Retry-After" in answer.headers) == (
        503,
        True,
        True,
    )


def idle(service):
    return service.client.get("/healthz").json()["idle"]


def as_of(service, ago, *columns):
    """As if it had been so long ago."""
    with writing(service.engine) as db:
        for column in columns:
            db.execute(update(column.table).values({column.name: datetime.now(UTC) - ago}))


def test_that_nobody_grades_is_told(service):
    assert idle(service) == 0
    service.hand_in()
    as_of(service, timedelta(minutes=5), schema.submission.c.queued)
    assert 300 <= idle(service) < 3600
    with writing(service.engine) as db:
        queue.claim(db, "w", datetime.now(UTC))
    assert idle(service) == 0  # somebody is at it
    with writing(service.engine) as db:
        queue.put_back(db, "w")
    assert idle(service) < 300
    service.grade()
    assert idle(service) == 0


def regraded(service):
    path = f"/assignments/{service.assignment}/regrade"
    return service.ask("teacher", "POST", path, json={"text": "a typo"})


def tried(service):
    return service.ask("teacher", "POST", f"/assignments/{service.assignment}/trials", json={"text": "a typo"})


@pytest.mark.parametrize("come", [Service.hand_in, lambda service: service.upload({"0004.py": RIGHT}), regraded, tried])
def test_what_comes_into_the_queue_waits_since_then_however_old_it_is(come, service):
    service.graded()
    table = schema.submission.c
    as_of(service, timedelta(days=30), table.received, table.queued, schema.grading_run.c.finished)
    assert idle(service) == 0
    assert come(service).status_code in (201, 202)
    as_of(service, timedelta(days=-1), table.received)  # by a platform's clock that is wrong
    assert idle(service) < 300
    as_of(service, timedelta(minutes=5), table.queued)
    assert 300 <= idle(service) < 3600
    as_of(service, timedelta(0), schema.grading_run.c.finished)  # another was graded since
    assert idle(service) < 300


def test_the_service_is_measured_for_who_is_on_its_machine(service):
    service.graded()
    service.hand_in()
    assert service.client.get("/metrics").status_code == 404
    here = TestClient(service.client.app, client=("127.0.0.1", 1))
    told = here.get("/metrics").text
    assert 'grader_submissions{state="received"} 1.0' in told
    assert "grader_gradings 1.0" in told
    route = "/api/v1/assignments/{assignment}/submissions"
    assert f'grader_request_seconds_count{{method="POST",route="{route}",status="202"}} 2.0' in told


def test_what_passed_a_proxy_or_was_invented_is_no_measure(service):
    here = TestClient(service.client.app, client=("127.0.0.1", 1))
    assert here.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 404
    for n in range(5):
        here.request(f"M{n}", "/")
    told = here.get("/metrics").text
    assert ('method="other"' in told, 'method="M1"' in told) == (True, False)


def test_every_request_has_an_id_and_leaves_a_line_without_secrets(service, caplog):
    caplog.set_level("INFO", "grader.service")
    answer = service.client.get("/enter?token=grader_secret")
    found = service.graded()
    lines = {record.message: record for record in caplog.records}
    first = next(record for record in caplog.records if record.message == "request")
    assert (first.request, first.route, first.status) == (answer.headers["X-Request-ID"], "/enter", 200)
    assert lines["graded"].submission == found
    assert all("secret" not in str(vars(record)) for record in caplog.records)


def test_links_lead_to_where_browsers_find_it(service):
    path = f"/courses/{service.course}/members/{service.people['ada'].public}/invitation"
    service.client.app.state.public_url = "https://grader.example.edu"
    assert service.ask("teacher", "POST", path).json()["link"].startswith("https://grader.example.edu/enter?token=")


def test_a_new_link_of_the_instructor_s_ends_the_last_one(service):
    with writing(service.engine) as db:
        links = [begin.token_for_instructor(db, datetime.now(UTC)) for _ in range(2)]
    answers = [service.client.post("/api/v1/session", json={"token": link}).status_code for link in links]
    assert answers == [403, 204]
