"""The use case as a whole: determinism, the report's keys, hidden criteria, lateness, subsets of parts."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from grader import grading
from grader.report import Report
from grader.rubric import Late, Rubric
from grader.values import Call

KEYS = [
    "schema_version",
    "assignment",
    "assignment_version",
    "rubric",
    "student",
    "submission",
    "seed",
    "points",
    "max_points",
    "status",
    "late",
    "audience",
    "printed",
    "hints",
    "unreadable",
    "criteria",
    "stdout",
    "sandbox",
    "grader_version",
    "seconds",
    "origin",
    "override",
]
CRITERION_KEYS = [
    "id",
    "title",
    "function",
    "points",
    "max_points",
    "verdict",
    "message",
    "misconception",
    "question",
    "step",
    "credit",
    "visible",
    "traceback",
    "counterexample",
    "difference",
    "flags",
    "reason",
]
TIME = datetime(2026, 10, 11, 23, 59, tzinfo=timezone(timedelta(hours=9)))


def changed(rubric, **tables):
    return Rubric.model_construct(**{**dict(rubric), **tables})


def hiding(rubric, *ids):
    criteria = tuple(c.model_copy(update={"visible": c.id not in ids}) for c in rubric.criteria)
    return changed(rubric, criteria=criteria)


def test_the_report_has_the_keys_of_the_contract(grade, right_source):
    document = json.loads(grade(right_source).model_dump_json())
    assert set(document) == set(KEYS)
    assert set(document["criteria"][0]) == set(CRITERION_KEYS)
    assert set(document["rubric"]) == {"id", "sha256"}
    assert set(document["submission"]) == {"name", "sha256", "bytes", "submitted", "sketch"}
    assert set(document["sandbox"]) == {"backend", "layers", "missing", "packages"}
    assert (document["points"], document["max_points"], document["status"]) == (10.0, 10.0, "graded")
    assert isinstance(document["criteria"][0]["points"], float)


def test_a_report_is_read_back_from_its_json(grade, right_source):
    report = grade(right_source)
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_the_same_seed_gives_the_same_report(grade):
    source = "def dy_db(l, A, b, *a): return b[l]\ndef dy_dyprev(*a): return 0\n"
    first, second = (grade(source, seed=5).model_copy(update={"seconds": 0.0}) for _ in range(2))
    assert first == second
    assert grade(source, seed=6).criteria[0].message != first.criteria[0].message  # the error is told, and differs


def test_a_student_sees_no_hidden_criterion_and_no_total_that_gives_it_away(grade, right_source, default_rubric):
    rubric = hiding(default_rubric, "b2")
    wrong = right_source.replace(b"np.outer(gradient", b"np.outer(-gradient")
    told = [grade(source, rubric=rubric) for source in (right_source, wrong)]
    assert [report.points for report in told] == [10, Decimal("8.80")]
    seen = [report.seen_by("student") for report in told]
    assert [(report.points, report.max_points, len(report.criteria)) for report in seen] == [(7, 7, 5)] * 2
    assert all(report.audience == "student" for report in seen)
    assert told[0].seen_by("instructor") is told[0]


def test_what_is_printed_is_told_with_its_call_and_hidden_with_its_criterion(grade, right_source, default_rubric):
    source = (
        right_source.replace(
            b"def dy_db(l, A, b, y, sigma, dsigma):", b"def dy_db(l, A, b, y, sigma, dsigma):\n    print(l, len(A))"
        )
        + b"\nprint('loading')"
    )
    report = grade(source, rubric=hiding(default_rubric, "a3"))
    assert (report.printed[0].criterion, report.printed[0].text) == (None, "loading\n")
    for piece in report.printed[1:]:
        layer, length = map(int, piece.text.split())
        assert piece.criterion == ("a1" if layer == length - 1 else "a3")
        assert piece.place.startswith(f"l = {layer}, ")
    assert {piece.criterion for piece in report.seen_by("student").printed} == {None, "a1"}
    assert report.seen_by("student").stdout == "".join(p.text for p in report.printed if p.criterion != "a3")


def test_a_late_submission_loses_by_criterion(grade, right_source, default_rubric):
    rubric = changed(default_rubric, late=Late(deadline=TIME, percent_per_day=Decimal(15)))
    report = grade(right_source, rubric=rubric, submitted=TIME + timedelta(hours=25))
    assert (report.points, report.late.percent_lost, report.late.by_seconds) == (Decimal("7.00"), 30, 25 * 3600)
    assert [criterion.points for criterion in report.criteria] == [Decimal("0.70")] * 2 + [Decimal("1.40")] * 2 + [
        Decimal("0.70"), Decimal("2.10"),
    ]  # fmt: skip
    assert grade(right_source, rubric=rubric, submitted=TIME).late is None
    assert grade(right_source, rubric=rubric).late is None


def test_a_rubric_may_grade_some_parts_only(grade, right_source, default_rubric):
    rubric = changed(default_rubric, criteria=tuple(c for c in default_rubric.criteria if c.id in {"a3", "b1"}))
    report = grade(right_source, rubric=rubric)
    assert ([c.id for c in report.criteria], report.points, report.max_points) == (["a3", "b1"], 3, 3)


def test_the_first_and_the_last_call_of_each_criterion_are_made_again(backprop, default_rubric):
    calls = grading.plan(backprop, default_rubric, 1)
    assert [(c.part.id, c.place) for c in calls] == [(c.part.id, c.place) for c in backprop.draw(1)]
    again = grading.repeated(calls)
    assert sorted(call.part.id for call in again) == sorted(2 * ["a1", "a2", "a3", "a4", "b1", "b2"])
    for call in again:
        mine = [other for other in calls if other.part == call.part]
        assert call is mine[0] or call is mine[-1]


def test_the_report_names_its_walls(grade, right_source, walls):
    report = grade(right_source)
    assert (report.sandbox.backend, report.sandbox.layers) == ("zygote", walls.layers)


@pytest.mark.parametrize("name", ["a\x1b[31mb.py", "x" * 300 + ".py", "ünï.py", "<string>"])
def test_a_strange_file_name_does_no_harm(grade, right_source, name):
    report = grade(right_source, name=name)
    assert report.points == 10
    assert "\x1b" not in report.submission.name


def test_answers_never_cross_the_walls(backprop, default_rubric):
    """What is sent holds the calls' arguments; no reference is among their bytes."""
    from grader import engine

    calls = grading.plan(backprop, default_rubric, 3)
    sent = engine.pack(calls)
    for call in calls:
        answer = backprop.reference(call)
        given = {
            array.tobytes() for argument in call.arguments if isinstance(argument, tuple) for array in argument[1:]
        }
        given |= {array.tobytes() for array in call.arguments[3]}
        if answer.size > 1 and answer.tobytes() not in given:
            assert answer.tobytes() not in sent


def test_values_are_frozen(backprop):
    call = backprop.draw(1)[0]
    with pytest.raises(AttributeError):
        call.place = "elsewhere"
    assert call._replace(place="x").place == "x"
    assert isinstance(call, Call)


def test_a_student_whose_every_criterion_is_hidden_is_told_why_a_file_cannot_be_read(grade, default_rubric):
    rubric = hiding(default_rubric, "a1", "a2", "a3", "a4", "b1", "b2")
    seen = grade("def", rubric=rubric).seen_by("student")
    assert seen.criteria == ()
    assert "SyntaxError" in seen.unreadable
