"""Forgetting a patient of a study, and saying which models still hold something of them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from core.domain.errors import ModelError, StudyError
from core.domain.messages import message
from core.domain.study import Patient, Run
from core.domain.vocabulary import Part
from core.model.checkpoint import load_model
from core.store.comment_drafts import forget_drafts
from core.store.file_names import names_path, remove_names
from core.store.identity import IDENTITY, IdentityFile, has_identity
from core.store.outbox import forget_unknown
from core.store.study import Study
from core.tasks.runs.lifecycle import MODEL, request_of
from core.tasks.studies.forget_in_runs import erase_from_runs, put_back_on_failure


class HoldingModel(msgspec.Struct, frozen=True, kw_only=True):
    """A run whose model holds something of the patient."""

    run: str
    prototypes: tuple[int, ...]
    """Numbers, from 1, of those that are patches of the patient's lesions."""
    trained_on: bool
    """True if the weights were fitted to the patient's lesions."""
    table_rows: bool
    """True if the run's table of similarities has rows of the patient (numbers and ids, no picture)."""

    @property
    def sentence(self) -> str:
        parts = []
        if self.prototypes:
            numbers = ", ".join(map(str, self.prototypes))
            parts.append(f"prototypes {numbers} are latent patches of the patient's lesions")
        if self.trained_on:
            parts.append("its weights were fitted to the patient's images")
        if self.table_rows:
            parts.append("its table of similarities has rows of the patient, without a name")
        return f"Run {self.run}: {'; '.join(parts)}. Train again without the patient and delete the run's folder."


class ForgetReport(msgspec.Struct, frozen=True, kw_only=True):
    pseudonym: str
    images: int
    lesions: int
    models: tuple[HoldingModel, ...]
    identity: str
    """kept nowhere, removed, or to be removed."""
    done: bool


def find_patient(study: Study, name: str) -> Patient:
    """By pseudonym, or by the beginning of the id; StudyError where none, or more than one, answers to it."""
    found = study.patients.find_by_pseudonym(name)
    if found is not None:
        return found
    begun = [patient for patient in study.patients.all() if name and patient.id.startswith(name)]
    if len(begun) != 1:
        what = message("no patient") if not begun else message("more than one patient")
        raise StudyError(
            message(
                "This study has {what} {name}; give the pseudonym as the study shows it.", what=what, name=name
            )
        )
    return begun[0]


def holding_models(study: Study, patient: Patient) -> tuple[HoldingModel, ...]:
    """Every run, archived ones too, with prototypes from the patient's lesions or trained on them."""
    lesions = {lesion.id for lesion in study.lesions.of_patient(patient.id)}
    found = (_holding(study, run, patient.id, lesions) for run in study.runs.all(archived=True))
    return tuple(one for one in found if one is not None)


def _holding(study: Study, run: Run, patient_id: str, lesions: set[str]) -> HoldingModel | None:
    try:
        part = request_of(study, run).parts.get(patient_id)
    except ModelError:
        part = Part.TRAINING  # its request is lost: nothing says that it was not
    try:
        prototypes = load_model(study.run_folder(run.id) / MODEL).card.prototypes
    except ModelError:
        prototypes = ()
    own = tuple(p.index + 1 for p in prototypes if p.lesion_id in lesions)
    if not own and part is None:
        return None
    return HoldingModel(
        run=run.name, prototypes=own, trained_on=part is Part.TRAINING, table_rows=part is not None
    )


def forget(study: Study, name: str, *, open_identity: Callable[[], IdentityFile] | None = None) -> ForgetReport:
    """Delete a patient's pixels, annotations, labels, identity and every derived array, and name the models.

    ``open_identity`` opens the identity file where the study keeps one; StudyError where it does and none is
    given, before anything is deleted.
    """
    patient = find_patient(study, name)
    plan = planned(study, patient)
    images = tuple(image.id for image in study.images.of_patient(patient.id))
    identity = None
    if has_identity(study.folder):
        if open_identity is None:
            raise StudyError(
                message("The study keeps an identity file: open it, so that the patient's link goes too.")
            )
        identity = open_identity()
    with put_back_on_failure() as keep:
        keep(study.folder / IDENTITY, names_path(study.folder))
        erase_from_runs(study, patient.id, keep)
        if identity is not None:
            identity.remove_patient(patient.pseudonym, images)
            identity.save()
        remove_names(study.folder, images)
        stone = study.forget_patient(patient.id)
    forget_drafts(study)
    if study.shared:
        forget_unknown(study)
    return msgspec.structs.replace(
        plan,
        images=stone.images,
        lesions=stone.lesions,
        identity="removed" if plan.identity != "kept nowhere" else plan.identity,
        done=True,
    )


def planned(study: Study, patient: Patient) -> ForgetReport:
    """Return a report of everything that forgetting would delete and name; nothing is changed."""
    return ForgetReport(
        pseudonym=patient.pseudonym,
        images=len(study.images.of_patient(patient.id)),
        lesions=len(study.lesions.of_patient(patient.id)),
        models=holding_models(study, patient),
        identity="to be removed" if has_identity(study.folder) else "kept nowhere",
        done=False,
    )


def forget_text(report: ForgetReport) -> str:
    what = message(
        "{images} images and {lesions} lesions of patient {pseudonym}",
        images=report.images,
        lesions=report.lesions,
        pseudonym=report.pseudonym,
    )
    if report.done:
        lines = [f"Deleted {what}, with labels, annotations, pixels and all derived arrays."]
    else:
        lines = [f"Would delete {what}, with labels, annotations, pixels and all derived arrays."]
    lines.append(f"The link to the patient's identifiers: {report.identity}.")
    lines += [model.sentence for model in report.models]
    if not report.models:
        lines.append("No model of this study was trained on the patient.")
    lines.append(
        "Exports, explanation pages, shared models and backups outside the study are not reached from here."
    )
    if not report.done:
        lines.append("Nothing was changed; repeat with --yes.")
    return "\n".join(lines)
