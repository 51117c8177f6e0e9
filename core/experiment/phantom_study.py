"""The study that asks whether a model looks at the lesion: a marker beside it goes with the class in training.

Two test sets of the same synthetic patients differ in the marker alone: drawn apart from the class in one,
absent in the other.
"""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

import msgspec

from core.data.importers.folder import DEFAULT_TABLE, read_folder
from core.data.importers.importing import run_import
from core.data.split import check_split, split_patients
from core.domain.errors import StudyError
from core.domain.events import Emit, IsCancelled, Message
from core.domain.messages import message
from core.domain.study import Split
from core.domain.vocabulary import Part
from core.phantom import config as phantom
from core.phantom.config import PhantomConfig
from core.phantom.source import write_study_source
from core.platform.atomic import make_folder
from core.store.names import is_study
from core.store.study import Study
from core.store.trusted_studies import mark_trusted
from core.tasks.runs.splits import class_names_of, split_rows

TRAINING, MARKED, UNMARKED = "phantom-training", "phantom-random-marker", "phantom-no-marker"
"""Sources of the study."""
SPLIT = "default"
_VALIDATION_SHARE = 0.16
CHANGES = ("loss.fine=0.004", "transform.stored_share=3.0", "augmentation.random_context=1.0")
"""Settings that the experiment changes in the preset if nothing else is asked for: beside so plain a marker
the compact preset's 0.002 leaves prototypes on it. Chosen on other synthetic studies than the one that is
reported. All models are trained on ROIs with random centre and scale, where position alone finds nothing."""


def confounded(
    *, patients: int, test_patients: int, seed: int, height: int = 900, width: int = 700
) -> PhantomConfig:
    """Return the study with the marker at random in its test part; StudyError for odd numbers."""
    if not 1 <= test_patients < patients:
        raise StudyError(
            message(
                "{test_patients} of {patients} patients cannot be the test part; choose fewer test patients or "
                "more patients.",
                test_patients=test_patients,
                patients=patients,
            )
        )
    try:
        return phantom.confounded(
            patients=patients, test_patients=test_patients, seed=seed, test="random", height=height, width=width
        )
    except ValueError as error:
        raise StudyError(message("{error}.", error=error)) from error


def make_confounded_study(folder: Path, config: PhantomConfig, *, emit: Emit, cancelled: IsCancelled) -> Path:
    """Return the study with its split; one that is there already is taken as it is. Appears whole or not at
    all."""
    if is_study(folder):
        return folder
    if folder.exists() and any(folder.iterdir()):
        raise StudyError(
            message("{folder} exists and is not a study; choose another folder, or delete it.", folder=folder)
        )
    making = folder.parent / f".{folder.name}.making"
    shutil.rmtree(making, ignore_errors=True)
    make_folder(making)
    emit(
        Message(
            level="info", text=message("Making a SYNTHETIC study whose training images carry a misleading marker.")
        )
    )
    try:
        with Study.create(making / "study", name="Confounded phantom (synthetic)", synthetic=True) as study:
            for name, wanted in _sources(config).items():
                write_study_source(making / name, wanted, emit=emit, cancelled=cancelled)
                plan = read_folder(making / name, making / name / DEFAULT_TABLE, source=name)
                run_import(study, plan, emit=emit, cancelled=cancelled)
                shutil.rmtree(making / name)
            study.splits.add(_split(study, config.seed))
        if folder.exists():
            folder.rmdir()
        (making / "study").rename(folder)
        mark_trusted(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return folder


def _sources(config: PhantomConfig) -> dict[str, PhantomConfig]:
    replace = msgspec.structs.replace
    return {
        TRAINING: replace(config, only=Part.TRAINING),
        MARKED: replace(config, only=Part.TEST, patient_prefix="SYR"),
        UNMARKED: replace(config, only=Part.TEST, test_confounder="absent", patient_prefix="SYA"),
    }


def _split(study: Study, seed: int) -> Split:
    """Return training patients divided into training and validation by class; both test sets are the test
    part."""
    rows = split_rows(study, label="margin", sources=(TRAINING,))
    share = _VALIDATION_SHARE
    parts = split_patients(rows, class_names_of("margin"), fractions=(1 - share, share, 0.0), seed=seed)
    parts |= {patient.id: Part.TEST for patient in study.patients.all() if patient.source != TRAINING}
    everything = split_rows(study, label="margin")
    check_split(everything, [parts[row.patient_id] for row in everything])
    return Split(id=uuid.uuid4().hex, name=SPLIT, seed=seed, parts=parts)
