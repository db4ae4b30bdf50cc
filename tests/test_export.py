"""Grades into gradebooks: nothing lost, lowered or invented, and not a byte changed beside the cells that were meant."""

from __future__ import annotations

import csv
import io
import json
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader import comparing, confirmations, delimited, filling, lms, pushes
from grader.comparing import Order
from grader.errors import UsageError
from grader.journal import GRADES, JOURNAL
from grader.ledger import Row
from grader.render import gradebook

SAMPLES = Path(__file__).parent / "data" / "lms"
TEMPLATES = {
    "canvas": ("gradebook_export.csv", "gradebook_export_bom.csv", "gradebook_export_last_first.csv"),
    "moodle": ("offline_worksheet.csv",),
    "blackboard": ("gc_fullgc.xls", "gc_fullgc.csv"),
    "brightspace": ("gradebook_export.csv", "gradebook_import.csv"),
}
COLUMN = {"canvas": "Homework 1", "moodle": "Grade", "blackboard": "Homework 1", "brightspace": "Homework 1"}
ALL = [(platform, name) for platform, names in TEMPLATES.items() for name in names]


def student(
    key, points="10", *, status="graded", maximum="10", platform=None, platform_key=None, name=None, email=None
):
    """One line of a batch: who, and what came of it."""
    graded = status in ("graded", "unreadable")
    grade = {
        "status": status, "points": points, "max_points": maximum, "criteria": {}, "late": False, "marked_late": False,
        "attempt": 1,
    }  # fmt: skip
    row = Row(key, name, email, None, grade if graded else None, "lost" if status == "fault" else None)
    origin = {"attempt": 1, "platform": platform, "key": platform_key or key, "path": "hw.py"}
    report = {"student": key, "origin": origin, "points": points, "max_points": maximum}
    return row, report if graded else None


def of_row(platform, row, *points, **options):
    """A grade of whoever this row is of, by the platform's own key where it has one."""
    if row.person.key:
        return student(row.person.key, *points, platform=platform, **options)
    return student(row.person.ids[0], *points, **options)


@pytest.fixture
def course(tmp_path):
    return Course(tmp_path)


class Course:
    """A batch's folder, and a gradebook."""

    def __init__(self, root):
        self.root, self.folder, self.out = root, root / "graded", root / "filled"
        self.folder.mkdir(exist_ok=True)
        self.template = root / "template"

    def graded(self, *students):
        rows, lines = zip(*students, strict=True)
        (self.folder / GRADES).write_text("".join(gradebook.lines(rows, [])), encoding="utf-8")
        (self.folder / JOURNAL).write_text("".join(json.dumps(line) + "\n" for line in lines if line), encoding="utf-8")
        return self

    def downloaded(self, data):
        self.template.write_bytes(data.encode() if isinstance(data, str) else data)
        return self

    @contextmanager
    def compared(self, platform="canvas", **options):
        column = options.pop("column", COLUMN.get(platform))
        self.opened = filling.Template(platform, options.pop("template", self.template), column)
        with comparing.compared(Order(self.folder, platform, **options), self.opened) as comparison:
            yield comparison

    def changes(self, platform="canvas", **options):
        with self.compared(platform, **options) as comparison:
            return {change.student: change for change in comparison.changes()}

    def kinds(self, platform="canvas", **options):
        return {who: change.kind for who, change in self.changes(platform, **options).items()}

    def write(self, platform="canvas", **options):
        with self.compared(platform, **options) as comparison:
            filling.fill(self.opened, comparison, self.out)
        return self.out.read_bytes()


def canvas(*rows, possible="10.00", title="Homework 1 (40123)"):
    """A Canvas gradebook: name, id, SIS id, login, and what stands in the column."""
    buffer = io.StringIO()
    lines = csv.writer(buffer, lineterminator="\n")
    lines.writerow(["Student", "ID", "SIS User ID", "SIS Login ID", "Section", title])
    lines.writerow(["    Points Possible", "", "", "", "", possible])
    lines.writerows([name, key, sis, login, "A", cell] for name, key, sis, login, cell in rows)
    return buffer.getvalue()


ADA, BOB, EVE = (
    ("Lovelace, Ada", "9001", "0001", "ada"),
    ("Byron, Bob", "9002", "0002", "bob"),
    ("Eve, Eve", "9003", "0003", "eve"),
)


def cells_of(platform, data):
    """The rows of a gradebook as its platform reads them, and what is in every cell."""
    file = io.BytesIO(data)
    form = delimited.form_of(file, "gradebook")
    records = list(delimited.records(file, form, "gradebook"))
    module = lms.gradebooks()[platform]
    header = records[0].cells
    columns = module.columns([record.cells for record in records[: lms.HEAD]])
    column = next(one for one in columns if one.title.startswith(COLUMN[platform]))
    return column, [
        (record, module.row(header, record.cells, column) if n else None) for n, record in enumerate(records)
    ]


# Every template of every platform.


@pytest.mark.parametrize(("platform", "name"), ALL)
def test_a_filled_gradebook_differs_in_the_filled_cells_alone(platform, name, course):
    data = (SAMPLES / platform / name).read_bytes()
    column, before = cells_of(platform, data)
    rows = [row for _, row in before if row]
    graded = [of_row(platform, row, str(n % 10) + ".25") for n, row in enumerate(rows)]
    course.graded(*graded).downloaded(data)
    filled = course.write(platform, forced=frozenset(comparing.BLOCKING))
    _, after = cells_of(platform, filled)
    changed = 0
    for (old, row), (new, _) in zip(before, after, strict=True):
        assert (old.end, len(old.raw)) == (new.end, len(new.raw))
        differing = [n for n, (a, b) in enumerate(zip(old.raw, new.raw, strict=True)) if a != b]
        assert differing in ([], [column.place])
        assert row or not differing
        changed += len(differing)
    assert changed > 0
    assert [row.standing for _, row in after if row and row.standing.points is None] == [
        row.standing for _, row in before if row and row.standing.state in ("excused", "unassigned")
    ]


@pytest.mark.parametrize(("platform", "name"), ALL)
def test_a_gradebook_that_nothing_changes_in_comes_back_byte_for_byte(platform, name, course):
    data = (SAMPLES / platform / name).read_bytes()
    course.graded(student("nobody here", status="missing")).downloaded(data)
    assert course.write(platform) == data


@pytest.mark.parametrize("platform", TEMPLATES)
def test_a_second_export_of_what_was_imported_changes_nothing(platform, course):
    data = (SAMPLES / platform / TEMPLATES[platform][0]).read_bytes()
    _, records = cells_of(platform, data)
    rows = [row for _, row in records if row]
    course.graded(*(of_row(platform, row, "7") for row in rows)).downloaded(data)
    filled = course.write(platform, forced=frozenset(comparing.BLOCKING))
    course.downloaded(filled)
    assert {kind for kind in course.kinds(platform).values() if kind not in ("excused", "unassigned", "locked")} == {
        "unchanged"
    }
    assert course.write(platform, forced=frozenset(["locked"])) == filled


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=15)
ODD_NAMES = st.one_of(
    NAMES, st.sampled_from(['O"Neil, Seán', "=HYPERLINK(1)", "+1", "-x", "@a", "עברית, שם", "a;b,c", "  x  "])
)


@given(
    st.lists(st.tuples(ODD_NAMES, st.sampled_from(["", "8.50", "EX", "N/A", "0.00", "7"])), min_size=1, max_size=6),
    st.sampled_from(",;"),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.permutations(["SIS User ID", "SIS Login ID", "Homework 1 (7)", "Other (8)"]),
    st.data(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_any_canvas_gradebook_is_filled_where_it_was_meant(tmp_path, students, delimiter, end, marked, order, data):
    buffer = io.StringIO()
    header = ["Student", "ID", *order, "Section"]
    lines = csv.writer(buffer, delimiter=delimiter, lineterminator=end)
    lines.writerow(header)
    lines.writerow(["    Points Possible", "", *("20.00" if "(" in title else "" for title in order), ""])
    for n, (name, cell) in enumerate(students):
        values = {"SIS User ID": f"00{n}", "SIS Login ID": f"login{n}", "Homework 1 (7)": cell, "Other (8)": "1.00"}
        lines.writerow([name, str(9000 + n), *(values[title] for title in order), "A"])
    original = (b"\xef\xbb\xbf" if marked else b"") + buffer.getvalue().encode()
    points = data.draw(
        st.lists(st.sampled_from(["0", "10", "3.33", "7.5"]), min_size=len(students), max_size=len(students))
    )
    course = Course(tmp_path)
    course.graded(*(student(f"00{n}", text) for n, text in enumerate(points))).downloaded(original)
    filled = course.write(forced=frozenset(comparing.BLOCKING))
    column, before = cells_of("canvas", original)
    _, after = cells_of("canvas", filled)
    expected = iter(
        row.standing if row.standing.state in ("excused", "unassigned")
        else lms.Standing("points", Decimal(text) * 2) for text, row in zip(points, (row for _, row in before if row), strict=True)
    )  # fmt: skip
    for (old, was), (new, now) in zip(before, after, strict=True):
        assert [cell for n, cell in enumerate(old.raw) if n != column.place] == [
            cell for n, cell in enumerate(new.raw) if n != column.place
        ]
        if was:
            assert now.standing == next(expected)
        else:
            assert old == new


# The hazards, each as it has happened somewhere.


def test_a_blank_never_stands_over_a_grade(course):
    """Canvas erases a grade whose cell is blank: who has no grade of ours keeps what stands there."""
    course.graded(student("0001", status="missing"), student("0002", status="fault"))
    template = canvas((*ADA, "8.50"), (*BOB, "7.00"), (*EVE, "6.00"))
    assert course.downloaded(template).write(forced=frozenset(["fault"])) == template.encode()


def test_feedback_that_stands_in_a_moodle_worksheet_stays(course):
    data = (SAMPLES / "moodle" / "offline_worksheet.csv").read_bytes()
    filled = course.graded(student("000124", "7")).downloaded(data).write("moodle")
    assert b"<p>Good</p>" in filled
    assert filled.replace(b"Submitted for grading,7,", b"Submitted for grading,,") == data


def test_a_missing_submission_is_not_0_and_a_real_0_is(course):
    course.graded(student("0001", status="missing"), student("0002", "0"), student("0003", "0", status="unreadable"))
    course.downloaded(canvas((*ADA, ""), (*BOB, ""), (*EVE, "")))
    _, rows = cells_of("canvas", course.write())
    assert [row.standing for _, row in rows if row] == [lms.BLANK, lms.standing("0"), lms.standing("0")]


def test_a_fault_of_ours_overwrites_nothing_and_is_not_passed_over(course):
    course.graded(student("0001", status="fault")).downloaded(canvas((*ADA, "8.50")))
    with pytest.raises(UsageError, match="fault"):
        course.write()
    assert not course.out.exists()


@pytest.mark.parametrize(
    ("points", "maximum", "possible", "expected"),
    [("3", "4", "10.00", "7.5"), ("1", "3", "10.00", "3.33"), ("2", "3", "1.00", "0.67"), ("9.99", "10", "10.00", "9.99"),
     ("0.005", "1", "1.00", "0.01"), ("10", "10", "100.00", "100"), ("7.50", "10", "10.00", "7.5")],
)  # fmt: skip
def test_points_are_scaled_and_rounded_once_without_a_float_s_noise(points, maximum, possible, expected, course):
    course.graded(student("0001", points, maximum=maximum)).downloaded(canvas((*ADA, ""), possible=possible))
    assert course.changes()["0001"].after == expected


def test_points_possible_and_ids_are_never_changed(course):
    template = canvas((*ADA, ""), possible="20.00")
    filled = course.graded(student("0001", "7")).downloaded(template).write().decode()
    assert filled == template.replace(",A,\n", ",A,14\n")
    assert course.changes()["0001"].note == "7 of 10 is 14 of 20"


@pytest.mark.parametrize("state", ["EX", "N/A", "ex"])
def test_who_is_excused_or_not_asked_stays_so(state, course):
    template = canvas((*ADA, state))
    assert (
        course.graded(student("0001", "7")).downloaded(template).write(forced=frozenset(comparing.BLOCKING))
        == template.encode()
    )


def test_the_test_student_is_nobody(course):
    template = canvas((*ADA, ""), ("Student, Test", "9099", "0009", "f3a9", ""))
    course.graded(student("0001"), student("0009")).downloaded(template)
    assert course.kinds() == {"0001": "new", "0009": "unmatched"}


def test_a_decimal_comma_is_written_where_one_stands(course):
    template = "Student;ID;Section;Homework 1 (1)\n    Points Possible;;;10,00\nAda;9001;A;\nBob;9002;A;7,50\n"
    filled = (
        course.graded(student("9001", "8.5", platform="canvas"), student("9002", "7.5", platform="canvas"))
        .downloaded(template)
        .write()
    )
    assert filled.decode() == template.replace("Ada;9001;A;\n", "Ada;9001;A;8,5\n")


# Missing, zero, excused and fault never turn into one another, in any gradebook.

STATES = {"graded": {"points": "0"}, "unreadable": {"points": "0", "status": "unreadable"}, "missing": {"status": "missing"},
          "fault": {"status": "fault"}}  # fmt: skip
CELLS = ("", "0", "8.5", "EX", "N/A", "-")


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("platform", TEMPLATES)
def test_states_stay_what_they_are(platform, state, cell, course):
    sample = (SAMPLES / platform / TEMPLATES[platform][0]).read_bytes()
    column, records = cells_of(platform, sample)
    n, row = next((n, row) for n, (_, row) in enumerate(records) if row and not row.locked)
    form = delimited.form_of(io.BytesIO(sample), "sample")
    changed = [record for record, _ in records]
    changed[n] = changed[n].with_cell(column.place, cell, form.delimiter)
    course.downloaded(form.mark + b"".join(form.encoded(record.text(form.delimiter)) for record in changed))
    course.graded(of_row(platform, row, **STATES[state]))
    before = cells_of(platform, course.template.read_bytes())[1][n][1].standing
    after = cells_of(platform, course.write(platform, forced=frozenset(comparing.BLOCKING)))[1][n][1].standing
    if state in ("missing", "fault") or before.state in ("excused", "unassigned"):
        assert after == before
        assert state not in ("missing", "fault") or course.out.read_bytes() == course.template.read_bytes()
    else:
        assert after.points == 0


@pytest.mark.parametrize(("cell", "kind"), [("", "new"), ("0.00", "unchanged"), ("8.50", "lowered"), ("EX", "excused")])
def test_missing_as_zero_is_said_and_lowers_nobody_unasked(cell, kind, course):
    course.graded(student("0001", status="missing")).downloaded(canvas((*ADA, cell)))
    change = course.changes(missing_zero=True)["0001"]
    assert (change.kind, change.written) == (kind, kind == "new")
    assert kind == "excused" or change.after == "0"
    assert kind == "excused" or change.note == "missing, as 0"


# What is blocked.


def test_a_lower_grade_is_not_written_unless_it_is_asked_for(course):
    course.graded(student("0001", "7"), student("0002", "9")).downloaded(canvas((*ADA, "8.50"), (*BOB, "8.00")))
    assert course.kinds() == {"0001": "lowered", "0002": "raised"}
    with pytest.raises(UsageError, match="lowered .a grade there is higher.; look at them with --dry-run"):
        course.write()
    assert not course.out.exists()
    assert not (course.folder / pushes.LOG).exists()
    assert b",7\n" in course.write(forced=frozenset(["lowered"]))


def test_what_somebody_has_changed_since_is_not_overwritten_unless_it_is_asked_for(course):
    course.graded(student("0001", "7")).downloaded(canvas((*ADA, "")))
    course.write()
    course.downloaded(canvas((*ADA, "7.50"))).graded(student("0001", "9"))
    assert course.kinds() == {"0001": "edited"}
    with pytest.raises(UsageError, match="somebody has changed it"):
        course.write()
    course.write(forced=frozenset(["edited"]))
    assert course.downloaded(canvas((*ADA, "9.00"))).kinds() == {"0001": "unchanged"}


def test_what_we_pushed_ourselves_may_be_raised(course):
    course.graded(student("0001", "7")).downloaded(canvas((*ADA, "")))
    course.write()
    assert course.downloaded(canvas((*ADA, "7.00"))).graded(student("0001", "9")).kinds() == {"0001": "raised"}


def test_a_text_that_is_no_grade_is_somebody_s(course):
    course.graded(student("0001", "7")).downloaded(canvas((*ADA, "see me")))
    assert course.kinds() == {"0001": "edited"}


def test_a_grade_moodle_will_not_take_is_told(course):
    data = (SAMPLES / "moodle" / "offline_worksheet.csv").read_bytes()
    course.graded(student("000126", "9")).downloaded(data)
    change = course.changes("moodle")["000126"]
    assert (change.kind, change.note, change.written) == (
        "locked",
        "Moodle says that this grade cannot be changed",
        False,
    )


def test_a_student_the_gradebook_does_not_have_is_not_passed_over(course):
    course.graded(student("0001"), student("ghost")).downloaded(canvas((*ADA, "")))
    with pytest.raises(UsageError, match="unmatched"):
        course.write()
    course.write(forced=frozenset(["unmatched"]))
    with course.compared() as comparison:
        assert list(comparison.rows_of_nobody()) == []


# Who is who.


def test_the_platform_s_own_number_is_the_strongest(course):
    """9002 is Bob's number, and Ada's id of the university."""
    template = canvas(("Ada", "9001", "9002", "ada", ""), ("Bob", "9002", "9001", "bob", ""))
    course.graded(student("9002", "7", platform="canvas"), student("9001", "3", platform="canvas")).downloaded(template)
    assert {who: change.row for who, change in course.changes().items()} == {"9002": "9002", "9001": "9001"}


def test_another_platform_s_number_is_not_taken_for_this_one_s(course):
    course.graded(student("9001", "7", platform="moodle")).downloaded(canvas((*ADA, "")))
    assert course.kinds() == {"9001": "unmatched"}


@pytest.mark.parametrize("key", ["0001", "ADA", "ada"])
def test_a_plain_key_is_found_by_id_or_login(key, course):
    course.graded(student(key)).downloaded(canvas((*ADA, "")))
    assert course.kinds() == {key: "new"}


def test_an_email_finds_who_signs_in_with_it(course):
    course.graded(student("x", email="Ada@Example.edu")).downloaded(canvas(("Ada", "9001", "1", "ada@example.edu", "")))
    assert course.kinds() == {"x": "new"}


def test_an_id_with_leading_zeros_is_not_the_one_without(course):
    course.graded(student("1")).downloaded(canvas((*ADA, "")))
    assert course.kinds() == {"1": "unmatched"}


def test_what_fits_two_rows_is_ambiguous_and_its_row_nobody_s(course):
    """7 is the id of both; a login that fits Ada as well decides nothing."""
    course.graded(student("7"), student("ada", "3")).downloaded(
        canvas(("Ada", "9", "7", "ada", ""), ("Bob", "8", "7", "bob", ""))
    )
    assert course.kinds() == {"7": "ambiguous", "ada": "ambiguous"}


def test_a_name_is_a_suggestion_until_somebody_confirms_it(course):
    course.graded(student("x1", "7", name="Ada Lovelace")).downloaded(canvas((*ADA, "")))
    table = course.root / "matches.csv"
    with course.compared(matches=table) as comparison:
        assert [change.kind for change in comparison.changes()] == ["unmatched"]
        assert confirmations.write(table, comparison.suggestions()) == 1
    text = table.read_text()
    assert text.splitlines()[1] == 'x1,Ada Lovelace,9001,"Lovelace, Ada",'
    table.write_text(text.replace('Ada",', 'Ada",yes'))
    assert course.kinds(matches=table) == {"x1": "new"}
    with course.compared(matches=table) as comparison:
        assert confirmations.write(table, comparison.suggestions()) == 0
    assert ",yes" in table.read_text()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("x1,,9001,,perhaps", "expected yes or no"),
        ("nobody,,9001,,yes", "there is no student"),
        ("x1,,1234,,yes", "has 0 rows"),
    ],
)
def test_an_answer_that_is_none_is_told_with_its_line(line, why, course):
    course.graded(student("x1")).downloaded(canvas((*ADA, "")))
    table = course.root / "matches.csv"
    table.write_text(f"student,name,row,row_name,confirmed\n{line}\n")
    with pytest.raises(UsageError, match=f"matches.csv:2: .*{why}"):
        course.kinds(matches=table)


# What cannot be done.


@pytest.mark.parametrize(
    ("options", "data", "why"),
    [
        ({"column": "Homework 9"}, canvas((*ADA, "")), "found 'Homework 9'; expected one of: Homework 1"),
        ({}, "a,b\n1,2\n", "no column of grades of Canvas's"),
        ({}, "", "it is empty"),
        ({"platform": "canvass"}, "a", "did you mean canvas"),
    ],
)
def test_what_cannot_be_filled_is_told(options, data, why, course):
    course.graded(student("0001")).downloaded(data)
    with pytest.raises(UsageError, match=why), course.compared(**options):
        pass


def test_a_folder_that_no_batch_left_is_told(course):
    course.downloaded(canvas((*ADA, "")))
    with pytest.raises(UsageError, match="it is not what a batch leaves"), course.compared():
        pass


@pytest.mark.parametrize("points", ["NaN", "Infinity", "-1", "11"])
def test_grades_that_somebody_has_spoilt_are_told(points, course):
    course.graded(student("0001")).downloaded(canvas((*ADA, "")))
    path = course.folder / GRADES
    path.write_text(path.read_text().replace("0001,graded,10,", f"0001,graded,{points},"))
    with (
        pytest.raises(UsageError, match="grades.csv:2: it is not as a batch leaves it"),
        course.compared(),
    ):
        pass


def test_the_template_is_never_overwritten(course):
    course.graded(student("0001")).downloaded(canvas((*ADA, "")))
    with course.compared() as comparison, pytest.raises(UsageError, match="it is what is read"):
        filling.fill(course.opened, comparison, course.template)


def test_a_log_that_was_cut_off_is_read_and_gone_on_with(course):
    course.graded(student("0001", "7")).downloaded(canvas((*ADA, "")))
    course.write()
    with (course.folder / pushes.LOG).open("a") as file:
        file.write('{"platform": "can')
    course.graded(student("0001", "8")).write()
    assert [one.value for one in pushes.read(course.folder, "canvas", "40123")] == ["7", "8"]


def test_every_gradebook_has_a_sample():
    assert set(lms.gradebooks()) == set(TEMPLATES)


# What has gone wrong once.


def test_another_id_space_s_number_is_nobody_s(course):
    """A roster's 9002 is not Canvas's user 9002; and Canvas's 9001, who has left, is not whose university id that is."""
    course.graded(student("9002", "7")).downloaded(canvas(("Victim, V", "9002", "000777", "vv", "")))
    assert course.kinds() == {"9002": "unmatched"}
    course.graded(student("9001", platform="canvas", name="almeidaana"))
    assert course.downloaded(canvas(("Other, O", "5555", "9001", "o", ""))).kinds() == {"9001": "unmatched"}


def test_who_has_another_name_is_a_matter_for_a_person(course):
    """A team's number in Moodle's download may be a participant's."""
    data = (SAMPLES / "moodle" / "offline_worksheet.csv").read_bytes()
    course.graded(student("512001", platform="moodle", name="Team A")).downloaded(data)
    assert course.kinds("moodle") == {"512001": "ambiguous"}
    course.graded(student("512001", platform="moodle", name="Ana Maria Almeida"))
    assert course.kinds("moodle") == {"512001": "raised"}


@pytest.mark.parametrize("possible", ["0.00", "-5", "1,000.00", "1,000", "ten"])
def test_a_column_of_no_clear_number_of_points_is_not_filled(possible, course):
    course.graded(student("0001")).downloaded(canvas((*ADA, ""), possible=possible))
    with pytest.raises(UsageError, match="expected a number above 0"):
        course.kinds()


def test_a_column_that_tells_no_points_is_said_to(course):
    course.graded(student("0001")).downloaded(canvas((*ADA, ""), possible=""))
    assert course.changes()["0001"].note == "the column does not tell of how many points it is"


@pytest.mark.parametrize("cell", ["1,950", "1.950", "9" * 30, "85%", "1 000"])
def test_what_may_be_another_number_is_not_read_as_one(cell, course):
    course.graded(student("0001", "9")).downloaded(canvas((*ADA, cell), possible="2000"))
    assert course.kinds() == {"0001": "edited"}


def test_a_column_is_named_by_whole_words(course):
    course.graded(student("0001")).downloaded(canvas((*ADA, ""), title="Homework 10 (7)"))
    with pytest.raises(UsageError, match="expected one of: Homework 10"):
        course.kinds(column="Homework 1")
    course.downloaded("Student,ID,Section,Homework 10 (7),Homework 1 (8)\n    Points Possible,,,10,10\nAda,9001,A,,\n")
    with course.compared(column="Homework 1") as comparison:
        assert comparison.column.title == "Homework 1 (8)"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("graded,10", "graded,3"), "3 points, and 10 in the reports"),
        (("0001,graded", "0009,graded"), "none in the reports"),
        (("\n", "\n0001,graded,10,10,,1,,,\n"), "stands there twice"),
        ((",10,10", ",10"), "not as a batch leaves it"),
    ],
)
def test_grades_that_are_not_the_reports_are_not_exported(change, why, course):
    """A batch that was killed while it graded anew leaves such, and an instructor who mends a grade by hand."""
    course.graded(student("0001")).downloaded(canvas((*ADA, "")))
    path = course.folder / GRADES
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(UsageError, match=why):
        course.kinds()


def test_reports_that_are_gone_or_none_are_told(course):
    course.graded(student("0001")).downloaded(canvas((*ADA, "")))
    for text in ("", "[]\n", "{\n", '{"student": 1}\n'):
        (course.folder / JOURNAL).write_text(text)
        with pytest.raises(UsageError, match="not as a batch leaves it"):
            course.kinds()


def test_a_no_is_a_no(course):
    course.graded(student("0001")).downloaded(canvas((*ADA, "")))
    table = course.root / "matches.csv"
    table.write_text("student,name,row,row_name,confirmed\n0001,,9001,,no\n")
    assert course.kinds(matches=table) == {"0001": "unmatched"}


def test_a_yes_may_stand_there_twice(course):
    course.graded(student("x")).downloaded(canvas((*ADA, "")))
    table = course.root / "matches.csv"
    table.write_text("student,name,row,row_name,confirmed\nx,,9001,,yes\nx,,9001,,yes\n")
    assert course.kinds(matches=table) == {"x": "new"}


def test_a_table_for_a_person_has_no_formula(course):
    course.graded(student("x", name="HYPERLINK x"))
    course.downloaded(canvas(('=HYPERLINK("x")', "9001", "1", "a", "")))
    table = course.root / "matches.csv"
    with course.compared() as comparison:
        confirmations.write(table, comparison.suggestions())
    with table.open(newline="") as file:
        [_, row] = csv.reader(file)
    assert row[3] == '\'=HYPERLINK("x")'


def test_who_lowers_what_somebody_has_changed_has_to_allow_both(course):
    course.graded(student("0001")).downloaded(canvas((*ADA, "")))
    course.write()
    course.downloaded(canvas((*ADA, "12")))
    with pytest.raises(UsageError, match="lowered"):
        course.write(forced=frozenset(["edited"]))
    course.write(forced=frozenset(["edited", "lowered"]))


def test_the_same_command_twice_is_no_edit(course):
    """What was written has not been imported yet."""
    course.graded(student("0001")).downloaded(canvas((*ADA, "8.50")))
    assert course.write() == course.write()
    assert course.kinds() == {"0001": "raised"}


@pytest.mark.parametrize("cell", ["", "8.50"])
def test_what_stands_there_again_as_before_we_pushed_is_an_edit(cell, course):
    """Somebody has taken it back, or never imported it: a new download does not tell, and is not overwritten."""
    course.graded(student("0001")).downloaded(canvas((*ADA, cell)))
    course.write()
    course.downloaded(canvas((*ADA, cell), (*BOB, "")))
    assert course.kinds() == {"0001": "edited"}


def test_nobody_is_given_0_while_somebody_s_row_is_not_known(course):
    course.graded(student("0001", status="missing"), student("x", name="Ada L")).downloaded(canvas((*ADA, "")))
    assert course.changes(missing_zero=True)["0001"].after == "0"
    with pytest.raises(UsageError, match="unmatched"):
        course.write(missing_zero=True, forced=frozenset(["unmatched"]))


def test_names_are_the_same_without_accents_and_apostrophes(course):
    course.graded(student("x", name="Sean ONeil")).downloaded(canvas(("O’Neil, Seán", "9001", "1", "a", "")))
    with course.compared() as comparison:
        assert [one.row for one in comparison.suggestions()] == ["9001"]


def test_a_renamed_assignment_is_the_same_one(course):
    course.graded(student("0001")).downloaded(canvas((*ADA, "")))
    course.write()
    course.downloaded(canvas((*ADA, "9"), title="Homework 1, corrected (40123)"))
    assert course.kinds() == {"0001": "edited"}


def test_nothing_is_written_that_could_not_be_noted(course):
    course.graded(student("0001")).downloaded(canvas((*ADA, "")))
    (course.folder / pushes.LOG).mkdir()
    with pytest.raises(UsageError, match="pushed.jsonl"):
        course.write()
    assert not course.out.exists()


LINE = '{"platform": "canvas", "column": "40123", "student": "0001", "value": "", "time": ""}\n'


@pytest.mark.parametrize("text", [LINE, "\xff\n", "[]\n"])
def test_a_log_that_is_none_is_told(text, course):
    course.graded(student("0001")).downloaded(canvas((*ADA, "")))
    (course.folder / pushes.LOG).write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match="no log of what was pushed"):
        course.kinds()


@pytest.mark.parametrize("name", [GRADES, JOURNAL, "other.csv"])
def test_the_batch_s_own_files_are_never_overwritten(name, course):
    course.graded(student("0001")).downloaded(canvas((*ADA, "")))
    course.out = course.folder / name
    with pytest.raises(UsageError, match="it is what is read, or the batch's"):
        course.write()


def test_a_place_that_cannot_be_written_is_told(course):
    course.graded(student("0001")).downloaded(canvas((*ADA, "")))
    course.out = course.root / "nowhere" / "filled.csv"
    with pytest.raises(UsageError, match="cannot be written"):
        course.write()


@pytest.mark.parametrize("row", ["Ada,9001,0001,ada", 'Ada,9001,0001,ada,A,"",x,y'])
def test_a_row_that_does_not_fit_is_told(row, course):
    course.graded(student("0001")).downloaded(canvas() + row + "\n")
    with pytest.raises(UsageError, match="cells; expected 6"):
        course.kinds()


def test_one_comma_does_not_make_a_column_of_commas(course):
    course.graded(student("0001", "9.6")).downloaded(canvas((*ADA, ""), (*BOB, "1,5")))
    assert b",9.6\n" in course.write()


def test_who_is_in_doubt_is_not_said_to_be_missing(course):
    course.graded(student("7"), student("ada"))
    course.downloaded(canvas(("Ada", "9", "7", "ada", ""), ("Bob", "8", "7", "bob", "")))
    with course.compared() as comparison:
        assert list(comparison.rows_of_nobody()) == []
