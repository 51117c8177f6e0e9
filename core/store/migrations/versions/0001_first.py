"""The first layout of a study.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _people_and_images()
    _findings_and_lesions()
    _what_readers_said()
    _splits_and_runs()
    _audit_trail()


def _id() -> sa.Column[str]:
    return sa.Column("id", sa.String(64), nullable=False)


def _seq() -> sa.Column[int]:
    return sa.Column("seq", sa.Integer(), nullable=False)


def _keyed(table: str) -> tuple[sa.Constraint, sa.Constraint]:
    return sa.PrimaryKeyConstraint("id", name=f"pk_{table}"), sa.UniqueConstraint("seq", name=f"uq_{table}_seq")


def _reference(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}_{other}")


def _people_and_images() -> None:
    op.create_table(
        "study_info",
        _id(),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("synthetic", sa.Boolean(), nullable=False),
        sa.Column("created_utc", sa.String(40), nullable=False),
        sa.Column("link_salt", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name="pk_study_info"),
    )
    op.create_table(
        "patient",
        _id(),
        _seq(),
        sa.Column("pseudonym", sa.String(64), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("link_hash", sa.String(64)),
        *_keyed("patient"),
        sa.UniqueConstraint("pseudonym", name="uq_patient_pseudonym"),
        sa.UniqueConstraint("link_hash", name="uq_patient_link_hash"),
    )
    op.create_table(
        "image",
        _id(),
        _seq(),
        sa.Column("patient_id", sa.String(64), nullable=False),
        sa.Column("content_sha256", sa.String(64), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("bits_stored", sa.Integer(), nullable=False),
        sa.Column("pixel_spacing_mm", sa.Float()),
        sa.Column("spacing_source", sa.Text(), nullable=False),
        sa.Column("laterality", sa.String(16)),
        sa.Column("view", sa.String(16)),
        sa.Column("composition", sa.String(16)),
        sa.Column("photometric", sa.String(32), nullable=False),
        sa.Column("rescale_slope", sa.Float(), nullable=False),
        sa.Column("rescale_intercept", sa.Float(), nullable=False),
        sa.Column("windows", sa.Text(), nullable=False),
        sa.Column("acquired", sa.String(40)),
        sa.Column("detector", sa.Text(), nullable=False),
        sa.Column("synthetic", sa.Boolean(), nullable=False),
        *_keyed("image"),
        _reference("image", "patient_id", "patient"),
    )
    op.create_index("ix_image_patient_id", "image", ["patient_id"])
    op.create_index("ix_image_content_sha256", "image", ["content_sha256"])


def _findings_and_lesions() -> None:
    op.create_table(
        "finding",
        _id(),
        _seq(),
        sa.Column("patient_id", sa.String(64), nullable=False),
        *_keyed("finding"),
        _reference("finding", "patient_id", "patient"),
    )
    op.create_index("ix_finding_patient_id", "finding", ["patient_id"])
    op.create_table(
        "lesion",
        _id(),
        _seq(),
        sa.Column("finding_id", sa.String(64), nullable=False),
        sa.Column("image_id", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("outline", sa.Text(), nullable=False),
        *_keyed("lesion"),
        sa.UniqueConstraint("image_id", "number", name="uq_lesion_image_id"),
        _reference("lesion", "finding_id", "finding"),
        _reference("lesion", "image_id", "image"),
    )
    op.create_index("ix_lesion_finding_id", "lesion", ["finding_id"])


def _what_readers_said() -> None:
    op.create_table(
        "reader",
        _id(),
        _seq(),
        sa.Column("name", sa.Text(), nullable=False),
        *_keyed("reader"),
        sa.UniqueConstraint("name", name="uq_reader_name"),
    )
    op.create_table(
        "label",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("lesion_id", sa.String(64), nullable=False),
        sa.Column("reader_id", sa.String(64)),
        sa.Column("margin", sa.String(32)),
        sa.Column("shape", sa.String(32)),
        sa.Column("density", sa.String(32)),
        sa.Column("category", sa.String(8)),
        sa.Column("pathology", sa.String(16)),
        sa.Column("probability_of_malignancy", sa.Float()),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("flagged", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_label"),
        sa.UniqueConstraint("lesion_id", "reader_id", name="uq_label_lesion_id"),
        _reference("label", "lesion_id", "lesion"),
        _reference("label", "reader_id", "reader"),
    )
    # one set of labels of the data set's own for each lesion
    own = sa.text("reader_id IS NULL")
    op.create_index("uq_label_own", "label", ["lesion_id"], unique=True, sqlite_where=own, postgresql_where=own)
    op.create_table(
        "annotation",
        sa.Column("lesion_id", sa.String(64), nullable=False),
        sa.Column("reader_id", sa.String(64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("shapes", sa.Text(), nullable=False),
        sa.Column("created_utc", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("lesion_id", "reader_id", "revision", name="pk_annotation"),
        _reference("annotation", "lesion_id", "lesion"),
        _reference("annotation", "reader_id", "reader"),
    )
    # rows go only with their patient; they never change
    _forbid("annotation", "UPDATE", "revisions of an annotation never change")


def _splits_and_runs() -> None:
    op.create_table(
        "split",
        _id(),
        _seq(),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("created_utc", sa.String(40), nullable=False),
        *_keyed("split"),
    )
    op.create_table(
        "split_part",
        sa.Column("split_id", sa.String(64), nullable=False),
        sa.Column("patient_id", sa.String(64), nullable=False),
        sa.Column("part", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("split_id", "patient_id", name="pk_split_part"),
        _reference("split_part", "split_id", "split"),
        _reference("split_part", "patient_id", "patient"),
    )
    op.create_index("ix_split_part_patient_id", "split_part", ["patient_id"])
    op.create_table(
        "run",
        _id(),
        _seq(),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_utc", sa.String(40), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("code_version", sa.Text(), nullable=False),
        sa.Column("data_fingerprint", sa.Text(), nullable=False),
        sa.Column("metrics", sa.Text(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("archived", sa.Boolean(), nullable=False),
        *_keyed("run"),
    )
    op.create_table(
        "model_revision",
        _id(),
        _seq(),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("parent_id", sa.String(64)),
        sa.Column("prototype_indices", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_utc", sa.String(40), nullable=False),
        *_keyed("model_revision"),
        _reference("model_revision", "run_id", "run"),
        _reference("model_revision", "parent_id", "model_revision"),
    )
    op.create_index("ix_model_revision_run_id", "model_revision", ["run_id"])
    op.create_table(
        "active_revision",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("revision_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_active_revision"),
        _reference("active_revision", "run_id", "run"),
        _reference("active_revision", "revision_id", "model_revision"),
    )


def _audit_trail() -> None:
    op.create_table(
        "audit",
        sa.Column("counter", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at_utc", sa.String(40), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("old", sa.Text()),
        sa.Column("new", sa.Text()),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("counter", name="pk_audit"),
    )
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("counter", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
    )
    op.bulk_insert(head, [{"id": 1, "counter": 0, "sha256": "0" * 64}])
    for verb in ("UPDATE", "DELETE"):
        _forbid("audit", verb, "the audit trail is append-only")


def _forbid(table: str, verb: str, why: str) -> None:
    name = f"{table}_no_{verb.lower()}"
    if op.get_context().dialect.name == "sqlite":
        op.execute(f"CREATE TRIGGER {name} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, '{why}'); END")
        return
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{why}' USING ERRCODE = 'restrict_violation'; END $$"
    )
    op.execute(f"CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")
