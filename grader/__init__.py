"""An automated homework grader that runs student code behind walls and teaches with what it finds."""

__version__ = "0.1.0"
