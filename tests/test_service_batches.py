"""A class's files at the service, on both databases: whose each is, what is told of the others, and nothing twice."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import random
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import databases
import httpx
import pytest
from contracts.test_platforms import DOWNLOADS, SAMPLES, zipped
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from test_service_api import RIGHT, RUBRIC, WRONG, Service
from test_service_api import zipped as archive_of

from grader import intake, listing
from grader.lms import Piece
from grader.service import upload
from grader.store import people, schema, submissions
from grader.store.database import reading, writing

LATE = "\n[late]\ndeadline = 2026-10-10T12:00:00+09:00\npercent_per_day = 10\nfloor_percent = 50\n"


@pytest.fixture(params=databases.KINDS)
def service(request, tmp_path, monkeypatch, walls):
    monkeypatch.setenv("GRADER_HOME", str(tmp_path))
    with databases.opened(request.param, tmp_path) as engine:
        yield Service(engine, walls)


def enrol(service, *keys, names=()):
    roster = [{"name": key, "key": key} for key in keys] + [{"name": name} for name in names]
    assert service.ask("teacher", "PUT", f"/courses/{service.course}/members", json=roster).status_code == 200


def attempts(service, key):
    """What a student has handed in: name, content, time and whether that is known; in the order of their attempts."""
    with reading(service.engine) as db:
        person = people.student(db, service.assignment_row.course_id, key).person
        found = [*submissions.of_person(db, service.assignment_row, person)]
        return [(one.name, submissions.content(db, one), one.received, one.timed) for one in reversed(found)]


def batch(service, public, who="helper"):
    return service.ask(who, "GET", f"/assignments/{service.assignment}/batches/{public}").json()


def reasons(answer):
    return {one["path"]: one["why"] for one in answer["reasons"]}


# Every platform's download.


def as_zip(sample, tmp_path):
    path = SAMPLES / sample
    return path if path.is_file() else zipped(path, tmp_path / "download.zip")


@pytest.mark.parametrize("sample", DOWNLOADS)
def test_a_download_is_placed_whole_and_once(sample, service, tmp_path):
    platform, expected, _ = DOWNLOADS[sample]
    archive = as_zip(sample, tmp_path)
    known = sorted({student for student, _ in expected})[:-1]
    enrol(service, *known)
    with listing.opened(archive) as files:
        pieces = [one for one in intake.placed(files, intake.layout_of(files)) if isinstance(one, Piece)]
    answer = service.upload(archive.read_bytes(), name=archive.name).json()
    assert (answer["platform"], answer["state"], answer["added"]) == (
        platform,
        "grading" if known else "graded",
        len(known),
    )
    told = reasons(answer)
    of_strangers = {one.file.path for one in pieces if one.student not in known}
    assert of_strangers <= set(told)
    assert all(str(told[path]).count("enrol them") for path in of_strangers)
    for student in known:
        theirs = [one for one in pieces if one.student == student]
        taken = {name for name, *_ in attempts(service, student)}
        left = {one.file.path for one in theirs if "was graded" in told.get(one.file.path, "")}
        assert len(taken) == 1
        assert len(left) == len(theirs) - 1
    again = service.upload(archive.read_bytes(), name=archive.name).json()
    assert (again["added"], again["counts"], reasons(again)) == (0, answer["counts"], told)
    service.grade()
    assert batch(service, answer["id"])["counts"]["graded"] == len(known)


def test_a_folder_of_clones_is_placed(service):
    enrol(service, "000123")
    grades = (SAMPLES / "github_classroom" / "grades.csv").read_bytes()
    answer = service.upload(
        {
            "hw1-octo-ana/hw1.py": RIGHT,
            "hw1-no-roster/hw1.py": WRONG,
            "hw1-octo-ana/.git/HEAD": b"x",
            "grades.csv": grades,
        }
    ).json()
    assert (answer["platform"], answer["added"], set(reasons(answer))) == (
        "github_classroom",
        1,
        {"hw1-no-roster/hw1.py"},
    )
    assert attempts(service, "000123") == [("hw1.py", RIGHT, datetime(2026, 10, 10, 23, 40, 2, tzinfo=UTC), True)]


# Whose a file is.


def test_students_are_found_by_key_then_address_then_name(service):
    enrol(service, "0077", names=["Dee  Smith"])
    answer = service.upload(
        {"0003.py": RIGHT, "BOB@x.edu.py": b"b", "0077/hw.py": b"c", "dee smith.py": b"d", "x.py": b"e"}
    )
    assert (answer.json()["added"], set(reasons(answer.json()))) == (4, {"x.py"})
    assert [attempts(service, who)[0][1] for who in ("0003", "bob@x.edu", "0077")] == [RIGHT, b"b", b"c"]


def test_a_name_of_two_is_nobodys(service):
    enrol(service, names=["Dee Smith", "Dee Smith"])
    answer = service.upload({"Dee Smith.py": RIGHT}).json()
    assert answer["added"] == 0
    assert "may be " in reasons(answer)["Dee Smith.py"]


def test_who_teaches_is_no_student(service):
    answer = service.upload({"0001.py": RIGHT, "helper.py": RIGHT}).json()
    assert (answer["added"], answer["unplaced"]) == (0, 2)


@pytest.mark.parametrize("kind", ["hostile", "large", "empty", "several"])
def test_what_is_not_taken_is_told_and_what_is_empty_is_graded(kind, service):
    files, taken, told = {
        "hostile": ({"0003.py": RIGHT, "../0004.py": RIGHT}, 1, {"../0004.py": "leads out"}),
        "large": ({"0003.py": b"#" * 1_000_001}, 0, {"0003.py": "larger than 1 MB"}),
        "empty": ({"0003.py": b""}, 1, {}),
        "several": ({"0003/a.py": RIGHT, "0003/b.py": b"x", "0004.py": b"x"}, 2, {"0003/b.py": "a.py was graded"}),
    }[kind]  # fmt: skip
    answer = service.upload(files).json()
    service.grade()
    assert (answer["added"], batch(service, answer["id"])["counts"]["graded"]) == (taken, taken)
    found = reasons(answer)
    assert set(found) == set(told)
    assert all(words in found[path] for path, words in told.items())


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "no zip"), (b"PK\3\4", "no zip"), (RIGHT, "no zip"), (b"PK\5\6" + b"\0" * 18, "nothing in it")],
)
def test_what_is_no_archive_of_files_leaves_no_batch(content, told, service):
    answer = service.upload(content)
    assert (answer.status_code, told in answer.json()["detail"]) == (400, True)
    assert service.ask("teacher", "GET", f"/assignments/{service.assignment}/batches").json() == []


def test_an_archive_of_too_many_entries_is_refused_before_its_list_is_read(service, monkeypatch):
    monkeypatch.setattr(listing, "MOST_ENTRIES", 3)
    answer = service.upload({f"{n}.py": b"" for n in range(4)})
    assert (answer.status_code, "it has 4 entries" in answer.json()["detail"]) == (400, True)


@settings(max_examples=40)
@given(st.binary(max_size=400), st.integers(0, 400), st.integers(0, 255))
def test_an_archive_damaged_anywhere_is_read_or_refused(tail, place, byte):
    content = bytearray(archive_of({"0003.py": RIGHT[:100], "0004/hw.py": b"x"}) + tail)
    content[place % len(content)] = byte
    try:
        with listing.uploaded(io.BytesIO(bytes(content)), "class.zip") as files:
            for one in files.files():
                if isinstance(one, listing.File) and not one.refused:
                    files.read(one.locator, 100)
    except (listing.Unreadable, listing.UsageError):
        pass


# When it was handed in.


def test_lateness_is_by_the_platforms_time_in_the_zone_of_the_deadline(service):
    service.ask("teacher", "PUT", f"/assignments/{service.assignment}/rubric", json={"rubric": RUBRIC + LATE})
    late, early = "2026-10-11-11-00-00", "2026-10-10-11-00-00"
    service.upload({f"HW_{who}_attempt_{when}_hw.py": RIGHT for who, when in (("0003", late), ("0004", early))})
    service.grade()
    assert [one[2:] for who in ("0003", "0004") for one in attempts(service, who)] == [
        (datetime(2026, 10, 11, 2, tzinfo=UTC), True), (datetime(2026, 10, 10, 2, tzinfo=UTC), True),
    ]  # fmt: skip
    grades = service.ask("helper", "GET", f"/assignments/{service.assignment}/grades").json()
    assert {one["key"]: one["points"] for one in grades} == {"0003": 9.0, "0004": 10.0}


def test_what_tells_no_time_is_never_late(service):
    service.ask("teacher", "PUT", f"/assignments/{service.assignment}/rubric", json={"rubric": RUBRIC + LATE})
    service.upload({"0003.py": RIGHT})
    service.grade()
    assert service.ask("ada", "GET", f"/assignments/{service.assignment}").json()["points"] == 10.0


def test_attempts_come_in_order_and_the_last_by_time_counts(service):
    service.ask("teacher", "PUT", f"/assignments/{service.assignment}/rubric", json={"rubric": RUBRIC + LATE})
    service.hand_in(content=WRONG)
    days = {f"HW_0003_attempt_2026-10-{day}-10-00-00_hw.py": RIGHT + b"#%d" % day for day in (9, 8, 10)}
    days = {name.replace("-9-", "-09-").replace("-8-", "-08-"): content for name, content in days.items()}
    service.upload(days)
    assert [content for _, content, *_ in attempts(service, "0003")][1:] == [RIGHT + b"#%d" % n for n in (8, 9, 10)]
    service.grade()
    grade = service.ask("ada", "GET", f"/assignments/{service.assignment}").json()
    assert grade["attempts"] == 4
    assert grade["points"] < 9  # what was handed in here came after all of the platform's


def test_a_later_download_adds_what_is_new_alone(service):
    first = service.upload({"0003.py": RIGHT, "0004.py": WRONG}).json()
    second = service.upload({"0003.py": RIGHT, "0004.py": RIGHT}).json()
    assert (first["added"], second["added"]) == (2, 1)
    assert [content for _, content, *_ in attempts(service, "0004")] == [WRONG, RIGHT]
    third = service.upload({"0003.py": RIGHT, "0004.py": WRONG}).json()
    assert (third["added"], set(reasons(third))) == (0, {"0004.py"})
    assert "the same file as attempt 1, and attempt 2 came after" in reasons(third)["0004.py"]


# How it is done.


def test_the_same_request_is_one_batch_also_where_it_broke_off(service, monkeypatch):
    monkeypatch.setattr(upload, "CHUNK", 1)
    key = {"Idempotency-Key": "0123456789"}
    files = {"0003.py": RIGHT, "0004.py": WRONG, "x.py": b""}
    with monkeypatch.context() as broken:
        broken.setattr(upload.batches, "finish", None)
        assert service.upload(files, **key).status_code == 500
    [half] = service.ask("teacher", "GET", f"/assignments/{service.assignment}/batches").json()
    assert (half["state"], half["added"]) == ("received", 2)
    made = [service.upload(files, **key).json() for _ in range(2)]
    assert made[0] == made[1]
    assert (made[0]["id"], made[0]["added"], set(reasons(made[0]))) == (half["id"], 2, {"x.py"})
    answer = service.upload({"0003.py": RIGHT}, **key)
    assert (answer.status_code, "another download's" in answer.json()["detail"]) == (409, True)
    assert service.upload(files, "admin", **key).json()["id"] != half["id"]


def test_the_same_download_from_four_at_once_is_there_once(service, tmp_path):
    """And whoever hands in meanwhile has an attempt of their own."""
    teacher, ada = service.people["teacher"], service.people["ada"]
    content = archive_of({"0003.py": RIGHT, "0004.py": WRONG})

    def take(n):
        return upload.take(service.engine, service.assignment_row, teacher, io.BytesIO(content), "class.zip", None)

    def hand_in(n):
        with writing(service.engine) as db:
            submissions.receive(db, service.assignment_row, ada, "hw.py", b"# %d" % n, datetime.now(UTC))

    with ThreadPoolExecutor(8) as pool:
        made = list(zip(pool.map(take, range(4)), pool.map(hand_in, range(4)), strict=True))
    assert sum(batch.added for batch, _ in made) == 2
    assert [content for _, content, *_ in attempts(service, "0004")] == [WRONG]
    assert sorted(content for _, content, *_ in attempts(service, "0003")) == sorted(
        [RIGHT, *(b"# %d" % n for n in range(4))]
    )


def test_what_is_uploaded_waits_behind_students_and_knows_none_of_their_limits(service, monkeypatch):
    from grader.service import students

    with writing(service.engine) as db:
        db.execute(schema.assignment.update().values(most_attempts=1))
    monkeypatch.setattr(students, "MOST_WAITING", 1)
    for n in range(3):
        assert service.upload({"0003.py": RIGHT + b"#%d" % n}).json()["added"] == 1
    answer = service.hand_in("bob")
    assert (answer.status_code, answer.json()["ahead"]) == (202, 0)


def test_progress_is_told_until_all_is_graded(service):
    made = service.upload({"0003.py": RIGHT, "0004.py": b"", "x.py": b""}).json()
    assert (made["state"], made["counts"]["received"], made["by"]) == ("grading", 2, "teacher")
    service.grade()
    answer = service.ask("helper", "GET", f"/assignments/{service.assignment}/batches/{made['id']}/events")
    [event] = answer.text.strip().split("\n\n")
    assert event.startswith("event: graded\n")
    assert json.loads(event.partition("data: ")[2])["counts"] == {"received": 0, "grading": 0, "graded": 2, "fault": 0}


def test_a_batch_is_of_its_assignment(service):
    made = service.upload({"0003.py": RIGHT}).json()["id"]
    new = {"title": "Other", "rubric": RUBRIC}
    other = service.ask("teacher", "POST", f"/courses/{service.course}/assignments", json=new).json()["id"]
    assert service.ask("teacher", "GET", f"/assignments/{other}/batches/{made}").status_code == 404
    service.assignment = other
    assert service.upload({"0003.py": RIGHT}).json()["added"] == 1


@pytest.mark.parametrize(("who", "status"), [(None, 401), ("ada", 403), ("stranger", 404), ("teacher", 201)])
def test_who_may_not_upload_is_told_before_the_body_is_read(who, status, service):
    content, sent = archive_of({"0003.py": RIGHT}), []

    async def body():
        for piece in (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\n',
            content,
            b"\r\n--x--",
        ):
            sent.append(piece)
            yield piece

    async def ask():
        headers = {
            "Content-Type": "multipart/form-data; boundary=x",
            "Authorization": f"Bearer {service.tokens.get(who)}",
        }
        transport = httpx.ASGITransport(service.client.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.post(
                f"/api/v1/assignments/{service.assignment}/batches", content=body(), headers=headers
            )

    assert (asyncio.run(ask()).status_code, bool(sent)) == (status, status == 201)


@pytest.mark.parametrize("told", [True, False])
def test_a_download_that_is_too_large_is_refused(told, service, monkeypatch):
    from grader.service import limits

    monkeypatch.setattr(limits, "LARGEST_CLASS", 2_000_000)
    content = zipped_of(1_000_000, 3)
    if told:
        answer = service.upload(content)
    else:
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\n'
        path = f"/assignments/{service.assignment}/batches"
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = service.ask("teacher", "POST", path, content=iter([head, content]), headers=kind)
    assert (answer.status_code, "the files of one class" in answer.json()["detail"]) == (413, True)


def zipped_of(size, count):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        for n in range(count):
            made.writestr(f"{n}.py", random.Random(n).randbytes(size))
    return archive.getvalue()


def test_a_download_larger_than_a_students_file_is_taken(service):
    enrol(service, *"012")
    assert service.upload(zipped_of(900_000, 3)).json()["added"] == 3


@pytest.mark.parametrize("body", [{}, {"data": {"file": "x"}}, {"files": {"other": b"x"}}, {"json": {}}])
def test_a_body_without_an_archive_is_told(body, service):
    answer = service.ask("teacher", "POST", f"/assignments/{service.assignment}/batches", **body)
    assert (answer.status_code, answer.headers["content-type"]) in [
        (422, "application/problem+json"), (400, "application/problem+json"),
    ]  # fmt: skip


# One file of a student's.


def hand_in_for(service, student="0003", content=RIGHT, who="helper", key=None, **data):
    path, data = f"/assignments/{service.assignment}/members/submissions", {"student": student, **data}
    headers = {"Idempotency-Key": key} if key else {}
    return service.ask(who, "POST", path, files={"file": ("hw.py", content)}, data=data, headers=headers)


@pytest.mark.parametrize("student", ["0003", "ada@x.edu", "ADA@x.edu", "their id", "a/b", "é", ".."])
def test_a_script_hands_in_for_a_student(student, service):
    enrol(service, "a/b", "é", "..")
    name = service.people["ada"].public if student == "their id" else student
    made = hand_in_for(service, name, submitted="2026-10-10T12:00:00+09:00")
    assert (made.status_code, made.json()["received"]) == (202, "2026-10-10T03:00:00Z")
    assert made.headers["Location"] == f"/api/v1/submissions/{made.json()['id']}"
    service.grade()
    report = service.ask("helper", "GET", f"/submissions/{made.json()['id']}/report?audience=instructor").json()
    assert report["points"] == 10.0


@pytest.mark.parametrize("student", ["0002", "helper@x.edu", "nobody", "ada"])
def test_nobody_hands_in_for_who_is_no_student(student, service):
    answer = hand_in_for(service, student)
    assert (answer.status_code, "no student of the course" in answer.json()["detail"]) == (404, True)


def test_a_script_s_request_is_done_once(service):
    made = [hand_in_for(service, key="0123456789").json()["id"] for _ in range(3)]
    assert len(set(made)) == 1
    assert hand_in_for(service, key="0123456789", content=WRONG).status_code == 409
    assert hand_in_for(service, content=b"#" * 1_000_001).status_code == 413
    for time in ("2026-10-10T12:00:00", "0001-01-01T00:00:00+14:00", "soon"):
        assert hand_in_for(service, submitted=time).status_code == 422


def test_a_script_s_file_and_the_uploaded_one_are_the_same(service):
    key = intake.request_key(service.assignment, hashlib.sha256(RIGHT).hexdigest(), None, 1)
    hand_in_for(service, key=key)
    assert service.upload({"0003.py": RIGHT}).json()["added"] == 0


def test_the_rubric_is_read_as_it_was_written(service):
    service.ask("teacher", "PUT", f"/assignments/{service.assignment}/rubric", json={"rubric": RUBRIC})
    told = service.ask("helper", "GET", f"/assignments/{service.assignment}/rubrics").json()
    assert [(one["version"], one["by"]) for one in told] == [(2, "teacher"), (1, None)]
    assert told[0]["rubric"] == RUBRIC


def test_no_transaction_is_long(service, monkeypatch):
    """Whoever hands in meanwhile waits for some files, and not for a class."""
    taken = []
    real = upload._receive
    monkeypatch.setattr(
        upload,
        "_receive",
        lambda db, asked, batch, chunk, ledger: (taken.append(len(chunk)), real(db, asked, batch, chunk, ledger)),
    )
    keys = [f"s{n:03}" for n in range(120)]
    enrol(service, *keys)
    assert service.upload({f"{key}.py": b"# " + key.encode() for key in keys}).json()["added"] == 120
    assert taken == [50, 50, 20]
    with reading(service.engine) as db:
        assert {row.priority for row in db.execute(select(schema.submission.c.priority))} == {submissions.BATCH}
