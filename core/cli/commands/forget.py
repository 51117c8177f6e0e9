"""Forget a patient: delete pixels, labels, annotations and the link to identifiers, every derived array, and what
the audit trail said of them; a tombstone keeps the trail verifiable. Names the models and prototypes that hold
something of the patient. Without --yes it only says what it would do.

examples:
  marginalia forget breast-margins P7K2QM4X
  marginalia forget breast-margins P7K2QM4X --yes
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli import lookup
from core.cli.console import Console
from core.cli.identity_prompt import open_identity
from core.domain.messages import as_text

if TYPE_CHECKING:
    pass

HELP = "delete a patient from a study for good"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument("patient", help="pseudonym of the patient")
    parser.add_argument("--yes", action="store_true", help="really do it; it cannot be undone")


def look_up(arguments: argparse.Namespace) -> None:
    lookup.check_study(arguments.study)


def run(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.store.study import Study
    from core.tasks.studies.forget_patient import find_patient, forget, forget_text, planned

    with Study.open(arguments.study, writable=arguments.yes) as study:
        if arguments.yes:
            report = forget(study, arguments.patient, open_identity=lambda: open_identity(study))
        else:
            report = planned(study, find_patient(study, arguments.patient))
    console.result(msgspec.to_builtins(report, enc_hook=as_text), forget_text(report))
    return 0
