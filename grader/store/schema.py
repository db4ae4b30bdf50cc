"""The tables, as they are today; `migrations` leads there from every earlier day.

Keys that are shown to anybody are unguessable texts, beside the numbers by which tables are joined. Points are kept as
hundredths, so that sums and comparisons are exact in every database. Times are UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
    true,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """A time with its zone. SQLite keeps none: there it is UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 its base's
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value}: a time without a zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 its base's
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Hundredths(TypeDecorator[Decimal]):
    """Points of two decimals. Raises ValueError for finer ones: they are rounded once, and not here."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:  # noqa: ARG002 its base's
        if value is None:
            return None
        if value * 100 != int(value * 100):
            raise ValueError(f"{value}: points of more than two decimals")
        return int(value * 100)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002 its base's
        return None if value is None else Decimal(int(value)) / 100


def _id() -> Column[int]:
    return Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True)


def _public() -> Column[str]:
    return Column("public", Text, nullable=False, unique=True)


def _to(table: str, name: str = "", *, nullable: bool = False) -> Column[int]:
    """A reference to another table's row, which can then not be deleted."""
    return Column(name or f"{table}_id", ForeignKey(f"{table}.id", ondelete="RESTRICT"), nullable=nullable)


def _at(name: str, *, nullable: bool = False) -> Column[datetime]:
    return Column(name, Instant, nullable=nullable)


def _text(name: str, *, nullable: bool = False, **options: Any) -> Column[str]:
    return Column(name, Text, nullable=nullable, **options)


ROLES = ("student", "grader", "instructor", "admin")
STATES = ("received", "grading", "graded", "fault")
EVENTS = ("override", "release", "comment")
OUTCOMES = ("applied", "dropped")
_WAITING, _GRADING, _FAULTY = (text(f"state = '{state}'") for state in ("received", "grading", "fault"))
_ON_TRIAL = text("trial_id IS NOT NULL")

person = Table(
    "person", metadata, _id(), _public(), _text("name"), _text("email", nullable=True, unique=True), _at("created"),
)  # fmt: skip

token = Table(  # of the token itself only the digest is kept
    "token", metadata, _id(), _to("person"), _text("sha256", unique=True), _text("label"), _text("scopes"),
    _at("created"), _at("expires", nullable=True), _at("revoked", nullable=True),
)  # fmt: skip

course = Table("course", metadata, _id(), _public(), _text("name"), _at("created"))

member = Table(  # `key` is what rosters and downloads call a student
    "member", metadata, _id(), _to("course"), _to("person"), _text("role"), _text("key", nullable=True),
    _text("section", nullable=True), _at("joined"), _at("gone", nullable=True),
    UniqueConstraint("course_id", "person_id"), UniqueConstraint("course_id", "key"),
    CheckConstraint(f"role IN {ROLES}", "role"),
)  # fmt: skip

assignment = Table(
    "assignment", metadata, _id(), _public(), _to("course"), _text("title"),
    _text("counts", server_default="latest"), _at("due", nullable=True), Column("most_attempts", Integer),
    _at("created"),
    CheckConstraint("counts IN ('latest', 'best')", "counts"), CheckConstraint("most_attempts > 0", "most_attempts"),
)  # fmt: skip

rubric = Table(  # only ever added to; the last version counts
    "rubric", metadata, _id(), _to("assignment"), Column("version", Integer, nullable=False), _text("sha256"),
    _text("text"), _to("person", "by_id", nullable=True), _at("created"),
    UniqueConstraint("assignment_id", "version"),
)  # fmt: skip

extension = Table(  # only ever added to; the last one of a student counts
    "extension", metadata, _id(), _to("assignment"), _to("person"), _at("due"), _text("reason"),
    _to("person", "by_id"), _at("created"),
    Index(None, "assignment_id", "person_id"),
)  # fmt: skip

trial = Table(  # a grading of what is graded already, to see what would change; it counts when it is applied
    "trial", metadata, _id(), _public(), _to("assignment"), _to("rubric"), _text("reason"), _to("person", "by_id"),
    _at("created"), _text("outcome", nullable=True), _to("person", "settled_by_id", nullable=True),
    _at("settled", nullable=True),
    CheckConstraint(f"outcome IN {OUTCOMES}", "outcome"),
    Index(
        "uq_trial_open", "assignment_id", unique=True, postgresql_where=text("outcome IS NULL"),
        sqlite_where=text("outcome IS NULL"),
    ),
)  # fmt: skip

blob = Table(
    "blob", metadata, _text("sha256", primary_key=True), Column("content", LargeBinary, nullable=False), _at("created"),
)  # fmt: skip

# The truth of the queue, into which a row came last when it was `queued`. `key` is the request's, by which the same one
# sent again is known; `timed` is whether it was handed in when it was received, as far as anybody knows: else nothing
# tells, and it is never late.
submission = Table(
    "submission", metadata, _id(), _public(), _to("assignment"), _to("person"),
    Column("blob", Text, ForeignKey("blob.sha256", ondelete="RESTRICT"), nullable=False), _text("name"),
    Column("attempt", Integer, nullable=False), _at("received"),
    Column("timed", Boolean, nullable=False, server_default=true()), _text("key", nullable=True),
    _text("state", server_default="received"), Column("priority", Integer, nullable=False, server_default="0"),
    Column("tries", Integer, nullable=False, server_default="0"), _text("why", server_default="submitted"),
    _at("queued"), _text("worker", nullable=True), _at("claimed", nullable=True), _text("fault", nullable=True),
    _text("again", nullable=True),  # why it is to be graded once more, where that was wished while it was graded
    _to("trial", nullable=True),  # what its next grading is a part of
    UniqueConstraint("assignment_id", "person_id", "attempt"), UniqueConstraint("person_id", "key"),
    CheckConstraint(f"state IN {STATES}", "state"),
    Index("ix_submission_waiting", "priority", "id", postgresql_where=_WAITING, sqlite_where=_WAITING),
    Index("ix_submission_grading", "worker", postgresql_where=_GRADING, sqlite_where=_GRADING),
    Index("ix_submission_faulty", "assignment_id", postgresql_where=_FAULTY, sqlite_where=_FAULTY),
    Index("ix_submission_trial", "trial_id", postgresql_where=_ON_TRIAL, sqlite_where=_ON_TRIAL),
    Index(None, "person_id", "received"),
)  # fmt: skip

batch = Table(  # a class's files, handed in together; `added` of them had not been before
    "batch", metadata, _id(), _public(), _to("assignment"), _to("person", "by_id"), _text("name"), _text("sha256"),
    _text("key", nullable=True), _text("platform", nullable=True), _at("created"), _at("finished", nullable=True),
    Column("added", Integer, nullable=False, server_default="0"),
    Column("unplaced", Integer, nullable=False, server_default="0"),
    UniqueConstraint("by_id", "key"), Index(None, "assignment_id"),
)  # fmt: skip

batch_submission = Table(
    "batch_submission", metadata,
    Column("batch_id", ForeignKey("batch.id", ondelete="RESTRICT"), primary_key=True),
    Column("submission_id", ForeignKey("submission.id", ondelete="RESTRICT"), primary_key=True),
)  # fmt: skip

unplaced = Table(  # the first of what is no student's in a batch
    "unplaced", metadata, _id(), _to("batch"), _text("path"), _text("why"), Index(None, "batch_id"),
)  # fmt: skip

grading_run = Table(  # only ever added to; the last one of a submission counts, but for those of a trial
    "grading_run", metadata, _id(), _to("submission"), _to("rubric"), _to("trial", nullable=True),
    Column("points", Hundredths, nullable=False), Column("max_points", Hundredths, nullable=False), _text("status"),
    _text("report"), _text("why"), _text("grader_version"), _text("assignment_version"), _at("finished"),
    Index(None, "submission_id"),
    Index("ix_grading_run_trial", "trial_id", postgresql_where=_ON_TRIAL, sqlite_where=_ON_TRIAL),
)  # fmt: skip

grade_event = Table(  # only ever added to
    "grade_event", metadata, _id(), _to("assignment"), _to("person"), _text("kind"), Column("points", Hundredths),
    _text("text"), _to("person", "by_id"), _at("created"),
    Index(None, "assignment_id", "person_id"),
    CheckConstraint(f"kind IN {EVENTS}", "kind"),
    CheckConstraint("(kind = 'override') = (points IS NOT NULL)", "points"),
)  # fmt: skip

export = Table(  # what was to be put into a gradebook: the one that was uploaded, if any, and what was written of it
    "export", metadata, _id(), _public(), _to("assignment"), _text("platform"), _text("column", nullable=True),
    Column("blob", Text, ForeignKey("blob.sha256", ondelete="RESTRICT")), _text("name"), _text("pushed", nullable=True),
    _to("person", "by_id"), _at("created"),
    Index(None, "assignment_id"),
)  # fmt: skip

# The current grade is worked out, never kept: the attempt that counts, or what a person has put in its place since.
CURRENT_GRADE = """
CREATE VIEW current_grade AS
WITH attempt AS (
    SELECT submission.assignment_id, submission.person_id, submission.id AS submission_id, grading_run.id AS run_id,
        grading_run.points, grading_run.max_points, ROW_NUMBER() OVER (
            PARTITION BY submission.assignment_id, submission.person_id
            ORDER BY CASE WHEN assignment.counts = 'best' THEN -grading_run.points ELSE 0 END,
                submission.received DESC, submission.attempt DESC
        ) AS place
    FROM submission
    JOIN grading_run ON grading_run.id = (
        SELECT MAX(last.id) FROM grading_run AS last WHERE last.submission_id = submission.id AND (
            last.trial_id IS NULL OR last.trial_id IN (SELECT trial.id FROM trial WHERE trial.outcome = 'applied')
        )
    )
    JOIN assignment ON assignment.id = submission.assignment_id
)
SELECT attempt.assignment_id, attempt.person_id, attempt.submission_id, attempt.run_id, said.id AS event_id,
    COALESCE(said.points, attempt.points) AS points, attempt.points AS graded_points, attempt.max_points
FROM attempt LEFT JOIN grade_event AS said ON said.kind = 'override' AND said.id = (
    SELECT MAX(word.id) FROM grade_event AS word WHERE word.assignment_id = attempt.assignment_id
    AND word.person_id = attempt.person_id AND word.kind IN ('override', 'release')
)
WHERE attempt.place = 1
UNION ALL
SELECT said.assignment_id, said.person_id, NULL, NULL, said.id, said.points, NULL, NULL FROM grade_event AS said
WHERE said.kind = 'override' AND said.id = (
    SELECT MAX(word.id) FROM grade_event AS word WHERE word.assignment_id = said.assignment_id
    AND word.person_id = said.person_id AND word.kind IN ('override', 'release')
) AND NOT EXISTS (
    SELECT 1 FROM submission JOIN grading_run ON grading_run.submission_id = submission.id
    WHERE submission.assignment_id = said.assignment_id AND submission.person_id = said.person_id AND (
        grading_run.trial_id IS NULL
        OR grading_run.trial_id IN (SELECT trial.id FROM trial WHERE trial.outcome = 'applied')
    )
)
"""
