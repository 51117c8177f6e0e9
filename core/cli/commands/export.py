"""Write what a study holds for other programs.

Masks and shapes, with pseudonyms only: `authors` (the layout of the paper's code: .npy arrays of ROI and mask,
0 = relevant), `png` and `nifti` (lesion and fine masks at full size), `coco` (instances; circles and open lines
keep their shape and come back as they were), `csv` (the columns that this program imports).

DICOM objects, one an image: `seg` (masks as a binary Segmentation), `sr` (a TID 1500 structured report with the
BI-RADS description and, with --run, the model's findings and its prototypes' contributions; a reader stands in it
as verifying observer where they have agreed with all of it), `gsps` (graphics for viewers). They carry pseudonyms;
with --identity the original identifiers, to go back to the archive that the images came from.

Models: `model` (one file: weights, card, metrics, fingerprint; with --with-pictures also the prototypes' pictures,
which are patients' images) and `onnx` (the network alone, for other programs).

examples:
  main.py export breast-margins --format coco --out masks
  main.py export breast-margins --format authors --split default --out npy
  main.py export breast-margins --format seg --identity --out for-the-archive
  main.py export breast-margins --format sr --run compact-1 --out reports
  main.py export breast-margins --format model --run compact-1 --out model-to-share.marginalia
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.console import Console

if TYPE_CHECKING:
    from core.store.identity import IdentityFile
    from core.store.study import Study

HELP = "write masks, shapes, reports or a model for others"
MASKS = ("authors", "png", "coco", "nifti", "csv")
OBJECTS = ("seg", "sr", "gsps")
MODELS = ("model", "onnx")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument("--format", choices=(*MASKS, *OBJECTS, *MODELS), required=True)
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


def run(arguments: argparse.Namespace, console: Console) -> int:
    from core.domain.errors import StudyError
    from core.store.study import Study

    if arguments.identity and arguments.format not in OBJECTS:
        raise StudyError(
            f"An export as {arguments.format} never carries identifiers; --identity is for {', '.join(OBJECTS)}."
        )
    with Study.open(arguments.study, writable=False) as study:
        if arguments.format in MODELS:
            return _model(study, arguments, console)
        if arguments.format in OBJECTS:
            return _objects(study, arguments, console)
        return _masks(study, arguments, console)


def _masks(study: Study, arguments: argparse.Namespace, console: Console) -> int:
    from core.exchange.masks.authors import export_authors
    from core.exchange.masks.coco import export_coco
    from core.exchange.masks.csv_table import export_csv
    from core.exchange.masks.nifti import export_nifti
    from core.exchange.masks.png import export_png_masks
    from core.tasks.runs.splits import find_split

    folder = arguments.out
    asked: dict[str, Any] = {"emit": console.emit, "cancelled": console.cancelled}
    asked["split"] = find_split(study, arguments.split) if arguments.split else None
    if arguments.format == "authors":
        from core.tasks.runs.run_data import roi_request
        from core.training.presets import load_preset

        count = export_authors(study, folder, roi_request(load_preset(arguments.preset)), **asked)
    else:
        writers: dict[str, Callable[..., int]] = {
            "coco": export_coco,
            "png": export_png_masks,
            "nifti": export_nifti,
            "csv": export_csv,
        }
        count = writers[arguments.format](study, folder, **asked)
    console.result(
        {"folder": str(folder), "format": arguments.format, "lesions": count},
        f"Wrote {count} lesions to {folder}. They carry the study's pseudonyms only.",
    )
    return 0


def _objects(study: Study, arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.exchange.dicom.export_results import ResultKind, export_results
    from core.tasks.runs.lifecycle import finished_run
    from core.tasks.runs.splits import find_split

    written = export_results(
        study,
        arguments.out,
        ResultKind(arguments.format),
        run=finished_run(study, arguments.run) if arguments.run else None,
        identity=_identity(study) if arguments.identity else None,
        split=find_split(study, arguments.split) if arguments.split else None,
        emit=console.emit,
        cancelled=console.cancelled,
    )
    carried = "THE ORIGINAL IDENTIFIERS" if written.original_identifiers else "the study's pseudonyms only"
    verified = f" {written.verified} are verified by a reader." if arguments.format == "sr" else ""
    console.result(
        msgspec.to_builtins(written),
        "".join(f"left out: {sentence}\n" for sentence in written.left_out)
        + f"Wrote {len(written.files)} objects with {written.lesions} lesions to {arguments.out}.{verified} "
        f"They carry {carried}.",
    )
    return 0


def _identity(study: Study) -> IdentityFile:
    from core.store.identity import IdentityFile, KeyStore, Passphrase, identity_key_kind

    if identity_key_kind(study.folder) == "key store":
        return IdentityFile.open(study.folder, KeyStore(study.info.id))
    return IdentityFile.open(study.folder, Passphrase(lambda: getpass("Passphrase: ")))


def _model(study: Study, arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.domain.errors import StudyError
    from core.exchange.models.onnx import write_onnx
    from core.exchange.models.share_model import share_model
    from core.tasks.runs.lifecycle import active_model, finished_run

    run = finished_run(study, arguments.run)
    if arguments.format == "onnx":
        if arguments.out.exists():
            raise StudyError(f"{arguments.out} exists already; choose another name.")
        model = active_model(study, run)
        write_onnx(arguments.out, model.network, model.card)
        document = {"file": str(arguments.out), "run": run.name, "model_sha256": model.sha256}
        console.result(document, f"Wrote the network of run {run.name} to {arguments.out} as ONNX.")
        return 0
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
