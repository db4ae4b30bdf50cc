"""Archives and folders are read with suspicion: nothing outside, nothing followed, and everything accounted for."""

from __future__ import annotations

import io
import os
import stat
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader import intake, listing
from grader.errors import UsageError
from grader.listing import File, Refused
from grader.lms import Piece


def archive(path, **entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in entries.items():
            target.writestr(name, data)
    return path


def listed(source, but=None):
    """Paths with their contents, and refused paths with the reason."""
    with listing.opened(source, but) as files:
        entries = list(files.files())
        read = {e.path: files.read(e.locator, 10**6) for e in entries if isinstance(e, File) and not e.refused}
        refused = {e.path: e.refused if isinstance(e, File) else e.why for e in entries if e.path not in read}
        return read, refused | {e.path: e.why for e in entries if isinstance(e, Refused)}


def linked(name, target):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, target


def test_an_archive_is_read(tmp_path):
    source = archive(tmp_path / "a.zip", **{"ada.py": "x = 1", "bob/hw.py": "y"})
    assert listed(source) == ({"ada.py": b"x = 1", "bob/hw.py": b"y"}, {})


def test_a_folder_is_read(tmp_path):
    (tmp_path / "bob").mkdir()
    (tmp_path / "bob" / "hw.py").write_text("y")
    assert listed(tmp_path) == ({"bob/hw.py": b"y"}, {})


@pytest.mark.parametrize(
    "name",
    [
        "../evil.py",
        "a/../../evil.py",
        "/etc/evil.py",
        "C:/evil.py",
        "C:\\evil.py",
        "..\\evil.py",
        "a\\..\\..\\evil.py",
        "..",
    ],
)
def test_a_path_that_leads_out_is_refused(name, tmp_path):
    read, refused = listed(archive(tmp_path / "a.zip", **{name: "x", "ada.py": ""}))
    assert read == {"ada.py": b""}
    assert list(refused.values()) == ["its path leads out of the archive"]


@pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK, stat.S_IFLNK])
def test_what_is_no_regular_file_is_refused(kind, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as target:
        info = zipfile.ZipInfo("ada.py")
        info.external_attr = (kind | 0o777) << 16
        target.writestr(info, "/etc/passwd")
    read, refused = listed(tmp_path / "a.zip")
    assert (read, set(refused)) == ({}, {"ada.py"})


def test_links_and_pipes_of_a_folder_are_not_followed(tmp_path):
    secret = tmp_path / "secret.py"
    secret.write_text("answer = 42")
    source = tmp_path / "class"
    source.mkdir()
    (source / "ada.py").symlink_to(secret)
    (source / "bob").symlink_to(tmp_path)
    (source / "gone.py").symlink_to(tmp_path / "nowhere")
    os.mkfifo(source / "eve.py")
    read, refused = listed(source)
    assert read == {}
    assert set(refused) == {"ada.py", "bob", "gone.py", "eve.py"}


def test_a_file_that_becomes_a_link_is_not_followed(tmp_path):
    source = tmp_path / "class"
    source.mkdir()
    (source / "ada.py").write_text("mine")
    with listing.opened(source) as files:
        [entry] = files.files()
        (source / "ada.py").unlink()
        (source / "ada.py").symlink_to("/etc/passwd")
        with pytest.raises(listing.Unreadable):
            files.read(entry.locator, 100)


def test_junk_is_nobodys(tmp_path):
    junk = ("__MACOSX/._ada.py", ".DS_Store", "bob/.git/HEAD", "bob/__pycache__/hw.pyc", "Thumbs.db", ".hidden.py")
    assert listed(archive(tmp_path / "a.zip", **dict.fromkeys(junk, "x"))) == ({}, {})
    for name in junk:
        (tmp_path / "class" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "class" / name).write_text("x")
    assert listed(tmp_path / "class") == ({}, {})


def test_a_bomb_is_refused_unread(tmp_path):
    read, refused = listed(archive(tmp_path / "a.zip", **{"ada.py": b"#" * 50_000_000, "bob.py": "x"}))
    assert read == {"bob.py": b"x"}
    assert refused["ada.py"] == "it would unpack to more than 100 times its size"


def test_of_a_large_file_only_the_beginning_is_read(tmp_path):
    source = archive(tmp_path / "a.zip", **{"ada.py": os.urandom(3_000_000)})
    with listing.opened(source) as files:
        [entry] = files.files()
        assert len(files.read(entry.locator, 1000)) == 1000


def test_an_archive_of_too_many_entries_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(listing, "MOST_ENTRIES", 3)
    source = archive(tmp_path / "a.zip", **{f"{n}.py": "" for n in range(4)})
    with pytest.raises(UsageError, match="4 entries; expected at most 3"):
        listed(source)


def test_an_archive_that_would_fill_the_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(listing, "MOST_UNPACKED", 100)
    with pytest.raises(UsageError, match="would unpack to"):
        listed(archive(tmp_path / "a.zip", **{"ada.py": b"x" * 101}))


def test_of_two_entries_of_one_name_the_last_counts(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as target:
        target.writestr("ada.py", "first")
        with pytest.warns(UserWarning, match="Duplicate name"):
            target.writestr("ada.py", "second")
    read, refused = listed(tmp_path / "a.zip")
    assert read == {"ada.py": b"second"}
    assert list(refused) == ["ada.py"]


def test_an_encrypted_entry_is_refused(tmp_path):
    data = archive(tmp_path / "a.zip", **{"ada.py": "x", "bob.py": "y"}).read_bytes()
    first = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", first + 1)
    flagged = data[: first + 8] + b"\x01\x00" + data[first + 10 :]
    (tmp_path / "b.zip").write_bytes(flagged)
    assert listed(tmp_path / "b.zip") == ({"bob.py": b"y"}, {"ada.py": "it is encrypted"})
    (tmp_path / "c.zip").write_bytes(flagged[: second + 8] + b"\x01\x00" + flagged[second + 10 :])
    with pytest.raises(UsageError, match="it is encrypted; expected no password"):
        listed(tmp_path / "c.zip")


def test_a_students_own_zip_is_opened_once_and_no_deeper(tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as target:
        target.writestr("src/hw.py", "x")
        target.writestr("more.zip", inner.getvalue())
        target.writestr("../out.py", "x")
    source = archive(tmp_path / "a.zip", **{"ada/all.zip": inner.getvalue(), "bob/broken.zip": "no zip"})
    read, refused = listed(source)
    assert set(read) == {"ada/all.zip/src/hw.py", "ada/all.zip/more.zip"}
    assert set(refused) == {"bob/broken.zip", "ada/all.zip/../out.py"}
    (tmp_path / "class" / "ada").mkdir(parents=True)
    (tmp_path / "class" / "ada" / "all.zip").write_bytes(inner.getvalue())
    assert set(listed(tmp_path / "class")[0]) == {"ada/all.zip/src/hw.py", "ada/all.zip/more.zip"}


@pytest.mark.parametrize(
    ("stored", "path"),
    [
        ("Zoe\u0308.py", "Zoë.py"),
        ("a\x1bb\nc.py", "a\\x1bb c.py"),
        ("عبد الله.py", "عبد الله.py"),
        ("a\u202eb.py", "a\\x202eb.py"),
    ],
)
def test_names_are_shown_in_one_form_and_harmless(stored, path, tmp_path):
    assert set(listed(archive(tmp_path / "a.zip", **{stored: "x"}))[0]) == {path}


def test_a_name_in_utf8_without_the_flag_for_it_is_read(tmp_path):
    data = archive(tmp_path / "a.zip", **{"Zoë.py": "x"}).read_bytes()
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.index(signature) + at
        data = data[:place] + b"\0\0" + data[place + 2 :]
    (tmp_path / "b.zip").write_bytes(data)
    assert set(listed(tmp_path / "b.zip")[0]) == {"Zoë.py"}


def test_a_name_of_no_encoding_is_listed_and_read(tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.py")).write_text("x")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe8.py")).write_text("y")
    assert listed(tmp_path) == ({"caf\\xe9.py": b"x", "caf\\xe8.py": b"y"}, {})


def test_a_file_that_goes_while_it_is_listed_is_told(tmp_path):
    (tmp_path / "ada.py").write_text("x")
    (tmp_path / "bob.py").write_text("x")
    with listing.opened(tmp_path) as files:
        entries = files.files()
        first = next(entries)
        for path in tmp_path.iterdir():
            path.unlink()
        assert [type(entry) for entry in entries] == [listing.Refused]
    assert isinstance(first, listing.File)


def test_many_files_of_one_zip_are_read_from_one_opening(tmp_path, monkeypatch):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as target:
        for n in range(200):
            target.writestr(f"{n}.py", str(n))
    source = archive(tmp_path / "a.zip", **{"ada.zip": inner.getvalue()})
    opened = []
    whole = zipfile.ZipFile.__init__
    monkeypatch.setattr(zipfile.ZipFile, "__init__", lambda *a, **k: opened.append(a) or whole(*a, **k))
    assert len(listed(source)[0]) == 200
    assert len(opened) <= 3  # the archive, the zip for its list, and once for all its files


def test_a_file_of_a_student_s_zip_that_is_broken_is_told_apart_from_one_that_cannot_be_had(tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as target:
        target.writestr("hw.py", "x = 1\n")
    data = inner.getvalue().replace(b"x = 1", b"x = 2")
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "ada.zip").write_bytes(data)
    with listing.opened(tmp_path / "class") as files:
        [entry] = files.files()
        with pytest.raises(listing.Spoilt, match="it is in a zip that cannot be read"):
            files.read(entry.locator, 100)
        (tmp_path / "class" / "ada.zip").unlink()
    with listing.opened(tmp_path / "class") as files:
        with pytest.raises(listing.Unreadable) as caught:
            files.read(entry.locator, 100)
        assert not isinstance(caught.value, listing.Spoilt)


def test_what_is_no_archive_is_told(tmp_path):
    (tmp_path / "a.zip").write_text("not a zip")
    with pytest.raises(UsageError, match="it is no zip archive"):
        listed(tmp_path / "a.zip")
    with pytest.raises(UsageError, match="it is not there"):
        listed(tmp_path / "b.zip")


def test_the_folder_of_the_results_is_no_submission(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "index.html").write_text("")
    (tmp_path / "ada.py").write_text("")
    assert listed(tmp_path, but=tmp_path / "out") == ({"ada.py": b""}, {})


@pytest.mark.parametrize(
    ("names", "wrapper"),
    [
        (["hw1/ada.py", "hw1/bob.py"], "hw1/"),
        (["a/hw.py"], "a/"),  # the archive's own name
        (["ada/hw.py"], ""),
        (["ada/hw.py", "bob/hw.py"], ""),
        (["ada.py"], ""),
        ([], ""),
    ],
)
def test_a_folder_around_everything_is_no_student(names, wrapper, tmp_path):
    with listing.opened(archive(tmp_path / "a.zip", **dict.fromkeys(names, ""))) as files:
        assert files.wrapper == wrapper


# Whatever an archive holds.

NAMES = st.one_of(
    st.sampled_from(
        ["ada.py", "ada/hw.py", "../x.py", "/x", "a//b.py", "./c.py", "CON", "a.zip", "x" * 300 + ".py", ""]
    ),
    st.text(min_size=1, max_size=30),
    st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=5).map("/".join),
)


@st.composite
def zips(draw, depth=1):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name in draw(st.lists(NAMES, max_size=6)):
            info = zipfile.ZipInfo(name.encode("utf-8", "replace").decode())
            info.external_attr = (
                draw(st.sampled_from([0, stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777, stat.S_IFDIR])) << 16
            )
            data = draw(
                st.one_of(st.binary(max_size=50), st.just(b"\0" * 3_000_000), *([zips(depth=0)] if depth else []))
            )
            if depth and draw(st.booleans()):
                info.filename += ".zip"
            target.writestr(info, data)
    return buffer.getvalue()


def mutated(data, cuts):
    changed = bytearray(data)
    for place, byte in cuts:
        changed[place % len(changed)] = byte
    return bytes(changed)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@given(zips(), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=3))
def test_no_archive_breaks_the_reader_or_reaches_outside(data, cuts):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "in").mkdir()
        (root / "in" / "a.zip").write_bytes(mutated(data, cuts))
        before = sorted(root.rglob("*"))
        try:
            with listing.opened(root / "in" / "a.zip") as files:
                entries = list(files.files())
                for entry in entries:
                    if isinstance(entry, File):
                        with suppress(listing.Unreadable):
                            assert len(files.read(entry.locator, 1000)) <= 1000
                pieces = list(intake.placed(files, intake.layout_of(files)))
                placed = [p.file.path if isinstance(p, Piece) else p.path for p in pieces]
        except UsageError:
            return
        assert len(placed) == len(entries)  # all accounted for
        assert sorted(root.rglob("*")) == before
