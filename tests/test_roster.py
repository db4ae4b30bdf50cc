"""The roster: any of its columns may be the key, and nobody is in it twice."""

from __future__ import annotations

import pytest

from grader import roster
from grader.errors import UsageError


def read(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "roster.csv"
    path.write_bytes(text.encode(encoding))
    return list(roster.read(path))


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("id,name,email,section\n007,Ana,ana@x.edu,A\n", ["007"]),
        ("name,email\nAna,ana@x.edu\n", ["ana@x.edu"]),
        ("Name\nAna\nBob\n", ["Ana", "Bob"]),
        ("\ufeffsection, ID \r\nA,1\r\n\r\nB,2\r\n", ["1", "2"]),
        ('id,name\n1,"Smith, Ana"\n', ["1"]),
        ("id\n", []),
    ],
)
def test_the_first_of_id_email_and_name_is_the_key(text, keys, tmp_path):
    assert [student.key for student in read(tmp_path, text)] == keys


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,name\n1,Ana\n1,Bob\n", "roster.csv:3: id '1' stands in line 2 already"),
        ("email\nAna@x.edu\nana@X.edu\n", "stands in line 2 already"),
        ("id,name\n,Ana\n", "roster.csv:2: the student has no id"),
        ("grade\n1\n", "its first line has grade; expected some of the columns id, email, name, section"),
        ("", "its first line has nothing"),
    ],
)
def test_what_is_no_roster_is_told(text, told, tmp_path):
    with pytest.raises(UsageError, match=told):
        read(tmp_path, text)


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(UsageError, match="expected a CSV file in UTF-8"):
        read(tmp_path, "id\nMüller\n", "latin-1")
    with pytest.raises(UsageError, match="it cannot be read"):
        list(roster.read(tmp_path / "none.csv"))


def test_case_blanks_and_forms_of_letters_make_no_difference():
    assert roster.folded("  Zoe\u0308  SMITH ") == roster.folded("zoë smith")
