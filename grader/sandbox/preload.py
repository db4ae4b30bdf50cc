"""What a zygote imports before its root is empty: afterwards there is nothing to import from.

numpy whole; what a numeric student uses of the standard library; and what a forbidden thing needs, so
that it fails in the call that tries it and not at the top of the file, where it would cost everything.
"""

from __future__ import annotations

import io
import sys
import traceback
import warnings
from contextlib import redirect_stderr, redirect_stdout, suppress
from importlib import import_module

NUMPY = (
    "numpy", "numpy.char", "numpy.ctypeslib", "numpy.dtypes", "numpy.exceptions", "numpy.fft", "numpy.lib",
    "numpy.lib.format", "numpy.lib.introspect", "numpy.lib.mixins", "numpy.lib.npyio", "numpy.lib.recfunctions",
    "numpy.lib.scimath", "numpy.lib.stride_tricks", "numpy.lib.user_array", "numpy.linalg", "numpy.ma",
    "numpy.ma.extras", "numpy.ma.mrecords", "numpy.matlib", "numpy.polynomial", "numpy.random", "numpy.rec",
    "numpy.strings", "numpy.testing", "numpy.typing", "numpy.version",
)  # fmt: skip

NUMERIC = (
    "abc", "array", "ast", "bisect", "builtins", "cmath", "codecs", "collections", "collections.abc", "contextlib",
    "copy", "dataclasses", "datetime", "decimal", "dis", "doctest", "enum", "fractions", "functools", "gc",
    "graphlib", "heapq", "inspect", "io", "itertools", "linecache", "locale", "logging", "math", "numbers",
    "operator", "pprint", "random", "re", "reprlib", "statistics", "string", "struct", "sys", "textwrap", "_strptime",
    "time", "timeit", "token", "tokenize", "traceback", "tracemalloc", "types", "typing", "unicodedata", "unittest",
    "unittest.mock", "warnings", "weakref", "zoneinfo", "__future__",
)  # fmt: skip

FAILS_IN_ITS_CALL = (
    "argparse", "asyncio", "atexit", "base64", "binascii", "bz2", "calendar", "cmd", "code", "colorsys", "cProfile",
    "concurrent.futures", "concurrent.futures.process", "concurrent.futures.thread", "configparser", "csv", "ctypes",
    "ctypes.util", "difflib", "errno", "faulthandler", "fcntl", "fnmatch", "getopt",
    "getpass", "glob", "gzip", "hashlib", "hmac", "http.client", "importlib.util", "json", "lzma", "marshal",
    "mmap", "multiprocessing", "multiprocessing.connection", "multiprocessing.pool", "multiprocessing.shared_memory",
    "os", "os.path", "pathlib", "pdb", "pickle", "pkgutil", "platform", "posix", "profile", "pstats",
    "pwd", "queue", "resource", "runpy", "sched", "secrets", "select", "selectors", "shlex", "shutil",
    "signal", "site", "socket", "sqlite3", "ssl", "stat", "subprocess", "sysconfig", "tempfile",
    "threading", "urllib.parse", "urllib.request", "uuid", "xml.etree.ElementTree", "zipfile", "zlib",
)  # fmt: skip

ENCODINGS = (  # of a file that names one in its first lines
    "ascii", "big5", "cp1250", "cp1251", "cp1252", "cp437", "cp932", "cp949", "euc_jp", "euc_kr", "gb18030", "gbk",
    "idna", "iso8859_1", "iso8859_15", "iso8859_2", "koi8_r", "latin_1", "mac_roman", "raw_unicode_escape",
    "shift_jis", "unicode_escape", "utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_7", "utf_8", "utf_8_sig",
)  # fmt: skip

SCIPY = (
    "scipy", "scipy.cluster", "scipy.cluster.hierarchy", "scipy.constants", "scipy.differentiate", "scipy.fft",
    "scipy.integrate", "scipy.interpolate", "scipy.io", "scipy.linalg", "scipy.linalg.blas", "scipy.linalg.lapack",
    "scipy.ndimage", "scipy.odr", "scipy.optimize", "scipy.optimize.elementwise", "scipy.signal", "scipy.sparse",
    "scipy.sparse.csgraph", "scipy.sparse.linalg", "scipy.spatial", "scipy.spatial.distance",
    "scipy.spatial.transform", "scipy.special", "scipy.stats",
)  # fmt: skip


def numpy() -> None:
    """Import what every submission gets, and use it once, so that nothing is left to be made on first use."""
    encodings = (f"encodings.{name}" for name in ENCODINGS)
    _import((*NUMPY, *NUMERIC, *FAILS_IN_ITS_CALL, *encodings))
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        _use()


def scipy() -> None:
    """Import what a submission that names scipy gets besides, where it is installed."""
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
    print(square, np.linalg.svd(square)[1], np.linalg.inv(square) @ square, np.fft.fft(square), np.sort(square))
    print(np.random.default_rng(0).normal(size=3), np.kron(square, square), np.einsum("ij,jk", square, square))
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        np.log(np.zeros(1))  # a warning shows the line it came from, and so opens files
    try:
        np.zeros(2) @ np.zeros(3)
    except ValueError:
        traceback.print_exc()
