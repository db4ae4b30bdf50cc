"""The homework's notation as MathML: ∂y_L/∂b_L, y_{l-1}, (A_l)_ij inside a text. Everything else is escaped."""

from __future__ import annotations

import re
from functools import lru_cache

from markupsafe import Markup, escape

from grader.render.numbers import matrix as as_text
from grader.render.numbers import number

_NOTATION = re.compile(
    r"∂(?P<top>\(?[A-Za-z](?:_(?:\{[^{}]*\}|[A-Za-z0-9]+))?\)?(?:_[A-Za-z0-9]+)?)"
    r"/∂(?P<bottom>\(?[A-Za-z](?:_(?:\{[^{}]*\}|[A-Za-z0-9]+))?\)?(?:_[A-Za-z0-9]+)?)"
    r"|(?<![A-Za-z0-9_'])(?P<alone>[A-Za-z]_(?:\{[^{}]*\}|[A-Za-z0-9]+))(?![A-Za-z0-9_(.])"
)
_PARTS = re.compile(
    r"(?P<open>\(?)(?P<base>[A-Za-z])(?:_(?P<index>\{[^{}]*\}|[A-Za-z0-9]+))?(?P<close>\)?)(?:_(?P<outer>\w+))?"
)


@lru_cache(maxsize=256)  # titles and many messages are those of every report
def markup(text: str) -> Markup:
    """The text with its derivatives and indexed symbols as MathML."""
    pieces, at = [], 0
    for found in _NOTATION.finditer(text):
        pieces += [escape(text[at : found.start()]), _math(found)]
        at = found.end()
    return Markup("").join([*pieces, escape(text[at:])])


def _math(found: re.Match[str]) -> Markup:
    if found["alone"]:
        inner = _symbol(found["alone"])
    else:
        top, bottom = (Markup("<mrow><mo>∂</mo>{}</mrow>").format(_symbol(found[side])) for side in ("top", "bottom"))
        inner = Markup("<mfrac>{}{}</mfrac>").format(top, bottom)
    return Markup('<math aria-label="{}">{}</math>').format(found[0], inner)


def _symbol(text: str) -> Markup:
    parts = _PARTS.fullmatch(text)
    if parts is None:
        return Markup("<mtext>{}</mtext>").format(text)
    inner = Markup("<mi>{}</mi>").format(parts["base"])
    if parts["index"]:
        inner = Markup("<msub>{}<mi>{}</mi></msub>").format(inner, parts["index"].strip("{}").replace("-", "−"))
    if parts["open"]:
        inner = Markup("<mrow><mo>(</mo>{}<mo>)</mo></mrow>").format(inner)
    return Markup("<msub>{}<mi>{}</mi></msub>").format(inner, parts["outer"]) if parts["outer"] else inner


def matrix(rows: object) -> Markup:
    """A number, a vector or a matrix as MathML; what is deeper stays a text."""
    if not isinstance(rows, list | tuple):
        return Markup("<math><mn>{}</mn></math>").format(number(rows))
    lines = [line if isinstance(line, list | tuple) else [line] for line in rows]
    if any(isinstance(cell, list | tuple) for line in lines for cell in line):
        return Markup("<code>{}</code>").format(as_text(rows))
    cells = ((f"<mtd><mn>{escape(number(cell))}</mn></mtd>" for cell in line) for line in lines)
    body = "".join(f"<mtr>{''.join(line)}</mtr>" for line in cells)
    return Markup(f'<math aria-label="{escape(as_text(rows))}"><mtable>{body}</mtable></math>')  # noqa: S704 all of it is escaped
