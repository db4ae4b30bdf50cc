"""Walls: bytes and limits in, bytes and a fate out.

A backend is a module of this package with `start(workers) -> Sandbox`. It runs one submission in one
child and knows nothing of grading, of answers, or of what is inside a frame.

    wire        frames and their headers            (both sides)
    packing     values inside a frame               (harness and engine; no backend reads them)
    session     a submission's place: one child after another   (the parent's side)
    exchange    one conversation with one child     (the parent's side, and its clock)
    harness     what runs in the child              (with `answers`, the only one to import numpy)
    answers     what a function gave back, packed
    interpreter an isolated Python to run it in

    zygote      backend, the default: every submission in a fork of a process that has numpy loaded
      zygote_process, channel                       one such process from outside; what the two say to each other
      forkserver                                    that process from inside
      stem_process, stem, preload                   where zygotes come from, from outside and inside; what it imports
      layers, namespaces, confinement               the walls by name; those it puts up once; those of each child
      policy, seccomp, linux, rlimits               the table of system calls; the filter made of it; mechanism

    unconfined  backend: a fresh interpreter a submission, its limits and its own process group
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from grader.errors import UsageError, nearest

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from grader.sandbox.session import Session

BACKENDS = ("zygote", "unconfined")
DEFAULT = "zygote"
PACKAGES = ("numpy", "scipy")


class Sandbox(Protocol):
    """One backend, started. Every method may be called from several threads at once.

    A process that this one starts may be sent it, and has one like it then.
    """

    @property
    def name(self) -> str: ...

    @property
    def workers(self) -> int:
        """How many submissions run at once; a further session waits for one of them to end."""

    @property
    def layers(self) -> tuple[str, ...]:
        """The walls that stand, for the report."""

    @property
    def missing(self) -> tuple[str, ...]:
        """The walls this backend would have on another machine, and has not on this one."""

    def warm(self) -> None:
        """Get a child ready ahead of the next session, while the caller does something else."""

    def expect(self, source: bytes) -> None:
        """Such a submission will come, here or where this was sent: have what it needs imported, in good time."""

    def session(self, source: bytes) -> AbstractContextManager[Session]:
        """A place for one submission, in which children of its own load the source and answer what they are asked."""

    def close(self) -> None:
        """Leave nothing behind."""


@cache
def packages() -> dict[str, str]:
    """The packages a submission may import besides Python's own, and their versions: its answers may depend on them."""
    from importlib import metadata

    found = {}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def wanted(name: str | None) -> str:
    """The backend that was named, else that of the environment, else the default."""
    from grader import settings  # the child imports this package too, and has no use for it

    return name or settings.sandbox_name() or DEFAULT


def start(name: str, workers: int = 1) -> Sandbox:
    """The backend of this name, ready to run so many submissions at once.

    Raises UsageError for an unknown name, GraderFault where this backend cannot be.
    """
    if name not in BACKENDS:
        near = nearest(name, BACKENDS)
        raise UsageError(
            f"sandbox {name!r}: there is none of this name; expected one of: {', '.join(BACKENDS)}"
            + (f"; did you mean {near!r}?" if near else "; leave --sandbox out for the default")
        )
    backend: Sandbox = import_module(f"{__name__}.{name}").start(workers)
    return backend
