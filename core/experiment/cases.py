"""Single lesions on the page: explanations (Fig. 4), maps compared (Extended Data Fig. 5), attention (Fig. 2)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from core.baselines.checkpoint import LoadedClassifier
from core.baselines.inference import class_maps, classify
from core.data.roi_set import RoiSet
from core.domain.errors import ModelError
from core.domain.events import IsCancelled
from core.domain.messages import message
from core.evaluation.predictions import Predictions
from core.experiment.plots import MapPanel, grid_figure
from core.explain import render
from core.explain.case_page import render_case
from core.explain.explanation import Explanation, explain, roi_input
from core.explain.prototype_patches import PrototypePatch, prototype_patches
from core.explain.render import HeatStyle
from core.explain.report import Link, PagePicture, Section, number, provenance_of, write_page
from core.model.checkpoint import LoadedModel
from core.model.similarity import upsample
from core.platform.atomic import make_folder
from core.statistics.activation import activation_precision

CASES = "cases"
_ROWS = 3
"""Prototypes of a case in its picture; the case's own page shows all."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Models:
    """The first training of each model that is shown on single lesions."""

    iaia: LoadedModel
    protopnet: LoadedModel
    without_masks: LoadedModel
    classifier: LoadedClassifier
    classifier_name: str


@dataclass(frozen=True, kw_only=True)
class PageCase:
    lesion_id: str
    right: bool


def telling_cases(predictions: Predictions) -> list[PageCase]:
    """Return for each class the lesion that is most clearly right and the one that is most clearly wrong,
    where any is."""
    logits, label = predictions.logits, predictions.label
    right = predictions.predicted == label
    others = np.where(np.eye(logits.shape[1], dtype=np.bool_)[label], -np.inf, logits).max(axis=1)
    margin = logits[np.arange(len(label)), label] - others
    chosen = []
    for c in range(logits.shape[1]):
        for wanted in (True, False):
            rows = np.flatnonzero((label == c) & (right == wanted))
            if len(rows):
                best = rows[np.argmax(margin[rows] if wanted else -margin[rows])]
                chosen.append(PageCase(lesion_id=predictions.lesion_ids[best], right=wanted))
    return chosen


def explained(
    folder: Path, model: LoadedModel, rois: RoiSet, cases: list[PageCase], *, index: str, cancelled: IsCancelled
) -> Section:
    """Draw Fig. 4 and Extended Data 1-4: a page a case, and its strongest prototypes on this page.

    ModelError where the model was never projected.
    """
    if not model.card.prototypes:
        raise ModelError(
            message(
                "The model was never projected (stage A2): it has no prototypical lesions to explain anything "
                "with."
            )
        )
    make_folder(folder / CASES)
    patches = prototype_patches(model.network, model.card, rois, cancelled=cancelled)
    pictures, links = [], []
    row_of = {lesion: row for row, lesion in enumerate(rois.lesion_ids)}
    for i, case in enumerate(cases, start=1):
        found = explain(model.network, model.card, roi_input(rois, row_of[case.lesion_id]), cancelled=cancelled)
        name = f"case-{i}.html"
        page = render_case(
            found, provenance_of(model.card, model.sha256), patches=patches, index_href=f"../{index}"
        )
        write_page(folder / CASES / name, page)
        said, truth = found.class_names[found.predicted], found.roi.class_name or ""
        words = f"{truth}, {'rightly' if case.right else 'wrongly'} called {said}"
        pictures.append(_picture(found, patches, words))
        links.append(Link(href=f"{CASES}/{name}", title=f"Case {i}: {words}", note="every prototype and number"))
    return Section(
        title="Explanations (as Fig. 4 and Extended Data Fig. 1-4)",
        text=(
            "Of each class the test lesion that is most clearly right and the one most clearly wrong. Each "
            "row is a prototype of the predicted class: the lesion, the prototype's activation on it, the most "
            "relevant part of the prototype, the lesion that it was learned from, its activation there.",
        ),
        pictures=tuple(pictures),
        links=tuple(links),
    )


def _picture(found: Explanation, patches: tuple[PrototypePatch, ...], words: str) -> PagePicture:
    """Draw the case as Fig. 4 does: a row a prototype of the predicted class, its contribution under it."""
    ranked = [r for r in found.ranked(found.predicted) if r.class_index == found.predicted][:_ROWS]
    style = HeatStyle(high=max(float(row.activation.max()) for row in ranked))
    own = HeatStyle(high=ranked[0].self_activation)
    rows = []
    for row in ranked:
        patch = patches[row.index]
        weight = float(row.weights[found.predicted])
        product = f"{number(row.score)} x {number(weight)} = {number(row.score * weight)}"
        cells = (
            (render.as_rgb(found.roi.pixels), ""),
            (render.overlay(found.roi.pixels, row.activation, style), product),
            (render.as_rgb(np.ascontiguousarray(patch.crop())), ""),
            (
                render.with_box(render.as_rgb(patch.source), patch.relevant_box),
                f"{patch.class_name} lesion",
            ),
            (render.overlay(patch.source, patch.activation, own), ""),
        )
        panels = [MapPanel(picture=picture, note=note) for picture, note in cells]
        rows.append((f"prototype {row.index + 1}", panels))
    titles = (
        "This lesion",
        "activation,\nsimilarity x weight",
        "prototype,\nmost relevant part",
        "learned from",
        "activation there",
    )
    return PagePicture(
        data=grid_figure(titles, rows),
        alt=f"Explanation: {words}",
        caption=f"{words[0].upper()}{words[1:]}.",
        wide=True,
    )


def class_view(model: LoadedModel, rois: RoiSet, row: int) -> NDArray[np.float32]:
    """Return (I, I) class activation view of the true class: the mean of the maps of its prototypes."""
    found = explain(model.network, model.card, roi_input(rois, row))
    return found.class_activation(int(rois.label[row]))


def attention(models: Models, rois: RoiSet, lesions: list[str]) -> Section:
    """Draw Fig. 2: the same lesions by the model with masks and by the one without."""
    rows = []
    for lesion in lesions:
        row = rois.lesion_ids.index(lesion)
        grey, mask = _grey(rois, row), _mask(rois, row)
        rows.append(
            (
                rois.class_names[rois.label[row]],
                [
                    MapPanel(grey=grey),
                    MapPanel(grey=grey, mask=mask),
                    _with_precision(grey, class_view(models.without_masks, rois, row), mask),
                    _with_precision(grey, class_view(models.iaia, rois, row), mask),
                ],
            )
        )
    titles = ("Lesion", "Marked by the annotator", "Without any mask", "With the fine-annotation loss")
    return Section(
        title="Attention with and without the fine-annotation loss (as Fig. 2)",
        text=(
            "Class activation views of the true class. The model without any mask has the same network, k and "
            "prototypes, no fine-annotation loss, and a warm start on whole images. Below each view the share of "
            "its top 5% inside the marked margin (or the outline where none is marked).",
        ),
        pictures=(PagePicture(data=grid_figure(titles, rows), alt="Attention with and without masks", wide=True),),
    )


def compared_maps(models: Models, rois: RoiSet, lesions: list[str]) -> Section:
    """Draw Extended Data Fig. 5: class activation views beside GradCAM and GradCAM++ of the same lesions."""
    chosen = np.array([rois.lesion_ids.index(lesion) for lesion in lesions])
    some = rois.rows(chosen)
    found = class_maps(models.classifier.network, some, some.label)
    says = classify(models.classifier.network, some).argmax(axis=1)
    rows = []
    for i, row in enumerate(chosen):
        grey, mask = _grey(rois, row), _mask(rois, row)
        maps = [class_view(models.iaia, rois, row), class_view(models.protopnet, rois, row)]
        maps += [_large(one[i], rois.transform.input_size) for one in (found.grad_cam, found.grad_cam_pp)]
        name = rois.class_names[some.label[i]]
        panels = [MapPanel(grey=grey, mask=mask), *(_with_precision(grey, one, mask) for one in maps)]
        called = rois.class_names[says[i]]
        rows.append((name if called == name else f"{name}\n({models.classifier_name}: {called})", panels))
    titles = ("Lesion, marked margin", "IAIA-BL", "ProtoPNet", "GradCAM", "GradCAM++")
    return Section(
        title="Maps compared (as Extended Data Fig. 5)",
        text=(
            "Class activation views of the prototype networks and post-hoc maps of the black box, all of the true "
            "class. Each map is coloured up to its own maximum.",
        ),
        pictures=(PagePicture(data=grid_figure(titles, rows), alt="Maps of four methods compared", wide=True),),
    )


def _with_precision(grey: NDArray[np.uint8], activation: NDArray[np.float32], mask: NDArray[np.uint8]) -> MapPanel:
    share = float(activation_precision(activation[None], mask[None])[0])
    note = "" if np.isnan(share) else f"{100 * share:.0f}% inside"
    return MapPanel(grey=grey, activation=activation, mask=mask, note=note)


def _grey(rois: RoiSet, row: int) -> NDArray[np.uint8]:
    return np.ascontiguousarray(rois.central(rois.pixels[row]))


def _mask(rois: RoiSet, row: int) -> NDArray[np.uint8]:
    """Return the fine mask, or the lesion's outline where there is none."""
    return np.ascontiguousarray(rois.central(rois.fine[row] if rois.has_fine[row] else rois.lesion[row]))


def _large(small: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    found: NDArray[np.float32] = upsample(torch.from_numpy(small)[None, None], size)[0, 0].numpy()
    return found
