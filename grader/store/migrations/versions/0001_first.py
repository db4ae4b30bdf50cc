"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001c"  # 0001 was before there was a release
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)

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


def upgrade() -> None:
    op.create_table(
        "blob",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_blob"),
    )
    op.create_table(
        "course",
        sa.Column("id", ID, nullable=False),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_course"),
        sa.UniqueConstraint("public", name="uq_course_public"),
    )
    op.create_table(
        "person",
        sa.Column("id", ID, nullable=False),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("created", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_person"),
        sa.UniqueConstraint("email", name="uq_person_email"),
        sa.UniqueConstraint("public", name="uq_person_public"),
    )
    op.create_table(
        "assignment",
        sa.Column("id", ID, nullable=False),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("course_id", ID, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("counts", sa.Text(), server_default="latest", nullable=False),
        sa.Column("due", TIME, nullable=True),
        sa.Column("most_attempts", sa.Integer(), nullable=True),
        sa.Column("created", TIME, nullable=False),
        sa.CheckConstraint("counts IN ('latest', 'best')", name="ck_assignment_counts"),
        sa.CheckConstraint("most_attempts > 0", name="ck_assignment_most_attempts"),
        sa.ForeignKeyConstraint(["course_id"], ["course.id"], name="fk_assignment_course_id", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="pk_assignment"),
        sa.UniqueConstraint("public", name="uq_assignment_public"),
    )
    op.create_table(
        "member",
        sa.Column("id", ID, nullable=False),
        sa.Column("course_id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("section", sa.Text(), nullable=True),
        sa.Column("joined", TIME, nullable=False),
        sa.Column("gone", TIME, nullable=True),
        sa.CheckConstraint("role IN ('student', 'grader', 'instructor', 'admin')", name="ck_member_role"),
        sa.ForeignKeyConstraint(["course_id"], ["course.id"], name="fk_member_course_id", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_member_person_id", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="pk_member"),
        sa.UniqueConstraint("course_id", "key", name="uq_member_course_id_key"),
        sa.UniqueConstraint("course_id", "person_id", name="uq_member_course_id_person_id"),
    )
    op.create_table(
        "token",
        sa.Column("id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("expires", TIME, nullable=True),
        sa.Column("revoked", TIME, nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_token_person_id", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="pk_token"),
        sa.UniqueConstraint("sha256", name="uq_token_sha256"),
    )
    op.create_table(
        "extension",
        sa.Column("id", ID, nullable=False),
        sa.Column("assignment_id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("due", TIME, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by_id", ID, nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignment.id"], name="fk_extension_assignment_id", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["by_id"], ["person.id"], name="fk_extension_by_id", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_extension_person_id", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="pk_extension"),
    )
    op.create_index("ix_extension_assignment_id_person_id", "extension", ["assignment_id", "person_id"], unique=False)
    op.create_table(
        "grade_event",
        sa.Column("id", ID, nullable=False),
        sa.Column("assignment_id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("by_id", ID, nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.CheckConstraint("(kind = 'override') = (points IS NOT NULL)", name="ck_grade_event_points"),
        sa.CheckConstraint("kind IN ('override', 'release', 'comment')", name="ck_grade_event_kind"),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignment.id"], name="fk_grade_event_assignment_id", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["by_id"], ["person.id"], name="fk_grade_event_by_id", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_grade_event_person_id", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="pk_grade_event"),
    )
    op.create_index(
        "ix_grade_event_assignment_id_person_id", "grade_event", ["assignment_id", "person_id"], unique=False
    )
    op.create_table(
        "rubric",
        sa.Column("id", ID, nullable=False),
        sa.Column("assignment_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("by_id", ID, nullable=True),
        sa.Column("created", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignment.id"], name="fk_rubric_assignment_id", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["by_id"], ["person.id"], name="fk_rubric_by_id", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="pk_rubric"),
        sa.UniqueConstraint("assignment_id", "version", name="uq_rubric_assignment_id_version"),
    )
    op.create_table(
        "trial",
        sa.Column("id", ID, nullable=False),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("assignment_id", ID, nullable=False),
        sa.Column("rubric_id", ID, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by_id", ID, nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("settled_by_id", ID, nullable=True),
        sa.Column("settled", TIME, nullable=True),
        sa.CheckConstraint("outcome IN ('applied', 'dropped')", name="ck_trial_outcome"),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignment.id"], name="fk_trial_assignment_id", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["by_id"], ["person.id"], name="fk_trial_by_id", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["rubric_id"], ["rubric.id"], name="fk_trial_rubric_id", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["settled_by_id"], ["person.id"], name="fk_trial_settled_by_id", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="pk_trial"),
        sa.UniqueConstraint("public", name="uq_trial_public"),
    )
    op.create_index(
        "uq_trial_open",
        "trial",
        ["assignment_id"],
        unique=True,
        postgresql_where=sa.text("outcome IS NULL"),
        sqlite_where=sa.text("outcome IS NULL"),
    )
    op.create_table(
        "submission",
        sa.Column("id", ID, nullable=False),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("assignment_id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("blob", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("received", TIME, nullable=False),
        sa.Column("timed", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default="received", nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("why", sa.Text(), server_default="submitted", nullable=False),
        sa.Column("queued", TIME, nullable=False),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("claimed", TIME, nullable=True),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("again", sa.Text(), nullable=True),
        sa.Column("trial_id", ID, nullable=True),
        sa.CheckConstraint("state IN ('received', 'grading', 'graded', 'fault')", name="ck_submission_state"),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignment.id"], name="fk_submission_assignment_id", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["blob"], ["blob.sha256"], name="fk_submission_blob", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_submission_person_id", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["trial_id"], ["trial.id"], name="fk_submission_trial_id", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="pk_submission"),
        sa.UniqueConstraint(
            "assignment_id", "person_id", "attempt", name="uq_submission_assignment_id_person_id_attempt"
        ),
        sa.UniqueConstraint("person_id", "key", name="uq_submission_person_id_key"),
        sa.UniqueConstraint("public", name="uq_submission_public"),
    )
    op.create_index(
        "ix_submission_faulty",
        "submission",
        ["assignment_id"],
        unique=False,
        postgresql_where=sa.text("state = 'fault'"),
        sqlite_where=sa.text("state = 'fault'"),
    )
    op.create_index(
        "ix_submission_grading",
        "submission",
        ["worker"],
        unique=False,
        postgresql_where=sa.text("state = 'grading'"),
        sqlite_where=sa.text("state = 'grading'"),
    )
    op.create_index(
        "ix_submission_trial",
        "submission",
        ["trial_id"],
        unique=False,
        postgresql_where=sa.text("trial_id IS NOT NULL"),
        sqlite_where=sa.text("trial_id IS NOT NULL"),
    )
    op.create_index("ix_submission_person_id_received", "submission", ["person_id", "received"], unique=False)
    op.create_index(
        "ix_submission_waiting",
        "submission",
        ["priority", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'received'"),
        sqlite_where=sa.text("state = 'received'"),
    )
    op.create_table(
        "batch",
        sa.Column("id", ID, nullable=False),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("assignment_id", ID, nullable=False),
        sa.Column("by_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("platform", sa.Text(), nullable=True),
        sa.Column("created", TIME, nullable=False),
        sa.Column("finished", TIME, nullable=True),
        sa.Column("added", sa.Integer(), server_default="0", nullable=False),
        sa.Column("unplaced", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignment.id"], name="fk_batch_assignment_id", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["by_id"], ["person.id"], name="fk_batch_by_id", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="pk_batch"),
        sa.UniqueConstraint("by_id", "key", name="uq_batch_by_id_key"),
        sa.UniqueConstraint("public", name="uq_batch_public"),
    )
    op.create_index("ix_batch_assignment_id", "batch", ["assignment_id"], unique=False)
    op.create_table(
        "batch_submission",
        sa.Column("batch_id", ID, nullable=False),
        sa.Column("submission_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name="fk_batch_submission_batch_id", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submission.id"], name="fk_batch_submission_submission_id", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("batch_id", "submission_id", name="pk_batch_submission"),
    )
    op.create_table(
        "unplaced",
        sa.Column("id", ID, nullable=False),
        sa.Column("batch_id", ID, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name="fk_unplaced_batch_id", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="pk_unplaced"),
    )
    op.create_index("ix_unplaced_batch_id", "unplaced", ["batch_id"], unique=False)
    op.create_table(
        "grading_run",
        sa.Column("id", ID, nullable=False),
        sa.Column("submission_id", ID, nullable=False),
        sa.Column("rubric_id", ID, nullable=False),
        sa.Column("trial_id", ID, nullable=True),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("max_points", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("grader_version", sa.Text(), nullable=False),
        sa.Column("assignment_version", sa.Text(), nullable=False),
        sa.Column("finished", TIME, nullable=False),
        sa.ForeignKeyConstraint(["rubric_id"], ["rubric.id"], name="fk_grading_run_rubric_id", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["trial_id"], ["trial.id"], name="fk_grading_run_trial_id", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submission.id"], name="fk_grading_run_submission_id", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_grading_run"),
    )
    op.create_index("ix_grading_run_submission_id", "grading_run", ["submission_id"], unique=False)
    op.create_index(
        "ix_grading_run_trial",
        "grading_run",
        ["trial_id"],
        unique=False,
        postgresql_where=sa.text("trial_id IS NOT NULL"),
        sqlite_where=sa.text("trial_id IS NOT NULL"),
    )
    op.create_table(
        "export",
        sa.Column("id", ID, nullable=False),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("assignment_id", ID, nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("column", sa.Text(), nullable=True),
        sa.Column("blob", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("pushed", sa.Text(), nullable=True),
        sa.Column("by_id", ID, nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignment.id"], name="fk_export_assignment_id", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["blob"], ["blob.sha256"], name="fk_export_blob", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["by_id"], ["person.id"], name="fk_export_by_id", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="pk_export"),
        sa.UniqueConstraint("public", name="uq_export_public"),
    )
    op.create_index("ix_export_assignment_id", "export", ["assignment_id"], unique=False)
    op.execute(CURRENT_GRADE)


def downgrade() -> None:
    op.execute("DROP VIEW current_grade")
    for table in (
        "export",
        "grading_run",
        "unplaced",
        "batch_submission",
        "batch",
        "submission",
        "trial",
        "rubric",
        "grade_event",
        "extension",
        "token",
        "member",
        "assignment",
        "person",
        "course",
        "blob",
    ):
        op.drop_table(table)
