"""The folder of a batch: what was written whole stays, what was not is cut off, and nobody else's is touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader import journal
from grader.errors import UsageError
from grader.journal import Folder, page_name


def test_what_is_appended_is_read_back(tmp_path):
    with Folder(tmp_path / "out") as folder:
        places = [folder.append(line) for line in (b"one", b"", b"three")]
        assert [folder.read(place) for place in places] == [b"one", b"", b"three"]
        assert [line for _, line in folder.lines()] == [b"one", b"", b"three"]
        assert [place for place, _ in folder.lines()] == places


@pytest.mark.parametrize("rest", [b"", b"t", b"torn" * 100_000])
@pytest.mark.parametrize("whole", [b"", b"one\n", b"one\ntwo\n" * 50_000])
def test_a_line_that_was_not_written_to_its_end_is_cut_off(whole, rest, tmp_path):
    (tmp_path / journal.JOURNAL).write_bytes(whole + rest)
    with Folder(tmp_path) as folder:
        assert b"".join(line + b"\n" for _, line in folder.lines()) == whole
    assert (tmp_path / journal.JOURNAL).read_bytes() == whole


def test_two_batches_do_not_share_a_folder(tmp_path):
    with Folder(tmp_path), pytest.raises(UsageError, match="another batch is writing to it"), Folder(tmp_path):
        pass
    with Folder(tmp_path):  # free again
        pass


@pytest.mark.parametrize("name", [journal.GRADES, journal.INDEX, journal.PAGES])
def test_what_is_somebody_elses_is_not_overwritten(name, tmp_path):
    (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError, match="it is no batch's"), Folder(tmp_path):
        pass
    assert (tmp_path / name).read_text() == "mine"


def test_where_nothing_can_be_written_that_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="it cannot be written to"), Folder(tmp_path / "file"):
        pass


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "grades.csv"
    path.write_bytes(b"before")
    with pytest.raises(TypeError), journal.replacing(path) as file:
        file.writelines([b"half", None])
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"before"]
    with journal.replacing(path) as file:
        file.write(b"after")
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"after"]


KEYS = st.text(min_size=1, max_size=300).filter(lambda text: text.isprintable())


@given(KEYS, KEYS)
def test_every_student_has_a_page_of_their_own_name(one, other):
    for key in (one, other):
        name = page_name(key)
        assert not name.startswith(".")
        assert len(name.encode()) <= 200
        assert not set(name) & set('/\\\0:*?"<>|\n')
    assert (page_name(one) == page_name(other)) == (one == other)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("ada", "ada.html"),
        ("Müller, Zoë", "Müller, Zoë.html"),
        ("..", "%2E..html"),
        ("a/b", "a%2Fb.html"),
        ("100%", "100%25.html"),
    ],
)
def test_a_page_is_named_as_its_student_where_that_can_be(key, name):
    assert page_name(key) == name
