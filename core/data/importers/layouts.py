"""Which layout a folder has, and the plan of its import."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from core.data.importers.cdd_cesm import ReadMask, read_cdd_cesm, read_choices
from core.data.importers.folder import DEFAULT_READER, DEFAULT_TABLE, read_folder
from core.data.importers.images import image_files, read_images
from core.data.importers.mini_mias import read_mini_mias
from core.data.importers.plan import ImportPlan
from core.domain.errors import BadFileError
from core.imaging.worker import DecodeWorker


class Layout(StrEnum):
    FOLDER = "folder"
    MINI_MIAS = "mini-mias"
    CDD_CESM = "cdd-cesm"
    IMAGES = "images"
    """Images alone, without a table."""


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    layout: Layout | None = None
    """None: told from the files."""
    table: Path | None = None
    """Of the layout ``folder``; None: ``lesions.csv`` in it."""
    source: str = ""
    """Name of the data set, for the layout ``folder``; "": the folder's own name."""
    reader: str = DEFAULT_READER
    """Who made the fine annotations of the layout ``folder``, where no column says it."""
    choices: Path | None = None
    """Of the layout ``cdd-cesm``: the table in which a person chose regions."""
    skip_bad_rows: bool = False


def recognised(folder: Path) -> Layout:
    """BadFileError where the folder has none of the layouts."""
    if not folder.is_dir():
        raise BadFileError(f"{folder} is not a folder; choose the folder that holds the images and their table.")
    if (folder / "Info.txt").is_file():
        return Layout.MINI_MIAS
    if (folder / "index.csv").is_file():
        return Layout.CDD_CESM
    if (folder / DEFAULT_TABLE).is_file():
        return Layout.FOLDER
    if image_files(folder):
        return Layout.IMAGES
    raise BadFileError(
        f"{folder} holds neither images nor a table of a known layout: {DEFAULT_TABLE}, Info.txt (mini-MIAS) or "
        "index.csv (CDD-CESM). Name the table, or choose another folder."
    )


def make_plan(folder: Path, options: PlanOptions | None = None) -> ImportPlan:
    """Read the tables of a folder. BadFileError and BadTableError as the layout's own reader raises them."""
    options = options or PlanOptions()
    layout = options.layout or (Layout.FOLDER if options.table is not None else recognised(folder))
    if layout is Layout.IMAGES:
        return read_images(folder, source=options.source or folder.resolve().name)
    if layout is Layout.MINI_MIAS:
        return read_mini_mias(folder, skip_bad_rows=options.skip_bad_rows)
    if layout is Layout.CDD_CESM:
        choices = None if options.choices is None else read_choices(options.choices)
        with mask_reader() as read_mask:
            return read_cdd_cesm(folder, read_mask=read_mask, choices=choices, skip_bad_rows=options.skip_bad_rows)
    return read_folder(
        folder,
        options.table or folder / DEFAULT_TABLE,
        source=options.source or folder.resolve().name,
        reader=options.reader,
        skip_bad_rows=options.skip_bad_rows,
    )


@contextmanager
def mask_reader() -> Iterator[ReadMask]:
    """Decodes grey images in a child process for as long as the context lasts."""
    with DecodeWorker() as worker:

        def read(path: Path) -> NDArray[Any]:
            return worker.read(path).pixels

        yield read
