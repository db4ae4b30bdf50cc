"""The installation's secret and the seeds that come from it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from grader import settings
from grader.errors import GraderFault


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADER_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_a_seed_is_the_same_for_the_same_file_and_fits_a_double(home):
    seeds = {digest: settings.seed_for(digest) for digest in ("a", "b", "c")}
    assert seeds == {digest: settings.seed_for(digest) for digest in seeds}
    assert len(set(seeds.values())) == 3
    assert all(0 <= seed < 2**53 for seed in seeds.values())


def test_another_installation_has_other_seeds(home, tmp_path, monkeypatch):
    here = settings.seed_for("a")
    monkeypatch.setenv("GRADER_HOME", str(tmp_path / "other"))
    assert settings.seed_for("a") != here


def test_the_secret_is_private_and_nothing_is_left_beside_it(home):
    settings.seed_for("a")
    assert (home / "secret").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in home.iterdir()] == ["secret"]


def test_the_secret_is_created_once_however_many_come_at_once(home):
    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(settings.seed_for, ["a"] * 64))) == 1


def test_a_secret_others_can_read_is_refused(home):
    settings.seed_for("a")
    (home / "secret").chmod(0o644)
    with pytest.raises(GraderFault, match=r"its mode is 0644; expected 0600.*run: chmod 600"):
        settings.seed_for("a")


def test_a_damaged_secret_is_refused(home):
    home.mkdir()
    (home / "secret").write_bytes(b"short")
    (home / "secret").chmod(0o600)
    with pytest.raises(GraderFault, match="found 5 bytes; expected 32; remove the file"):
        settings.seed_for("a")


def test_a_folder_that_cannot_be_written_says_what_to_do(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GRADER_HOME", str(tmp_path / "file" / "below"))
    with pytest.raises(GraderFault, match="cannot be read or created.*set GRADER_HOME to one, or give --seed"):
        settings.seed_for("a")


def test_where_the_state_lives(monkeypatch, tmp_path):
    monkeypatch.delenv("GRADER_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert settings.home() == tmp_path / "grader"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert settings.home() == Path.home() / ".local" / "share" / "grader"


def test_the_sandbox_of_the_environment(monkeypatch):
    monkeypatch.setenv("GRADER_SANDBOX", "")
    assert settings.sandbox_name() is None
    monkeypatch.setenv("GRADER_SANDBOX", "unconfined")
    assert settings.sandbox_name() == "unconfined"


def test_a_few_seeds_are_of_their_occasion(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADER_HOME", str(tmp_path))
    digests = [f"{n:064x}" for n in range(500)]
    one, again, other = (set(map(settings.seeds(32, name), digests)) for name in ("may", "may", "june"))
    assert len(one) == 32
    assert one == again
    assert not one & other
