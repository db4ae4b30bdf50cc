"""Where a key stands in a TOML file: tomllib does not keep the lines. It knows TOML and nothing of ours.

Keys of inline tables and of lists over several lines are not looked into: the line of the key around
them is the answer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    Path = tuple[str | int, ...]

_NAME = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
_NAMES = rf"{_NAME}(?:\s*\.\s*{_NAME})*"
_HEADER = re.compile(rf"\s*(?P<list>\[?)\[\s*(?P<names>{_NAMES})\s*\]")
_KEY = re.compile(rf"\s*(?P<names>{_NAMES})\s*=")


def find(text: str, keys: Path) -> int | None:
    """The line of a key, counted from 1, or of the nearest table around it; None where there is neither."""
    lines: dict[Path, int] = {}
    lengths: dict[Path, int] = {}
    table: Path = ()
    for number, line in _statements(text):
        if header := _HEADER.match(line):
            table = _open_table(_split(header["names"]), bool(header["list"]), lengths)
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, *_split(key["names"])), number)
    while keys and keys not in lines:
        keys = keys[:-1]
    return lines.get(keys)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """The numbered lines that do not begin inside a string of several lines."""
    inside = ""
    for number, line in enumerate(text.split("\n"), 1):
        if not inside:
            yield number, line
        for quotes in re.findall(r"\"{3}|'{3}", line):
            inside = "" if inside == quotes else inside or quotes


def _open_table(names: list[str], is_list: bool, lengths: dict[Path, int]) -> Path:
    """The path of a table under its header: with its position, and that of each list it is in."""
    path: Path = ()
    for name in names[:-1]:
        path = (*path, name)
        if path in lengths:
            path = (*path, lengths[path] - 1)
    path = (*path, names[-1])
    if is_list:
        lengths[path] = lengths.get(path, 0) + 1
        return (*path, lengths[path] - 1)
    return path


def _split(names: str) -> list[str]:
    return [name.strip("\"'") for name in re.findall(_NAME, names)]
