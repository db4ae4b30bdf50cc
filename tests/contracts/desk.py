"""What the tests of servers share: a batch's folder, of grades that are told, and the way from there to a platform."""

from __future__ import annotations

import csv
import json
from contextlib import contextmanager
from decimal import Decimal

from grader import comparing, pushes, pushing, sending
from grader.comparing import Order
from grader.journal import GRADES, JOURNAL
from grader.report import Report

CRITERIA = (("b1", "The derivative by the bias"), ("y1", "The derivative by the last layer"))


def report(student, points, maximum="10", *, attempt=1, origin=None, submitted=None, message="it is transposed"):
    """A report of two criteria, of which the first has what is left of the points."""
    first = min(Decimal(points), Decimal(maximum) / 2)
    split = (first, Decimal(points) - first)
    criteria = [
        {
            "id": key, "title": title, "function": "f", "points": had, "max_points": Decimal(maximum) / 2,
            "verdict": "right" if had == Decimal(maximum) / 2 else "wrong", "message": message,
        }
        for (key, title), had in zip(CRITERIA, split, strict=True)
    ]  # fmt: skip
    return Report.model_validate(
        {
            "assignment": "backprop", "assignment_version": "1", "rubric": {"id": "r", "sha256": "0" * 64}, "student": student,
            "submission": {"name": "hw.py", "sha256": "0" * 64, "bytes": 1, "submitted": submitted}, "seed": 1,
            "points": points, "max_points": maximum, "status": "graded", "late": None, "audience": "instructor",
            "criteria": criteria, "stdout": "", "sandbox": {"backend": "zygote", "layers": ()}, "grader_version": "1",
            "seconds": 0.1, "origin": {"path": "hw.py", "key": student, "attempt": attempt, **(origin or {})},
        }
    )  # fmt: skip


class Desk:
    """A batch's folder, and a platform to push to."""

    def __init__(self, folder, platform, server, account):
        self.folder, self.platform, self.server, self.account = folder, platform, server, account
        folder.mkdir(exist_ok=True)

    def graded(self, points, **options):
        """Of each student the points; or missing, fault or unreadable."""
        rows, lines = [], []
        for student, told in sorted(points.items()):
            status = told if told in ("missing", "fault", "unreadable") else "graded"
            has = {"unreadable": "0"}.get(told, told if status == "graded" else "")
            rows.append(
                [student, status, has, options.get("maximum", "10") if has else "", "1" if has else "", "", "", ""]
            )
            if has:
                lines.append(report(student, has, **options).model_dump_json())
        with (self.folder / GRADES).open("w", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["student", "status", "points", "max_points", "attempt", "name", "email", "section"])
            table.writerows(rows)
        (self.folder / JOURNAL).write_text("".join(line + "\n" for line in lines))
        return self

    @contextmanager
    def compared(self, **options):
        order = Order(self.folder, self.platform, **options)
        with (
            sending.connected(self.platform, self.server.at, self.account) as remote,
            comparing.compared(order, sending.Column(remote)) as comparison,
        ):
            yield remote, comparison

    def changes(self, **options):
        with self.compared(**options) as (_, comparison):
            return {change.student: change for change in comparison.changes()}

    def kinds(self, **options):
        return {student: change.kind for student, change in self.changes(**options).items()}

    def push(self, *, comments=False, criteria=False, meanwhile=None, at_once=None, **options):
        """What came of everybody; `meanwhile` happens between the comparison and the push."""
        with self.compared(**options) as (remote, comparison):
            sendings = sending.prepared(comparison, remote, comments=comments, criteria=criteria)
            if meanwhile:
                meanwhile()
            at_once = at_once or sending.live(self.platform).AT_ONCE
            outcomes = list(pushing.push(comparison, remote, sendings, at_once))
        assert sorted(outcome.student for outcome in outcomes) == sorted(
            change.student for change in comparison.changes()
        )
        return {outcome.student: outcome for outcome in outcomes}

    def states(self, **options):
        return {student: outcome.state for student, outcome in self.push(**options).items()}

    def log(self):
        """What was seen to be written."""
        path = self.folder / pushes.LOG
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [line for line in lines if line["seen"]]
