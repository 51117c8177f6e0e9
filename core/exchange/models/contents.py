"""The contents of a shared model that concern patients, and its card in words."""

from __future__ import annotations

import textwrap

import msgspec

from core.domain.vocabulary import DISCLAIMER
from core.exchange.models.archive import CARD, METRICS
from core.explain.inversion import Inversion
from core.model.card import ModelCard
from core.model.memorisation import LIMIT, Memorisation


class SharedPrototype(msgspec.Struct, frozen=True, kw_only=True):
    """The source of a prototype, in the names of the study that shared the model."""

    number: int
    pseudonym: str
    lesion_id: str
    roi_sha256: str
    """The SHA-256 of the network input that it is a patch of; it identifies the input in any study."""


class SharedModel(msgspec.Struct, frozen=True, kw_only=True):
    """``contents.json``: what of patients a shared model holds."""

    disclaimer: str = DISCLAIMER
    run: str
    model_sha256: str
    """The SHA-256 of the weights file."""
    synthetic: bool
    pictures: bool
    """True if the file contains the pictures of the prototypes' source lesions, which are images of patients."""
    closest: Memorisation
    """The memorisation check of the weights' arrays: none of those is ever a picture."""
    limit: float = LIMIT
    training_crops: int
    """That every array was held against."""
    latent_prototypes: int
    """Vectors that are equal, to the bit, to what the network makes of a patch of a training image."""
    source_lesions: tuple[str, ...]
    """The source lesions of those vectors, by the study's identifiers."""
    training_patients: int
    prototypes: tuple[SharedPrototype, ...] = ()
    inversion: Inversion | None = None
    """Patches as rebuilt from the vectors alone; None where it could not be measured."""


def readme(shared: SharedModel, card: ModelCard) -> str:
    """Return the card of a shared model in words."""
    classes = ", ".join(card.class_names)
    lines = ["MODEL CARD: a model shared by Marginalia", "", DISCLAIMER, ""]
    if shared.synthetic:
        lines += ["SYNTHETIC: it was trained on computer-made images of no patient.", ""]
    if shared.pictures:
        lines += [
            "THIS FILE CONTAINS IMAGES OF PATIENTS: the pictures of the lesions that its prototypes come from.",
            "Pass it on only as their source and your ethics approval allow.",
            "",
        ]
    lines += [
        f"What it does: it sorts the {card.label} of a breast mass into {classes} ({card.method}), from",
        f"{card.transform.input_size} x {card.transform.input_size} pixels about a lesion that a person marked.",
        f"Trained on {card.training_lesions} lesions of {card.training_patients} patients; data fingerprint",
        f"{card.data_fingerprint or 'not recorded'}. Weights: sha256 {shared.model_sha256}.",
        f"Figures on its test part, with intervals, are in {METRICS}; they hold for its own data only.",
        "",
        f"{CARD} and the safetensors file that it names are the network. No picture of a training image is among",
        f"its arrays: {shared.closest.compared:,} pairs of an array and a crop were compared, of",
        f"{shared.training_crops} training ROIs; the largest correlation is {shared.closest.correlation:.2f}, the",
        f"limit {LIMIT}.",
        "",
        f"It holds {shared.latent_prototypes} prototypes. Each is the latent vector of a patch of a training",
        "image, equal to the bit to what the network computes from that patch. Who has the network can search",
        "pictures for one that gives the vector, and who has an image can find out whether it was trained on.",
        *_inversion_lines(shared.inversion),
        "The source lesions are named by the identifiers and pseudonyms of the study that they are in.",
        f"The weights were fitted to images of {shared.training_patients} patients.",
        "",
        "No licence is given with it: ask the person who shared it what you may do with it.",
        "",
    ]
    return "\n".join(lines)


def _inversion_lines(found: Inversion | None) -> list[str]:
    text = "How much of a patch can be rebuilt was not measured: too few regions of other patients."
    return textwrap.wrap(text if found is None else found.sentence, width=88)
