"""The page of a class: whole, escaped, of one file; its table sorts in a real browser, and it can be read without a script."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from conftest import ROOT, lacking
from test_html import Page

from grader import batch, grading, journal
from grader.render import charts

EXAMPLES = sorted((ROOT / "submissions" / "backprop").glob("*.py"))


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    (root / "class").mkdir()
    for path in EXAMPLES:
        if path.stem != "endless":
            (root / "class" / path.name).write_bytes(path.read_bytes())
    (root / "class" / "<img src=x onerror=alert(1)>.py").write_text("x = 1")
    (root / "class" / "notes.txt").write_text("")
    (root / "roster.csv").write_text("id,name,section\nright,R. Ight,B\nghost,<b>Ghost</b>,A\n")
    batch.run(
        batch.Plan(root / "class", root / "out", *grading.load("backprop"), "zygote", 1, roster=root / "roster.csv")
    )
    return root / "out"


@pytest.fixture(scope="module")
def page(course):
    parsed = Page((course / journal.INDEX).read_text())
    assert parsed.open == []
    return parsed


def test_it_loads_nothing_and_runs_only_its_own_script(course, page):
    text = (course / journal.INDEX).read_text()
    [policy] = re.findall(r"script-src 'sha256-[^']+'", text)
    assert "default-src 'none'" in text
    assert policy
    assert len(page.named("script")) == 1
    assert not [a for tag, a in page.elements if "src" in a or a.get("href", "").startswith(("http", "//"))]
    assert not page.named("img")


def test_every_link_leads_to_a_page(course, page):
    from urllib.parse import unquote

    links = [a["href"] for tag, a in page.elements if tag == "a" and not a["href"].startswith("#")]
    assert links
    for link in links:
        assert (course / unquote(link)).is_file(), link


def test_it_says_who_has_what_who_is_missing_and_what_went_wrong(page):
    told = " ".join(" ".join(page.texts).split())
    for expected in ("missing", "<b>Ghost</b>", "R. Ight", "sigma_prime_at_activation", "notes.txt", "in the median"):
        assert expected in told


def test_the_pictures_have_their_numbers_in_them(page):
    [distribution] = [a for a in page.named("svg") if a.get("class") == "distribution"]
    assert distribution["aria-label"].startswith("Students by points. 0–1 points: ")


def test_a_share_of_nothing_is_drawn():
    assert "0%" in charts.share(0, 0)


def test_a_browser_sorts_the_table(course, tmp_path):
    from shutil import which

    browser = next(filter(None, map(which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        lacking("needs Chromium to try the table's script")
    text = (course / journal.INDEX).read_text()
    policy = re.search(r'<meta http-equiv="Content-Security-Policy"[^>]*>', text)[0]
    probe = """<script>
      const column = [...document.querySelectorAll(".sortable th")].findIndex((h) => h.textContent === "points");
      const points = () => [...document.querySelectorAll(".sortable tbody tr")].map((r) => r.cells[column].textContent);
      const button = document.querySelectorAll(".sortable th button")[column];
      const seen = [points()]; button.click(); seen.push(points()); button.click(); seen.push(points());
      document.title = JSON.stringify(seen);
    </script></body>"""
    (tmp_path / "probe.html").write_text(text.replace(policy, "").replace("</body>", probe))
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    ran = subprocess.run(
        [browser, *options, (tmp_path / "probe.html").as_uri()], capture_output=True, text=True, check=True, timeout=120
    )
    start, up, down = json.loads(re.search(r"<title>(.*?)</title>", ran.stdout)[1])
    numbers = [float(p) for p in start if p]
    assert [float(p) for p in up if p] == sorted(numbers)
    assert [float(p) for p in down if p] == sorted(numbers, reverse=True)
    assert up[-1] == down[-1] == ""  # who has no points is last either way


def test_the_script_of_the_page_is_the_one_its_policy_allows(course, tmp_path):
    import base64
    import hashlib

    text = (course / journal.INDEX).read_text()
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
