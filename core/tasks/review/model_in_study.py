"""Pages that explain: one per lesion, and the prototypes of a model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.data_snapshot import Exclusion
from core.data.roi_set import RoiSet
from core.data.training_set import build_roi_set
from core.domain.errors import ModelError, StudyError
from core.domain.events import Emit, IsCancelled, Progress, never, silent
from core.domain.geometry import Affine
from core.domain.messages import message
from core.domain.study import Prototype, Run
from core.domain.vocabulary import Part
from core.explain.case_page import CaseFacts, render_case
from core.explain.explanation import Explanation, explain, roi_input
from core.explain.prototype_patches import PrototypePatch, patches_of_sources, prototype_patches
from core.explain.report import Provenance, provenance_of, write_page
from core.imaging.reader import read_image
from core.model.accelerator import CPU
from core.model.card import PICTURES
from core.model.checkpoint import LoadedModel
from core.platform.atomic import make_folder
from core.store.study import Study
from core.tasks.runs.lifecycle import active_model, is_imported, request_of
from core.tasks.runs.run_data import roi_request
from core.training.inference import infer


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelInStudy:
    """A run's active model with the study's ROIs under its input transform."""

    run: Run
    model: LoadedModel
    rois: RoiSet
    parts: tuple[str, ...]
    """Part of each ROI in the run's split; "" where its patient was in none."""
    revision: str
    """The reason given for the active revision."""
    exclusions: tuple[Exclusion, ...] = ()
    """Lesions of the study that no ROI can be made of."""
    pictures: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    """Source ROIs (I, I) by content hash that came with a shared model."""
    imported: bool = False
    """True for a model that another study shared: its source lesions may lie in no study of this computer."""

    def rows_of(self, part: Part) -> RoiSet:
        return self.rois.rows(np.array([found == part.value for found in self.parts], dtype=np.bool_))

    @property
    def provenance(self) -> Provenance:
        return provenance_of(self.model.card, self.model.sha256, revision=self.revision)

    def patches(
        self, cancelled: IsCancelled = never, *, base: LoadedModel | None = None
    ) -> tuple[PrototypePatch, ...]:
        """The pictures of the model's prototypes (or of its ``base``'s, unpruned), from the ROIs that they were
        taken from, or those that came with a shared model. Returns () for a model that was shared without
        pictures, unless this study holds the very ROI of every prototype."""
        model = base or self.model
        sources = {
            one.lesion_id: self.pictures[one.roi_sha256]
            for one in model.card.prototypes
            if one.roi_sha256 in self.pictures
        }
        if sources and all(one.lesion_id in sources for one in model.card.prototypes):
            return patches_of_sources(model.network, model.card, sources, cancelled=cancelled)
        if self.imported and not self.has_sources:
            return ()
        return prototype_patches(model.network, model.card, self.rois, cancelled=cancelled)

    @property
    def has_sources(self) -> bool:
        """True if the ROI of every prototype is one of this study's, pixel for pixel."""
        rows = {lesion: row for row, lesion in enumerate(self.rois.lesion_ids)}
        return all(
            one.lesion_id in rows and self.rois.roi_sha256(rows[one.lesion_id]) == one.roi_sha256
            for one in self.model.card.prototypes
        )

    def frame_of(self, prototype: Prototype) -> Affine | None:
        """Return the map from the mammogram of a prototype's source to the network's input.

        None if this study does not hold the exact region that the prototype was taken from."""
        if prototype.lesion_id not in self.rois.lesion_ids:
            return None
        row = self.rois.lesion_ids.index(prototype.lesion_id)
        same = self.rois.roi_sha256(row) == prototype.roi_sha256
        return self.rois.image_to_input[row] if same else None

    def row_of(self, lesion_id: str) -> int:
        """By id or its beginning; StudyError where no ROI, or more than one, answers to it."""
        left_out = [one for one in self.exclusions if one.lesion_id.startswith(lesion_id)]
        found = [row for row, name in enumerate(self.rois.lesion_ids) if name.startswith(lesion_id)]
        if len(left_out) == 1 and not found:
            raise StudyError(
                message(
                    "Lesion {lesion} cannot be explained: {reason}. Draw its outline again in Annotate.",
                    lesion=left_out[0].lesion_id[:8],
                    reason=left_out[0].reason,
                )
            )
        if len(found) != 1:
            what = message("no lesion") if not found else message("more than one lesion")
            raise StudyError(
                message(
                    "This study has {what} {lesion} that the model can see; list them with: "
                    "marginalia study lesions.",
                    what=what,
                    lesion=lesion_id,
                )
            )
        return found[0]

    def explanation(self, row: int, cancelled: IsCancelled = never) -> Explanation:
        label = int(self.rois.label[row])
        name = self.rois.class_names[label] if label >= 0 else None
        roi = roi_input(self.rois, row, class_name=name)
        return explain(self.model.network, self.model.card, roi, cancelled=cancelled)


def open_model(
    study: Study,
    run: Run,
    *,
    base: LoadedModel | None = None,
    device: torch.device = CPU,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
) -> ModelInStudy:
    """The run's active model, on ``device``, and every ROI that its input transform makes of the study.

    ``base``: the run's model as trained, where it is loaded already.
    """
    model, request = active_model(study, run, base=base).on(device), request_of(study, run)
    wanted = replace(roi_request(request.config), unlabelled=True)
    built = build_roi_set(study, wanted, emit=emit, cancelled=cancelled)
    parts = request.parts
    active = study.models.active(run.id)
    return ModelInStudy(
        run=run,
        model=model,
        rois=built.rois,
        parts=tuple(parts[p].value if p in parts else "" for p in built.rois.patient_ids),
        revision=active.reason if active is not None else "",
        exclusions=built.exclusions,
        pictures=_pictures(study.run_folder(run.id) / PICTURES),
        imported=is_imported(study, run),
    )


def _pictures(folder: Path) -> dict[str, NDArray[np.uint8]]:
    """Read the pictures that ``core.exchange.models.share_model`` wrote.

    The files are the program's own, so no child process is needed.
    """
    found = {}
    for path in sorted(folder.glob("*.png")):
        pixels = read_image(path).pixels.astype(np.uint8)
        found[hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()] = pixels
    return found


def telling_lesions(opened: ModelInStudy, part: Part = Part.TEST, *, cancelled: IsCancelled = never) -> list[str]:
    """One lesion of each class that the model gets right with most evidence, and one that it gets wrong."""
    rois = opened.rows_of(part)
    rois = rois.rows(rois.label >= 0)
    logits = infer(opened.model.network, rois, cancelled=cancelled).logits
    margin = logits - logits.max(axis=1, keepdims=True)
    right = logits.argmax(axis=1) == rois.label
    chosen = []
    for c in range(len(rois.class_names)):
        rows = np.flatnonzero(right & (rois.label == c))
        if len(rows):
            second = np.sort(logits[rows], axis=1)[:, -2]
            chosen.append(int(rows[np.argmax(logits[rows, c] - second)]))
    wrong = np.flatnonzero(~right)
    if len(wrong):
        own = margin[wrong, rois.label[wrong]]
        chosen.append(int(wrong[np.argmin(own)]))
    return [rois.lesion_ids[row] for row in chosen]


def write_case_pages(
    opened: ModelInStudy,
    lesion_ids: Sequence[str],
    folder: Path,
    *,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
    index_href: str = "",
    facts: Callable[[str], CaseFacts] | None = None,
) -> list[tuple[Path, Explanation]]:
    """One self-contained page a lesion, named by the study's own identifier of it.

    ``facts``: by lesion, what the study knows of it beside the model's answer; without it a page names the label
    of the training set alone.
    """
    if not opened.model.card.prototypes:
        raise ModelError(
            message("Run {run} was never projected: it has no prototypical lesions to show.", run=opened.run.name)
        )
    make_folder(folder)
    patches = opened.patches(cancelled)
    written = []
    for done, lesion in enumerate(lesion_ids):
        row = opened.row_of(lesion)
        explanation = opened.explanation(row, cancelled)
        path = folder / f"lesion-{opened.rois.lesion_ids[row]}.html"
        known = None if facts is None else facts(explanation.roi.lesion_id)
        page = render_case(explanation, opened.provenance, patches=patches, index_href=index_href, facts=known)
        write_page(path, page)
        written.append((path, explanation))
        emit(Progress(stage="explanations", done=done + 1, total=len(lesion_ids)))
    return written
