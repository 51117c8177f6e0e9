"""Marginalia from a notebook or a script: studies, regions of interest as arrays, training, predictions,
explanations, figures.

::

    from core.api import open_study, predict, evaluate

    with open_study("breast-margins") as study:
        rows = predict(study, "compact-1")
        print(evaluate(study, "compact-1").summary)

These functions are kept as they are from version to version; whatever else lies in ``core`` may change. Paths may
be text. Errors that a person can mend are ``MarginaliaError`` with one sentence. For research and education only.
Not for clinical use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.domain.errors import MarginaliaError
from core.domain.messages import as_text
from core.store.study import Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from core.data.importers.outcomes import ImportReport
    from core.explain.explanation import Explanation
    from core.tasks.review.evaluation_output import Evaluation

__all__ = [
    "EvaluationResult",
    "MarginaliaError",
    "RoiArrays",
    "calibration_plot",
    "confusion_plot",
    "create_study",
    "decision_plot",
    "delete_run",
    "evaluate",
    "evaluate_table",
    "explain",
    "explanation_plot",
    "import_images",
    "lesions",
    "make_split",
    "make_synthetic",
    "mammogram",
    "open_study",
    "predict",
    "prototypes",
    "prune",
    "roc_plot",
    "rois",
    "runs",
    "train",
    "write_predictions",
]

Row = dict[str, Any]
PathLike = str | Path


@dataclass(frozen=True, kw_only=True, eq=False)
class RoiArrays:
    """Regions of interest of ``n`` lesions, as the network sees them: squares of I pixels."""

    pixels: NDArray[np.uint8]
    """(n, I, I) grey values."""
    lesion: NDArray[np.uint8]
    """(n, I, I) 1 inside the outline of the lesion."""
    fine: NDArray[np.uint8]
    """(n, I, I) 1 on the marked margin; all 0 without a fine annotation."""
    has_fine: NDArray[np.bool_]
    """(n,)"""
    label: NDArray[np.int64]
    """(n,) index into ``class_names``; -1 without one of these classes."""
    class_names: tuple[str, ...]
    lesions: tuple[str, ...]
    """Identifiers, as ``lesions`` and ``predict`` give them."""
    patients: tuple[str, ...]
    """The study's own identifiers of the patients, by which a split must be made."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationResult:
    """The figures of an evaluation."""

    evaluation: Evaluation

    @property
    def summary(self) -> str:
        """About a dozen lines, as the command line prints them."""
        from core.tasks.review.evaluation_output import summary_text

        return summary_text(self.evaluation)

    @property
    def metrics(self) -> list[Row]:
        """Every figure as a row: data_set, unit, metric, description, value, low, high (the 95% interval)."""
        return [
            {
                "data_set": report.source,
                "unit": report.unit,
                "metric": metric.key,
                "description": metric.label,
                "value": metric.estimate.value,
                "low": metric.estimate.low,
                "high": metric.estimate.high,
            }
            for report in self.evaluation.reports
            for metric in (*report.metrics, *report.maps, *report.prototypes)
            if not metric.as_in_paper
        ]

    @property
    def confusion(self) -> NDArray[np.int64]:
        """(K, K) lesions, rows the labelled class, columns the predicted one."""
        from core.evaluation.curves import confusion_table

        return confusion_table(self.evaluation.predictions)

    def write(self, folder: PathLike) -> list[Path]:
        """Write tables, curves and a page to a folder, as ``evaluate --out`` does; returns the files."""
        from core.tasks.review.evaluation_output import write_evaluation

        return list(write_evaluation(Path(folder), self.evaluation))


def create_study(folder: PathLike, *, name: str = "") -> Study:
    """Make a study in a new folder and open it for writing; use it in a ``with`` statement. StudyError if the
    folder is not empty."""
    return Study.create(Path(folder), name=name or Path(folder).resolve().name)


def open_study(folder: PathLike, *, writable: bool = False) -> Study:
    """Open a study; use it in a ``with`` statement. StudyError if it is none, StudyLockedError if it is to be
    written and another program has it open."""
    return Study.open(Path(folder), writable=writable)


def make_synthetic(folder: PathLike, *, patients: int = 60, seed: int = 1, **options: Any) -> Path:
    """Write SYNTHETIC mammograms with a table of lesions to a new folder; returns the folder. ``options``: further
    fields of ``core.phantom.config.PhantomConfig``."""
    from core.phantom.config import PhantomConfig
    from core.phantom.source import write_study_source

    write_study_source(Path(folder), PhantomConfig(patients=patients, seed=seed, **options), workers=1)
    return Path(folder)


def import_images(
    study: Study, folder: PathLike, *, source: str = "", update_labels: bool = False, keep_file_names: bool = False
) -> ImportReport:
    """Import a folder of images with its table, or a public data set; the layout is detected.

    ``keep_file_names``: keep the paths below the folder in a private table beside the study.
    """
    from core.data.importers.importing import run_import
    from core.data.importers.kept_names import keep_names
    from core.data.importers.known_images import KnownImages
    from core.data.importers.layouts import PlanOptions, make_plan

    place = Path(folder)
    plan = make_plan(place, PlanOptions(source=source))
    report = run_import(study, plan, known=KnownImages(study, update_labels=update_labels))
    if keep_file_names:
        keep_names(study, plan, report, place)
    return report


def lesions(study: Study) -> list[Row]:
    """One row a lesion, in the order of entry: lesion, patient (pseudonym), source, laterality, view, margin,
    finely_annotated, file."""
    from core.tasks.studies.overview import lesion_lines

    found: list[Row] = msgspec.to_builtins(lesion_lines(study), enc_hook=as_text)
    return found


def mammogram(study: Study, lesion: str) -> NDArray[Any]:
    """(h, w) stored pixels of the image that a lesion lies on; of a tomosynthesis its slice."""
    found = study.lesions.get(lesion)
    return np.asarray(study.arrays.read_pixels(found.image_id, frame=found.frame))


def rois(study: Study, *, preset: str = "compact", label: str = "margin", unlabelled: bool = False) -> RoiArrays:
    """The regions of interest as a preset cuts them out. ``unlabelled``: those without one of its classes too."""
    from core.data.training_set import build_roi_set
    from core.tasks.runs.configure import configure
    from core.tasks.runs.run_data import roi_request

    config = configure(preset, label=label, changes=())
    found = build_roi_set(study, replace(roi_request(config), unlabelled=unlabelled)).rois
    return RoiArrays(
        pixels=found.central(found.pixels),
        lesion=found.central(found.lesion),
        fine=found.central(found.fine),
        has_fine=found.has_fine,
        label=found.label,
        class_names=found.class_names,
        lesions=found.lesion_ids,
        patients=found.patient_ids,
    )


def make_split(
    study: Study,
    *,
    name: str = "default",
    fractions: tuple[float, float, float] = (0.73, 0.12, 0.15),
    seed: int = 1,
) -> list[Row]:
    """Divide the patients into training, validation and test, stratified by margin; returns the counts."""
    from core.tasks.runs import splits

    _, counts = splits.make_split(study, name=name, label="margin", fractions=fractions, seed=seed)
    found: list[Row] = msgspec.to_builtins(counts, enc_hook=as_text)
    return found


def train(
    study: Study,
    *,
    name: str = "",
    preset: str = "compact",
    settings: Mapping[str, Any] | None = None,
    split: str = "",
    seed: int = 1,
) -> str:
    """Train a run in a separate process and wait for it; returns its name. ``settings``: changes by full name,
    such as ``{"epochs.joint": 20}``. TrainingError with a sentence if it fails; it can be resumed on the command
    line."""
    from core.domain.events import never, silent
    from core.tasks.runs.configure import configure
    from core.tasks.runs.lifecycle import carry_out
    from core.tasks.runs.training_plan import plan_runs

    changes = [f"{key}={msgspec.json.encode(value).decode()}" for key, value in (settings or {}).items()]
    config = configure(preset, seed=seed, changes=changes)
    [run] = plan_runs(study, config, name=name, split=split)
    return carry_out(study, run, emit=silent, cancelled=never).name


def runs(study: Study) -> list[Row]:
    """One row a run: name, status, created_utc, preset, label, imported, prototypes, pruned, notes."""
    from core.jobs.run_records import run_lines

    found: list[Row] = msgspec.to_builtins(run_lines(study), enc_hook=as_text)
    return found


def delete_run(study: Study, run: str) -> None:
    """Delete the files of a run; its record stays, archived. StudyError if a reader study shows its model."""
    from core.jobs import run_records

    run_records.delete_run(study, run_records.find_run(study, run))


def predict(study: Study, run: str) -> list[Row]:
    """One row a lesion of the study, labelled or not: file, patient, lesion, part, labelled, predicted, p_CLASS,
    malignancy, evidence, abstained, the most similar prototypes. The columns are those of the command
    ``predict``."""
    from core.jobs.run_records import finished_run
    from core.tasks.review import predict_lesions

    columns, rows = predict_lesions.table_of(predict_lesions.predict(study, finished_run(study, run)))
    return [dict(zip(columns, row, strict=True)) for row in rows]


def write_predictions(study: Study, run: str, path: PathLike) -> None:
    """Write the predictions to a file that ends in .csv, .json or .parquet."""
    from core.jobs.run_records import finished_run
    from core.tasks.review import predict_lesions

    found = predict_lesions.predict(study, finished_run(study, run))
    predict_lesions.write_predictions(Path(path), found)


def evaluate(study: Study, run: str | Sequence[str], *, part: str = "test", draws: int = 5000) -> EvaluationResult:
    """Evaluate a run on the lesions of one part of its split; several runs are pooled as folds."""
    from core.domain.vocabulary import Part
    from core.tasks.review.evaluation import evaluation_of_runs

    names = [run] if isinstance(run, str) else list(run)
    return EvaluationResult(evaluation=evaluation_of_runs(study, names, part=Part(part), draws=draws))


def evaluate_table(path: PathLike, *, part: str = "", draws: int = 5000) -> EvaluationResult:
    """Evaluate a CSV of predictions, without the model; ``part``: only these rows."""
    from core.tasks.review.evaluation import evaluation_of_table

    return EvaluationResult(evaluation=evaluation_of_table(Path(path), part=part, draws=draws))


def explain(study: Study, run: str, lesion: str) -> Explanation:
    """Why a run predicts what it predicts of a lesion: the forward pass, prototype by prototype (Fig. 4 of the
    paper)."""
    from core.jobs.run_records import finished_run
    from core.tasks.review.model_in_study import open_model

    opened = open_model(study, finished_run(study, run))
    return opened.explanation(opened.row_of(lesion))


def prototypes(study: Study, run: str) -> list[Row]:
    """One row a prototype: number, class_name, lesion_id, weights, purity, auroc_cost, suggestions."""
    from core.jobs.run_records import finished_run
    from core.tasks.review.prototypes import describe

    facts, _ = describe(study, finished_run(study, run))
    found: list[Row] = msgspec.to_builtins(facts, enc_hook=as_text)
    return found


def prune(study: Study, run: str, numbers: Sequence[int], *, reason: str) -> Row:
    """Remove prototypes, refit the last layers, and make that the revision in use; returns the figures of the
    validation part before and after. ``prune --undo`` goes back."""
    from core.domain.vocabulary import Part
    from core.jobs.run_records import finished_run
    from core.tasks.review.prototypes import Pruning, outcome_document

    pruning = Pruning(study, finished_run(study, run))
    outcome = pruning.outcome({number - 1 for number in numbers})
    pruning.commit(outcome, reason=reason)
    return outcome_document(outcome, (Part.VALIDATION,))


def roc_plot(result: EvaluationResult) -> Figure:
    """ROC curves: each class against the others, and malignant against benign."""
    from core.evaluation.curves import roc_figure

    return roc_figure(result.evaluation.predictions)


def calibration_plot(result: EvaluationResult) -> Figure | None:
    """Calibration of the probability of malignancy; None without biopsies."""
    from core.evaluation.curves import calibration_figure

    return calibration_figure(result.evaluation.predictions)


def decision_plot(result: EvaluationResult) -> Figure | None:
    """Decision curve of a biopsy by the model; None without biopsies."""
    from core.evaluation.curves import decision_figure

    return decision_figure(result.evaluation.predictions)


def confusion_plot(result: EvaluationResult) -> Figure:
    """The confusion matrix with counts."""
    from core.evaluation.curves import confusion_figure

    return confusion_figure(result.evaluation.predictions)


def explanation_plot(explanation: Explanation, *, most: int = 3) -> Figure:
    """The lesion, and the heat maps of the prototypes that contribute most to the predicted class."""
    from matplotlib.figure import Figure

    from core.explain.render import HeatStyle, overlay

    rows = explanation.ranked(explanation.predicted)[:most]
    figure = Figure(figsize=(3.0 * (len(rows) + 1), 3.4), layout="constrained")
    axes = figure.subplots(1, len(rows) + 1)
    high = max(float(row.activation.max()) for row in explanation.rows)
    pictures = [(explanation.roi.pixels, f"predicted {explanation.class_names[explanation.predicted]}")]
    pictures += [
        (
            overlay(explanation.roi.pixels, row.activation, HeatStyle(high=high)),
            f"prototype {row.number} ({row.class_name})\n{row.contributions[explanation.predicted]:+.2f}",
        )
        for row in rows
    ]
    for axis, (picture, title) in zip(axes, pictures, strict=True):
        axis.imshow(picture, cmap="gray")
        axis.set_title(title, fontsize=9)
        axis.set_axis_off()
    if explanation.synthetic:
        figure.suptitle("Synthetic data", fontsize=9, color="#d55e00")
    return figure
