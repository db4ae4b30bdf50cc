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
            self._function = eval(_code(self.text), {**vars(np), **self.constants})  # noqa: S307 the text is our own
        return self._function(np.asanyarray(z))


@cache
def _code(text: str) -> Any:
    return compile(f"lambda z: {text}", "<formula>", "eval")
