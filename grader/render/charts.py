"""A class's pictures: SVG whose numbers stand in it, so that its meaning does not need colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from grader.render.numbers import plain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from grader.cohort import Bar

WIDTH, HEIGHT, GAP = 56, 150, 4  # pixels of a bar
_BAR = Markup(
    '<g><title>{title}</title><rect x="{x}" y="{y}" width="{width}" height="{height}" rx="2"/>'
    '<text x="{middle}" y="{above}">{count}</text><text class="axis" x="{middle}" y="{below}">{range}</text></g>'
)


def distribution(bars: Sequence[Bar]) -> Markup:
    """How many students have how many points."""
    most = max((bar.students for bar in bars), default=0) or 1
    drawn = Markup("").join(_bar(n, bar, most, last=n == len(bars) - 1) for n, bar in enumerate(bars))
    told = "; ".join(f"{_range(bar)} points: {bar.students}" for bar in bars)
    return Markup(
        '<svg class="distribution" role="img" aria-label="Students by points. {}" viewBox="0 0 {} {}" width="{}">'
        "{}</svg>"
    ).format(told, len(bars) * (WIDTH + GAP), HEIGHT + 44, len(bars) * (WIDTH + GAP), drawn)


def _bar(n: int, bar: Bar, most: int, *, last: bool) -> Markup:
    height = round(HEIGHT * bar.students / most)
    x = n * (WIDTH + GAP)
    return _BAR.format(
        title=f"{_range(bar)}{'' if last else ' (not included)'}: {bar.students}",
        x=x,
        y=20 + HEIGHT - height,
        width=WIDTH,
        height=height,
        middle=x + WIDTH // 2,
        above=14 + HEIGHT - height,
        below=HEIGHT + 38,
        count=bar.students or "",
        range=_range(bar),
    )


def _range(bar: Bar) -> str:
    return f"{plain(round(bar.low, 2))}–{plain(round(bar.high, 2))}"


def share(part: Decimal | int, whole: Decimal | int) -> Markup:
    """A part of a whole, as a bar with its percentage beside it."""
    percent = float(part / whole * 100) if whole else 0.0
    return Markup(
        '<svg class="share" aria-hidden="true" viewBox="0 0 100 10" width="100" height="10" preserveAspectRatio="none">'
        '<rect class="whole" width="100" height="10" rx="2"/><rect width="{:.1f}" height="10" rx="2"/></svg> {:.0f}%'
    ).format(percent, percent)
