"""Files made of a batch alone: who has a grade is in them, who has none is not, and it is for whom it was given."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from decimal import Decimal

import openpyxl
import pytest
from conftest import ROOT
from test_export import Course, student

from grader import batch, grades, grading, lms, making, pushes
from grader.errors import UsageError
from grader.making import Source
from grader.render import html

RIGHT = (ROOT / "submissions" / "backprop" / "right.py").read_text()
WRONG = (ROOT / "submissions" / "backprop" / "sigma_prime_at_activation.py").read_text()
STUDENTS = {"graded": student("0001", "8.5", name="Ada, L.", email="ada@x.edu"), "zero": student("0002", "0", email="bob@x.edu"),
            "missing": student("0003", status="missing", email="eve@x.edu"), "fault": student("0004", status="fault"),
            "unreadable": student("0005", "0", status="unreadable", email="dan@x.edu")}  # fmt: skip


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A real batch, with all that students hand in and do not."""
    root = tmp_path_factory.mktemp("course")
    source = root / "class"
    source.mkdir()
    for name, text in {"ada": RIGHT, "bob": WRONG, "=1+1": RIGHT + "#", "eve": "def ("}.items():
        (source / f"{name}.py").write_text(text)
    (root / "roster.csv").write_text(
        "id,name,email\nada,Ada,ada@x.edu\nbob,Bob,bob@x.edu\neve,Eve,eve@x.edu\ndan,Dan,dan@x.edu\n"
    )
    loaded = grading.load(str(ROOT / "rubrics" / "backprop.toml"))
    batch.run(batch.Plan(source, root / "out", *loaded, "zygote", 1, root / "roster.csv"))
    return root / "out"


def made(folder, platform, **options):
    file = io.BytesIO()
    making.make(Source(folder, platform, **options), file)
    return file.getvalue()


def points_in(platform, data):
    """Key and points of every line of a file that has points, as its platform reads it."""
    if platform == "oneroster":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            rows = csv.DictReader(io.TextIOWrapper(archive.open("results.csv"), encoding="utf-8"))
            return {row["studentSourcedId"]: row["score"] for row in rows if row["score"]}
    rows = list(csv.reader(io.StringIO(data.decode())))
    place = {"sakai": 2, "moodle-import": 1, "openedx": 1}[platform]
    return {row[0]: row[place] for row in rows[1:] if row[place]}


@pytest.mark.parametrize("platform", sorted(lms.makers()))
def test_who_has_a_grade_is_in_it_and_nobody_else(platform, tmp_path):
    course = Course(tmp_path).graded(*STUDENTS.values())
    data = made(course.folder, platform, column="hw1")
    assert points_in(platform, data) == {"0001": "8.5", "0002": "0", "0005": "0"} or points_in(platform, data) == {
        "ada@x.edu": "8.5", "bob@x.edu": "0", "dan@x.edu": "0",
    }  # fmt: skip


@pytest.mark.parametrize("platform", sorted(lms.makers()))
def test_missing_is_0_only_where_it_is_asked_for_and_a_fault_never(platform, tmp_path):
    course = Course(tmp_path).graded(*STUDENTS.values())
    points = points_in(platform, made(course.folder, platform, column="hw1", missing_zero=True))
    assert (points.get("0003") or points.get("eve@x.edu")) == "0"
    assert "0004" not in points


@pytest.mark.parametrize("platform", sorted(lms.makers()))
def test_no_line_has_a_blank_for_a_grade(platform, tmp_path):
    """Which one platform takes for no grade, and takes the grade away."""
    course = Course(tmp_path).graded(*STUDENTS.values())
    data = made(course.folder, platform, column="hw1")
    if platform != "oneroster":
        assert all(row[{"sakai": 2}.get(platform, 1)] for row in csv.reader(io.StringIO(data.decode())))


def roster_of(folder, column):
    """The results and the line item of a OneRoster archive."""
    with zipfile.ZipFile(io.BytesIO(made(folder, "oneroster", column=column))) as archive:
        assert sorted(archive.namelist()) == ["lineItems.csv", "manifest.csv", "results.csv"]
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open("results.csv"), encoding="utf-8")))
        [item] = csv.DictReader(io.TextIOWrapper(archive.open("lineItems.csv"), encoding="utf-8"))
    return rows, item


def test_a_blank_of_oneroster_s_stands_over_nothing(tmp_path):
    course = Course(tmp_path).graded(*STUDENTS.values())
    rows, item = roster_of(course.folder, "Homework 1")
    assert [row["studentSourcedId"] for row in rows] == ["0001", "0002", "0005"]
    assert {row["scoreStatus"] for row in rows} == {"fully graded"}
    assert {row["lineItemSourcedId"] for row in rows} == {item["sourcedId"]}
    assert (item["title"], item["resultValueMax"]) == ("Homework 1", "10.0")


def test_a_result_of_oneroster_s_is_the_same_record_next_time(tmp_path):
    course = Course(tmp_path).graded(student("b"))
    [before], _ = roster_of(course.folder, "作业一")
    course.graded(student("a"), student("b"))
    rows, item = roster_of(course.folder, "作业一")
    assert rows[1] == before
    assert rows[0]["sourcedId"] != before["sourcedId"]
    assert roster_of(course.folder, "作业二")[1]["sourcedId"] != item["sourcedId"]


@pytest.mark.parametrize("platform", ["sakai", "openedx", "oneroster"])
def test_another_platform_s_number_goes_nowhere(platform, tmp_path):
    course = Course(tmp_path).graded(student("9001", platform="canvas"))
    with pytest.raises(UsageError, match="all that is known is what a platform's download calls them"):
        made(course.folder, platform, column="hw1")
    course.graded(student("0001", platform="canvas", platform_key="9001"))
    assert points_in(platform, made(course.folder, platform, column="hw1")) == {"0001": "10"}


def test_moodle_imports_by_email_where_all_have_one(tmp_path):
    course = Course(tmp_path).graded(student("0001", email="ada@x.edu"), student("0002", email="bob@x.edu"))
    assert made(course.folder, "moodle-import", column="HW, 1").decode().splitlines()[0] == 'Email address,"HW, 1"'
    course.graded(student("0001", email="ada@x.edu"), student("0002"))
    assert made(course.folder, "moodle-import", column="HW").decode().splitlines() == [
        "ID number,HW",
        "0001,10",
        "0002,10",
    ]


def test_open_edx_wants_the_id_of_a_subsection(tmp_path):
    course = Course(tmp_path).graded(student("ada"))
    with pytest.raises(UsageError, match="it is no id of a subsection"):
        made(course.folder, "openedx", column="Homework 1")


@pytest.mark.parametrize("platform", sorted(lms.makers()))
def test_a_column_has_to_be_named(platform, tmp_path):
    course = Course(tmp_path).graded(student("ada"))
    with pytest.raises(UsageError, match="name it with --column"):
        made(course.folder, platform)


def test_sakai_s_own_user_names_go_back_to_it_whatever_the_roster_s_ids_are(tmp_path):
    course = Course(tmp_path).graded(student("000123", platform="sakai", platform_key="aalmeida"))
    assert points_in("sakai", made(course.folder, "sakai", column="x")) == {"aalmeida": "10"}
    assert points_in("openedx", made(course.folder, "openedx", column="x")) == {"000123": "10"}


def test_ids_keep_their_zeros_and_names_are_not_changed(tmp_path):
    course = Course(tmp_path).graded(student("007", name="=HYPERLINK(1)"))
    assert made(course.folder, "sakai", column="x").decode().splitlines()[1] == '"007","=HYPERLINK(1)","10",""'


def test_what_was_made_last_is_remembered(tmp_path):
    course = Course(tmp_path).graded(student("ada", "7"), student("bob", "7"))
    source = Source(course.folder, "sakai", "hw1")
    assert [change.kind for change in making.changes(source)] == ["new", "new"]
    making.note(source, list(making.changes(source)))
    assert [change.kind for change in making.changes(source)] == ["unchanged", "unchanged"]
    course.graded(student("ada", "8"), student("bob", "6"))
    assert [change.kind for change in making.changes(source)] == ["raised", "lowered"]
    making.note(source, list(making.changes(source)))
    assert len((course.folder / pushes.LOG).read_text().splitlines()) == 4


# Of a real batch.


def test_the_workbook_has_the_class_and_no_formula(graded):
    book = openpyxl.load_workbook(io.BytesIO(made(graded, "xlsx")))
    assert book.sheetnames == ["Grades", "Criteria", "Mistakes"]
    sheet = book["Grades"]
    rows = {row[0]: row for row in sheet.iter_rows(values_only=True)}
    assert rows["ada"][4:7] == ("graded", 10, 10)
    assert rows["dan"][4:6] == ("missing", None)
    assert rows["eve"][4:6] == ("unreadable", 0)
    assert rows["=1+1"][5] == 10
    assert all(cell.data_type != "f" for tab in book for row in tab.iter_rows() for cell in row)
    assert sheet.freeze_panes == "B2"
    criteria = {row[0]: row for row in book["Criteria"].iter_rows(values_only=True)}
    assert criteria["a1"][3:5] == (3, 4)
    assert next(row for row in book["Mistakes"].iter_rows(values_only=True) if row[0] == "sigma_prime_at_activation")[
        2:
    ] == (1, "bob")


def test_pages_are_as_students_may_see_them(graded):
    with zipfile.ZipFile(io.BytesIO(made(graded, "html"))) as archive:
        assert "ada.html" in archive.namelist()
        assert len(archive.namelist()) == 4
        [bob] = [report for grade, report in grades.reported(graded) if grade.student == "bob"]
        assert archive.read("bob.html").decode() == html.page(bob.seen_by("student"))


def test_gradescope_s_results_are_a_file_each(graded):
    with zipfile.ZipFile(io.BytesIO(made(graded, "gradescope"))) as archive:
        assert json.loads(archive.read("ada/results.json"))["score"] == 10


def test_the_table_is_the_batch_s_own(graded):
    assert made(graded, "csv") == (graded / "grades.csv").read_bytes()


def test_the_same_batch_makes_the_same_bytes(graded):
    assert made(graded, "html") == made(graded, "html")
    assert made(graded, "gradescope") == made(graded, "gradescope")


def test_feedback_goes_back_by_the_folders_of_moodle_s_download(tmp_path):
    loaded = grading.load(str(ROOT / "rubrics" / "backprop.toml"))
    download = ROOT / "tests" / "data" / "lms" / "moodle" / "submissions_folders.zip"
    batch.run(batch.Plan(download, tmp_path / "out", *loaded, "zygote", 1))
    with zipfile.ZipFile(io.BytesIO(made(tmp_path / "out", "moodle-feedback"))) as archive:
        assert "Ana Almeida_512001_assignsubmission_file/feedback.html" in archive.namelist()


def test_feedback_for_moodle_needs_a_download_of_moodle_s(graded):
    with pytest.raises(UsageError, match="came from no download of Moodle's"):
        made(graded, "moodle-feedback")


def test_grades_are_read_as_they_were_given(graded):
    read = {grade.student: grade for grade, _ in grades.read(graded)}
    assert (read["ada"].points, read["ada"].name, read["dan"].state) == (Decimal(10), "Ada", "missing")


def test_every_name_is_made_or_filled():
    assert set(making.names()) | set(lms.gradebooks()) == {
        "canvas", "moodle", "moodle-import", "moodle-feedback", "blackboard", "brightspace", "gradescope", "openedx",
        "oneroster", "sakai", "csv", "xlsx", "html",
    }  # fmt: skip
