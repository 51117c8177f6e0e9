"""Which layout a folder has, and the plan of its import."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from core.data.importers import cbis_ddsm, cmmd, embed, inbreast, vindr_mammo
from core.data.importers.cdd_cesm import ReadMask, read_cdd_cesm, read_choices
from core.data.importers.folder import DEFAULT_READER, DEFAULT_TABLE, TABLE_ENDINGS, read_folder
from core.data.importers.images import find_files, holds_images, listed, read_files, read_images, walk
from core.data.importers.mini_mias import read_mini_mias
from core.data.importers.plan import ImportPlan
from core.domain.errors import BadFileError, BadTableError
from core.imaging.worker import DecodeWorker


class Layout(StrEnum):
    FOLDER = "folder"
    MINI_MIAS = "mini-mias"
    CDD_CESM = "cdd-cesm"
    CBIS_DDSM = "cbis-ddsm"
    INBREAST = "inbreast"
    VINDR_MAMMO = "vindr-mammo"
    CMMD = "cmmd"
    EMBED = "embed"
    IMAGES = "images"
    """Images alone, without a table."""

    @property
    def is_public(self) -> bool:
        """True for a published data set: anybody can know the names of its files."""
        return self not in (Layout.FOLDER, Layout.IMAGES)


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    layout: Layout | None = None
    """Layout of the folder; None = recognised from the files."""
    table: Path | None = None
    """Table of the layout ``folder``; None = ``lesions.csv`` in the folder."""
    source: str = ""
    """Name of the data set, for the layout ``folder``; "": the folder's own name."""
    reader: str = DEFAULT_READER
    """Reader of the fine annotations of the layout ``folder``, where no column names one."""
    choices: Path | None = None
    """Table of the layout ``cdd-cesm`` in which a person chose regions."""
    skip_bad_rows: bool = False


_TABLES: dict[Layout, tuple[str, ...]] = {
    Layout.MINI_MIAS: ("Info.txt",),
    Layout.CDD_CESM: ("index.csv",),
    Layout.CBIS_DDSM: (*cbis_ddsm.MASSES, *(f"csv/{name}" for name in cbis_ddsm.MASSES)),
    Layout.INBREAST: (inbreast.TABLE,),
    Layout.VINDR_MAMMO: (vindr_mammo.FINDINGS,),
    Layout.CMMD: cmmd.TABLES,
    Layout.EMBED: tuple(f"{place}{name}" for place in ("tables/", "") for name in embed.METADATA),
}
"""Files by which a layout is recognised; the first is the usual one."""


def recognised(folder: Path) -> Layout:
    """BadFileError where the folder has none of the layouts. A single file is images alone."""
    if folder.is_file():
        return Layout.IMAGES
    if not folder.is_dir():
        raise BadFileError(
            f"{folder} is neither a folder nor a file; choose an image, or the folder that holds the images."
        )
    if lesion_tables(folder):
        return Layout.FOLDER
    for layout, tables in _TABLES.items():
        if any((folder / table).is_file() for table in tables):
            return layout
    if holds_images(folder):
        return Layout.IMAGES
    usual = ", ".join((DEFAULT_TABLE, *(tables[0] for tables in _TABLES.values())))
    found = find_files(walk(folder), folder).passed_over
    files = listed([f"{one.name} ({one.reason})" for one in found])
    sentence = (
        f"{folder} holds neither images nor a table of a known layout: {usual}. Name the table, or choose another "
        "folder."
    )
    raise BadFileError(sentence + (f" Skipped: {files}." if files else ""))


def lesion_tables(folder: Path) -> list[Path]:
    """The tables named ``lesions``, in any case and of any kind that is read."""
    stem = Path(DEFAULT_TABLE).stem
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and path.stem.lower() == stem and path.suffix.lower() in TABLE_ENDINGS
    )


def the_table(folder: Path) -> Path:
    """The one table of lesions; BadTableError where there are several."""
    tables = lesion_tables(folder)
    if len(tables) > 1:
        names = " and ".join(path.name for path in tables)
        raise BadTableError(f"{folder.name} holds {names}; choose one with --table.")
    return tables[0] if tables else folder / DEFAULT_TABLE


def make_plan(folder: Path, options: PlanOptions | None = None) -> ImportPlan:
    """Read the tables of a folder, or take a single file.

    BadFileError and BadTableError as the layout's own reader raises them.
    """
    options = options or PlanOptions()
    layout = options.layout or (Layout.FOLDER if options.table is not None else recognised(folder))
    if folder.is_file():
        return read_files([folder], source=options.source or folder.resolve().parent.name)
    if layout is Layout.IMAGES:
        return read_images(folder, source=options.source or folder.resolve().name)
    if layout in _READERS:
        return _READERS[layout](folder, skip_bad_rows=options.skip_bad_rows)
    if layout in (Layout.CDD_CESM, Layout.CBIS_DDSM):
        return _with_masks(folder, layout, options)
    return read_folder(
        folder,
        options.table or the_table(folder),
        source=options.source or folder.resolve().name,
        reader=options.reader,
        skip_bad_rows=options.skip_bad_rows,
    )


_READERS: dict[Layout, Callable[..., ImportPlan]] = {
    Layout.MINI_MIAS: read_mini_mias,
    Layout.INBREAST: inbreast.read_inbreast,
    Layout.VINDR_MAMMO: vindr_mammo.read_vindr_mammo,
    Layout.CMMD: cmmd.read_cmmd,
    Layout.EMBED: embed.read_embed,
}
"""Layouts that need nothing but their tables."""


def _with_masks(folder: Path, layout: Layout, options: PlanOptions) -> ImportPlan:
    skip = options.skip_bad_rows
    choices = None if options.choices is None else read_choices(options.choices)
    with mask_reader() as read_mask:
        if layout is Layout.CBIS_DDSM:
            return cbis_ddsm.read_cbis_ddsm(folder, read_mask=read_mask, skip_bad_rows=skip)
        return read_cdd_cesm(folder, read_mask=read_mask, choices=choices, skip_bad_rows=skip)


@contextmanager
def mask_reader() -> Iterator[ReadMask]:
    """Decodes grey images in a child process for as long as the context lasts."""
    with DecodeWorker() as worker:

        def read(path: Path) -> NDArray[Any]:
            return worker.read(path).pixels

        yield read
