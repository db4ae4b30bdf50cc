"""An automated homework grader that runs student code behind walls and teaches with what it finds.

from grader import grade, grade_many

report = grade("homework.py")                   # a report of one file
for report in grade_many("submissions.zip"):    # those of a class, as `grade batch` makes them
print(report.student, report.points)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grader.interface import grade as grade
    from grader.interface import grade_many as grade_many

__version__ = "0.1.0"
__all__ = ["grade", "grade_many"]


def __getattr__(name: str) -> Any:
    """Import what is asked for, when it is: the child that runs a student's code imports this package too."""
    if name in __all__:
        return getattr(import_module("grader.interface"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
