"""Walls: bytes and limits in, bytes and a fate out.

A backend is a module of this package with `start() -> Sandbox`. It runs one submission in one
child and knows nothing of grading, of answers, or of what is inside a frame.

    wire        frames and their headers            (both sides)
    packing     values inside a frame               (harness and engine; no backend reads them)
    exchange    one conversation with one child     (the parent's side, and its clock)
    harness     what runs in the child              (the only one to import numpy)
    unconfined  backend: a fresh interpreter a submission, its limits and its own process group
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from grader.errors import UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grader.sandbox.exchange import Exchange, Request
    from grader.values import Limits

BACKENDS = ("unconfined",)
DEFAULT = "unconfined"


class Sandbox(Protocol):
    """One backend, started. `layers` names the walls that stand, for the report."""

    @property
    def name(self) -> str: ...

    @property
    def layers(self) -> tuple[str, ...]: ...

    def warm(self) -> None:
        """Get a child ready ahead of the next run, while the caller does something else."""

    def run(self, source: bytes, requests: Sequence[Request], limits: Limits) -> Exchange:
        """Load the source in a child of its own and put the requests to it, until done or dead.

        Raises GraderFault when there is no child to be had, or it fails before the source is loaded.
        """

    def close(self) -> None:
        """Leave nothing behind."""


def wanted(name: str | None) -> str:
    """The backend that was named, else that of the environment, else the default."""
    from grader import settings  # the child imports this package too, and has no use for it

    return name or settings.sandbox_name() or DEFAULT


def start(name: str) -> Sandbox:
    """The backend of this name, ready to run submissions. Raises UsageError for an unknown name."""
    if name not in BACKENDS:
        near = nearest(name, BACKENDS)
        raise UsageError(
            f"sandbox {name!r}: there is none of this name; expected one of: {', '.join(BACKENDS)}"
            + (f"; did you mean {near!r}?" if near else "; leave --sandbox out for the default")
        )
    backend: Sandbox = import_module(f"{__name__}.{name}").start()
    return backend
