"""The homework there is: one module each, found by name, or a file of one's own found by path.

An assignment is a module with the attributes of `Assignment`. It knows its mathematics and how a
student is spoken to about it; it knows nothing of rubrics, points or how code is run.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import pkgutil
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from grader import formula
from grader.errors import UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
    from random import Random
    from types import ModuleType

    from grader.values import Array, Call, Part

    Scalar = Callable[[Any], Any]  # elementwise, for arrays of any shape
    Entries = Callable[..., Any]  # (name, *shape) -> array


class Derivative(NamedTuple):
    """One reference and what it is the derivative of, for `grade verify`.

    `primal` maps the flat `variable` to the flat dependent quantity, for floats, complex numbers
    and symbols alike. Its Jacobian in numerator layout, reshaped, is what `reference()` returns.
    """

    part: str
    place: str
    primal: Callable[[Any], Any]
    variable: Any
    reference: Callable[[], Any]


class Misconception(NamedTuple):
    """What is said of a known mistake: a question, and the label of a step; and the fraction it is worth."""

    question: str
    step: str
    credit: str


class Feedback(Protocol):
    """What an assignment knows of wrong answers. A call is one of its own, and so are the parts."""

    MISCONCEPTIONS: Mapping[str, Misconception]  # by slug
    HINTS: Mapping[str, Misconception]  # by slug: not mistakes with a name, but where one shows
    RESTS_ON: Mapping[str, Sequence[str]]  # by part, the parts that it is made of, where errors carry forward

    def wrong_answers(self, part: str) -> Iterable[tuple[str, Callable[[Call], Any]]]:
        """Every known wrong formula for a part, with its slug. It raises where it cannot be evaluated."""

    def patterns(self, call: Call) -> Iterator[tuple[str, str, bool]]:
        """By the slug of a mistake and its reading, whether it shows in this call."""

    def suspects(self, call: Call, visited: Mapping[int, Any]) -> set[str]:
        """The mistakes that would have called the callables at these points: a student's own word, for hints only."""

    def carried(self, call: Call, answers: Sequence[tuple[Call, Array]]) -> Array:
        """What the student's own answers to other calls give for this one. Raises LookupError where one is lacking."""

    def examples(self) -> Sequence[Sequence[Call]]:
        """Calls to explain a mistake on, smallest first, in batches: always the same, and never those that grade."""

    def shown(self, call: Call) -> dict[str, Any]:
        """The arguments of an example as a report shows them."""


class Assignment(Protocol):
    """What a module of this package offers."""

    ID: str
    SIGNATURE: str
    PARTS: tuple[Part, ...]
    SHAPES: tuple[tuple[int, ...], ...]
    SYMBOLIC_SHAPES: tuple[tuple[int, ...], ...]
    STARTER: str
    __file__: str

    def draw(self, seed: int) -> tuple[Call, ...]:
        """The calls that grade a submission, smallest problem first; the same for the same seed."""

    def reference(self, call: Call) -> Array:
        """The right answer of a call, in the shape the homework asks for."""

    def feedback(self) -> Feedback | None:
        """What helps to understand a wrong answer; None where there is nothing but verdicts."""

    def draw_problem(self, shape: Sequence[int], random: Random) -> Any:
        """One problem of numbers, as they are graded on."""

    def problem(self, shape: Sequence[int], entries: Entries, sigma: Scalar, dsigma: Scalar) -> Any:
        """One problem of whatever entries and sigma it is given: symbols, for instance."""

    def derivatives(self, problem: Any) -> Iterator[Derivative]:
        """Every reference on this problem, with what it is the derivative of."""

    def wrong_readings(self, problem: Any) -> Iterator[tuple[str, Derivative]]:
        """Readings of the solution that circulate and are wrong, each named."""


def names() -> list[str]:
    """The assignments that come with the grader."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)


def load(name: str, beside: Path | None = None) -> Assignment:
    """The assignment of this name, or the one in this file (relative to the folder `beside`).

    Raises UsageError when there is none, or when the file is not an assignment.
    """
    if name.endswith(".py"):
        return _from_file((beside or Path()) / name)
    if name not in names():
        near = nearest(name, names())
        raise UsageError(
            f"assignment {name!r}: there is none of this name; expected one of: {', '.join(names())}; "
            + (f"did you mean {near!r}?" if near else "or give the path of a file that ends in .py")
        )
    return cast("Assignment", importlib.import_module(f"{__name__}.{name}"))


def functions(assignment: Assignment) -> list[str]:
    """The functions a student writes, each once."""
    return list(dict.fromkeys(part.function for part in assignment.PARTS))


def version(assignment: Assignment) -> str:
    """A fingerprint of all that decides about points: the assignment, its mistakes, how formulas are read."""
    return _version(cast("Hashable", assignment))


@cache  # a module is what its file was when it was loaded
def _version(module: Hashable) -> str:
    assignment = cast("Assignment", module)
    own = Path(assignment.__file__)
    feedback = sorted(own.with_name(f"{own.stem}_feedback").glob("*.py"))
    texts = (file.read_bytes() for file in (own, Path(formula.__file__), *feedback))
    return hashlib.sha256(b"".join(texts)).hexdigest()[:16]


def _from_file(path: Path) -> Assignment:
    if not path.is_file():
        raise UsageError(f"assignment {path}: there is no such file; expected a Python file; correct the path")
    name = f"assignment {path.resolve()}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # a path that ends in .py always has a loader
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise UsageError(f"assignment {path}: it fails to load ({why}); expected a Python module; mend it") from error
    if missing := [name for name in sorted(_offered()) if not hasattr(module, name)]:
        raise UsageError(
            f"assignment {path}: it lacks {', '.join(missing)}; expected what "
            "grader.assignments.Assignment describes; add them"
        )
    return cast("Assignment", module)


def _offered() -> set[str]:
    return {name for name in {*Assignment.__annotations__, *vars(Assignment)} if not name.startswith("_")}
