"""The frozen values that flow through a grading, in the order in which they appear.

    Submission -> Call -> Outcome -> Verdict; and these three together, Judged

They know nothing of rubrics, walls or mathematics, and importing them costs next to nothing: a named
tuple is made in a fifth of a frozen dataclass's time, and a short-lived command feels it.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

VerdictKind = Literal[
    "right", "wrong", "wrong_shape", "wrong_type", "not_finite", "exception", "timeout", "memory",
    "crash", "exit", "forbidden", "output", "protocol", "missing",
]  # fmt: skip


LARGEST_FILE = 1_000_000  # bytes of a submission


class Submission(NamedTuple):
    """One file of one student: bytes, never parsed outside the walls.

    `refused` says why its bytes cannot be had, where they cannot: an archive that is broken, say.
    """

    name: str
    source: bytes
    student: str | None = None
    submitted: datetime | None = None
    refused: str | None = None

    @property
    def sha256(self) -> str:
        import hashlib

        return hashlib.sha256(self.refused.encode() if self.refused else self.source).hexdigest()


class Limits(NamedTuple):
    """What one submission may use."""

    call_seconds: float = 2.0
    submission_seconds: float = 10.0
    memory_bytes: int = 512 * 2**20
    output_kept_bytes: int = 64 * 2**10
    output_killed_bytes: int = 8 * 2**20


class Part(NamedTuple):
    """One quantity of a homework that is graded by itself, in the homework's own notation.

    `entry` says what stands in row i, column j of the answer.
    """

    id: str
    function: str
    title: str
    quantity: str
    shape: str
    entry: str = ""


class Call(NamedTuple):
    """One call of one student function.

    `place` tells a student where it was ("l = 2, widths 2-3-1"), `scale` how large the layer is
    ("a layer of 3 units"). `sites` are the points at which a formula would evaluate its callables,
    None where it would evaluate none.
    """

    part: Part
    arguments: tuple[object, ...]
    place: str
    scale: str
    sites: Array | None = None


OutcomeKind = Literal[
    "value", "raised", "wrong_type", "missing", "timeout", "memory", "crash", "exit", "forbidden",
    "output", "protocol",
]  # fmt: skip


class Outcome(NamedTuple):
    """What became of one call; everything in it came from the student's side and is untrusted.

    `value` is None where nothing numeric came back, or where it was too large to be an answer
    (then only `shape` is known). `visited` holds the points at which each callable argument was
    called, by its position, where it was; `mutates_inputs` tells that it failed because it writes into its inputs, and
    `on_copies` what it answered when it was given copies.
    """

    kind: OutcomeKind
    text: str = ""
    value: NDArray[np.float64] | NDArray[np.complex128] | None = None
    shape: tuple[int, ...] | None = None
    traceback: str | None = None
    visited: Mapping[int, NDArray[np.complex128]] = MappingProxyType({})
    mutates_inputs: bool = False
    on_copies: NDArray[np.float64] | NDArray[np.complex128] | None = None


class Verdict(NamedTuple):
    """The judgement of one call, or of one criterion over all its calls.

    `error` is max|S - R| / max|R| where S could be compared with R.
    """

    kind: VerdictKind
    message: str
    error: float | None = None
    traceback: str | None = None


class Judged(NamedTuple):
    """One call, what became of it, the right answer in the shape the homework asks for, and what it is worth."""

    call: Call
    outcome: Outcome
    reference: Array
    verdict: Verdict
