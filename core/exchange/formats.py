"""The registry of export formats: built-in ones, and those of plug-ins.

A plug-in is a package with an entry point in the group ``marginalia.exporters`` that names an ``ExportFormat``.
The name of the entry point is the id of the format. Window and command line list it like the built-in ones.
Nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from core.domain.errors import StudyError
from core.domain.events import Emit, IsCancelled, never, silent
from core.domain.messages import message, template
from core.domain.study import Split
from core.platform.plugins import load_plugin, plugin_names

if TYPE_CHECKING:
    from core.store.identity import IdentityFile
    from core.store.study import Study

GROUP = "marginalia.exporters"
Option = Literal["split", "run", "preset", "identity", "pictures", "own file names"]
Content = Literal["labels", "regions", "vectors"]


@dataclass(frozen=True, kw_only=True)
class ExportSelection:
    """Which lesions are exported, and whose labels and annotations count (``core.data.labels``)."""

    readers: tuple[str, ...] | None = None
    """Names of readers, in the order of precedence; None = all."""
    sources: tuple[str, ...] | None = None
    """Names of data sets; None = all."""
    split: Split | None = None
    """Parts that are written apart. A lesion whose patient is in no part is left out."""


EVERYTHING = ExportSelection()


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    format: str
    """Id of the format."""
    target: Path
    """New folder; new file for a format that is one file."""
    selection: ExportSelection = EVERYTHING
    run: str = ""
    """Name of a finished run whose model is written or asked for its findings."""
    preset: str = "paper"
    """Preset whose regions of interest are cut out."""
    pictures: bool = False
    """With the pictures of the prototypes, which show patients."""
    own_file_names: bool = False
    """With the user's file names, which may name patients."""
    identity: IdentityFile | None = None
    """Its original identifiers are written in place of pseudonyms."""

    @property
    def options(self) -> frozenset[Option]:
        """The options that differ from their defaults."""
        given: dict[Option, bool] = {
            "split": self.selection.split is not None,
            "run": bool(self.run),
            "preset": self.preset != "paper",
            "identity": self.identity is not None,
            "pictures": self.pictures,
            "own file names": self.own_file_names,
        }
        return frozenset(option for option, is_given in given.items() if is_given)


@dataclass(frozen=True, kw_only=True)
class Exported:
    """Result of an export."""

    items: int
    """Number of lesions, or of the prototypes of a model."""
    noun: str = "lesion"
    document: Mapping[str, object] = field(default_factory=dict)
    """More for ``--json``."""
    sentences: tuple[str, ...] = ()
    """Notes for a person beside the number of items and what the files carry."""


@dataclass(frozen=True, kw_only=True)
class ExportTools:
    """Progress and cancellation of an export."""

    emit: Emit = silent
    cancelled: IsCancelled = never


QUIET = ExportTools()
Writer = Callable[["Study", ExportRequest, ExportTools], Exported]


@dataclass(frozen=True, kw_only=True)
class ExportFormat:
    id: str
    title: str
    """English name for lists."""
    options: frozenset[Option] = frozenset({"split"})
    """Options that it takes; others are refused."""
    needs_run: bool = False
    file_name: str = ""
    """Suggested name for a format that is one file; "" for a folder."""
    content: Content = "labels"
    """labels: masks, shapes and labels. regions: also cut-outs of images. vectors: latent vectors of a model."""
    write: str | Writer
    """Function that writes the request's target, or "module:function" for one that is imported when it is used.

    It makes the target completely or not at all, and raises StudyError, Cancelled or StorageFullError.
    """

    def writer(self) -> Writer:
        if not isinstance(self.write, str):
            return self.write
        module, _, name = self.write.partition(":")
        found: Writer = getattr(import_module(module), name)
        return found


_WRITERS = "core.exchange.writers"
_OBJECT_OPTIONS: frozenset[Option] = frozenset({"split", "identity"})
BUILT_IN = (
    ExportFormat(
        id="seg", title="DICOM segmentations (SEG)", options=_OBJECT_OPTIONS, write=f"{_WRITERS}:write_objects"
    ),
    ExportFormat(
        id="sr",
        title="DICOM structured reports (SR)",
        options=_OBJECT_OPTIONS | {"run"},
        write=f"{_WRITERS}:write_objects",
    ),
    ExportFormat(
        id="gsps",
        title="DICOM presentation states (GSPS)",
        options=_OBJECT_OPTIONS,
        write=f"{_WRITERS}:write_objects",
    ),
    ExportFormat(id="coco", title="COCO annotations", write=f"{_WRITERS}:write_coco"),
    ExportFormat(id="png", title="PNG masks", write=f"{_WRITERS}:write_png"),
    ExportFormat(id="nifti", title="NIfTI masks", write=f"{_WRITERS}:write_nifti"),
    ExportFormat(
        id="csv",
        title="Table (CSV)",
        options=frozenset({"split", "own file names"}),
        write=f"{_WRITERS}:write_csv",
    ),
    ExportFormat(
        id="authors",
        title="Layout of the paper's code (.npy)",
        options=frozenset({"split", "preset"}),
        content="regions",
        write=f"{_WRITERS}:write_authors",
    ),
    ExportFormat(
        id="model",
        title="Model for another study",
        options=frozenset({"run", "pictures"}),
        needs_run=True,
        file_name="model.marginalia-model",
        content="vectors",
        write=f"{_WRITERS}:write_model",
    ),
    ExportFormat(
        id="onnx",
        title="Network as ONNX",
        options=frozenset({"run"}),
        needs_run=True,
        file_name="network.onnx",
        content="vectors",
        write=f"{_WRITERS}:write_network",
    ),
)
_BY_ID = {one.id: one for one in BUILT_IN}
_REFUSALS: dict[Option, str] = {
    "split": template("--format {id} has no parts; leave out --split."),
    "run": template("--format {id} holds nothing of a run; leave out --run."),
    "preset": template("--format {id} holds no regions of interest; leave out --preset."),
    "identity": template("An export as {id} never carries identifiers; --identity is for {takers}."),
    "pictures": template("--format {id} holds no prototypes; leave out --with-pictures."),
    "own file names": template("--format {id} holds no file names; leave out --own-file-names."),
}


def format_ids() -> tuple[str, ...]:
    """Ids of the built-in formats, then those of plug-ins; a plug-in cannot replace a built-in format."""
    return (*_BY_ID, *(name for name in plugin_names(GROUP) if name not in _BY_ID))


def format_of(name: str) -> ExportFormat:
    """The format with this id.

    Raises: StudyError if there is none; PluginError if a plug-in cannot be loaded.
    """
    if name in _BY_ID:
        return _BY_ID[name]
    if name not in format_ids():
        raise StudyError(
            message(
                "There is no export format {name}; use one of {format_ids}.",
                name=name,
                format_ids=", ".join(format_ids()),
            )
        )
    return load_plugin(GROUP, name, ExportFormat)


def check_options(chosen: ExportFormat, options: frozenset[Option]) -> None:
    """StudyError for an option that the format needs, or that it would ignore."""
    if chosen.needs_run and "run" not in options:
        raise StudyError(message("--format {id} needs --run: the run whose model is written.", id=chosen.id))
    for option in _REFUSALS:
        if option in options - chosen.options:
            takers = ", ".join(one.id for one in BUILT_IN if option in one.options)
            raise StudyError(message(_REFUSALS[option], id=chosen.id, takers=takers))
