"""The command line as it is typed, run in the tests' own process: most of a command's time is its start."""

from __future__ import annotations

import io
import os
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from typing import NamedTuple
from unittest import mock

from grader import cli


class Ran(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def ran(arguments, cwd, environment):
    """What becomes of `grade` with these arguments, in this folder and with this environment alone."""
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace", newline="") for _ in range(2)]
    with (
        chdir(cwd),
        mock.patch.dict(os.environ, environment, clear=True),
        mock.patch.object(sys, "argv", ["grade", *map(str, arguments)]),
        redirect_stdout(streams[0]),
        redirect_stderr(streams[1]),
    ):
        code = cli.run()
    for stream in streams:
        stream.seek(0)
    return Ran(code, *(stream.read() for stream in streams))
