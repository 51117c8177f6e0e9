"""Tables of a study. The migrations make them; a test holds both against each other.

Everything that a person made is here. ``seq`` keeps the order of entry, since identifiers are random. Nested
values are JSON text. Times are UTC in ISO 8601 and serve people only: order comes from counters.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator


def canonical_json(value: object) -> str:
    """One text per value: sorted keys, no spaces, UTF-8 kept. Hashes of the audit trail rest on it."""
    return msgspec.json.encode(value, order="sorted").decode()


class JsonText(TypeDecorator[Any]):
    """A nested value as canonical JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else canonical_json(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else msgspec.json.decode(value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column[str]:
    return Column("id", String(64), primary_key=True)


def _seed() -> Column[int]:
    # any whole number that a person or a generator chose, not only one of 32 bits
    return Column("seed", BigInteger, nullable=False)


def _seq() -> Column[int]:
    return Column("seq", Integer, nullable=False, unique=True)


def _to(target: str, name: str, *, primary_key: bool = False, index: bool = True) -> Column[str]:
    return Column(name, ForeignKey(target), nullable=False, primary_key=primary_key, index=index)


info = Table(
    "study_info",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("synthetic", Boolean, nullable=False),
    Column("created_utc", String(40), nullable=False),
    # the secret that UIDs of exports are made with (core.store.pseudonym_links)
    Column("link_salt", LargeBinary),
)

patient = Table(
    "patient",
    metadata,
    _id(),
    _seq(),
    Column("pseudonym", String(64), nullable=False, unique=True),
    Column("source", Text, nullable=False),
    # empty: earlier versions kept a hash of the identifier here (core.store.pseudonym_links)
    Column("link_hash", String(64), unique=True),
)

image = Table(
    "image",
    metadata,
    _id(),
    _seq(),
    _to("patient.id", "patient_id"),
    Column("content_sha256", String(64), nullable=False, index=True),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("bits_stored", Integer, nullable=False),
    Column("pixel_spacing_mm", Float),
    Column("spacing_source", Text, nullable=False),
    Column("laterality", String(16)),
    Column("view", String(16)),
    Column("composition", String(16)),
    Column("photometric", String(32), nullable=False),
    Column("rescale_slope", Float, nullable=False),
    Column("rescale_intercept", Float, nullable=False),
    Column("windows", JsonText, nullable=False),
    Column("padding", JsonText),
    Column("turn", String(8), nullable=False, server_default=""),
    Column("tables", Integer, nullable=False, server_default="0"),
    Column("acquired", String(40)),
    Column("detector", Text, nullable=False),
    Column("synthetic", Boolean, nullable=False),
    Column("frames", Integer, nullable=False, server_default="1"),
)

finding = Table("finding", metadata, _id(), _seq(), _to("patient.id", "patient_id"))

lesion = Table(
    "lesion",
    metadata,
    _id(),
    _seq(),
    _to("finding.id", "finding_id"),
    _to("image.id", "image_id", index=False),
    Column("number", Integer, nullable=False),
    Column("outline", JsonText, nullable=False),
    Column("frame", Integer, nullable=False, server_default="0"),
    UniqueConstraint("image_id", "number"),
)

removed_lesion = Table(
    "removed_lesion",
    metadata,
    # that the lesion had, and has again when it is put back
    Column("id", String(64), primary_key=True),
    _to("patient.id", "patient_id"),
    Column("removed_utc", String(40), nullable=False),
    # the rows of the lesion, its labels and its annotations, as core.store.removed_lesions writes them
    Column("content", JsonText, nullable=False),
)

reader = Table("reader", metadata, _id(), _seq(), Column("name", Text, nullable=False, unique=True))

label = Table(
    "label",
    metadata,
    Column("id", Integer, primary_key=True),
    _to("lesion.id", "lesion_id", index=False),
    # None: the labels that came with the data set
    Column("reader_id", ForeignKey("reader.id")),
    Column("margin", String(32)),
    Column("shape", String(32)),
    Column("density", String(32)),
    Column("category", String(8)),
    Column("pathology", String(16)),
    Column("probability_of_malignancy", Float),
    Column("comment", Text, nullable=False),
    Column("flagged", Boolean, nullable=False),
    UniqueConstraint("lesion_id", "reader_id"),
)
Index(
    "uq_label_own",
    label.c.lesion_id,
    unique=True,
    sqlite_where=text("reader_id IS NULL"),
    postgresql_where=text("reader_id IS NULL"),
)

annotation = Table(
    "annotation",
    metadata,
    _to("lesion.id", "lesion_id", primary_key=True, index=False),
    _to("reader.id", "reader_id", primary_key=True, index=False),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("shapes", Text, nullable=False),  # as ``core.store.stored_shapes`` writes them
    Column("created_utc", String(40), nullable=False, index=True),
)

split = Table(
    "split",
    metadata,
    _id(),
    _seq(),
    Column("name", Text, nullable=False),
    _seed(),
    Column("created_utc", String(40), nullable=False),
)

split_part = Table(
    "split_part",
    metadata,
    _to("split.id", "split_id", primary_key=True, index=False),
    _to("patient.id", "patient_id", primary_key=True),
    Column("part", String(16), nullable=False),
)

run = Table(
    "run",
    metadata,
    _id(),
    _seq(),
    Column("name", Text, nullable=False),
    Column("created_utc", String(40), nullable=False),
    Column("status", String(16), nullable=False),
    Column("config", JsonText, nullable=False),
    Column("folder", Text, nullable=False),
    Column("code_version", Text, nullable=False),
    Column("data_fingerprint", Text, nullable=False),
    Column("metrics", JsonText, nullable=False),
    Column("notes", Text, nullable=False),
    Column("archived", Boolean, nullable=False),
)

model_revision = Table(
    "model_revision",
    metadata,
    _id(),
    _seq(),
    _to("run.id", "run_id"),
    Column("parent_id", ForeignKey("model_revision.id")),
    Column("prototype_indices", JsonText, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_utc", String(40), nullable=False),
)

active_revision = Table(
    "active_revision",
    metadata,
    _to("run.id", "run_id", primary_key=True, index=False),
    _to("model_revision.id", "revision_id", index=False),
)

reader_study = Table(
    "reader_study",
    metadata,
    _id(),
    _seq(),
    Column("name", Text, nullable=False, unique=True),
    _to("run.id", "run_id", index=False),
    _to("model_revision.id", "revision_id", index=False),
    _seed(),
    Column("created_utc", String(40), nullable=False),
)

reader_study_case = Table(
    "reader_study_case",
    metadata,
    _to("reader_study.id", "reader_study_id", primary_key=True, index=False),
    _to("lesion.id", "lesion_id", primary_key=True, index=False),
    Column("place", Integer, nullable=False),
)

reading = Table(
    "reading",
    metadata,
    Column("id", Integer, primary_key=True),
    _seq(),
    _to("reader_study.id", "reader_study_id", index=False),
    _to("lesion.id", "lesion_id", index=False),
    _to("reader.id", "reader_id", index=False),
    Column("condition", String(16), nullable=False),
    Column("margin", String(32), nullable=False),
    Column("probability_of_malignancy", Float, nullable=False),
    Column("trust", Integer),
    Column("seconds", Float, nullable=False),
    Column("created_utc", String(40), nullable=False),
    UniqueConstraint("reader_study_id", "lesion_id", "reader_id", "condition"),
)

# a reader's own call in Review, before the model's answer was shown; no label (core.domain.opinion)
case_reading = Table(
    "case_reading",
    metadata,
    Column("id", Integer, primary_key=True),
    _seq(),
    _to("lesion.id", "lesion_id"),
    _to("reader.id", "reader_id"),
    _to("run.id", "run_id", index=False),
    Column("revision_id", String(64), nullable=False),
    Column("label", String(16), nullable=False),
    Column("word", String(32), nullable=False),
    Column("probability_of_malignancy", Float),
    Column("created_utc", String(40), nullable=False),
    Column("withdrawn_utc", String(40)),
)

opinion = Table(
    "opinion",
    metadata,
    Column("id", Integer, primary_key=True),
    _seq(),
    _to("lesion.id", "lesion_id"),
    _to("run.id", "run_id"),
    Column("revision_id", String(64), nullable=False),
    # the reader's name, as in the audit trail
    Column("who", Text, nullable=False),
    Column("verdict", String(32), nullable=False),
    Column("prototype", Integer),
    Column("comment", Text, nullable=False),
    Column("created_utc", String(40), nullable=False),
    Column("withdrawn_utc", String(40)),
)

# a lesion that was given to a reader, to label or to adjudicate it (core.domain.group)
assignment = Table(
    "assignment",
    metadata,
    _to("lesion.id", "lesion_id", primary_key=True, index=False),
    _to("reader.id", "reader_id", primary_key=True),
    Column("purpose", String(16), nullable=False),
    Column("created_utc", String(40), nullable=False),
    Column("finished_utc", String(40)),
    # those of the reader when it was finished
    Column("labels", JsonText),
    Column("revision", Integer, nullable=False),
)

# what counts for a lesion that several readers labelled; only appended, the highest revision stands
consensus = Table(
    "consensus",
    metadata,
    _to("lesion.id", "lesion_id", primary_key=True, index=False),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("how", String(16), nullable=False),
    Column("reader_id", ForeignKey("reader.id")),
    Column("labels", JsonText, nullable=False),
    Column("drawn_by", ForeignKey("reader.id")),
    Column("drawn_revision", Integer, nullable=False),
    Column("sources", JsonText, nullable=False),
    Column("who", Text, nullable=False),
    Column("created_utc", String(40), nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("counter", Integer, primary_key=True, autoincrement=False),
    Column("at_utc", String(40), nullable=False),
    Column("who", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("old", Text),
    Column("new", Text),
    Column("previous", String(64), nullable=False),
    Column("sha256", String(64), nullable=False),
)

# the history of a lesion is read from its records
Index("ix_audit_subject", audit.c.subject)

# the newest record of the trail, so that records cut off its end are missed
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("counter", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
)

OF_LESION = (annotation, label, case_reading, opinion, assignment, consensus)
"""Tables whose rows go with their lesion."""
