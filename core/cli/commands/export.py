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

Installed packages can add formats (entry points of the group marginalia.exporters); --format lists them too.

examples:
  marginalia export breast-margins --format coco --out masks
  marginalia export breast-margins --format csv --own-file-names --out table
  marginalia export breast-margins --format authors --split default --out npy
  marginalia export breast-margins --format seg --identity --out for-the-archive
  marginalia export breast-margins --format sr --run compact-1 --out reports
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli import lookup
from core.cli.console import Console
from core.cli.identity_prompt import open_identity
from core.cli.outputs import add_overwrite, check_output, remove_output
from core.cli.text import count
from core.exchange.formats import ExportRequest, ExportSelection, Option, check_options, format_ids, format_of

if TYPE_CHECKING:
    from core.exchange.formats import Exported

HELP = "write masks, shapes, reports or a model for others"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument("--format", choices=format_ids(), required=True, help="what is written; see above")
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
    given: dict[Option, bool] = {
        "split": bool(arguments.split),
        "run": bool(arguments.run),
        "preset": arguments.preset != "paper",
        "identity": arguments.identity,
        "pictures": arguments.with_pictures,
        "own file names": arguments.own_file_names,
    }
    check_options(format_of(arguments.format), frozenset(option for option, is_given in given.items() if is_given))
    if arguments.run:
        lookup.check_run(arguments.study, arguments.run, finished=True)
    if arguments.split:
        lookup.check_split(arguments.study, arguments.split)
    lookup.check_preset(arguments.preset)
    check_output(arguments.out, overwrite=arguments.overwrite)


def run(arguments: argparse.Namespace, console: Console) -> int:
    return export_and_show(arguments, console)


def export_and_show(arguments: argparse.Namespace, console: Console) -> int:
    """Export as the options of ``export`` describe. Shared with ``model export``."""
    from core.exchange.export import export
    from core.store.study import Study
    from core.tasks.runs.splits import find_split

    if arguments.overwrite:
        remove_output(arguments.out)
    with Study.open(arguments.study, writable=False) as study:
        request = ExportRequest(
            format=arguments.format,
            target=arguments.out,
            selection=ExportSelection(split=find_split(study, arguments.split) if arguments.split else None),
            run=arguments.run,
            preset=arguments.preset,
            pictures=arguments.with_pictures,
            own_file_names=arguments.own_file_names,
            identity=open_identity(study) if arguments.identity else None,
        )
        written = export(study, request, emit=console.emit, cancelled=console.cancelled)
    _show(request, written, console)
    return 0


def _show(request: ExportRequest, written: Exported, console: Console) -> None:
    if request.identity is not None:
        carried = ", with THE ORIGINAL IDENTIFIERS"
    elif request.pictures:
        carried = ", WITH THE PICTURES of its prototypes, which show patients"
    elif request.own_file_names:
        carried = ", with YOUR OWN FILE NAMES"
    else:
        labels = format_of(request.format).content == "labels"
        carried = ", with the study's pseudonyms only" if labels else ""
    what = f" of run {request.run}" if written.noun == "prototype" else ""
    lines = [f"Wrote {count(written.items, written.noun)}{what} to {request.target}{carried}.", *written.sentences]
    document = {"folder": str(request.target), "format": request.format, f"{written.noun}s": written.items}
    console.result(written.document or document, "\n".join(lines))
