"""Synthetic studies for tests and pictures of the window."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from core.data.importers.folder import DEFAULT_TABLE, read_folder
from core.data.importers.importing import run_import
from core.phantom.config import PhantomConfig
from core.phantom.records import ANNOTATOR
from core.phantom.source import write_study_source
from core.store import schema
from core.store.study import Study
from core.store.trusted_studies import mark_trusted


def make_small_study(folder: Path, source: Path, *, patients: int = 6) -> None:
    """Phantoms with labels and fine annotations; ``source`` keeps the files, one of them damaged."""
    write_study_source(source, PhantomConfig(patients=patients, seed=5), workers=1)
    with Study.create(folder, name="Demo", synthetic=True) as study:
        run_import(study, read_folder(source, source / DEFAULT_TABLE, source="phantom", reader=ANNOTATOR))
    mark_trusted(folder)
    first = sorted((source / "images").iterdir())[0]
    first.write_bytes(first.read_bytes()[:2000])


def make_large_study(folder: Path, like: Path | None, *, lesions: int) -> None:
    """As many lesions, two in an image; the first images have the pixels of the study ``like``."""
    with Study.create(folder, name="Large", synthetic=True) as study:
        fill_rows(study, lesions)
        mark_trusted(folder)
        if like is not None:
            files = sorted((like / "pixels").glob("*.h5"))
            for number in range(200):
                link_or_copy(files[number % len(files)], folder / "pixels" / f"image{number}.h5")


def link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def fill_rows(study: Study, lesions: int) -> None:
    """Straight into the tables: going through the audit trail would take minutes."""
    images = (lesions + 1) // 2
    margins = ("circumscribed", "indistinct", "spiculated", None)
    outline = {"kind": "rectangle", "box": {"x0": 300, "y0": 300, "x1": 420, "y1": 430}}
    image: dict[str, Any] = {
        "width": 700, "height": 900, "bits_stored": 12, "pixel_spacing_mm": 0.2, "spacing_source": "test",
        "photometric": "MONOCHROME2", "rescale_slope": 1.0, "rescale_intercept": 0.0, "windows": [],
        "detector": "", "synthetic": True,
    }  # fmt: skip
    tables: list[tuple[Any, list[dict[str, Any]]]] = [
        (
            schema.patient,
            [
                {"id": f"patient{i}", "seq": i + 1, "pseudonym": f"P{i:07d}", "source": "phantom"}
                for i in range((images + 1) // 2)
            ],
        ),
        (
            schema.image,
            [
                image
                | {
                    "id": f"image{i}",
                    "seq": i + 1,
                    "patient_id": f"patient{i // 2}",
                    "content_sha256": f"{i:064d}",
                }
                | {"laterality": "LR"[i // 4 % 2], "view": ("CC", "MLO")[i % 2]}
                for i in range(images)
            ],
        ),
        (
            schema.finding,
            [{"id": f"finding{i}", "seq": i + 1, "patient_id": f"patient{i // 4}"} for i in range(lesions)],
        ),
        (
            schema.lesion,
            [
                {"id": f"lesion{i}", "seq": i + 1, "finding_id": f"finding{i}", "image_id": f"image{i // 2}"}
                | {"number": 1 + i % 2, "outline": outline}
                for i in range(lesions)
            ],
        ),
        (
            schema.label,
            [
                {"lesion_id": f"lesion{i}", "reader_id": None, "margin": margins[i % 4], "comment": ""}
                | {"flagged": i % 97 == 0}
                for i in range(lesions)
            ],
        ),
    ]
    with study._database.write() as transaction:
        for table, rows in tables:
            transaction.connection.execute(insert(table), rows)
