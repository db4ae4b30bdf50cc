"""Rubrics: what is read, and the words in which a mistake is told."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from conftest import ROOT

from grader import grading, rubric
from grader.errors import UsageError

GOOD = """id = "mini"
title = "Mini"
assignment = "backprop"

[[criteria]]
id = "a1"
title = "First"
function = "dy_db"
points = 1
"""


def read(tmp_path, text):
    path = tmp_path / "mini.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return rubric.read(path)


def refusal(tmp_path, text):
    with pytest.raises(UsageError) as refused:
        read(tmp_path, text)
    return str(refused.value).replace(str(tmp_path), "")


def test_what_is_not_said_has_its_default(tmp_path):
    mini = read(tmp_path, GOOD)
    limits = mini.execution_limits()
    assert (mini.comparison.relative_tolerance, mini.late, mini.criteria[0].visible) == (Decimal("1e-5"), None, True)
    assert (limits.call_seconds, limits.submission_seconds) == (2.0, 10.0)
    assert (limits.memory_bytes, limits.output_kept_bytes) == (512 * 2**20, 64 * 2**10)


def test_decimals_are_read_exactly(tmp_path):
    mini = read(tmp_path, GOOD.replace("points = 1", "points = 0.1"))
    assert (mini.criteria[0].points, mini.path) == (Decimal("0.1"), tmp_path / "mini.toml")


def test_a_long_value_is_shortened(tmp_path):
    assert f"found '{'x' * 59}...; expected" in refusal(
        tmp_path, GOOD.replace("points = 1", f"points = '{'x' * 1000}'")
    )


def test_the_fingerprint_follows_the_text(tmp_path):
    first, second = read(tmp_path, GOOD), read(tmp_path, GOOD + "\n# a comment\n")
    assert first.sha256 != second.sha256 == read(tmp_path, GOOD + "\n# a comment\n").sha256
    assert first.model_copy().sha256 == first.sha256
    assert rubric.Rubric.model_validate(first.model_dump()).sha256 != first.sha256


def test_every_table_is_read(tmp_path):
    full = read(
        tmp_path,
        GOOD
        + """visible = false
[comparison]
relative_tolerance = 1e-6
finite_differences_lose = 0.5
[partial_credit]
enabled = false
[partial_credit.overrides]
sign = 0.25
[late]
deadline = 2026-10-11T23:59:00+09:00
percent_per_day = 10
floor_percent = 50
grace_minutes = 15
""",
    )
    assert full.criteria[0].visible is False
    assert full.partial_credit.overrides == {"sign": Decimal("0.25")}
    assert full.late.deadline.isoformat() == "2026-10-11T23:59:00+09:00"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("points = 1", "ponits = 1\npoints = 1"),
            "/mini.toml:9: criteria[0].ponits: found an unknown key; expected one of: id, title, function, points, "
            "visible; did you mean points?",
        ),
        (("title = \"Mini\"", "title = \"Mini\"\nzzz = 1"), "/mini.toml:3: zzz: found an unknown key; expected one of: id, "
         "title, assignment, criteria, comparison, limits, partial_credit, feedback, late, attempts; remove it"),
        (("points = 1", "points = -1"), "/mini.toml:9: criteria[0].points: found -1; expected greater than or equal to 0"),
        (("points = 1", "points = \"1\""), "/mini.toml:9: criteria[0].points: found '1'; expected a number, without quotes"),
        (("points = 1", "points = true"), "criteria[0].points: found true; expected a number, without quotes"),
        (("points = 1", "points = nan"), "criteria[0].points: found nan; expected a finite number"),
        (("points = 1", ""), "/mini.toml:5: criteria[0].points: found nothing; expected this key (Points when every "
         "answer is right); add it"),
        (("title = \"First\"", "title = 3"), "/mini.toml:7: criteria[0].title: found 3; expected a string; change it"),
        (("title = \"First\"", "title = \"\""), "criteria[0].title: found ''; expected some text; change it"),
        (("id = \"mini\"\n", ""), "/mini.toml: id: found nothing; expected this key (Its name in reports); add it"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_file_line_key_found_and_expected(tmp_path, change, said):
    assert said in refusal(tmp_path, GOOD.replace(*change))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("[comparison]\nrelative_tolerance = 2", "/mini.toml:11: comparison.relative_tolerance: found 2; expected less than 1"),
        ("[limits]\ncall_secs = 2", "/mini.toml:11: limits.call_secs: found an unknown key; expected one of: call_seconds, "),
        ("[limits]\ncall_secs = 2", "did you mean call_seconds?"),
        ("[partial_credit.overrides]\nsign = 2", "partial_credit.overrides.sign: found 2; expected less than or equal to 1"),
        ("[partial_credit]\nenabled = 1", "partial_credit.enabled: found 1; expected a boolean"),
        ("[late]\ndeadline = 2026-10-11T23:59:00\npercent_per_day = 1", "/mini.toml:11: late.deadline: found "),
        ("[late]\ndeadline = 2026-10-11T23:59:00\npercent_per_day = 1", "a date and time with its zone"),
        ("[late]\ndeadline = \"tomorrow\"\npercent_per_day = 1", "late.deadline: found 'tomorrow'; expected a date and time with its zone, without quotes, such as 2026-10-11T23:59:00+09:00"),
        ("[late]\npercent_per_day = 1", "/mini.toml:10: late.deadline: found nothing; expected this key (With its time zone)"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_table_is_told_too(tmp_path, table, said):
    assert said in refusal(tmp_path, GOOD + table)


def test_all_mistakes_are_told_at_once(tmp_path):
    lines = refusal(tmp_path, GOOD.replace("points = 1", "points = -1").replace('"dy_db"', "7")).split("\n")
    assert len(lines) == 2


def test_criteria_must_be_there(tmp_path):
    assert "criteria: found a list; expected at least one criterion" in refusal(
        tmp_path, GOOD.split("[[")[0].replace('id = "mini"', 'id = "m"\ncriteria = []')
    )
    assert "criteria: found 3; expected a list of tables" in refusal(
        tmp_path, GOOD.split("[[")[0].replace('id = "mini"', 'id = "m"\ncriteria = 3')
    )


def test_a_table_must_be_a_table(tmp_path):
    assert "comparison: found 3; expected a table" in refusal(tmp_path, "comparison = 3\n" + GOOD)


def test_a_part_twice_is_refused(tmp_path):
    again = GOOD + GOOD[GOOD.index("[[") :]
    assert "/mini.toml:11: criteria[1].id: found 'a1' a second time; expected each part once" in refusal(
        tmp_path, again
    )


def test_what_is_not_toml_is_told_with_its_line(tmp_path):
    assert refusal(tmp_path, GOOD + "x = = 1").startswith("/mini.toml:10: it is not TOML: Invalid value")
    assert "/mini.toml: it is not TOML: " in refusal(tmp_path, GOOD + 'x = "abc')
    assert refusal(tmp_path, b"a = 1\nb = '\xff'").startswith("/mini.toml:2: found bytes that are not UTF-8")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("points = 1", "points = 0.005"), "points: found 0.005; expected no more than 2 decimal places"),
        (("points = 1", "points = 1e30"), "points: found 1e+30; expected less than or equal to 1000000"),
        (
            ("[[", "limits.call_seconds = 1e12\n[["),
            ":5: limits.call_seconds: found 1e+12; expected less than or equal to 86400",
        ),
        (
            ("[[", "[limits]\nmemory_mib = 1e20\n[["),
            ":6: limits.memory_mib: found 1e+20; expected less than or equal to",
        ),
        (
            ("[[", "[late]\npercent_per_day = 1\ndeadline = 2026-10-11\n[["),
            ":7: late.deadline: found 2026-10-11; expected a date",
        ),
        (
            ("[[", "[late]\npercent_per_day = 1\ndeadline = 12:00:00\n[["),
            ":7: late.deadline: found 12:00:00; expected a date",
        ),
    ],
)
def test_a_number_that_nobody_means_is_refused(tmp_path, change, said):
    assert said in refusal(tmp_path, GOOD.replace(*change))


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    assert read(tmp_path, b"\xef\xbb\xbf" + GOOD.encode()).id == "mini"


def test_what_is_nested_without_end_is_refused(tmp_path):
    assert "nested too deep" in refusal(tmp_path, "x = " + "[" * 5000)


def test_a_folder_is_no_rubric(tmp_path):
    (tmp_path / "x.toml").mkdir()
    with pytest.raises(UsageError, match="it is no file; expected a TOML file"):
        rubric.read(tmp_path / "x.toml")


def test_a_rubric_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="no such file or directory; expected a TOML file"):
        rubric.read(tmp_path / "none.toml")


def test_names_are_looked_up_here_and_then_among_the_shipped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert rubric.find("backprop").samefile(ROOT / "rubrics" / "backprop.toml")
    (tmp_path / "rubrics").mkdir()
    (tmp_path / "rubrics" / "backprop.toml").write_text(GOOD)
    assert rubric.find("backprop").read_text() == GOOD
    assert rubric.find("other/backprop.toml").as_posix() == "other/backprop.toml"
    with pytest.raises(UsageError, match="'backprob': there is none of this name.*did you mean 'backprop'"):
        rubric.find("backprob")
    with pytest.raises(UsageError, match="correct the name"):
        rubric.find("zzz")


def test_the_committed_schema_is_current():
    committed = json.loads((ROOT / "rubrics" / "rubric.schema.json").read_text())
    assert committed == rubric.schema()


# Against the assignment.


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('"a1"', '"a9"'), "/mini.toml:6: criteria[0].id: found 'a9'; expected one of: a1, a2, a3, a4, b1, b2; "),
        (('"dy_db"', '"dy_bd"'), "/mini.toml:8: criteria[0].function: found 'dy_bd'; expected one of: dy_db, dy_dyprev, dyL_dA; "
         "did you mean dy_db?"),
        (('"dy_db"', '"dyL_dA"'), "/mini.toml:8: criteria[0].function: found 'dyL_dA'; expected dy_db; "),
        (("[[criteria]]", "[partial_credit.overrides]\nsing = 0.5\n[[criteria]]"),
         "/mini.toml:6: partial_credit.overrides.sing: found 'sing'; expected one of: "),
    ],
)  # fmt: skip
def test_a_rubric_must_fit_its_assignment(tmp_path, backprop, change, said):
    mini = read(tmp_path, GOOD.replace(*change))
    with pytest.raises(UsageError) as refused:
        grading.check(mini, backprop)
    assert said in str(refused.value).replace(str(tmp_path), "")


def test_the_shipped_rubric_fits(backprop, default_rubric):
    grading.check(default_rubric, backprop)
    assert sum(criterion.points for criterion in default_rubric.criteria) == 10
