"""A function of one variable that crosses the walls as text, so that both sides evaluate the same thing.

The text is the grader's own, numpy's names and constants. It knows nothing of what it is used for.
"""

from __future__ import annotations

from functools import cache
from typing import Any


class Formula:
    """A function of z, such as "p*z + sin(w*z)" with the constants p and w."""

    def __init__(self, text: str, constants: dict[str, float]) -> None:
        self.text = text
        self.constants = constants
        self._function: Any = None

    def __call__(self, z: Any) -> Any:
        """The formula at z: a scalar, or an array of any shape, real or complex, taken elementwise."""
        import numpy as np

        if self._function is None:
            code, names = _code(self.text)
            # of numpy's names those it uses: to copy all would touch, and so have copied, much of a child's memory
            known = {name: getattr(np, name) for name in names if name not in self.constants}
            self._function = eval(code, {**known, **self.constants})  # noqa: S307 the text is our own
        return self._function(np.asanyarray(z))


@cache
def _code(text: str) -> Any:
    """The formula's code, and the names in it."""
    code = compile(f"lambda z: {text}", "<formula>", "eval")
    return code, code.co_consts[0].co_names
