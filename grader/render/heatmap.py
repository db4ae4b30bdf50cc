"""Yours minus right as a picture: an SVG whose meaning does not need colour, in the words of its own legend.

Each entry shows its number; a wrong one has a cross, and the denser its hatching the farther off it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from grader.render.numbers import number, shade

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grader.report import Difference

SHADES = 3
LEAST_WIDTH, CELL_HEIGHT, GAP = 84, 44, 4  # pixels
LETTER = 10  # pixels a letter takes
_CELL = Markup(
    '<g class="{kind}"><rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3"/>'
    '<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" fill="url(#{key}-{shade})"/>'
    '<rect class="label" x="{label_x}" y="{label_y}" width="{label_width}" height="22" rx="3"/>'
    '<text x="{text_x}" y="{text_y}">{text}</text></g>'
)
_PATTERN = Markup(
    '<pattern id="{key}-{shade}" width="{size}" height="{size}" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><line x1="0" y1="0" x2="0" y2="{size}"/></pattern>'
)


def svg(difference: Difference, key: str) -> Markup:
    """The picture; `key` sets its patterns apart from those of others on the page."""
    rows, columns = len(difference.entries), len(difference.entries[0]) if difference.entries else 0
    width, height = columns * (_cell_width(difference) + GAP) + GAP, rows * (CELL_HEIGHT + GAP) + GAP
    patterns = Markup("").join(_PATTERN.format(key=key, shade=n, size=(0, 12, 8, 5)[n]) for n in range(1, SHADES + 1))
    return Markup(
        '<svg class="heatmap" role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" height="{}">'
        "<title>{}</title><defs>{}</defs>{}</svg>"
    ).format(
        in_words(difference), width, height, width, height, in_words(difference), patterns, _cells(difference, key)
    )


def _cells(difference: Difference, key: str) -> Markup:
    return Markup("").join(
        _cell(i, j, entry, is_wrong, difference, key) for i, j, entry, is_wrong in _entries(difference)
    )


def _entries(difference: Difference) -> Iterator[tuple[int, int, float | str, bool]]:
    for i, (entries, wrong) in enumerate(zip(difference.entries, difference.wrong, strict=True)):
        for j, (entry, is_wrong) in enumerate(zip(entries, wrong, strict=True)):
            yield i, j, entry, is_wrong


def _cell(i: int, j: int, entry: float | str, is_wrong: bool, difference: Difference, key: str) -> Markup:
    cell = _cell_width(difference)
    x, y = GAP + j * (cell + GAP), GAP + i * (CELL_HEIGHT + GAP)
    text = _text(entry, is_wrong)
    label = LETTER * len(text) + 8
    return _CELL.format(
        kind="wrong" if is_wrong else "right",
        key=key,
        shade=shade(entry, difference, SHADES) if is_wrong else 0,
        x=x,
        y=y,
        width=cell,
        height=CELL_HEIGHT,
        label_x=x + (cell - label) / 2,
        label_y=y + 11,
        label_width=label,
        text_x=x + cell / 2,
        text_y=y + 27,
        text=text,
    )


def _cell_width(difference: Difference) -> int:
    """Every cell is as wide as the longest text needs."""
    return max(
        LEAST_WIDTH, *(LETTER * len(_text(entry, is_wrong)) + 20 for _, _, entry, is_wrong in _entries(difference))
    )


def _text(entry: float | str, is_wrong: bool) -> str:
    return f"{'✗ ' if is_wrong else ''}{number(entry)}"


def in_words(difference: Difference) -> str:
    """The picture for who does not see it."""
    told = [
        f"row {i + 1}, column {j + 1}: {'off by ' + number(entry) if is_wrong else 'right'}"
        for i, j, entry, is_wrong in _entries(difference)
    ]
    return f"Yours minus right. {'; '.join(told)}."
