"""Write a study's masks and shapes for other programs, with pseudonyms only: `authors` (the layout of the paper's
code: .npy arrays of ROI and mask, 0 = relevant), `png` (lesion and fine masks at full size) or `coco` (instances;
circles and open lines keep their shape and come back as they were).

examples:
  main.py export breast-margins --format coco --out masks
  main.py export breast-margins --format authors --split default --out npy
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli.console import Console

HELP = "write masks and shapes for other programs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument("--format", choices=("authors", "png", "coco"), required=True, help="what to write")
    parser.add_argument("--out", type=Path, required=True, help="new folder")
    parser.add_argument("--split", default="", help="name of a split whose parts are written apart")
    parser.add_argument("--preset", default="paper", help="authors: preset of the ROIs (default: paper)")


def run(arguments: argparse.Namespace, console: Console) -> int:
    from core.data.export.authors import export_authors
    from core.data.export.coco import export_coco
    from core.data.export.png_masks import export_png_masks
    from core.store.study import Study
    from core.tasks.splitting import find_split
    from core.tasks.train import roi_request
    from core.training.presets import load_preset

    folder, emit, cancelled = arguments.out, console.emit, console.cancelled
    with Study.open(arguments.study, writable=False) as study:
        split = find_split(study, arguments.split) if arguments.split else None
        if arguments.format == "authors":
            request = roi_request(load_preset(arguments.preset))
            count = export_authors(study, folder, request, split=split, emit=emit, cancelled=cancelled)
        elif arguments.format == "coco":
            count = export_coco(study, folder, split=split, emit=emit, cancelled=cancelled)
        else:
            count = export_png_masks(study, folder, split=split, emit=emit, cancelled=cancelled)
    console.result(
        {"folder": str(folder), "format": arguments.format, "lesions": count},
        f"Wrote {count} lesions to {folder}. They carry the study's pseudonyms only.",
    )
    return 0
