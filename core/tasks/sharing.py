"""A model for others: weights and card without any picture, and a document that says what it still holds."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from core.domain.atomic import atomic_write
from core.domain.errors import ModelError, StudyError
from core.domain.events import Emit, IsCancelled, never, silent
from core.domain.study import Run
from core.domain.vocabulary import DISCLAIMER, Part
from core.model.checkpoint import CARD_NAME, save_model
from core.model.likeness import LIMIT, Likeness, closest_picture
from core.store.study import Study
from core.tasks.explaining import open_model

CONTENTS, README = "contents.json", "README.txt"


class SharedModel(msgspec.Struct, frozen=True, kw_only=True):
    """``contents.json``: what of patients a shared model holds."""

    disclaimer: str = DISCLAIMER
    run: str
    model_sha256: str
    """Of the weights file in this folder."""
    synthetic: bool
    pictures: bool
    """Whether any array is a picture of a training image; this program writes none that is."""
    closest: Likeness
    limit: float = LIMIT
    training_crops: int
    """That every array was held against."""
    latent_prototypes: int
    """Vectors that are equal, to the bit, to what the network makes of a patch of a training image."""
    source_lesions: tuple[str, ...]
    """Of those, by the study's identifiers."""
    training_patients: int


def share_model(
    study: Study, run: Run, folder: Path, *, emit: Emit = silent, cancelled: IsCancelled = never
) -> SharedModel:
    """Write the run's active model into a new folder, after holding every array against every training ROI.

    ModelError, and nothing is written, where an array correlates above 0.9 with a training crop; StudyError where
    the folder is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StudyError(f"{folder} is not empty; choose a new folder for the model.")
    opened = open_model(study, run, emit=emit, cancelled=cancelled)
    training = opened.rows_of(Part.TRAINING)
    tensors = {name: value.numpy() for name, value in opened.model.network.state_dict().items()}
    closest = closest_picture(tensors, np.asarray(training.central(training.pixels)))
    if closest.is_picture:
        raise ModelError(
            f"The model of run {run.name} was not exported: {closest.tensor} ({closest.view}) is a picture of "
            f"training lesion {training.lesion_ids[closest.crop]} (correlation {closest.correlation:.2f})."
        )
    card = msgspec.structs.replace(
        opened.model.card,
        contains_patient_images=False,
        notes={**opened.model.card.notes, "shared": f"without pictures; {CONTENTS} says what it holds"},
    )
    sha256 = save_model(folder, opened.model.network, card)
    shared = SharedModel(
        run=run.name,
        model_sha256=sha256,
        synthetic=card.synthetic,
        pictures=False,
        closest=closest,
        training_crops=len(training),
        latent_prototypes=len(card.prototypes),
        source_lesions=tuple(sorted({prototype.lesion_id for prototype in card.prototypes})),
        training_patients=len(set(training.patient_ids)),
    )
    atomic_write(folder / CONTENTS, msgspec.json.format(msgspec.json.encode(shared), indent=1))
    atomic_write(folder / README, _readme(shared).encode())
    return shared


def _readme(shared: SharedModel) -> str:
    lines = ["A model exported by Marginalia", "", DISCLAIMER, ""]
    if shared.synthetic:
        lines += ["SYNTHETIC: it was trained on computer-made images of no patient.", ""]
    lines += [
        f"{CARD_NAME} and the safetensors file that it names are the network. No picture of a training image",
        f"is among its arrays: {shared.closest.compared:,} pairs of an array and a crop were compared, of",
        f"{shared.training_crops} training ROIs; the largest correlation is {shared.closest.correlation:.2f}, the",
        f"limit {LIMIT}.",
        "",
        f"It holds {shared.latent_prototypes} prototypes. Each is the latent vector of a patch of a training",
        "image, equal to the bit to what the network computes from that patch. Who has the network can search",
        "pictures for one that gives the vector, and who has an image can find out whether it was trained on.",
        "The source lesions are named by the identifiers of the study; their pictures are shown where that is.",
        f"The weights were fitted to images of {shared.training_patients} patients.",
        "",
    ]
    return "\n".join(lines)
