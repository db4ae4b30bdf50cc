"""What the interface takes and gives, as JSON: its contract. Keys may be added and never renamed."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, StrictBool

Points = Annotated[Decimal, PlainSerializer(float, when_used="json")]
Role = Literal["student", "grader", "instructor", "admin"]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S", examples=["Ada Lovelace"])]
Text = Annotated[str, Field(max_length=10_000, examples=["explained it well in the office hour"])]
Moment = Annotated[  # with its zone, and of a calendar that every database keeps
    AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), le=datetime(2200, 1, 1, tzinfo=UTC))
]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Me(_Shape):
    """Who asks."""

    id: str
    name: str
    email: str | None
    scopes: list[str]


class Course(_Shape):
    """A course, and what the asker is in it."""

    id: str
    name: str
    role: Role


class NewCourse(_Shape):
    name: Name


class Assignment(_Shape):
    """An assignment as the asker has it: their own time, and what is left to them."""

    id: str
    title: str
    due: datetime | None
    counts: Literal["latest", "best"]
    attempts: int = Field(description="How often the asker has handed in, but for faults of ours")
    attempts_left: int | None = Field(description="How often they still may; null where there is no such number")
    points: Points | None = Field(description="Their grade now")
    max_points: Points | None


class NewAssignment(_Shape):
    title: Name
    rubric: Annotated[str, Field(max_length=200_000, description="The rubric, as TOML")]
    due: datetime | None = None
    counts: Literal["latest", "best"] | None = Field(default=None, description="As the rubric has it, if not given")
    most_attempts: Annotated[int, Field(ge=1, le=10_000)] | None = None


class ChangedAssignment(_Shape):
    """All of what may be changed: what is left out is so no more."""

    title: Name
    counts: Literal["latest", "best"]
    due: Moment | None = None
    most_attempts: Annotated[int, Field(ge=1, le=10_000)] | None = None


class NewRubric(_Shape):
    rubric: Annotated[str, Field(max_length=200_000, description="The rubric, as TOML")]


class RubricVersion(_Shape):
    """Versions are counted from 1."""

    version: int


class RubricText(_Shape):
    """A version as its author wrote it; `by` is null for the one that comes with the grader."""

    version: int
    rubric: str
    by: str | None
    created: datetime


class Submission(_Shape):
    """One attempt, and how far it is."""

    id: str
    attempt: int
    name: str
    received: datetime
    state: Literal["received", "grading", "graded", "fault"]
    ahead: int | None = Field(description="How many are graded before it; null where it does not wait")
    points: Points | None = None
    max_points: Points | None = None


class Submissions(_Shape):
    """A page of attempts, the latest first; `next` is the cursor of the page behind it."""

    items: list[Submission]
    next: str | None


class Pressed(_Shape):
    """What makes a second press of a button the same submission, as an Idempotency-Key does."""

    once: Annotated[str, Field(min_length=8, max_length=200)]


class Counts(_Shape):
    """How many submissions are how far."""

    received: int
    grading: int
    graded: int
    fault: int


class Batch(_Shape):
    """A class's files that were uploaded together, and how far they are."""

    id: str
    name: str
    by: str
    created: datetime
    platform: str | None = Field(description="What it is a download of; null where it is of no platform's layout")
    state: Literal["received", "grading", "graded", "broken"] = Field(
        description="received until all of it has been read"
    )
    counts: Counts
    added: int = Field(description="How many of the submissions had not been handed in before")
    unplaced: int = Field(description="How many files are no student's, or were not taken")


class Unplaced(_Shape):
    """A file that is no student's, or was not taken, and why."""

    path: str
    why: str


class WholeBatch(Batch):
    """An upload, with the first ten thousand of what was not taken."""

    reasons: list[Unplaced]


class Member(_Shape):
    """Somebody in a course. `key` is what rosters and downloads call a student."""

    id: str
    name: str
    email: str | None
    role: Role
    key: str | None
    section: str | None


class NewMember(_Shape):
    name: Name
    email: Annotated[str, Field(max_length=320, pattern=r"^[^@\s]+@[^@\s]+$", examples=["ada@x.edu"])] | None = None
    role: Role = "student"
    key: Annotated[str, Field(min_length=1, max_length=200, examples=["000123"])] | None = None
    section: Annotated[str, Field(max_length=200, examples=["A"])] | None = None


class Invitation(_Shape):
    """A link that signs somebody in until then, or until it is made anew."""

    link: str
    expires: datetime


class SentInvitation(_Shape):
    """A student's link, or null where they enter by another course's."""

    name: str
    email: str | None
    key: str | None
    link: str | None


class Grade(_Shape):
    """Somebody's grade. `graded` is what the attempt that counts came to, where a person has not said otherwise."""

    person: str
    name: str
    key: str | None
    points: Points | None
    graded: Points | None
    max_points: Points | None
    overridden: bool
    submission: str | None


class Override(_Shape):
    points: Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=2, examples=[9.5])]
    reason: Annotated[Text, Field(min_length=1)]


class Words(_Shape):
    """Something a person says: a reason or a comment."""

    text: Annotated[Text, Field(min_length=1)]


class Extension(_Shape):
    due: datetime
    reason: Annotated[Text, Field(min_length=1)]


class Happening(_Shape):
    """Something that made a grade what it is; `by` is null for the grader."""

    at: datetime
    kind: Literal["graded", "override", "release", "comment", "extension", "applied"]
    points: Points | None
    text: str
    by: str | None


class Trouble(BaseModel):
    """What is told of a request that cannot be done (RFC 9457); `errors` says where it is not as it should be."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] = []


class NewToken(_Shape):
    """A token for a script of the asker's own."""

    label: Name
    scopes: Annotated[list[Literal["all", "read", "submit", "grade"]], Field(min_length=1, max_length=4)]
    days: Annotated[int, Field(ge=1, le=400)] = 200


class Token(_Shape):
    """It is told here, and never again; `id` is what it is called."""

    id: str
    token: str
    expires: datetime


class KnownToken(_Shape):
    """A token that is good, without what signs in."""

    id: str
    label: str
    scopes: list[str]
    created: datetime
    expires: datetime | None


class Fault(_Shape):
    """A submission that could not be graded, and why."""

    submission: str
    person: str
    fault: str


class Regrade(_Shape):
    """How many submissions were put into the queue again."""

    submissions: int


class NewTrial(_Shape):
    """Why it is graded again, and whose attempts; everybody's, if not given."""

    text: Annotated[Text, Field(min_length=1)]
    people: Annotated[list[str], Field(min_length=1)] | None = None


class Difference(_Shape):
    """An attempt that would have other points, of so many; `counts` is whether it is the one that does.

    It is `overridden` where it would, but for the points that a person has set: those stay.
    """

    person: str
    name: str
    key: str | None
    submission: str
    attempt: int
    before: Points | None
    before_of: Points | None
    after: Points
    after_of: Points
    counts: bool
    overridden: bool


class Trial(_Shape):
    """A grading that counts when it is applied: how far it is, and what would change."""

    id: str
    text: str
    state: Literal["open", "applied", "dropped"]
    waiting: int
    graded: int
    faults: int
    differences: list[Difference]


Kind = Annotated[str, Field(max_length=40)]


class ExportChoice(_Shape):
    """Which kinds of change that are blocked are allowed all the same, and which are left out."""

    force: list[Kind] = []
    keep: list[Kind] = []
    missing_zero: StrictBool = False

    @property
    def allowed(self) -> set[str]:
        return {*self.force, *self.keep}


class NewExport(_Shape):
    """Which platform's gradebook, or which file, and its column where that has to be said."""

    platform: Annotated[str, Field(max_length=40)]
    column: Annotated[str, Field(max_length=300)] = ""


class ExportChange(_Shape):
    """What becomes of one grade; `before` and `after` are what stands in the gradebook."""

    student: str
    name: str
    kind: str
    before: str | None
    after: str | None
    note: str
    written: bool


class Blocked(_Shape):
    """A kind of change that is not written unless it is allowed or left out, and why."""

    kind: str
    why: str
    may_be_forced: bool


class Export(_Shape):
    """What would change in a gradebook."""

    id: str
    platform: str
    column: str
    blocked: list[Blocked]
    counts: dict[str, int]
    changes: list[ExportChange]
    not_in_the_class: list[str]
