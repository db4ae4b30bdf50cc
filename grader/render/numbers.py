"""Numbers, rows and matrices of a report as short texts, and how dark a wrong entry is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from grader.report import Difference


def plain(points: Decimal) -> str:
    """7 for 7.00, 7.5 for 7.50."""
    return f"{points.normalize():f}"


def shade(entry: float | str, difference: Difference, shades: int) -> int:
    """How dark a wrong entry is, from 1 to `shades`, relative to the one that is farthest off."""
    sizes = [abs(e) for row in difference.entries for e in row if not isinstance(e, str)]
    if isinstance(entry, str) or not max(sizes, default=0):
        return shades
    return max(1, round(shades * (abs(entry) / max(sizes))))


def number(value: Any) -> str:
    """3 for 3 and 3.0, at most four digits of what is not whole."""
    if isinstance(value, float) and not (value.is_integer() and abs(value) < 10**7):
        return f"{value:.4g}"
    return str(int(value)) if isinstance(value, float) else str(value)


def row(values: Sequence[Any]) -> str:
    return f"({', '.join(map(number, values))})"


def matrix(value: Any) -> str:
    """[[1, 2], [3, 4]], whatever its depth."""
    return f"[{', '.join(map(matrix, value))}]" if isinstance(value, list | tuple) else number(value)
