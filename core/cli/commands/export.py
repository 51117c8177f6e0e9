"""Write what a study holds for other programs.

Masks and shapes, with pseudonyms only: `authors` (the layout of the paper's code: .npy arrays of ROI and mask,
0 = relevant), `png` and `nifti` (lesion and fine masks at full size), `coco` (instances; circles and open lines
keep their shape and come back as they were), `csv` (the columns that this program imports; with --own-file-names
the table makes the same lesions in another study, beside your own files).

DICOM objects, one an image: `seg` (masks as a binary Segmentation), `sr` (a TID 1500 structured report with the
BI-RADS description and, with --run, the model's findings and its prototypes' contributions; a reader stands in it
as verifying observer where they have agreed with all of it), `gsps` (graphics for viewers). They carry pseudonyms;
with --identity the original identifiers, to go back to the archive that the images came from.

Models: `model` and `onnx`, as `model export` writes them.

examples:
  marginalia export breast-margins --format coco --out masks
  marginalia export breast-margins --format csv --own-file-names --out table
  marginalia export breast-margins --format authors --split default --out npy
  marginalia export breast-margins --format seg --identity --out for-the-archive
  marginalia export breast-margins --format sr --run compact-1 --out reports
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli import lookup
from core.cli.console import Console
from core.cli.identity_prompt import open_identity
from core.cli.outputs import add_overwrite, check_output
from core.cli.text import count
from core.domain.errors import StudyError

if TYPE_CHECKING:
    from core.domain.study import Run
    from core.store.study import Study

HELP = "write masks, shapes, reports or a model for others"
MASKS = ("authors", "png", "coco", "nifti", "csv")
OBJECTS = ("seg", "sr", "gsps")
MODELS = ("model", "onnx")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument(
        "--format", choices=(*MASKS, *OBJECTS, *MODELS), required=True, help="what is written; see above"
    )
    parser.add_argument("--out", type=Path, required=True, help="new folder; model, onnx: new file")
    parser.add_argument("--split", default="", help="name of a split whose parts are written apart")
    parser.add_argument("--run", default="", help="model, onnx, sr: name of the run")
    parser.add_argument("--preset", default="paper", help="authors: preset of the ROIs (default: paper)")
    parser.add_argument(
        "--identity", action="store_true", help="seg, sr, gsps: with the original identifiers of the identity file"
    )
    parser.add_argument(
        "--with-pictures", action="store_true", help="model: with the prototypes' pictures, which show patients"
    )
    parser.add_argument(
        "--own-file-names",
        action="store_true",
        help="csv: with your own file names (import --keep-file-names), so that the table can be imported again",
    )
    add_overwrite(parser)


def look_up(arguments: argparse.Namespace) -> None:
    lookup.check_study(arguments.study)
    _check_options(arguments)
    if arguments.run:
        lookup.check_run(arguments.study, arguments.run, finished=True)
    if arguments.split:
        lookup.check_split(arguments.study, arguments.split)
    if arguments.format == "authors":
        lookup.check_preset(arguments.preset)
    check_output(arguments.out, overwrite=arguments.overwrite)


def _check_options(arguments: argparse.Namespace) -> None:
    """StudyError for an option that the format needs, or that it would ignore."""
    kind = arguments.format
    if kind in MODELS and not arguments.run:
        raise StudyError(f"--format {kind} needs --run: the run whose model is written.")
    if arguments.run and kind not in (*MODELS, "sr"):
        raise StudyError(f"--format {kind} holds nothing of a run; leave out --run.")
    if arguments.identity and kind not in OBJECTS:
        raise StudyError(f"An export as {kind} never carries identifiers; --identity is for {', '.join(OBJECTS)}.")
    if arguments.with_pictures and kind != "model":
        raise StudyError(f"--format {kind} holds no prototypes; leave out --with-pictures.")
    if arguments.own_file_names and kind != "csv":
        raise StudyError(f"--format {kind} holds no file names; leave out --own-file-names.")
    if arguments.split and kind in MODELS:
        raise StudyError(f"--format {kind} has no parts; leave out --split.")


def run(arguments: argparse.Namespace, console: Console) -> int:
    from core.store.study import Study

    if arguments.format in MODELS:
        return write_model(arguments, console, onnx=arguments.format == "onnx")
    with Study.open(arguments.study, writable=False) as study:
        if arguments.format in OBJECTS:
            return _objects(study, arguments, console)
        return _masks(study, arguments, console)


def _masks(study: Study, arguments: argparse.Namespace, console: Console) -> int:
    from core.exchange.masks.authors import export_authors
    from core.exchange.masks.coco import export_coco
    from core.exchange.masks.csv_table import export_csv
    from core.exchange.masks.nifti import export_nifti
    from core.exchange.masks.png import export_png_masks
    from core.store.file_names import read_names
    from core.tasks.runs.splits import find_split

    folder = arguments.out
    asked: dict[str, Any] = {"emit": console.emit, "cancelled": console.cancelled}
    asked["split"] = find_split(study, arguments.split) if arguments.split else None
    if arguments.format == "authors":
        from core.tasks.runs.run_data import roi_request
        from core.training.presets import load_preset

        lesions = export_authors(study, folder, roi_request(load_preset(arguments.preset)), **asked)
    else:
        if arguments.own_file_names:
            asked["file_names"] = read_names(study.folder)
        writers: dict[str, Callable[..., int]] = {
            "coco": export_coco,
            "png": export_png_masks,
            "nifti": export_nifti,
            "csv": export_csv,
        }
        lesions = writers[arguments.format](study, folder, **asked)
    carried = "YOUR OWN FILE NAMES" if arguments.own_file_names else "the study's pseudonyms only"
    console.result(
        {"folder": str(folder), "format": arguments.format, "lesions": lesions},
        f"Wrote {count(lesions, 'lesion')} to {folder}, with {carried}.",
    )
    return 0


def _objects(study: Study, arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.exchange.dicom.export_results import ResultKind, export_results
    from core.tasks.runs.splits import find_split

    run = None
    if arguments.run:  # only a model needs torch
        from core.tasks.runs.lifecycle import finished_run

        run = finished_run(study, arguments.run)
    written = export_results(
        study,
        arguments.out,
        ResultKind(arguments.format),
        run=run,
        identity=open_identity(study) if arguments.identity else None,
        split=find_split(study, arguments.split) if arguments.split else None,
        emit=console.emit,
        cancelled=console.cancelled,
    )
    carried = "THE ORIGINAL IDENTIFIERS" if written.original_identifiers else "the study's pseudonyms only"
    verified = f" {written.verified} are verified by a reader." if arguments.format == "sr" else ""
    console.result(
        msgspec.to_builtins(written) | {"files": len(written.files)},
        "".join(f"left out: {sentence}\n" for sentence in written.left_out)
        + f"Wrote {count(len(written.files), 'object')} with {count(written.lesions, 'lesion')} to "
        f"{arguments.out}.{verified} They carry {carried}.",
    )
    return 0


def write_model(arguments: argparse.Namespace, console: Console, *, onnx: bool) -> int:
    """Write the model of ``arguments.run`` to ``arguments.out``. Shared with ``model export``."""
    import msgspec

    from core.exchange.models.share_model import share_model
    from core.store.study import Study
    from core.tasks.runs.lifecycle import finished_run

    if arguments.overwrite:
        arguments.out.unlink(missing_ok=True)
    with Study.open(arguments.study, writable=False) as study:
        run = finished_run(study, arguments.run)
        if onnx:
            return _write_onnx(study, run, arguments.out, console)
        shared = share_model(
            study,
            run,
            arguments.out,
            with_pictures=arguments.with_pictures,
            emit=console.emit,
            cancelled=console.cancelled,
        )
    pictures = (
        "WITH THE PICTURES of its prototypes, which show patients" if shared.pictures else "without pictures"
    )
    console.result(
        msgspec.to_builtins(shared),
        f"Wrote the model of run {run.name} to {arguments.out}, {pictures} (closest weights to a training crop: "
        f"correlation {shared.closest.correlation:.2f}). Its {shared.latent_prototypes} prototypes are latent "
        "vectors of training patches: README.txt in it says what that means.",
    )
    return 0


def _write_onnx(study: Study, run: Run, out: Path, console: Console) -> int:
    from core.exchange.models.onnx import write_onnx
    from core.tasks.runs.lifecycle import active_model

    model = active_model(study, run)
    write_onnx(out, model.network, model.card)
    document = {"file": str(out), "run": run.name, "model_sha256": model.sha256}
    console.result(document, f"Wrote the network of run {run.name} to {out} as ONNX.")
    return 0
