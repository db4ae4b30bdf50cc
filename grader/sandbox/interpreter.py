"""An interpreter to run students' code in: isolated from its caller's environment, folder and site.

It knows how one is started and what it can import; not what it is for.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from grader.errors import GraderFault

_PRELUDE = "import sys; sys.path[:0] = sys.argv[1:3]\n"


def command(program: str, *arguments: str) -> list[str]:
    """Run this program, which finds its arguments from sys.argv[3] on, with grader and numpy in reach.

    -I -S -B: no environment variable, no current folder, no site, no user packages; nothing written.
    Raises GraderFault when numpy is not installed.
    """
    return [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", _PRELUDE + program, *_import_paths(), *arguments]


def environment(directory: str) -> dict[str, str]:
    """Nothing of the grader's own; one thread, since a library's pool is no part of a homework."""
    threads = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    return {
        "PATH": os.defpath,
        "HOME": directory,
        "TMPDIR": directory,
        "LC_ALL": "C.UTF-8",
        **dict.fromkeys(threads, "1"),
    }


def _import_paths() -> tuple[str, str]:
    """The folders of the grader and of numpy, neither of them imported to know it."""
    numpy = find_spec("numpy")
    if numpy is None or numpy.origin is None:
        raise GraderFault(
            "sandbox: numpy is not installed beside the grader; expected the grader's own environment; install it again"
        )
    return str(Path(__file__).parents[2]), str(Path(numpy.origin).parents[1])
