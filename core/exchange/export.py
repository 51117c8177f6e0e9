"""One call for every format that a study goes out in, for the window."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.domain.errors import StudyError
from core.domain.events import Emit, IsCancelled, never, silent
from core.store.study import Study

if TYPE_CHECKING:
    from core.store.identity import IdentityFile


class Format(StrEnum):
    SEG = "seg"
    SR = "sr"
    GSPS = "gsps"
    COCO = "coco"
    PNG = "png"
    NIFTI = "nifti"
    CSV = "csv"
    AUTHORS = "authors"
    MODEL = "model"
    ONNX = "onnx"


OBJECTS = (Format.SEG, Format.SR, Format.GSPS)
"""The formats that can carry original identifiers."""
OF_A_RUN = (Format.SR, Format.MODEL, Format.ONNX)
FILES = (Format.MODEL, Format.ONNX)
"""One file instead of a folder."""


class ExportRequest(msgspec.Struct, frozen=True, kw_only=True):
    format: Format
    target: Path
    run: str = ""
    """Name; needed for a model, may be empty for reports without a model's findings."""
    with_pictures: bool = False


def export(
    study: Study,
    request: ExportRequest,
    *,
    identity: IdentityFile | None = None,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
) -> int:
    """Write it; returns the number of lesions, or of prototypes of a model.

    StudyError where identifiers are asked for in a format that never carries them.
    """
    from core.tasks.runs.lifecycle import active_model, finished_run

    if identity is not None and request.format not in OBJECTS:
        raise StudyError("Only DICOM objects for the archive carry original identifiers.")
    asked: dict[str, Any] = {"emit": emit, "cancelled": cancelled}
    run = finished_run(study, request.run) if request.run else None
    if request.format in OBJECTS:
        from core.exchange.dicom.export_results import ResultKind, export_results

        kind = ResultKind(request.format.value)
        return export_results(study, request.target, kind, run=run, identity=identity, **asked).lesions
    if request.format in FILES:
        if run is None:
            raise StudyError("Choose the run whose model is to be exported.")
        if request.format is Format.ONNX:
            from core.exchange.models.onnx import write_onnx

            model = active_model(study, run)
            write_onnx(request.target, model.network, model.card)
            return len(model.card.prototypes)
        from core.exchange.models.share_model import share_model

        shared = share_model(study, run, request.target, with_pictures=request.with_pictures, **asked)
        return shared.latent_prototypes
    return _masks(study, request, asked)


def _masks(study: Study, request: ExportRequest, asked: dict[str, Any]) -> int:
    from core.exchange.masks.authors import export_authors
    from core.exchange.masks.coco import export_coco
    from core.exchange.masks.csv_table import export_csv
    from core.exchange.masks.nifti import export_nifti
    from core.exchange.masks.png import export_png_masks

    if request.format is Format.AUTHORS:
        from core.tasks.runs.run_data import roi_request
        from core.training.presets import load_preset

        return export_authors(study, request.target, roi_request(load_preset("paper")), **asked)
    writers: dict[Format, Callable[..., int]] = {
        Format.COCO: export_coco,
        Format.PNG: export_png_masks,
        Format.NIFTI: export_nifti,
        Format.CSV: export_csv,
    }
    return writers[request.format](study, request.target, **asked)
