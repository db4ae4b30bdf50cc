"""A class graded: what is left in the folder, what is graded again and what is not, and who is missing."""

from __future__ import annotations

import csv
import json
import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import ROOT, SOLUTIONS

from grader import batch, closing, grading, journal, listing, pool, worker
from grader.errors import UsageError
from grader.ledger import Ledger
from grader.lms import Piece
from grader.report import Report
from grader.roster import Student
from grader.values import Submission

RIGHT = (ROOT / "submissions" / "backprop" / "right.py").read_text()
WRONG = (ROOT / "submissions" / "backprop" / "sigma_prime_at_activation.py").read_text()
BROKEN = "def dy_db(:"


@pytest.fixture
def course(tmp_path):
    return Course(tmp_path)


class Course:
    """A source and a folder for what comes of it."""

    def __init__(self, root):
        self.root, self.source, self.out = root, root / "class", root / "out"
        self.source.mkdir()
        self.rubric, self.assignment = grading.load(str(ROOT / "rubrics" / "backprop.toml"))

    def hand_in(self, **files):
        for name, text in files.items():
            (self.source / f"{name}.py").write_text(text)

    def rubric_with(self, text):
        path = self.root / "mine.toml"
        tables = (ROOT / "rubrics" / "backprop.toml").read_text()
        if "[partial_credit]" in text:
            tables = tables.replace("[partial_credit]\nenabled = true", "#")
        path.write_text(tables + text)
        self.rubric, _ = grading.load(str(path))

    def roster(self, text):
        path = self.root / "roster.csv"
        path.write_text(text)
        return path

    def grade(self, *, source=None, sandbox="zygote", workers=1, watch=lambda _: None, **options):
        plan = batch.Plan(source or self.source, self.out, self.rubric, self.assignment, sandbox, workers, **options)
        return batch.run(plan, watch)

    def reports(self):
        return [Report.model_validate_json(line) for line in (self.out / journal.JOURNAL).read_text().splitlines()]

    def rows(self):
        with (self.out / journal.GRADES).open(newline="") as file:
            return {row["student"]: row for row in csv.DictReader(file)}

    def pages(self):
        return {path.name for path in (self.out / journal.PAGES).iterdir()}


def timeless(report):
    return report.model_copy(update={"seconds": 0.0})


def test_a_class_gets_reports_grades_and_pages(course):
    course.hand_in(bob=WRONG, ada=RIGHT, eve=BROKEN)
    summary = course.grade()
    assert (summary.attempts, summary.kept, summary.failed, summary.missing) == (3, 0, 0, 0)
    assert [(r.student, r.points, r.status) for r in course.reports()] == [
        ("ada", 10, "graded"), ("bob", Decimal("6.85"), "graded"), ("eve", 0, "unreadable"),
    ]  # fmt: skip
    assert course.pages() == {"ada.html", "bob.html", "eve.html"}
    rows = course.rows()
    assert list(rows["ada"])[:10] == ["student", "status", "points", "max_points", "a1", "a2", "a3", "a4", "b1", "b2"]
    assert [rows[who]["points"] for who in ("ada", "bob", "eve")] == ["10", "6.85", "0"]
    assert rows["eve"]["status"] == "unreadable"
    page = (course.out / journal.INDEX).read_text()
    assert "sigma_prime_at_activation" in page
    assert 'href="reports/bob.html"' in page


def test_a_report_is_that_of_the_same_file_graded_alone(course, grade):
    course.hand_in(ada=WRONG)
    course.grade()
    [report] = course.reports()
    alone = grade(WRONG, seed=report.seed, name="ada.py")
    changed = {"student": "ada", "origin": report.origin, "seconds": 0.0}
    assert timeless(report) == alone.model_copy(update=changed)


def test_what_has_a_report_is_not_graded_again(course):
    course.hand_in(ada=RIGHT, bob=WRONG)
    course.grade()
    before = {path: path.read_bytes() for path in course.out.rglob("*") if path.is_file()}
    summary = course.grade()
    assert summary.kept == 2
    assert {path: path.read_bytes() for path in course.out.rglob("*") if path.is_file()} == before


def test_what_has_changed_is_graded_again_and_told(course):
    course.hand_in(ada=RIGHT, bob=RIGHT + "\n")
    course.grade()
    course.hand_in(bob=WRONG)
    summary = course.grade()
    assert summary.kept == 1
    [change] = summary.changes
    assert (change.student, change.before, change.after) == ("bob", 10.0, 6.85)
    assert change.why.startswith("the submission: ")
    assert "bob,1,10.0,6.85" in (course.out / journal.CHANGES).read_text()


def test_another_rubric_grades_all_again_and_says_which(course):
    course.hand_in(ada=RIGHT, bob=WRONG)
    course.grade()
    course.rubric_with("\n[partial_credit]\nenabled = false\n")
    summary = course.grade()
    assert summary.kept == 0
    [change] = summary.changes
    assert (change.student, change.before, change.after) == ("bob", 6.85, 3.0)
    assert "the rubric: " in change.why
    assert "the submission" not in change.why


@pytest.mark.parametrize("of", ["grader_version", "assignment_version"])
def test_another_version_grades_all_again(of, course):
    course.hand_in(ada=RIGHT)
    course.grade()
    path = course.out / journal.JOURNAL
    path.write_text(json.dumps({**json.loads(path.read_text()), of: "older", "points": 7.0}) + "\n")
    summary = course.grade()
    assert summary.kept == 0
    assert f"{of.partition('_')[0]}: older ->" in summary.changes[0].why
    assert course.reports()[0].points == 10


def test_redo_grades_all_again_and_changes_nothing_that_is_the_same(course):
    course.hand_in(ada=RIGHT, bob=WRONG)
    course.grade()
    before = course.reports()
    summary = course.grade(redo=True)
    assert (summary.kept, summary.changed) == (0, 0)
    assert [*map(timeless, course.reports())] == [*map(timeless, before)]


def test_who_is_on_the_roster_and_handed_in_nothing_is_missing_which_is_not_0(course):
    course.hand_in(ada=RIGHT, eve=BROKEN)
    roster = course.roster("id,name,email,section\nada,Ada L,ada@x.edu,A\nbob,=Bob(),bob@x.edu,B\n")
    summary = course.grade(roster=roster)
    rows = course.rows()
    assert summary.missing == 1
    assert (rows["bob"]["status"], rows["bob"]["points"], rows["bob"]["a1"]) == ("missing", "", "")
    assert (rows["eve"]["status"], rows["eve"]["points"]) == ("unreadable", "0")
    assert rows["ada"]["section"] == "A"
    assert rows["bob"]["name"] == "'=Bob()"
    assert course.reports()[0].origin.name == "Ada L"


@pytest.mark.parametrize("key", ["ada", "ADA@x.edu", "ada l"])
def test_any_column_of_the_roster_finds_a_student(key, course):
    course.hand_in(**{key: RIGHT})
    course.grade(roster=course.roster("id,name,email\nADA,Ada L,ada@x.edu\n"))
    assert list(course.rows()) == ["ADA"]
    assert course.reports()[0].origin.key == key


def test_a_name_that_two_students_have_finds_neither(course):
    course.hand_in(**{"Ada L": RIGHT})
    summary = course.grade(roster=course.roster("id,name\n1,Ada L\n2,Ada L\n"))
    assert summary.missing == 2
    assert set(course.rows()) == {"1", "2", "Ada L"}


def test_identical_files_are_graded_once_and_told(course):
    course.hand_in(ada=WRONG, bob=WRONG, eve=WRONG.replace("z", "zeta") + "# mine\n")
    seen = []
    course.grade(watch=seen.append)
    ada, bob, eve = course.reports()
    assert timeless(ada).criteria == timeless(bob).criteria
    assert (ada.seed, ada.seconds) == (bob.seed, bob.seconds)  # the same grading
    assert (bob.submission.name, bob.student) == ("bob.py", "bob")
    assert eve.seed != ada.seed
    page = (course.out / journal.INDEX).read_text()
    assert "the same file" in page
    assert "the same but for names, comments and layout" in page


def test_a_traceback_does_not_tell_whose_file_it_was_too(course):
    source = "def dy_db(l, A, b, y, sigma, dsigma):\n    return 1 / 0\n"
    course.hand_in(ada=source, bob=source)
    course.grade()
    for report in course.reports():
        told = report.model_dump_json()
        assert "line 2" in told
        assert ("ada.py" in told) == (report.student == "ada")


LATE = "\n[late]\ndeadline = 2026-10-10T12:00:00Z\npercent_per_day = 10\n"


def blackboard(course, *attempts):
    for student, time, text in attempts:
        (course.source / f"HW_{student}_attempt_{time}_hw.py").write_text(text)


def test_the_same_file_at_another_time_has_the_same_points_but_for_being_late(course, grade):
    course.rubric_with(LATE)
    blackboard(course, ("ada", "2026-10-10-10-00-00", WRONG), ("bob", "2026-10-11-10-00-00", WRONG))
    course.grade()
    ada, bob = course.reports()
    alone = grade(WRONG, seed=bob.seed, rubric=course.rubric, submitted=datetime(2026, 10, 11, 10, tzinfo=UTC))
    assert (ada.late, bob.late.percent_lost) == (None, 10)
    assert bob.criteria == alone.criteria
    assert (bob.points, bob.late) == (alone.points, alone.late)
    assert "for being late" in bob.criteria[0].reason


def test_of_several_attempts_the_latest_counts(course):
    blackboard(course, ("ada", "2026-10-10-10-00-00", RIGHT), ("ada", "2026-10-10-11-00-00", BROKEN))
    course.grade()
    [report] = course.reports()
    assert (report.points, report.origin.attempt, report.origin.attempts) == (0, 2, 2)


def test_or_the_best_with_what_being_late_costs_taken_off(course):
    course.rubric_with(LATE + '\n[attempts]\ncounts = "best"\n')
    blackboard(
        course,
        ("ada", "2026-10-10-10-00-00", WRONG),
        ("ada", "2026-10-11-10-00-00", RIGHT),
        ("ada", "2026-10-19-10-00-00", RIGHT + "\n"),
    )
    course.grade()
    assert [report.origin.attempt for report in course.reports()] == [1, 2, 3]
    assert (course.rows()["ada"]["points"], course.rows()["ada"]["attempt"]) == ("9", "2")
    assert "9 <span" in (course.out / "reports" / "ada.html").read_text()


def test_a_group_is_graded_once_and_each_has_a_row(course):
    folder = course.source / "submission_1"
    folder.mkdir()
    (folder / "hw.py").write_text(WRONG)
    people = "".join(f"  - :name: {who}\n    :sid: '{who}'\n" for who in ("1", "2"))
    (course.source / "submission_metadata.yml").write_text(f"submission_1:\n  :submitters:\n{people}")
    summary = course.grade()
    assert summary.platform == "gradescope"
    one, two = course.reports()
    assert one.origin.group == two.origin.group == ("1", "2")
    assert one.criteria == two.criteria
    assert set(course.rows()) == {"1", "2"}


def test_a_zip_is_graded_as_its_folder_is(course):
    course.hand_in(ada=RIGHT, bob=WRONG)
    course.grade()
    unzipped = course.reports()
    with zipfile.ZipFile(course.root / "class.zip", "w") as archive:
        for path in course.source.iterdir():
            archive.write(path, path.name)
    summary = course.grade(source=course.root / "class.zip")
    assert summary.kept == 2
    assert course.reports() == unzipped


def test_what_is_nobodys_is_listed(course):
    course.hand_in(ada=RIGHT)
    (course.source / "README.md").write_text("")
    (course.source / "bob.py").symlink_to(course.source / "ada.py")
    summary = course.grade()
    page = (course.out / journal.INDEX).read_text()
    assert summary.unplaced == 2
    assert "README.md" in page
    assert "it is a link" in page


def test_a_file_that_is_too_large_is_unreadable_and_a_notebook_too(course):
    course.hand_in(ada="#" * 1_000_001)
    (course.source / "bob.ipynb").write_text('{"cells": [], "nbformat": 4}')
    course.grade()
    ada, bob = course.reports()
    assert "it is larger than 1 MB" in ada.unreadable
    assert "it is a notebook" in bob.unreadable
    assert "no Python file was handed in" in bob.origin.note


def test_a_source_without_submissions_is_told_before_anything_is_made(course):
    with pytest.raises(UsageError, match="it has no submission; expected <student>.py"):
        course.grade()
    assert not course.out.exists()


def test_a_report_of_nobody_who_is_here_is_set_aside(course):
    course.hand_in(ada=RIGHT, bob=WRONG)
    course.grade()
    (course.source / "bob.py").unlink()
    summary = course.grade()
    assert summary.set_aside == 1
    assert json.loads((course.out / journal.SET_ASIDE).read_text())["student"] == "bob"
    assert course.pages() == {"ada.html"}
    assert list(course.rows()) == ["ada"]


def test_the_folder_of_another_assignment_is_left_alone(course):
    course.hand_in(ada=RIGHT)
    course.grade()
    path = course.out / journal.JOURNAL
    path.write_text(path.read_text().replace('"assignment":"backprop"', '"assignment":"other"'))
    with pytest.raises(UsageError, match="it has reports of assignment 'other'"):
        course.grade()
    assert "other" in path.read_text()


def test_a_line_that_is_no_report_is_graded_over(course):
    course.hand_in(ada=RIGHT)
    course.grade()
    path = course.out / journal.JOURNAL
    path.write_text(path.read_text() + "not json\n[1]\n{}\n")
    assert course.grade().kept == 1
    assert len(course.reports()) == 1
    assert (course.out / journal.SET_ASIDE).read_text() == "not json\n[1]\n{}\n"


def test_a_file_of_the_journals_name_that_is_none_is_left_alone(course):
    course.hand_in(ada=RIGHT)
    course.out.mkdir()
    (course.out / journal.JOURNAL).write_text("my notes\n")
    with pytest.raises(UsageError, match="begins with what is no report"):
        course.grade()
    assert (course.out / journal.JOURNAL).read_text() == "my notes\n"


def test_a_backend_there_is_not_is_told_before_anything_is_touched(course):
    course.hand_in(ada=RIGHT)
    course.grade()
    with pytest.raises(UsageError, match="sandbox 'foo'"):
        course.grade(sandbox="foo")
    assert course.reports()[0].points == 10


def test_a_fault_of_ours_does_not_forget_what_was_graded(course, monkeypatch):
    course.hand_in(ada=RIGHT)
    course.grade()
    whole = grading.grade
    monkeypatch.setattr(grading, "grade", lambda *_, **__: 1 / 0)
    assert course.grade(redo=True).failed == 1
    assert course.rows()["ada"]["status"] == "fault"
    monkeypatch.setattr(grading, "grade", whole)
    course.hand_in(ada=WRONG)
    [change] = course.grade().changes
    assert (change.before, change.after) == (10, 6.85)
    assert len(course.reports()) == 1


def test_who_handed_in_what_cannot_be_read_is_not_missing(course):
    course.hand_in(ada=RIGHT)
    (course.source / "bob").mkdir()
    (course.source / "bob" / "all.zip").write_bytes(b"no zip")
    (course.source / "eve.zip").write_bytes(b"PK nor this")
    (course.source / "dan.py").write_bytes(b"PK\3\4 an archive by another name")
    summary = course.grade(roster=course.roster("id\nada\nbob\neve\ndan\n"))
    assert {who: row["status"] for who, row in course.rows().items()} == {
        "ada": "graded", "bob": "unreadable", "eve": "unreadable", "dan": "unreadable",
    }  # fmt: skip
    told = {report.student: report.unreadable for report in course.reports()}
    assert "it is a zip that cannot be read" in told["bob"]
    assert "it is an archive, not Python" in told["dan"]
    assert (summary.missing, summary.unplaced) == (0, 0)
    assert course.grade(roster=course.root / "roster.csv").kept == 4


def test_who_fits_two_of_the_roster_is_neither(course):
    """By name: the names of two are the same; whose work it is is not guessed, and it is said."""
    course.hand_in(**{"Ada L": RIGHT})
    summary = course.grade(roster=course.roster("id,name\n1,Ada L\n2,Ada L\n"))
    assert summary.doubts == (("Ada L", ("1", "2")),)
    assert {who: row["status"] for who, row in course.rows().items()} == {
        "1": "missing", "2": "missing", "Ada L": "graded",
    }  # fmt: skip


def test_two_who_fit_one_of_the_roster_are_neither(course):
    course.hand_in(**{"ada l": RIGHT, "ADA L": WRONG})
    summary = course.grade(roster=course.roster("id,name\n1,Ada L\n"))
    assert summary.doubts == (("ADA L", ("1",)), ("ada l", ("1",)))
    assert course.rows()["1"]["status"] == "missing"


def test_of_two_who_have_one_name_the_one_that_is_left_is_nobody_s(course):
    """One of them is found by id; the other file may be the same student's as well."""
    course.hand_in(**{"101": WRONG, "Ann Lee": RIGHT})
    summary = course.grade(roster=course.roster("id,name\n101,Ann Lee\n102,Ann Lee\n"))
    assert summary.doubts == (("Ann Lee", ("101", "102")),)
    assert course.rows()["102"]["status"] == "missing"


def test_a_row_in_doubt_is_not_found_by_a_weaker_text(course):
    with Ledger() as ledger:
        ledger.expect([Student("1", "1", "ann@x", "Ann")])
        file = listing.File("a.py", 1, None, b"")
        ledger.add(Piece("u1", file, "a.py", email="ann@x"))
        ledger.add(Piece("u2", file, "a.py", email="ann@x"))
        ledger.add(Piece("u3", file, "a.py", email="zed@x", person="Ann"))
        ledger.recognise()
        assert list(ledger.doubts()) == [("u1", ("1",)), ("u2", ("1",)), ("u3", ("1",))]
        assert {student for student, *_ in ledger.attempts()} == {"u1", "u2", "u3"}


def test_an_id_finds_its_row_before_another_s_name_does(course):
    """One student is called as another's id is."""
    course.hand_in(BOB=RIGHT, Eve=WRONG)
    summary = course.grade(roster=course.roster("id,name\neve,Bob\nbob,Ann\n"))
    assert summary.doubts == ()
    assert {who: row["points"] for who, row in course.rows().items()} == {"bob": "10", "eve": "6.85"}


def test_two_students_are_not_taken_for_one_of_the_roster(course):
    course.hand_in(ada=RIGHT, Ada=WRONG)
    summary = course.grade(roster=course.roster("id,name\nada,Ada\n"))
    assert {who: row["points"] for who, row in course.rows().items()} == {"ada": "10", "Ada": "6.85"}
    assert summary.strangers == ("Ada",)


def test_usernames_with_underscores_are_told_apart_without_their_manifests(course):
    blackboard(course, ("a_b", "2026-10-10-10-00-00", RIGHT), ("c_b", "2026-10-10-10-00-00", WRONG))
    course.grade()
    assert set(course.rows()) == {"a_b", "c_b"}


def test_how_the_file_was_chosen_is_on_the_page(course):
    (course.source / "ada").mkdir()
    (course.source / "ada" / "hw.py").write_text(RIGHT)
    (course.source / "ada" / "old.py").write_text("x = 1")
    course.grade()
    for page in (course.out / "reports" / "ada.html", course.out / journal.INDEX):
        assert "hw.py was graded, the one with all functions of 2 files; not graded: old.py" in page.read_text()


def test_what_a_batch_left_is_no_submission(course):
    course.hand_in(ada=RIGHT)
    course.out = course.source / "out"
    course.grade()
    first = course.out
    course.out = course.root / "elsewhere"
    course.grade()
    assert list(course.rows()) == ["ada"]
    for source, told in ((first, "it is what a batch left"), (course.out, "it is the source")):
        with pytest.raises(UsageError, match=told):
            course.grade(source=source)


def test_a_page_that_was_lost_is_made_again(course):
    course.hand_in(ada=RIGHT)
    course.grade()
    (course.out / "reports" / "ada.html").unlink()
    assert course.grade().kept == 1
    assert course.pages() == {"ada.html"}


def test_the_results_may_lie_in_the_source(course):
    course.hand_in(ada=RIGHT)
    course.out = course.source / "out"
    course.grade()
    assert course.grade().kept == 1
    assert list(course.rows()) == ["ada"]


def test_names_of_all_kinds_have_pages_and_links(course):
    names = ["Ünal, Zoë", "a&b", "<script>", "%41", "-rf", "it's", 'say "hi"', "a b", "x" * 200]
    course.hand_in(**dict.fromkeys(names, RIGHT))
    course.grade()
    assert {report.student for report in course.reports()} == set(names)
    assert len(course.pages()) == len(names)
    assert "<script>" not in (course.out / journal.INDEX).read_text().partition("<main>")[2].partition("<footer>")[0]


def test_progress_is_told_for_every_attempt(course):
    course.hand_in(ada=RIGHT, bob=RIGHT, eve=WRONG)
    seen = []
    course.grade(watch=seen.append)
    assert [progress.done for progress in seen] == [0, 1, 2, 3]
    assert {progress.total for progress in seen} == {3}


def test_several_processes_give_the_same_as_one(course):
    course.hand_in(**{path.parent.name: path.read_text() for path in sorted(SOLUTIONS.glob("*/w1?_*/solution.py"))})
    course.grade()
    one = [*map(timeless, course.reports())]
    course.grade(workers=2, redo=True)
    assert [*map(timeless, course.reports())] == one


def test_a_fault_of_ours_is_no_grade_and_is_tried_again(course, monkeypatch):
    course.hand_in(ada=RIGHT, bob=RIGHT)
    whole = grading.grade

    def broken(*arguments, **keywords):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(grading, "grade", broken)
    summary = course.grade()
    assert summary.failed == 2
    assert "a fault of the grader's own, not of the submission: ZeroDivisionError: ours" in summary.faults[0][1]
    assert [row["status"] for row in course.rows().values()] == ["fault", "fault"]
    assert [row["points"] for row in course.rows().values()] == ["", ""]
    monkeypatch.setattr(grading, "grade", whole)
    assert course.grade().failed == 0
    assert [row["status"] for row in course.rows().values()] == ["graded", "graded"]


def test_the_folder_is_free_of_what_is_only_for_the_while(course):
    course.hand_in(ada=RIGHT)
    course.grade()
    assert {path.name for path in course.out.iterdir()} == {
        journal.JOURNAL, journal.GRADES, journal.INDEX, journal.PAGES,
    }  # fmt: skip
    assert Path(course.out / journal.GRADES).read_bytes().count(b"\r") == 0


def test_a_new_attempt_keeps_the_students_page(course):
    blackboard(course, ("ada", "2026-10-10-10-00-00", RIGHT))
    course.grade()
    blackboard(course, ("ada", "2026-10-10-11-00-00", WRONG))
    course.grade()
    assert course.pages() == {"ada.html"}
    assert "6.85 <span" in (course.out / "reports" / "ada.html").read_text()


def test_what_is_set_aside_is_there_before_the_journal_is_without_it(course, monkeypatch):
    course.hand_in(ada=RIGHT, bob=WRONG)
    course.grade()
    (course.source / "bob.py").unlink()
    monkeypatch.setattr("grader.closing.gradebook.lines", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        course.grade()
    assert json.loads((course.out / journal.SET_ASIDE).read_text())["student"] == "bob"


# What an earlier run left, and what has happened since.


def test_what_is_said_of_whose_a_file_is_is_said_anew_and_nothing_graded(course):
    course.hand_in(ada=RIGHT)
    course.grade()
    seconds = [report.seconds for report in course.reports()]
    summary = course.grade(roster=course.roster("id,name,section\nada,Ada L,B\n"))
    [report] = course.reports()
    assert (report.origin.name, report.origin.section) == ("Ada L", "B")
    assert [report.seconds] == seconds
    assert summary.changed == 0
    assert course.grade(roster=course.root / "roster.csv").kept == 1


def test_the_page_is_of_the_attempt_that_counts_after_the_better_one_is_gone(course):
    course.rubric_with('[attempts]\ncounts = "best"\n')
    blackboard(course, ("ada", "2026-10-10-10-00-00", WRONG), ("ada", "2026-10-11-10-00-00", RIGHT))
    course.grade()
    assert "6.85" not in (course.out / "reports" / "ada.html").read_text()
    for path in course.source.glob("*2026-10-11-10-00-00*"):
        path.unlink()
    course.grade()
    assert course.rows()["ada"]["points"] == "6.85"
    assert "6.85" in (course.out / "reports" / "ada.html").read_text()


def test_a_file_that_cannot_be_read_now_is_our_fault_and_what_was_known_of_it_is_kept_apart(course, monkeypatch):
    course.hand_in(ada=RIGHT, bob=WRONG)
    course.grade()
    with monkeypatch.context() as patch:
        patch.setattr(listing._Folder, "_own", unreadable_now("ada.py"))
        summary = course.grade()
    assert (summary.failed, summary.missing, summary.kept) == (1, 0, 1)
    assert course.rows()["ada"]["status"] == "fault"
    assert [report.student for report in course.reports()] == ["bob"]
    [kept] = (course.out / journal.OUTDATED).read_text().splitlines()
    assert Report.model_validate_json(kept).student == "ada"
    assert not (course.out / "reports" / "ada.html").exists()
    assert course.grade().failed == 0
    assert course.rows()["ada"]["points"] == "10"
    assert not (course.out / journal.OUTDATED).exists()


def unreadable_now(name, whole=listing._Folder._own):
    def own(self, asked, most):
        if asked == name.encode():
            raise listing.Unreadable("input/output error")
        return whole(self, asked, most)

    return own


def test_a_zip_that_cannot_be_read_now_is_a_fault(course, monkeypatch):
    with zipfile.ZipFile(course.source / "ada.zip", "w") as target:
        target.writestr("hw.py", RIGHT)
    course.hand_in(bob=RIGHT)
    with monkeypatch.context() as patch:
        patch.setattr(listing._Folder, "_own", unreadable_now("ada.zip"))
        assert course.grade().failed == 1
    assert course.rows()["ada"]["status"] == "fault"
    course.grade()
    assert course.rows()["ada"]["points"] == "10"


def test_one_of_several_files_that_cannot_be_read_now_is_a_fault(course, monkeypatch):
    """It may be the one with the functions."""
    (course.source / "ada").mkdir()
    (course.source / "ada" / "hw.py").write_text(RIGHT)
    (course.source / "ada" / "notes.py").write_text("x = 1\n")
    course.hand_in(bob=RIGHT)
    with monkeypatch.context() as patch:
        patch.setattr(listing._Folder, "_own", unreadable_now("ada/hw.py"))
        assert course.grade().failed == 1
    assert course.rows()["ada"]["status"] == "fault"
    course.grade()
    assert course.rows()["ada"]["points"] == "10"


def test_what_could_not_be_made_anew_of_somebody_who_is_gone_is_set_aside(course, monkeypatch):
    course.hand_in(ada=RIGHT, bob=RIGHT)
    course.grade()
    with monkeypatch.context() as patch:
        patch.setattr(listing._Folder, "_own", unreadable_now("ada.py"))
        course.grade()
    (course.source / "ada.py").unlink()
    course.grade()
    [kept] = (course.out / journal.SET_ASIDE).read_text().splitlines()
    assert Report.model_validate_json(kept).student == "ada"


def test_what_has_changed_since_a_fault_is_told_though_the_run_that_saw_it_was_killed(course, monkeypatch):
    course.hand_in(ada=RIGHT, bob=RIGHT)
    course.grade()
    with monkeypatch.context() as patch:
        patch.setattr(listing._Folder, "_own", unreadable_now("ada.py"))
        course.grade()
    course.hand_in(ada=WRONG)
    with monkeypatch.context() as patch:
        patch.setattr(closing, "_write_changes", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            course.grade()
    [change] = course.grade().changes
    assert (change.student, change.before, change.after) == ("ada", 10, 6.85)


def test_a_file_of_a_zip_that_was_handed_in_broken_is_unreadable_and_not_missing(course):
    whole = course.root / "hw.zip"
    with zipfile.ZipFile(whole, "w") as target:
        target.writestr("hw.py", "x = 1\n")
    (course.source / "ada.zip").write_bytes(whole.read_bytes().replace(b"x = 1", b"x = 2"))
    course.hand_in(bob=RIGHT)
    course.grade()
    assert {who: row["status"] for who, row in course.rows().items()} == {"ada": "unreadable", "bob": "graded"}
    assert course.grade().kept == 2


@pytest.mark.parametrize(
    "line", ['{"student": 1}', '{"student": "ada", "assignment": "backprop", "submission": 3}', "[]"]
)
def test_a_line_of_other_values_is_left_over_and_stops_nothing(line, course):
    course.hand_in(ada=RIGHT)
    course.grade()
    with (course.out / journal.JOURNAL).open("a") as file:
        file.write(line + "\n")
    assert course.grade().kept == 1
    assert (course.out / journal.SET_ASIDE).read_text() == line + "\n"
    assert course.grade().kept == 1


def test_one_job_at_a_time_is_in_the_journal_before_the_next(course):
    course.hand_in(**{f"s{n}": RIGHT + f"# {n}" for n in range(12)})
    written = []
    course.grade(watch=lambda progress: written.append(
        ((course.out / journal.JOURNAL).read_bytes().count(b"\n"), progress.graded)
    ))  # fmt: skip
    assert all(lines == graded for lines, graded in written)
    taken = []

    def jobs():
        for n in range(5):
            taken.append(n)
            yield worker.Job(n, Submission("a.py", RIGHT.encode()), 1)

    setting = worker.setting(course.rubric, course.assignment, "zygote").packed()
    for result in pool.conduct(pool.start(None, 1, setting), 1, setting, jobs()):
        assert taken[-1] <= result.n + 1


def test_grades_are_a_table_whatever_is_in_them(course):
    course.hand_in(ada=RIGHT)
    course.grade(roster=course.roster('id,name,email,section\nada,"A\rda",=1+1,@B\n'))
    row = course.rows()["ada"]
    assert (row["name"], row["email"], row["section"]) == ("A da", "'=1+1", "'@B")


def test_drafts_of_a_run_that_was_killed_are_gone_after_the_next(course):
    course.hand_in(ada=RIGHT)
    course.grade()
    (course.out / "reports" / ".bob.html.draft").write_text("half")
    course.grade()
    assert course.pages() == {"ada.html"}


def test_who_was_not_there_the_last_time_is_compared_with_what_was_said_before(course):
    course.hand_in(ada=RIGHT, bob=RIGHT)
    course.grade()
    (course.source / "ada.py").unlink()
    course.grade()
    course.hand_in(ada=WRONG)
    [change] = course.grade().changes
    assert (change.student, change.before, change.after) == ("ada", 10, 6.85)


def test_another_numpy_or_scipy_is_another_grading(course, monkeypatch):
    course.hand_in(ada=RIGHT)
    course.grade()
    assert course.reports()[0].sandbox.packages["numpy"]
    assert course.grade().kept == 1
    monkeypatch.setattr(batch.sandboxes, "packages", lambda: {"numpy": "1"})
    assert course.grade().kept == 0


def test_an_empty_folder_is_told(course):
    course.hand_in(ada=RIGHT)
    (course.source / "dan").mkdir()
    assert course.grade().unplaced == 1
    assert "it is an empty folder" in (course.out / journal.INDEX).read_text()
