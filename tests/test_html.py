"""The page: self-contained, escaped, accessible without colour, and really drawn by a browser where there is one."""

from __future__ import annotations

import importlib.util
import re
from html.parser import HTMLParser

import pytest
from conftest import ROOT, lacking
from hypothesis import given
from hypothesis import strategies as st

from grader.render import heatmap, html, mathml
from grader.report import Difference
from grader.rubric import Late, Rubric

EXAMPLES = ROOT / "submissions" / "backprop"
VOID = {"meta", "br", "link", "img", "line", "rect"}


class Page(HTMLParser):
    """Every element, and whether each was closed in its place."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def named(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def page(report):
    parsed = Page(html.page(report))
    assert parsed.open == []
    return parsed


@pytest.fixture(params=sorted(path.name for path in EXAMPLES.glob("*.py") if path.name != "endless.py"))
def example(request, grade):
    return grade((EXAMPLES / request.param).read_bytes(), name=request.param)


def test_a_matrix_is_drawn_and_not_spelt_out(example):
    assert "<mtd>" not in "".join(page(example).texts)
    assert mathml.matrix([[1, "<b>"]]).count("<mtd>") == 2
    assert "&lt;b&gt;" in mathml.matrix([[1, "<b>"]])


def test_a_page_is_whole_and_loads_and_runs_nothing(example):
    text = html.page(example)
    parsed = page(example)
    tags = {tag for tag, _ in parsed.elements}
    assert not tags & {"script", "img", "link", "iframe", "object", "form"}
    assert not re.search(r"url\((?!#)|@import|https?://", text)
    assert not any(
        name.startswith("on") or name in ("src", "href") for _, attributes in parsed.elements for name in attributes
    )
    (policy,) = (
        meta["content"] for meta in parsed.named("meta") if meta.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_a_page_has_everything_the_report_says(example):
    told = re.sub(r"\s+", " ", "".join(page(example).texts))
    assert f"{example.points.normalize():f} of {example.max_points.normalize():f} points" in told
    for criterion in example.criteria:
        assert criterion.question is None or words(criterion.question) in words(told)
        if not example.unreadable:
            assert words(criterion.message) in words(told)
    assert "✗" in told or all(criterion.verdict == "right" for criterion in example.criteria)


def words(text):
    """Letters and digits only: notation is drawn, and no longer stands as it was written."""
    return re.sub(r"[\W_]", "", text)


def test_a_page_is_for_who_does_not_see_colours_or_pictures(example):
    parsed = page(example)
    for picture in parsed.named("svg"):
        assert picture["role"] == "img"
        assert picture["aria-label"].startswith("Yours minus right. row 1, column 1: ")
    assert parsed.named("html") == [{"lang": "en"}]
    levels = [int(tag[1]) for tag, _ in parsed.elements if re.fullmatch("h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in zip([0, *levels], levels, strict=False))


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&lt;{{ 7 * 7 }}"


def test_what_a_student_wrote_is_escaped(grade):
    source = f"print({HOSTILE!r})\ndef dy_db(*a): raise ValueError({HOSTILE!r})\nclass X: pass\nX.__name__ = {HOSTILE!r}\ndef dy_dyprev(*a): return X()\n"
    report = grade(source, name=f"{HOSTILE}.py").model_copy(update={"student": HOSTILE})
    parsed = page(report)
    assert not {"script", "img"} & {tag for tag, _ in parsed.elements}
    assert "".join(parsed.texts).count("<script>alert(1)</script>") >= 4
    assert "{{ 7 * 7 }}" in "".join(parsed.texts)  # and no template of ours


@given(st.text(max_size=60))
def test_no_text_becomes_markup_but_notation(text):
    parsed = Page(str(mathml.markup(text)))
    assert {tag for tag, _ in parsed.elements} <= {"math", "mfrac", "mrow", "mo", "msub", "mi", "mtext"}


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("∂y_L/∂b_L", "<mfrac><mrow><mo>∂</mo><msub><mi>y</mi><mi>L</mi></msub></mrow>"),
        ("∂y_L/∂y_{L-1}", "<msub><mi>y</mi><mi>L−1</mi></msub></mrow></mfrac>"),
        (
            "∂(y_l)_i/∂(b_l)_j",
            "<msub><mrow><mo>(</mo><msub><mi>y</mi><mi>l</mi></msub><mo>)</mo></mrow><mi>i</mi></msub>",
        ),
        ("must be n_l × 1", "must be <math"),
        ("∂z_1/∂b_2", "<msub><mi>z</mi><mi>1</mi></msub>"),
    ],
)
def test_notation_is_drawn(text, drawn):
    assert drawn in mathml.markup(text)


def test_formulas_and_matrices_are_spoken():
    assert 'aria-label="∂y_L/∂b_L"' in mathml.markup("∂y_L/∂b_L")
    assert 'aria-label="[[1, 2], [3, nan]]"' in mathml.matrix([[1, 2.0], [3, "nan"]])


def test_differences_of_any_size_are_drawn():
    picture = heatmap.svg(Difference(entries=((1.7e308, -9.9e307, 1e-300),), wrong=((True, True, True),)), "k")
    assert "1.7e+308" in picture


def test_names_in_code_are_not_notation():
    assert mathml.markup("NameError: name 'my_x' is not defined; dy_db(l, A)") == (
        "NameError: name &#39;my_x&#39; is not defined; dy_db(l, A)"
    )


def test_the_heat_map_marks_what_is_wrong_and_how_much():
    picture = str(
        heatmap.svg(Difference(entries=((0.0, -2.0), (6.0, "nan")), wrong=((False, True), (True, True))), "k")
    )
    assert picture.count("✗") == 3
    assert [n for n in range(4) if f"url(#k-{n})" in picture] == [0, 1, 3]
    assert heatmap.in_words(Difference(entries=((1.0,),), wrong=((True,),))) == (
        "Yours minus right. row 1, column 1: off by 1."
    )


def test_late_and_hidden_are_told(grade, default_rubric, right_source):
    from datetime import UTC, datetime, timedelta
    from decimal import Decimal

    now = datetime.now(UTC)
    late = Late(deadline=now - timedelta(hours=30), percent_per_day=Decimal(10))
    criteria = tuple(c.model_copy(update={"visible": c.id != "b2"}) for c in default_rubric.criteria)
    rubric = Rubric.model_construct(**{**dict(default_rubric), "late": late, "criteria": criteria})
    report = grade(right_source, rubric=rubric, submitted=now)
    assert "Late by 1 d 6 h: 20% of each criterion lost." in html.page(report)
    assert "(hidden from students)" in html.page(report)
    assert 'id="b2"' in html.page(report)
    assert 'id="b2"' not in html.page(report.seen_by("student"))


def test_a_browser_draws_the_pictures_of_the_readme(tmp_path):
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "docs" / "pictures.py")
    pictures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pictures)
    if pictures.browser() is None:
        lacking("no Chromium on this machine")
    pictures.draw(tmp_path)
    for name, (_, (width, height), _) in pictures.PICTURES.items():
        header = (tmp_path / name).read_bytes()[:24]
        assert header[:8] == b"\x89PNG\r\n\x1a\n"
        assert (int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")) == (width, height)
        assert (tmp_path / name).stat().st_size > 20_000  # something is drawn
        assert (ROOT / "docs" / "pictures" / name).is_file()
