"""The homework as an instructor writes it for otter-grader: the checks of `peer_gradescope`, as its test files.

It is one of the others that `batch.py` measures: one process a file that loads it and runs otter's own checker on it. (Otter
starts a notebook for each submission, or a container; that is left out, in its favour.)
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import suppress
from pathlib import Path

CASE = ">>> import sys; sys.path.insert(0, {folder!r})\n>>> from peer_gradescope import agrees\n>>> agrees({n}, {name})\nTrue"
TEST = "test = {{'name': {name!r}, 'points': 2, 'suites': [{{'type': 'doctest', 'cases': [{{'code': {code!r}}}]}}]}}\n"


def main():
    from otter.execute import Checker
    from otter.nbmeta_config import NBMetadataConfig

    student: dict[str, object] = {}
    with suppress(Exception):  # what a file that cannot be loaded lacks, fails its tests
        exec(compile(Path(sys.argv[1]).read_bytes(), sys.argv[1], "exec"), student)
    with tempfile.TemporaryDirectory() as folder:
        for n, name in enumerate(("dy_db", "dy_dyprev", "dyL_dA")):
            path = Path(folder) / f"{name}.py"
            code = CASE.format(folder=str(Path(__file__).parent), n=n, name=name)
            path.write_text("OK_FORMAT = True\n\n" + TEST.format(name=name, code=code))
            result = Checker.check(str(path), NBMetadataConfig(), global_env=dict(student))
            print(name, result.grade)


if __name__ == "__main__":
    main()
