"""Secrets: from the environment or a file nobody else reads, and never in a message."""

from __future__ import annotations

import pytest

from grader import account
from grader.account import Wanted
from grader.errors import UsageError

WANTED = {"token": Wanted("a token"), "more": Wanted("something else", needed=False)}
PEM = "-----BEGIN PRIVATE KEY-----\nMIIE vQ\n-----END PRIVATE KEY-----"


@pytest.fixture
def file(tmp_path, monkeypatch):
    for name in ("TOKEN", "MORE"):
        monkeypatch.delenv(f"GRADER_X_{name}", raising=False)
    path = tmp_path / "accounts.toml"
    path.touch(0o600)
    return path


def known(file):
    return {name: secret.get_secret_value() for name, secret in account.read("x", WANTED, file).items()}


@pytest.fixture
def at_home(file, monkeypatch):
    monkeypatch.setenv("GRADER_HOME", str(file.parent))
    file.write_text('[x]\ntoken = "of-the-file"\nmore = "too"\n')


def test_the_environment_comes_before_the_file_at_home(at_home, monkeypatch):
    assert known(None) == {"token": "of-the-file", "more": "too"}
    monkeypatch.setenv("GRADER_X_TOKEN", " of-the-environment\n")
    assert known(None) == {"token": "of-the-environment", "more": "too"}
    monkeypatch.setenv("GRADER_X_TOKEN", " ")
    assert known(None) == {"token": "of-the-file", "more": "too"}


def test_a_file_that_is_named_comes_before_the_environment(file, monkeypatch):
    monkeypatch.setenv("GRADER_X_TOKEN", "of-the-environment")
    file.write_text('[x]\ntoken = "of-the-file"\n')
    assert known(file) == {"token": "of-the-file"}
    file.write_text('[x]\nmore = "too"\n')
    assert known(file) == {"token": "of-the-environment", "more": "too"}


def test_what_is_not_needed_may_be_nowhere(file):
    file.write_text('[x]\ntoken = "it"\n')
    assert known(file) == {"token": "it"}


def test_a_key_may_have_lines(file, monkeypatch):
    monkeypatch.setenv("GRADER_X_TOKEN", PEM)
    assert known(file) == {"token": PEM}


def test_no_secret_shows_itself(file):
    file.write_text('[x]\ntoken = "hush"\n')
    assert "hush" not in repr(account.read("x", WANTED, file))


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o602])
def test_a_file_others_can_read_or_write_is_refused(mode, file):
    file.write_text('[x]\ntoken = "hush"\n')
    file.chmod(mode)
    with pytest.raises(UsageError, match=f"its mode is {mode:04o}; expected 0600"):
        known(file)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "there is no token; expected a token; set GRADER_X_TOKEN"),
        ("[y]\ntoken = 'hush'", "there is no token"),
        ("[x]\ntoken = ''", "there is no token"),
        ("[x]\ntoken = 3", "no such text as is expected: a token"),
        ("[x]\ntoken = 'hu sh'", "no such text as is expected"),
        ("[x]\ntoken = 'hu\\u00e9sh'", "no such text as is expected"),
        ('[x]\ntoken = "hu\\nsh"', "no such text as is expected"),
        ("[x]\ntokn = 'hush'", "[x] has tokn; expected token, more"),
        ("x = 'hush'", "x is no table"),
        ("[x]\ntoken = hush", "it is no TOML (at line 2, column 9)"),
    ],
)
def test_what_is_wrong_is_told_without_the_secret(text, why, file):
    file.write_text(text.encode().decode("unicode_escape") if "\\u" in text else text)
    with pytest.raises(UsageError) as caught:
        known(file)
    assert why in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "hu" not in str(caught.value)


def test_a_file_that_was_named_and_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="it is not there"):
        known(tmp_path / "none.toml")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(UsageError, match="it cannot be read"):
        known(tmp_path)
