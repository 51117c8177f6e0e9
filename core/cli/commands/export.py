"""Write a study's masks and shapes for other programs, with pseudonyms only: `authors` (the layout of the paper's
code: .npy arrays of ROI and mask, 0 = relevant), `png` (lesion and fine masks at full size) or `coco` (instances;
circles and open lines keep their shape and come back as they were). Or a trained model for others, without
pictures: `model` (every array is held against every training ROI; prototypes are latent vectors and said to be).

examples:
  main.py export breast-margins --format coco --out masks
  main.py export breast-margins --format authors --split default --out npy
  main.py export breast-margins --format model --run compact-1 --out model-to-share
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli.console import Console

HELP = "write masks and shapes, or a model, for others"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument("--format", choices=("authors", "png", "coco", "model"), required=True)
    parser.add_argument("--out", type=Path, required=True, help="new folder")
    parser.add_argument("--split", default="", help="name of a split whose parts are written apart")
    parser.add_argument("--run", default="", help="model: name of the run")
    parser.add_argument("--preset", default="paper", help="authors: preset of the ROIs (default: paper)")


def run(arguments: argparse.Namespace, console: Console) -> int:
    if arguments.format == "model":
        return _model(arguments, console)
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


def _model(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.store.study import Study
    from core.tasks.runs import finished_run
    from core.tasks.sharing import share_model

    with Study.open(arguments.study, writable=False) as study:
        run = finished_run(study, arguments.run)
        shared = share_model(study, run, arguments.out, emit=console.emit, cancelled=console.cancelled)
    console.result(
        msgspec.to_builtins(shared),
        f"Wrote the model of run {run.name} to {arguments.out}, without pictures (closest to a training crop: "
        f"correlation {shared.closest.correlation:.2f}). Its {shared.latent_prototypes} prototypes are latent "
        "vectors of training patches: README.txt there says what that means.",
    )
    return 0
