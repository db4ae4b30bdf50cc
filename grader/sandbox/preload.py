"""What a zygote imports before its root is empty: afterwards there is nothing to import from.

Every fork pays for what its zygote has imported. So there are three kinds, and a submission gets the one that has what
its text names: numpy with little more, which nearly all can do with; besides that, what a numeric student uses of the
standard library, and what a forbidden thing needs, so that it fails in the call that tries it and not at the top of the
file, where it would cost everything; and besides that, scipy, which takes several times as long to import as all else.
"""

from __future__ import annotations

import io
import os
import re
import sys
import traceback
import warnings
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from grader.sandbox.channel import LACKS_LIBRARY, LACKS_SCIPY, PLAIN, WITH_LIBRARY, WITH_SCIPY

NUMPY = (
    "numpy", "numpy.dtypes", "numpy.exceptions", "numpy.lib", "numpy.lib.format", "numpy.lib.introspect",
    "numpy.lib.mixins", "numpy.lib.npyio", "numpy.lib.scimath", "numpy.lib.stride_tricks", "numpy.linalg", "numpy.ma",
    "numpy.typing", "numpy.version",
)  # fmt: skip

BASICS = (
    "abc", "array", "ast", "builtins", "cmath", "collections", "collections.abc", "contextlib", "copy", "dataclasses",
    "enum", "functools", "inspect", "io", "itertools", "math", "numbers", "operator", "os", "os.path", "re", "string",
    "sys", "textwrap", "time", "traceback", "types", "typing", "unicodedata", "warnings", "weakref", "__future__",
)  # fmt: skip

MORE_NUMPY = (
    "numpy.char", "numpy.ctypeslib", "numpy.fft", "numpy.lib.recfunctions", "numpy.lib.user_array", "numpy.ma.extras",
    "numpy.ma.mrecords", "numpy.matlib", "numpy.polynomial", "numpy.random", "numpy.rec", "numpy.strings",
    "numpy.testing",
)  # fmt: skip

NUMERIC = (
    "bisect", "codecs", "datetime", "decimal", "dis", "doctest", "fractions", "gc", "graphlib", "heapq",
    "linecache", "locale", "logging", "pprint", "random", "reprlib", "statistics", "struct", "_strptime", "timeit",
    "token", "tokenize", "tracemalloc", "unittest", "unittest.mock", "zoneinfo",
)  # fmt: skip

FAILS_IN_ITS_CALL = (
    "argparse", "asyncio", "atexit", "base64", "binascii", "bz2", "calendar", "cmd", "code", "colorsys", "cProfile",
    "concurrent.futures", "concurrent.futures.process", "concurrent.futures.thread", "configparser", "csv", "ctypes",
    "ctypes.util", "difflib", "errno", "faulthandler", "fcntl", "fnmatch", "getopt",
    "getpass", "glob", "gzip", "hashlib", "hmac", "http.client", "importlib.util", "json", "lzma", "marshal",
    "mmap", "multiprocessing", "multiprocessing.connection", "multiprocessing.pool", "multiprocessing.shared_memory",
    "pathlib", "pdb", "pickle", "pkgutil", "platform", "posix", "profile", "pstats",
    "pwd", "queue", "resource", "runpy", "sched", "secrets", "select", "selectors", "shlex", "shutil",
    "signal", "site", "socket", "sqlite3", "ssl", "stat", "subprocess", "sysconfig", "tempfile",
    "threading", "urllib.parse", "urllib.request", "uuid", "xml.etree.ElementTree", "zipfile", "zlib",
)  # fmt: skip

SCIPY = (
    "scipy", "scipy.cluster", "scipy.cluster.hierarchy", "scipy.constants", "scipy.differentiate", "scipy.fft",
    "scipy.integrate", "scipy.interpolate", "scipy.io", "scipy.linalg", "scipy.linalg.blas", "scipy.linalg.lapack",
    "scipy.ndimage", "scipy.odr", "scipy.optimize", "scipy.optimize.elementwise", "scipy.signal", "scipy.sparse",
    "scipy.sparse.csgraph", "scipy.sparse.linalg", "scipy.spatial", "scipy.spatial.distance",
    "scipy.spatial.transform", "scipy.special", "scipy.stats",
)  # fmt: skip


def needed(source: bytes) -> bytes:
    """Which kind of zygote a submission is likely to need, told by the words in it.

    It is a guess, and a wrong one costs time and nothing else: who imports what is not there is begun anew (`watch`).
    """
    if b"scipy" in source:
        return WITH_SCIPY
    words = set(re.findall(rb"\w+", source))
    return WITH_LIBRARY if words & _telling() else PLAIN


@cache
def _telling() -> frozenset[bytes]:
    left_out = (*MORE_NUMPY, *NUMERIC, *FAILS_IN_ITS_CALL)
    names = {part for name in left_out for part in name.split(".")} - {"numpy", "lib", "os", "io", "ma", "path"}
    return frozenset(name.encode() for name in names)


class _Watch:
    """The last that is asked for a module, when nobody has it: what a richer zygote may have, ends this process."""

    def __init__(self, kind: bytes) -> None:
        self._kind = kind

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:  # noqa: ARG002 as importlib calls it
        if name.partition(".")[0] == "scipy":
            os._exit(LACKS_SCIPY)
        if self._kind == PLAIN:
            os._exit(LACKS_LIBRARY)


def watch(kind: bytes) -> None:
    """From now on an import that fails here, and may not elsewhere, ends the process with a status that says so.

    It matters not who imports, and how: numpy looks for some of its parts when they are asked for, and a codec is a
    module too. Nor can a submission catch it, and go on with less than it would have had.
    """
    if kind != WITH_SCIPY:
        sys.meta_path.append(_Watch(kind))


def plain() -> None:
    """Import what every submission gets, and use it once, so that nothing is left to be made on first use."""
    _import((*NUMPY, *BASICS))
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        _use()


def besides(kind: bytes) -> None:
    """Import what a submission that needs this kind gets besides, where it is installed."""
    if kind != PLAIN:
        encodings = (f"encodings.{module.name}" for module in iter_modules(import_module("encodings").__path__))
        _import((*MORE_NUMPY, *NUMERIC, *FAILS_IN_ITS_CALL, *encodings))
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            _use_more()
    if kind == WITH_SCIPY:
        _import(SCIPY)


def _import(names: tuple[str, ...]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            with suppress(ImportError):  # not part of this Python, or of this system
                import_module(name)


def _use() -> None:
    np = sys.modules["numpy"]
    square = np.arange(9.0).reshape(3, 3) + np.eye(3)
    print(square, np.linalg.svd(square)[1], np.linalg.inv(square) @ square, np.sort(square))
    print(np.kron(square, square), np.einsum("ij,jk", square, square))
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        np.log(np.zeros(1))  # a warning shows the line it came from, and so opens files
    try:
        np.zeros(2) @ np.zeros(3)
    except ValueError:
        traceback.print_exc()


def _use_more() -> None:
    np = sys.modules["numpy"]
    print(np.fft.fft(np.eye(3)), np.random.default_rng(0).normal(size=3))
