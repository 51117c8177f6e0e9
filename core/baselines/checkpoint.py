"""Classifiers on disk: ``classifier.safetensors``, tensors with their card as JSON in one file, with its hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from core.baselines.config import ClassifierConfig
from core.baselines.network import ClassifierNetwork, make_classifier
from core.domain.errors import ModelError
from core.domain.messages import message
from core.model.tensor_file import first_not_finite, load_state, save_state
from core.training.machine import MachineChoice

CLASSIFIER = "classifier.safetensors"


class ClassifierCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Card beside the weights."""

    config: ClassifierConfig
    data_fingerprint: str
    """Fingerprint of the ROIs and their parts."""
    training_lesions: int
    training_patients: int
    best_epoch: int
    """The epoch that validation chose, from 1."""
    epochs: int = 0
    """Epochs that were trained."""
    converged: bool | None = None
    """True where validation stopped improving at the smallest rates; False where the limit of epochs came first;
    None where the schedule had a fixed length."""
    prior_logit: float | None = None
    """For malignancy: log odds of malignant among the training lesions. Draws are balanced by class, so that it
    is added to the network's log odds."""
    validation: dict[str, float | None] = {}
    synthetic: bool = False
    code_version: str = ""
    seconds: float = 0.0
    device: str = ""
    machine: MachineChoice = MachineChoice()
    """Settings that its gradients were computed with."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedClassifier:
    network: ClassifierNetwork
    """In evaluation mode, on the CPU."""
    card: ClassifierCard
    sha256: str
    """Hash of the file."""


def save_classifier(folder: Path, network: ClassifierNetwork, card: ClassifierCard) -> None:
    """Write or replace the classifier of a folder; ModelError where a weight is not finite."""
    tensors = dict(network.state_dict())
    bad = first_not_finite(tensors)
    if bad is not None:
        raise ModelError(
            message("The classifier was not saved: its weights are not finite numbers in {tensors}.", tensors=bad)
        )
    save_state(folder / CLASSIFIER, tensors, msgspec.to_builtins(card))


def load_classifier(folder: Path) -> LoadedClassifier:
    """Read what ``save_classifier`` wrote. ModelError: none there, cut short, altered, of another architecture."""
    path = folder / CLASSIFIER
    if not path.is_file():
        raise ModelError(message("There is no classifier in {folder}: train it first.", folder=folder))
    tensors, meta = load_state(path)
    try:
        card = msgspec.convert(meta, ClassifierCard)
    except msgspec.ValidationError as error:
        raise ModelError(
            message("{path} was written by another version of the program: train it again.", path=path)
        ) from error
    network = make_classifier(card.config, fresh=False)
    wanted = network.state_dict()
    if tensors.keys() != wanted.keys() or any(tensors[name].shape != wanted[name].shape for name in wanted):
        raise ModelError(
            message("{path} does not have the architecture that its card describes: train it again.", path=path)
        )
    network.load_state_dict(tensors)
    return LoadedClassifier(
        network=network.eval(), card=card, sha256=hashlib.sha256(path.read_bytes()).hexdigest()
    )
