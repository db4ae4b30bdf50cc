"""Every platform's download, zipped and unpacked, is known by itself, and every file in it is accounted for."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from grader import intake, listing, lms
from grader.lms import Piece, Unplaced

SAMPLES = Path(__file__).parent.parent / "data" / "lms"


def time(text):
    return datetime.fromisoformat(text)


# sample -> platform, {(student, attempt's number in order, name): facts}, paths that are nobody's
DOWNLOADS = {
    "canvas/submissions.zip": (
        "canvas",
        {
            ("9001", "hw1.py"): {"person": "almeidaana"},
            ("9001", "helper.py"): {},
            ("9001", "link.html"): {},
            ("9002", "hw1-1.py"): {"marked_late": True, "person": "oneilseán"},
            ("9003", "my_solution_v2.py"): {"marked_late": False},
            ("9003", "text.html"): {},
            ("9004", "hw1.py"): {"person": "müllerødegårdłucja"},
            ("anon_Xk3Pq", "hw1.py"): {"person": None},
            ("anon_b7Qz1", "hw1.py"): {"marked_late": True},
        },
        set(),
    ),
    "moodle/submissions_folders.zip": (
        "moodle",
        {
            ("512001", "hw1.py"): {"person": "Ana Almeida"},
            ("512002", "src/hw1.py"): {"person": "Seán O'Neil"},
            ("512004", "onlinetext.html"): {"person": "Łucja Müller-Ødegård"},
        },
        set(),
    ),
    "moodle/submissions_folders_pre41.zip": ("moodle", {("512001", "hw1.py"): {}}, set()),
    "moodle/submissions_team.zip": (
        "moodle",
        {("88", "hw1.py"): {"person": "Team A"}, ("Default group", "hw1.py"): {}},
        set(),
    ),
    "gradescope/assignment_25828_export.zip": (
        "gradescope",
        {
            ("000123", "hw1.py"): {
                "email": "ana@example.edu",
                "submitted": datetime(2026, 10, 10, 23, 40, 2, tzinfo=UTC),
            },
            ("000201", "hw1.py"): {"group": ("000201", "202"), "email": "one@example.edu"},
            ("202", "hw1.py"): {"group": ("000201", "202"), "email": None, "person": "Pair Two"},
        },
        {"submission_500003"},
    ),
    "blackboard/gradebook_CS101_Homework20120_2026-10-11-09-00-00.zip": (
        "blackboard",
        {
            ("aalmeida", "hw1.py"): {"person": "Ana Almeida", "submitted": datetime(2026, 10, 10, 23, 40, 2)},
            ("s_oneil", "hw1.py"): {"person": "Sean ONeil"},
        },
        set(),
    ),
    "brightspace/Homework 1 Download Oct 11, 2026 900 AM.zip": (
        "brightspace",
        {
            ("Ana Almeida", "hw1.py"): {"submitted": datetime(2026, 10, 10, 23, 40)},
            ("Seán O'Neil", "hw1.py"): {"submitted": datetime(2026, 10, 11, 1, 20)},
            ("Li van der-Berg", "hw1.py"): {},
        },
        set(),
    ),
    "sakai/bulk_download.zip": (
        "sakai",
        {("aalmeida", "hw1.py"): {"person": "Ana Almeida", "submitted": datetime(2026, 10, 10, 23, 40, 2)}},
        set(),
    ),
    "nbgrader": (
        "nbgrader",
        {("aalmeida", "hw1.py"): {"submitted": datetime(2026, 10, 10, 23, 40, 2, tzinfo=UTC)}},
        set(),
    ),
}


def unpacked(sample, tmp_path):
    with zipfile.ZipFile(SAMPLES / sample) as archive:
        archive.extractall(tmp_path / "unpacked")
    return tmp_path / "unpacked"


def found_in(source):
    with listing.opened(source) as files:
        layout = intake.layout_of(files)
        found = list(intake.placed(files, layout))
        return (
            layout.platform,
            [f for f in found if isinstance(f, Piece)],
            [f for f in found if isinstance(f, Unplaced)],
        )


@pytest.mark.parametrize("form", ["as it is", "unpacked", "in a folder", "zipped anew in a folder"])
@pytest.mark.parametrize("sample", DOWNLOADS)
def test_a_download_is_read(sample, form, tmp_path):
    platform, expected, nobodys = DOWNLOADS[sample]
    source = SAMPLES / sample
    if form != "as it is":
        source = source if source.is_dir() else unpacked(sample, tmp_path)
    if form == "in a folder" and source.name == "unpacked":
        (tmp_path / "around").mkdir()
        source = source.rename(tmp_path / "around" / "unpacked").parent
    if form == "zipped anew in a folder":
        source = zipped(source, tmp_path / "anew.zip")
    name, pieces, unplaced = found_in(source)
    assert name == platform
    assert {(piece.student, piece.name) for piece in pieces} == set(expected)
    for piece in pieces:
        facts = expected[piece.student, piece.name]
        assert {field: getattr(piece, field) for field in facts} == facts
    assert {one.path for one in unplaced} == nobodys


def zipped(folder, target):
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, Path("anew") / path.relative_to(folder))
    return target


def test_there_is_a_sample_of_every_platform():
    covered = {platform for platform, *_ in DOWNLOADS.values()} | {"github_classroom"}
    assert covered == set(lms.platforms())


@pytest.mark.parametrize("name", lms.platforms())
def test_a_plain_folder_is_no_platforms(name):
    platform = lms.platforms()[name]
    assert not platform.recognises(["ada.py", "bob.py", "notes.txt"])
    assert not platform.recognises(["ada/hw1.py", "bob/hw1.py", "bob/src/old.py", "eve-smith/hw_1_2_3.py"])


# GitHub Classroom's is a folder of clones.


def clones(root, *repositories):
    for repository in repositories:
        (root / repository).mkdir(parents=True)
        (root / repository / "hw1.py").write_text("# " + repository)
        (root / repository / ".git").mkdir()
        (root / repository / ".git" / "HEAD").write_text("ref: refs/heads/main")
    return root


def test_clones_are_known_by_the_name_of_their_folder(tmp_path):
    clones(tmp_path / "hw1-submissions", "hw1-octo-ana", "hw1-bob")
    name, pieces, unplaced = found_in(tmp_path)
    assert (name, unplaced) == ("github_classroom", [])
    assert {(piece.student, piece.name) for piece in pieces} == {("octo-ana", "hw1.py"), ("bob", "hw1.py")}


def test_the_list_of_grades_tells_whose_a_clone_is(tmp_path):
    clones(tmp_path, "hw1-octo-ana", "hw1-no-roster")
    (tmp_path / "grades.csv").write_bytes((SAMPLES / "github_classroom" / "grades.csv").read_bytes())
    name, pieces, _ = found_in(tmp_path)
    known = {piece.student: piece for piece in pieces}
    assert name == "github_classroom"
    assert set(known) == {"000123", "no-roster"}
    assert known["000123"].submitted == datetime(2026, 10, 10, 23, 40, 2, tzinfo=UTC)
    assert known["000123"].person == "octo-ana"
    assert known["no-roster"].submitted is None


# What comes damaged.


def test_canvas_names_may_have_underscores_and_a_students_zip_anything(tmp_path):
    archive = tmp_path / "student.zip"
    with zipfile.ZipFile(archive, "w") as inner:
        inner.writestr("src/hw1.py", "# mine")
    for name in ("de_la_cruz_9_70_hw1.py", "almeidaana_LATE_8_71_all.zip"):
        (tmp_path / "class").mkdir(exist_ok=True)
        (tmp_path / "class" / name).write_bytes(archive.read_bytes() if name.endswith("zip") else b"")
    _, pieces, unplaced = found_in(tmp_path / "class")
    assert {(piece.student, piece.name, piece.marked_late) for piece in pieces} == {
        ("9", "hw1.py", False),
        ("8", "all.zip/src/hw1.py", True),
    }
    assert unplaced == []


@pytest.mark.parametrize("metadata", [b"", b": [", b"- a", b"submission_1: 7", b"submission_1:\n  :submitters: x"])
def test_a_gradescope_export_whose_metadata_is_damaged_loses_nothing(metadata, tmp_path):
    (tmp_path / "submission_1").mkdir()
    (tmp_path / "submission_1" / "hw1.py").write_text("")
    (tmp_path / "submission_metadata.yml").write_bytes(metadata)
    name, pieces, unplaced = found_in(tmp_path)
    assert (name, pieces) == ("gradescope", [])
    assert "submission_1/hw1.py" in {one.path for one in unplaced}


def test_attempts_of_blackboard_and_brightspace_sort_by_time(tmp_path):
    for time_ in ("2026-10-09-10-00-00", "2026-10-10-09-00-00"):
        (tmp_path / f"Homework 1_ana_attempt_{time_}_hw1.py").write_text("")
    _, pieces, _ = found_in(tmp_path)
    assert [piece.attempt for piece in sorted(pieces)] == ["2026-10-09-10-00-00", "2026-10-10-09-00-00"]
    assert {piece.student for piece in pieces} == {"ana"}  # no manifest: what is behind the last underscore


def test_a_time_that_cannot_be_is_none(tmp_path):
    (tmp_path / "Homework 1_ana_attempt_2026-13-40-99-00-00_hw1.py").write_text("")
    _, [piece], _ = found_in(tmp_path)
    assert piece.submitted is None


@pytest.mark.parametrize(
    ("path", "student"),
    [
        ("Alice A_1_assignsubmission_file/Bob B_2_assignsubmission_file_hw.py", "1"),
        ("11-22 - Alice A - Oct 10, 2026 1140 PM/11-22 - Bob B - Oct 11, 2026 1022 AM - hw.py", "Alice A"),
        ("hw_alice_attempt_2026-10-10-10-00-00_hw.zip/hw_bob_attempt_2026-12-10-10-00-00_hw.py", "hw_alice"),
        ("submitted/alice/hw1/submitted/bob/hw1/hw1.py", "alice"),
        ("alice_1_70_hw.zip/bob_2_71_hw.py", "1"),
    ],
)
def test_nobody_hands_in_for_another(path, student):
    from grader.listing import File

    found = [
        piece.student
        for platform in lms.platforms().values()
        if platform.recognises([path, path.replace("hw1.py", "timestamp.txt").replace("submitted/bob/hw1/", "")])
        for piece in platform.pieces([File(path, 1, None, b"")], {})
        if isinstance(piece, Piece)
    ]
    assert found in ([student], [student.removeprefix("hw_")])


@pytest.mark.parametrize(
    "name", ["alice/data/timestamp.txt", "hw1-alice/grades.csv", "submission_1/submission_metadata.yml"]
)
def test_a_students_file_is_not_taken_for_the_platforms_own(name):
    for platform in lms.platforms().values():
        assert not platform.recognises([name, "bob.py", "carol.py", "dan.py", "eve.py"])
    assert not any(lms.platforms()[p].SIDE.fullmatch(name) for p in ("github_classroom", "gradescope"))
