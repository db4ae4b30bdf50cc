"""What a page tells is in its own words: no option of a command, no folder or path of ours."""

from __future__ import annotations

import re
from html import unescape

import databases
import pytest
from test_service_api import GRADEBOOK, RIGHT, Service, zipped
from test_service_pages import Browser

from grader.comparing import BLOCKING
from grader.service.wording import of_a_page

CLASS, ROSTER, EXPORT = (
    "/assignments/{assignment}/batches",
    "/courses/{course}/roster",
    "/assignments/{assignment}/export",
)
OF_A_TERMINAL = re.compile(r"--[a-z]|/tmp|folder|grader-(class|roster)|`grade")
LOCKED = zipped({"0003.py": RIGHT})
LOCKED = LOCKED.replace(b"PK\1\2\x14\3\x14\0\0\0", b"PK\1\2\x14\3\x14\0\1\0").replace(
    b"PK\3\4\x14\0\0\0", b"PK\3\4\x14\0\1\0"
)
OF_TWO = zipped({
    "submission_metadata.yml": b"", "submission_7/hw.py": RIGHT, **{f"ada_{n}_22_hw.py": RIGHT for n in range(90)},
})  # fmt: skip


@pytest.fixture
def service(tmp_path, monkeypatch, walls):
    monkeypatch.setenv("GRADER_HOME", str(tmp_path))
    with databases.opened("sqlite", tmp_path) as engine:
        service = Service(engine, walls)
        yield service


TOLD = [
    (CLASS, {}, b"a text", "sent: it is no zip archive that can be read .*; expected a zip archive; download it "
        "again, or zip its files anew"),
    (CLASS, {}, zipped({}), "sent: there is nothing in it; expected the files of a class; upload the whole"),
    (CLASS, {}, LOCKED, "sent: it is encrypted; expected no password; zip its files anew"),
    (CLASS, {}, OF_TWO, "they look like a download of .* and of .*; expected one; zip the files as <student>.py"),
    (ROSTER, {"platform": "moodle"}, GRADEBOOK.encode(), "the gradebook: it has no column of grades of Moodle's; found "
        "Student, ID, .*; expected a gradebook as it is downloaded"),
    (ROSTER, {"platform": "lti"}, GRADEBOOK.encode(), "lti: it takes no file; expected one whose gradebook is a file"),
    (ROSTER, {"platform": "canvass"}, GRADEBOOK.encode(), "canvass: there is no such platform; .* did you mean canvas"),
    (ROSTER, {}, b"Matrikel,Vorname\n1,Ada\n", "roster sent: its first line has matrikel, vorname; expected some of "
        "the columns id, email, name, section"),
    (EXPORT, {"platform": "moodle"}, GRADEBOOK.encode(), "sent: it has no column of grades of Moodle's"),
    (EXPORT, {"platform": "canvas"}, GRADEBOOK.replace("Backprop (1)", "Backprop (1),Other (2)").encode(), "sent: the column to "
        "fill: it has 2; expected one of: .*; say which"),
    (EXPORT, {"platform": "brightspace"}, b"", "brightspace: the gradebook is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "data", "content", "told"), TOLD)
def test_what_cannot_be_done_is_told_on_its_page(path, data, content, told, service):
    service.graded()
    files = {"file": ("sent", content)} if content else None
    at = path.format(assignment=service.assignment, course=service.course)
    answer = Browser(service, "teacher").post(at, data, files=files)
    why = unescape(re.search(r'role="alert"[^>]*>(.*?)</', answer.text, re.DOTALL)[1])
    assert answer.status_code == 400
    assert re.search(told, why), why
    assert not OF_A_TERMINAL.search(why)


def test_a_class_of_which_nothing_can_be_placed_is_told_file_by_file(service):
    files = {"file": ("class.zip", zipped({"zoe.py": RIGHT, "notes.txt": b"x", "hw/readme.md": b"x"}))}
    page = Browser(service, "teacher").post(CLASS.format(assignment=service.assignment), files=files)
    text = unescape(page.text)
    assert (page.status_code, "0 of 0 graded" in text) == (200, True)
    for told in (
        "zoe: no student of the course has this key, address or name; expected a member; enrol them",
        "it is neither a Python file nor a student's folder",
    ):
        assert told in text
    assert "--" not in re.sub(r"<!--|-->", "", text)


def test_what_is_blocked_is_told_on_its_page(service):
    service.graded()
    export = service.exported("canvas", ("g.csv", GRADEBOOK.replace("ada,1,0003,ada@x.edu,A,3\n", "").encode()))
    page = Browser(service, "teacher").get(f"{EXPORT.format(assignment=service.assignment)}/{export}")
    assert "give the member the key or address they have there" in page.text
    for choice, told in (
        ({}, "; look at them, and leave them out, or write them all the same"),
        (
            {"keep": ["unmatched"], "missing_zero": True},
            "leave the zeros out, or give the members the ids or addresses",
        ),
    ):
        path = f"/assignments/{service.assignment}/exports/{export}/file"
        why = service.ask("teacher", "POST", path, json=choice).json()["detail"]
        assert (told in why, OF_A_TERMINAL.search(why)) == (True, None), why


def test_every_kind_that_is_blocked_has_words_of_a_page():
    assert not any(OF_A_TERMINAL.search(of_a_page(why)) for why in BLOCKING.values())


def test_a_column_of_another_form_is_told_without_an_option(service):
    service.graded()
    export = service.exported("openedx", column="a b")
    path = f"/assignments/{service.assignment}/exports/{export}/file"
    why = service.ask("teacher", "POST", path, json={}).json()["detail"]
    assert why.startswith("the column a b: it is no id of a subsection")
