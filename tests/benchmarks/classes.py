"""Classes to measure on: so many different submissions, one right, one wrong, as the corpus has them."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SOLUTIONS = sorted((ROOT / "tests" / "data" / "solutions").glob("*/*/expected.json"))


def make(folder: Path, count: int, *, right_only: bool = False, different: int | None = None) -> Path:
    """Write the class. `different` is how many of the files are; the others are copies."""
    folder.mkdir(parents=True)
    right, wrong = [], []
    for path in SOLUTIONS:
        is_right = all(json.loads(path.read_text())["parts"].values())
        (right if is_right else wrong).append((path.parent / "solution.py").read_bytes())
    for n in range(count):
        kind = n % (different or count)
        pool = right if right_only or kind % 2 else wrong
        (folder / f"s{n:06}.py").write_bytes(pool[kind // 2 % len(pool)] + b"\n# %d\n" % kind)
    return folder
