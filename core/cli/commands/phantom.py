"""Write SYNTHETIC mammograms: 12-bit DICOM files of two views a patient, each with one mass whose margin,
outline, fine annotation and biopsy result are true by construction, in the layout that `import` reads.

The same seed and options always give the same files.

example:
  marginalia phantom synthetic --patients 40 --seed 7
  marginalia study create study && marginalia import study synthetic
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli.console import Console
from core.cli.text import shell_word
from core.domain.messages import message

HELP = "write synthetic mammograms that `import` reads"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="where to write; must be new or empty")
    parser.add_argument("--patients", type=int, default=330, help="patients, two images each (default: 330)")
    parser.add_argument("--seed", type=int, default=1, help="random seed (default: 1)")
    parser.add_argument(
        "--confounder",
        choices=("none", "training", "random", "absent"),
        default="none",
        help="marker outside the lesion: training = goes with the class in 80%% of the images, random = drawn "
        "independently of the class, absent = the marker-free twin of such a study (default: none)",
    )
    parser.add_argument(
        "--test-patients",
        type=int,
        default=0,
        metavar="N",
        help="use the last N patients as the test set, which carries --test-confounder",
    )
    parser.add_argument(
        "--test-confounder", choices=("none", "random", "absent"), default="none", help="marker of the test part"
    )
    parser.add_argument(
        "--slices",
        type=int,
        default=1,
        help="slices of each image: more than 1 writes tomosyntheses in place of mammograms (default: 1)",
    )
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")


def run(arguments: argparse.Namespace, console: Console) -> int:
    from core.domain.errors import MarginaliaError
    from core.phantom.config import PhantomConfig
    from core.phantom.source import write_study_source

    try:
        config = PhantomConfig(
            patients=arguments.patients,
            seed=arguments.seed,
            confounder=arguments.confounder,
            test_patients=arguments.test_patients,
            test_confounder=arguments.test_confounder,
            slices=arguments.slices,
        )
    except ValueError as error:
        raise MarginaliaError(message("{error}.", error=error)) from error
    table = write_study_source(
        arguments.folder, config, workers=arguments.workers, emit=console.emit, cancelled=console.cancelled
    )
    console.result(
        {"folder": str(arguments.folder), "table": str(table), "patients": config.patients, "synthetic": True},
        f"Wrote SYNTHETIC mammograms of {config.patients} patients to {arguments.folder}. Next: marginalia study "
        f"create STUDY, then marginalia import STUDY {shell_word(arguments.folder)}",
    )
    return 0
