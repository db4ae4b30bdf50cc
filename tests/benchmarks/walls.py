"""What the walls cost: the wait for one submission's calls, the homework's full set, behind more and more of them.

    .venv/bin/python tests/benchmarks/walls.py [--runs N]

Each way grades a few submissions in a row, then it is the next one's turn, all in one run; what is printed are
medians, and ratios. What is timed is the wait for the calls, from handing over the file to the last answer. The plain
process is `python` with numpy that loads the file and makes the same calls: what a grader without walls does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import ArgumentParser
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from grader import assignments, grading, sandbox
from grader import rubric as rubrics
from grader.formula import Formula
from grader.sandbox import layers, zygote
from grader.values import Submission

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent
RIGHT = ROOT / "submissions" / "backprop" / "right.py"
PLAIN = """
import json, sys
import numpy as np
def made(value):
    if isinstance(value, dict):
        return eval("lambda z: " + value["text"], {**vars(np), **value["constants"]})
    if isinstance(value, list) and value and value[0] == "array":
        return np.array(value[1])
    return [made(item) for item in value] if isinstance(value, list) else value
calls = json.load(sys.stdin)
namespace = {}
exec(open(sys.argv[1]).read(), namespace)
print(sum(float(np.sum(namespace[function](*map(made, arguments)))) for function, arguments in calls))
"""


def plain_value(value: Any) -> Any:
    if isinstance(value, Formula):
        return {"text": value.text, "constants": dict(value.constants)}
    if isinstance(value, np.ndarray):
        return ["array", value.tolist()]
    return [plain_value(item) for item in value] if isinstance(value, tuple) else value


class Timed:
    """A sandbox that notes how long its caller waited for it."""

    def __init__(self, walls: sandbox.Sandbox) -> None:
        self._walls = walls
        self.seconds: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._walls, name)

    @contextmanager
    def session(self, source: bytes) -> Iterator[Any]:
        with self._walls.session(source) as session:
            ask = session.ask

            def timed(*arguments: Any) -> Any:
                started = perf_counter()
                try:
                    return ask(*arguments)
                finally:
                    self.seconds.append(perf_counter() - started)

            session.ask = timed
            yield session


def backends() -> dict[str, sandbox.Sandbox]:
    alone = {f"fork, {layer}": {layer, *NEEDED.get(layer, ())} for layer in layers.OF_THE_CHILD}
    wanted = {"bare fork": set(), **alone, "fork, namespaces": set(layers.OF_THE_ZYGOTE), "all layers": set(layers.ALL)}
    zygotes = {name: zygote.Zygote(1, some) for name, some in wanted.items()}
    return {**zygotes, "unconfined": sandbox.start("unconfined")}


def main() -> None:
    parser = ArgumentParser()
    parser.add_argument("--runs", type=int, default=30)
    runs = parser.parse_args().runs
    backprop, rubric = assignments.load("backprop"), rubrics.read(ROOT / "rubrics" / "backprop.toml")
    calls = grading.plan(backprop, rubric, 1)
    calls = (*calls, *grading.repeated(calls))
    submission = Submission("right.py", RIGHT.read_bytes())
    described = json.dumps([(call.part.function, [plain_value(a) for a in call.arguments]) for call in calls])
    command = [sys.executable, "-c", PLAIN, str(RIGHT)]
    plain: list[float] = []
    with ExitStack() as stack:
        ways = {name: Timed(stack.enter_context(closing(walls))) for name, walls in backends().items()}
        for run in range(runs + 1):  # the first starts what has to be started
            for way in ways.values():
                for _ in range(IN_A_ROW):
                    assert grading.grade(submission, backprop, rubric, seed=1, sandbox=way).points == 10
                way.seconds = way.seconds if run else []
            started = perf_counter()
            subprocess.run(command, input=described, text=True, check=True, stdout=subprocess.DEVNULL)
            plain += [perf_counter() - started] if run else []
    times = {name: median(way.seconds) for name, way in ways.items()} | {"a plain python process": median(plain)}
    print(f"{len(calls)} calls, medians of {runs} x {IN_A_ROW} submissions")
    for name, taken in times.items():
        bare, whole = taken / times["bare fork"], taken / times["all layers"]
        print(f"{name:28} {1000 * taken:7.2f} ms   {bare:6.2f} x bare fork   {whole:6.2f} x all layers")


IN_A_ROW = 3
NEEDED = dict.fromkeys((layers.LANDLOCK, layers.SECCOMP), (layers.PRIVILEGES,))  # only for who can gain no privileges

if __name__ == "__main__":
    main()
