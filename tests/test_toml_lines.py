"""The line of a key is the right one, or that of the table around it."""

from __future__ import annotations

import pytest

from grader import toml_lines

TEXT = '''top = 1
text = """
[limits]
call_seconds = 3
"""
limits.call_seconds = 2
"quoted key" = 1
[comparison] # a comment with = and [brackets]
tolerance = 1
[[criteria]]
id = "a"
[criteria.extra]
deep = 1
[[criteria]]
id = "b"
list = [
  1,
  2,
]
  [ late . policy ]
  a.b.c = 1
'''


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("top",), 1),
        (("text",), 2),
        (("limits", "call_seconds"), 6),
        (("quoted key",), 7),
        (("comparison",), 8),
        (("comparison", "tolerance"), 9),
        (("comparison", "absent"), 8),
        (("criteria", 0, "id"), 11),
        (("criteria", 0, "extra", "deep"), 13),
        (("criteria", 1), 14),
        (("criteria", 1, "id"), 15),
        (("criteria", 1, "list", 1), 16),
        (("late", "policy", "a", "b", "c"), 21),
        (("absent",), None),
    ],
)
def test_the_line_of_a_key(keys, line):
    assert toml_lines.find(TEXT, keys) == line


def test_windows_line_ends_and_single_quotes():
    assert toml_lines.find("a = '''\r\nb = 1\r\n'''\r\nb = 2\r\n", ("b",)) == 4
