"""The writers of the built-in formats; each imports what it needs when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from core.domain.messages import as_text
from core.exchange.formats import Exported, ExportRequest, ExportTools
from core.store.study import Study

if TYPE_CHECKING:
    from core.domain.study import Run


def write_objects(study: Study, request: ExportRequest, tools: ExportTools) -> Exported:
    """DICOM SEG, SR or GSPS, one an image."""
    from core.exchange.dicom.export_results import ResultKind, export_results

    written = export_results(
        study,
        request.target,
        ResultKind(request.format),
        request.selection,
        run=_run(study, request.run),
        identity=request.identity,
        emit=tools.emit,
        cancelled=tools.cancelled,
    )
    verified = f"{written.verified} of {len(written.files)} objects are verified by a reader."
    return Exported(
        items=written.lesions,
        document=msgspec.to_builtins(written, enc_hook=as_text) | {"files": len(written.files)},
        sentences=(
            *(f"Left out: {sentence}" for sentence in written.left_out),
            *((verified,) if request.format == ResultKind.SR.value else ()),
        ),
    )


def write_coco(study: Study, request: ExportRequest, tools: ExportTools) -> Exported:
    from core.exchange.masks.coco import export_coco

    return Exported(items=export_coco(study, request.target, request.selection, tools))


def write_png(study: Study, request: ExportRequest, tools: ExportTools) -> Exported:
    from core.exchange.masks.png import export_png_masks

    return Exported(items=export_png_masks(study, request.target, request.selection, tools))


def write_nifti(study: Study, request: ExportRequest, tools: ExportTools) -> Exported:
    from core.exchange.masks.nifti import export_nifti

    return Exported(items=export_nifti(study, request.target, request.selection, tools))


def write_csv(study: Study, request: ExportRequest, tools: ExportTools) -> Exported:
    from core.exchange.masks.csv_table import export_csv
    from core.store.file_names import read_names

    names = read_names(study.folder) if request.own_file_names else None
    return Exported(items=export_csv(study, request.target, request.selection, tools, file_names=names))


def write_authors(study: Study, request: ExportRequest, tools: ExportTools) -> Exported:
    """Regions of interest with masks, as the paper's code reads them."""
    from core.exchange.masks.authors import export_authors
    from core.tasks.runs.run_data import roi_request
    from core.training.presets import load_preset

    rois = roi_request(load_preset(request.preset))
    return Exported(items=export_authors(study, request.target, rois, request.selection, tools))


def write_model(study: Study, request: ExportRequest, tools: ExportTools) -> Exported:
    """A model as one file for another study."""
    from core.exchange.models.share_model import share_model

    shared = share_model(
        study,
        _needed_run(study, request.run),
        request.target,
        with_pictures=request.pictures,
        emit=tools.emit,
        cancelled=tools.cancelled,
    )
    return Exported(
        items=shared.latent_prototypes,
        noun="prototype",
        document=msgspec.to_builtins(shared, enc_hook=as_text),
        sentences=(
            f"The closest weights to a training crop have a correlation of {shared.closest.correlation:.2f}.",
            "The prototypes are latent vectors of training patches: README.txt in the file says what that means.",
        ),
    )


def write_network(study: Study, request: ExportRequest, tools: ExportTools) -> Exported:
    """The network of a model as ONNX."""
    from core.exchange.models.onnx import write_onnx
    from core.tasks.runs.lifecycle import active_model

    del tools  # it takes a second
    run = _needed_run(study, request.run)
    model = active_model(study, run)
    write_onnx(request.target, model.network, model.card)
    document = {"file": str(request.target), "run": run.name, "model_sha256": model.sha256}
    return Exported(items=len(model.card.prototypes), noun="prototype", document=document)


def _run(study: Study, name: str) -> Run | None:
    return _needed_run(study, name) if name else None


def _needed_run(study: Study, name: str) -> Run:
    from core.tasks.runs.lifecycle import finished_run  # loads torch

    return finished_run(study, name)
