"""Which file is whose, and which of several is graded."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone

import pytest

from grader import intake, listing
from grader.lms import Piece, Unplaced

FUNCTIONS = ("dy_db", "dy_dyprev", "dyL_dA")
ALL = "".join(f"def {name}(l, A, b, y, sigma, dsigma): ...\n" for name in FUNCTIONS)


def written(root, files):
    for n, (name, text) in enumerate(files.items()):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
        os.utime(root / name, (1000 + n, 1000 + n))  # each newer than the one before
    return root


def placed(root):
    with listing.opened(root) as files:
        return list(intake.placed(files, intake.layout_of(files)))


def chosen(root):
    with listing.opened(root) as files:
        pieces = [p for p in intake.placed(files, intake.layout_of(files)) if isinstance(p, Piece)]
        return intake.choose(pieces, files, FUNCTIONS)


def test_a_plain_folder_has_files_and_folders_of_students(tmp_path):
    written(
        tmp_path,
        {"ada.py": "", "bob/hw.py": "", "bob/data/x.csv": "", "eve.ipynb": "", "README.md": "", "Zo\u00eb.PY": ""},
    )
    found = placed(tmp_path)
    assert {(p.student, p.name) for p in found if isinstance(p, Piece)} == {
        ("ada", "ada.py"), ("bob", "hw.py"), ("bob", "data/x.csv"), ("eve", "eve.ipynb"), ("Zoë", "Zoë.PY"),
    }  # fmt: skip
    assert [one.path for one in found if isinstance(one, Unplaced)] == ["README.md"]


@pytest.mark.parametrize(
    ("files", "name", "said"),
    [
        ({"a/one.py": ALL}, "one.py", None),
        ({"a/one.py": ALL, "a/two.py": "x"}, "one.py", "one.py was graded, the one with all functions of 2 files"),
        ({"a/one.py": ALL[:50], "a/two.py": "x"}, "one.py", "the one with most of the functions of 2 files"),
        ({"a/old.py": ALL, "a/new.py": ALL}, "new.py", "new.py was graded, the newest of 2 files; not graded: old.py"),
        ({"a/one.py": "x", "a/two.txt": "x"}, "one.py", "the one that is Python of 2 files"),
        ({"a/one.py.txt": ALL, "a/two.py": "x"}, "one.py.txt", "no Python file was handed in: one.py.txt was taken for one"),
        ({"a/report.pdf": "%PDF"}, "report.pdf", "no Python file was handed in: report.pdf was taken for one"),
        ({f"a/{n}.py": "x" for n in range(12)}, "11.py", "and 3 more"),
        ({"a/one.py": "# def dy_db\nx = 'def dy_db('", "a/two.py": "def dy_db (l): ..."}, "two.py", "most of the functions"),
    ],
)  # fmt: skip
def test_of_several_files_the_one_with_the_functions_is_graded_then_the_newest(files, name, said, tmp_path):
    hand_in = chosen(written(tmp_path, files))
    assert hand_in.piece.name == name
    assert hand_in.note == said or said in hand_in.note


def test_files_of_the_same_time_are_taken_by_name(tmp_path):
    written(tmp_path, {"a/one.py": "", "a/two.py": ""})
    for path in (tmp_path / "a").iterdir():
        os.utime(path, (7, 7))
    assert "two.py was graded, the last by name" in chosen(tmp_path).note


def test_a_time_without_a_zone_is_in_that_of_the_deadline():
    zone = timezone(timedelta(hours=9))
    plain, deadline = datetime(2026, 10, 11, 10, 0), datetime(2026, 10, 11, 23, 59, tzinfo=zone)
    assert intake.in_zone_of(deadline, plain) == plain.replace(tzinfo=zone)
    assert intake.in_zone_of(None, plain) == plain
    assert intake.in_zone_of(deadline, deadline) == deadline
    assert intake.in_zone_of(deadline, None) is None
