"""A class with attackers in it, and the same without: what they cost, and that nobody else notices."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import classes

ATTACKS = sorted((classes.ROOT / "tests" / "data" / "attacks").glob("*.py"))
COUNT, SHARE = 400, 20  # one in twenty


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        source = classes.make(folder / "class", COUNT)
        alone, honest = graded(source, folder / "alone")
        for n in range(COUNT // SHARE):
            (source / f"attack{n}.py").write_bytes(ATTACKS[n * len(ATTACKS) // (COUNT // SHARE)].read_bytes())
        together, all_ = graded(source, folder / "together")
    attackers = {student: report for student, report in all_.items() if student.startswith("attack")}
    spent = sum(report["seconds"] for report in attackers.values())
    for report in (*honest.values(), *all_.values()):
        report["seconds"] = None
    same = sum(all_[student] == report for student, report in honest.items())
    print(f"{len(honest)} honest submissions: {alone:.1f} s alone, {together:.1f} s with {len(attackers)} attackers")
    print(f"the attackers' own time was {spent:.1f} s, two at a time")
    print(f"{same} of {len(honest)} honest reports are the same but for seconds")


def graded(source: Path, out: Path) -> tuple[float, dict[str, dict[str, object]]]:
    started = time.monotonic()
    command = [sys.executable, "-m", "grader", "batch", source, "--out", out, "--jobs", "2"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - started
    reports = map(json.loads, (out / "reports.jsonl").read_text().splitlines())
    return seconds, {report["student"]: report for report in reports}


if __name__ == "__main__":
    main()
