"""The registry of import layouts: which one a folder has, and the plan of its import.

A plug-in is a package with an entry point in the group ``marginalia.layouts`` that names an ``ImportLayout``.
Window and command line list it like the built-in ones, and a folder is recognised by its tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from core.data.importers import cbis_ddsm, cmmd, coco, embed, inbreast, vindr_mammo
from core.data.importers.cdd_cesm import ReadMask, read_cdd_cesm, read_choices
from core.data.importers.folder import (
    DEFAULT_READER,
    DEFAULT_TABLE,
    TABLE_ENDINGS,
    UNREADABLE_ENDINGS,
    read_folder,
)
from core.data.importers.images import find_files, holds_images, listed_reasons, read_files, read_images, walk
from core.data.importers.mini_mias import read_mini_mias
from core.data.importers.plan import ImportPlan
from core.domain.errors import BadFileError, BadTableError
from core.domain.messages import joined, message
from core.imaging.worker import DecodeWorker
from core.platform.plugins import load_plugin, plugin_names

GROUP = "marginalia.layouts"
"""Entry points of plug-ins: each names an ``ImportLayout``."""
FOLDER, COCO, IMAGES = "folder", "coco", "images"
"""Images with a table of lesions in the program's own columns; with a COCO document; alone, without a table."""


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    layout: str = ""
    """Id of the folder's layout; "" = recognised from the files."""
    table: Path | None = None
    """Table of the layout ``folder``, or COCO document; None = ``lesions.csv``, or the document's usual name."""
    source: str = ""
    """Name of the data set, for the layout ``folder``; "": the folder's own name."""
    reader: str = DEFAULT_READER
    """Reader of the fine annotations of the layout ``folder``, where no column names one."""
    choices: Path | None = None
    """Table of the layout ``cdd-cesm`` in which a person chose regions."""
    skip_bad_rows: bool = False


@dataclass(frozen=True, kw_only=True)
class ImportLayout:
    """A way in which a data set lies in a folder: how it is recognised and read."""

    id: str
    title: str
    """English name for lists."""
    tables: tuple[str, ...]
    """Paths of its tables below the folder, by any of which it is recognised; the first is the usual one."""
    plan: Callable[[Path, PlanOptions], ImportPlan]
    """Reads the tables. Raises: BadFileError, BadTableError."""
    is_public: bool = False
    """True for a published data set: anybody can know the names of its files."""
    is_table: Callable[[Path], bool] = Path.is_file
    """Return True for one of the tables, where its name alone does not tell."""

    def is_in(self, folder: Path) -> bool:
        return any(self.is_table(folder / table) for table in self.tables)


def _by_tables(read: Callable[..., ImportPlan]) -> Callable[[Path, PlanOptions], ImportPlan]:
    """Return the plan function of a layout that needs nothing but its tables."""
    return lambda folder, options: read(folder, skip_bad_rows=options.skip_bad_rows)


def _plan_cdd_cesm(folder: Path, options: PlanOptions) -> ImportPlan:
    choices = None if options.choices is None else read_choices(options.choices)
    with mask_reader() as read_mask:
        return read_cdd_cesm(folder, read_mask=read_mask, choices=choices, skip_bad_rows=options.skip_bad_rows)


def _plan_cbis_ddsm(folder: Path, options: PlanOptions) -> ImportPlan:
    with mask_reader() as read_mask:
        return cbis_ddsm.read_cbis_ddsm(folder, read_mask=read_mask, skip_bad_rows=options.skip_bad_rows)


def _plan_folder(folder: Path, options: PlanOptions) -> ImportPlan:
    return read_folder(
        folder,
        options.table or the_table(folder),
        source=options.source or folder.resolve().name,
        reader=options.reader,
        skip_bad_rows=options.skip_bad_rows,
    )


def _plan_coco(folder: Path, options: PlanOptions) -> ImportPlan:
    return coco.read_coco_folder(
        folder,
        options.table,
        source=options.source or folder.resolve().name,
        reader=options.reader,
        skip_bad_rows=options.skip_bad_rows,
    )


def _plan_images(folder: Path, options: PlanOptions) -> ImportPlan:
    return read_images(folder, source=options.source or folder.resolve().name)


BUILT_IN = (
    ImportLayout(id=FOLDER, title="Images with a lesions.csv", tables=(DEFAULT_TABLE,), plan=_plan_folder),
    ImportLayout(
        id="mini-mias", title="mini-MIAS", tables=("Info.txt",), plan=_by_tables(read_mini_mias), is_public=True
    ),
    ImportLayout(id="cdd-cesm", title="CDD-CESM", tables=("index.csv",), plan=_plan_cdd_cesm, is_public=True),
    ImportLayout(
        id="cbis-ddsm",
        title="CBIS-DDSM",
        tables=(*cbis_ddsm.MASSES, *(f"csv/{name}" for name in cbis_ddsm.MASSES)),
        plan=_plan_cbis_ddsm,
        is_public=True,
    ),
    ImportLayout(
        id="inbreast",
        title="INbreast",
        tables=(inbreast.TABLE,),
        plan=_by_tables(inbreast.read_inbreast),
        is_public=True,
    ),
    ImportLayout(
        id="vindr-mammo",
        title="VinDr-Mammo",
        tables=(vindr_mammo.FINDINGS,),
        plan=_by_tables(vindr_mammo.read_vindr_mammo),
        is_public=True,
    ),
    ImportLayout(id="cmmd", title="CMMD", tables=cmmd.TABLES, plan=_by_tables(cmmd.read_cmmd), is_public=True),
    ImportLayout(
        id="embed",
        title="EMBED",
        tables=tuple(f"{place}{name}" for place in ("tables/", "") for name in embed.METADATA),
        plan=_by_tables(embed.read_embed),
        is_public=True,
    ),
    ImportLayout(
        id=COCO,
        title="Images with a COCO document",
        tables=coco.DOCUMENTS,
        plan=_plan_coco,
        is_table=coco.is_document,
    ),
    ImportLayout(id=IMAGES, title="Images alone, without tables", tables=(), plan=_plan_images),
)
_BY_ID = {one.id: one for one in BUILT_IN}


def layout_ids() -> tuple[str, ...]:
    """Ids of the built-in layouts, then those of plug-ins; a plug-in cannot replace a built-in layout."""
    return (*_BY_ID, *(name for name in plugin_names(GROUP) if name not in _BY_ID))


def layout_of(name: str) -> ImportLayout:
    """The layout with this id. Raises: PluginError if there is none, or if a plug-in cannot be loaded."""
    return _BY_ID[name] if name in _BY_ID else load_plugin(GROUP, name, ImportLayout)


def recognised(folder: Path) -> str:
    """The id of the folder's layout; a single file is images alone. Raises: BadFileError if it has none."""
    if folder.is_file():
        return IMAGES
    if not folder.is_dir():
        raise BadFileError(
            message(
                "{folder} is neither a folder nor a file; choose an image, or the folder that holds the images.",
                folder=folder,
            )
        )
    if lesion_tables(folder):
        return FOLDER
    for name in layout_ids():
        if layout_of(name).is_in(folder):
            return name
    if holds_images(folder):
        return IMAGES
    usual = ", ".join(one.tables[0] for one in BUILT_IN if one.tables)
    found = find_files(walk(folder), folder).passed_over
    sentence = message(
        "{folder} holds neither images nor a table of a known layout: {usual}. Name the table, or choose another "
        "folder.",
        folder=folder,
        usual=usual,
    )
    skipped = [message("Skipped: {reason}.", reason=listed_reasons(found))] if found else []
    raise BadFileError(joined([sentence, *skipped]))


def lesion_tables(folder: Path) -> list[Path]:
    """The tables named ``lesions``, in any case and of any kind that is read; without one, of a kind that is not.

    A table that cannot be read is refused by its reader, so that its labels are not lost.
    """
    stem = Path(DEFAULT_TABLE).stem
    named = sorted(path for path in folder.iterdir() if path.is_file() and path.stem.lower() == stem)
    read = [path for path in named if path.suffix.lower() in TABLE_ENDINGS]
    return read or [path for path in named if path.suffix.lower() in UNREADABLE_ENDINGS]


def the_table(folder: Path) -> Path:
    """The one table of lesions; BadTableError where there are several."""
    tables = lesion_tables(folder)
    if len(tables) > 1:
        names = " and ".join(path.name for path in tables)
        raise BadTableError(
            message("{folder} holds {names}; choose one with --table.", folder=folder.name, names=names)
        )
    return tables[0] if tables else folder / DEFAULT_TABLE


def make_plan(folder: Path, options: PlanOptions | None = None) -> ImportPlan:
    """Read the tables of a folder, or take a single file.

    BadFileError and BadTableError as the layout's own reader raises them.
    """
    options = options or PlanOptions()
    name = options.layout or (_of_table(options.table) if options.table is not None else recognised(folder))
    if folder.is_file():
        return read_files([folder], source=options.source or folder.resolve().parent.name)
    return layout_of(name).plan(folder, options)


def _of_table(table: Path) -> str:
    return COCO if table.suffix.lower() == ".json" else FOLDER


@contextmanager
def mask_reader() -> Iterator[ReadMask]:
    """Decodes grey images in a child process for as long as the context lasts."""
    with DecodeWorker() as worker:

        def read(path: Path) -> NDArray[Any]:
            return worker.read(path).pixels

        yield read
