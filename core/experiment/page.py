"""The page of the experiment: the paper's Table 1 and figures, as HTML and as Markdown, from judged models."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.baselines.config import ClassifierConfig
from core.data.reader_values import CATEGORY, PROBABILITY, reader_values
from core.domain.events import IsCancelled
from core.evaluation.repeated import Figures
from core.experiment.attention import where_the_maps_lie
from core.experiment.cases import Models, attention, compared_maps, explained, telling_cases
from core.experiment.comparators import comparators_section
from core.experiment.facts import Experiment
from core.experiment.findings import findings_section
from core.experiment.malignancy import malignancy_section
from core.experiment.parts import FinishedPart
from core.experiment.plan import IAIA, NO_MASKS, PROTOPNET, VGG, Trial
from core.experiment.plots import roc_figure
from core.experiment.robustness import faithfulness_section, stability_section
from core.experiment.summary import how_to_read, limits, summary
from core.experiment.table import (
    Against,
    Judged,
    against_the_rest,
    agreement_table,
    figures_table,
    paired_table,
    seeds_table,
    table_one,
    verdicts,
)
from core.explain.markdown import write_markdown
from core.explain.report import (
    PagePicture,
    Provenance,
    Section,
    Table,
    provenance_of,
    render_index,
    write_page,
)
from core.platform.atomic import atomic_write
from core.training.presets import deviations

PAGE, MARKDOWN, FIGURES = "table1.html", "table1.md", "figures.json"
_TITLE = "Table 1: mass margins, models and what they look at"
_PAPER = Table(
    caption="The paper's Table 1, for comparison: 78 private test images, VGG-16 from ImageNet",
    columns=("", "IAIA-BL", "ProtoPNet", "VGG-16 with GradCAM", "VGG-16 with GradCAM++"),
    rows=(
        ("Mass margin classification (AUROC)", "0.951", "0.911", "0.947", "0.947"),
        ("Cohen's κ", "0.74", "0.64", "0.74", "0.74"),
        ("Fine-scale activation precision", "0.41", "0.24", "0.21", "0.24"),
        ("Lesion-scale activation precision", "0.94", "0.51", "0.45", "0.53"),
    ),
    note="Malignancy: 0.84 (IAIA-BL), 0.87 (VGG-16 end to end), 0.91 (radiologists).",
)


class ExperimentOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """Result of the command, printed as JSON."""

    page: str
    markdown: str
    synthetic: bool
    test_sets: dict[str, list[Figures]]
    ablations: dict[str, list[Figures]]
    comparators: dict[str, list[Figures]] = {}
    verdicts: dict[str, list[str]]
    training_seconds: float


def write_pages(experiment: Experiment, *, cancelled: IsCancelled) -> ExperimentOutcome:
    """Write the page, its cases and ``figures.json`` into the experiment's folder."""
    found = [against_the_rest(judged) for judged in experiment.judged]
    said = {j.test_set.title: verdicts(j, one) for j, one in zip(experiment.judged, found, strict=True)}
    sections = _sections(experiment, found, said, cancelled)
    provenance = _provenance(experiment)
    lead = _lead(experiment)
    out = experiment.out
    write_page(out / PAGE, render_index(_TITLE, lead, sections, provenance))
    write_markdown(out / MARKDOWN, _TITLE, lead, sections, provenance)
    outcome = ExperimentOutcome(
        page=str(out / PAGE),
        markdown=str(out / MARKDOWN),
        synthetic=experiment.synthetic,
        test_sets={j.test_set.title: list(j.figures) for j in experiment.judged},
        ablations={j.test_set.title: list(j.figures) for j in experiment.variants},
        comparators={j.test_set.title: list(j.figures[1:]) for j in experiment.comparators},
        verdicts=said,
        training_seconds=_seconds(experiment),
    )
    atomic_write(out / FIGURES, msgspec.json.format(msgspec.json.encode(outcome)))
    return outcome


def _sections(
    experiment: Experiment, found: list[list[Against]], said: dict[str, list[str]], cancelled: IsCancelled
) -> tuple[Section, ...]:
    judged = experiment.judged
    readers = [_readers(experiment, one) for one in judged]
    model = experiment.first(IAIA).model()
    return (
        summary(experiment, said),
        how_to_read(experiment),
        limits(experiment),
        *(
            Section(
                title=f"Table 1: {one.test_set.title}",
                tables=(table_one(one), paired_table(one, against), *([_PAPER] if one is judged[-1] else ())),
            )
            for one, against in zip(judged, found, strict=True)
        ),
        Section(
            title="ROC curves (as Fig. 3)",
            text=("One line a training; in brackets the mean area.",) if experiment.seeds > 1 else (),
            pictures=tuple(
                PagePicture(
                    data=roc_figure(one, reader),
                    alt=f"ROC curves: {one.test_set.title}",
                    caption=one.test_set.title,
                    wide=True,
                )
                for one, values in zip(judged, readers, strict=True)
                for reader in (next(iter(values.values()), None),)
            ),
        ),
        *_single_lesions(experiment, cancelled),
        where_the_maps_lie(experiment),
        stability_section(experiment),
        faithfulness_section(experiment),
        malignancy_section(model, list(judged), readers),
        *((comparators_section(experiment.comparators),) if experiment.comparators else ()),
        Section(title="Agreement", tables=tuple(agreement_table(one) for one in judged)),
        *findings_section(judged),
        _pruning(experiment),
        _ablations(experiment),
        Section(title="Other seeds", tables=tuple(seeds_table(one) for one in judged))
        if experiment.seeds > 1
        else Section(title="Other seeds", text=("One training each: the effect of the seed is not known.",)),
        _made_of(experiment),
    )


def _readers(experiment: Experiment, judged: Judged) -> dict[str, NDArray[np.float64]]:
    """Return readers' assessments of malignancy, by comparator; their own probability first."""
    found = reader_values(experiment.study, judged.methods[0].first.lesion_ids)
    return {name: found[name] for name in (PROBABILITY, CATEGORY) if name in found}


def _lead(experiment: Experiment) -> str:
    how = f"{experiment.folds}-fold cross-validation by patient" if experiment.folds else "one split by patient"
    several = f"{experiment.seeds} seeds each" if experiment.seeds > 1 else "one seed each"
    return (
        f"All models on the same data ({how}, {several}), from the same network at the start, epochs chosen on "
        "validation and never on test, evaluated by the same code."
    )


def _single_lesions(experiment: Experiment, cancelled: IsCancelled) -> tuple[Section, ...]:
    """Show single lesions: the first training's test lesions of the first test set."""
    rois = experiment.data[0].rois
    predictions = experiment.first(IAIA).predictions("model")
    sources = experiment.judged[0].test_set.sources
    here = predictions.rows(np.array([s in sources for s in predictions.sources], dtype=np.bool_))
    cases = telling_cases(here if len(here) else predictions)
    right = [case.lesion_id for case in cases if case.right] or [case.lesion_id for case in cases]
    models = Models(
        iaia=experiment.first(IAIA).model(),
        protopnet=experiment.first(PROTOPNET).model(),
        without_masks=experiment.first(NO_MASKS).model(),
        classifier=experiment.first(VGG).classifier(),
        classifier_name=next(trial.name for trial in experiment.trials if trial.key == VGG),
    )
    return (
        attention(models, rois, right),
        explained(experiment.out, models.iaia, rois, cases, index=PAGE, cancelled=cancelled),
        compared_maps(models, rois, right),
    )


def _pruning(experiment: Experiment) -> Section:
    removed = [len(done.record.pruned) for folds in experiment.done[IAIA] for done in folds]
    return Section(
        title="Pruned and unpruned",
        text=(
            "Pruned by the automatic suggestions (duplicates, impure neighbourhoods, never inside the margin), "
            "both last layers refitted; a radiologist would decide case by case. Prototypes removed, training by "
            f"training: {', '.join(map(str, removed))}.",
        ),
        tables=tuple(figures_table(one.test_set.title, one.figures[:2]) for one in experiment.variants),
    )


def _ablations(experiment: Experiment) -> Section:
    note = (
        "" if any(trial.ablation for trial in experiment.trials) else "The other ablations come with --ablations."
    )
    tables = []
    for judged in experiment.variants:
        kept = [i for i in range(len(judged.figures)) if i != 1]
        shown = tuple(judged.figures[i] for i in kept)
        tables.append(figures_table(judged.test_set.title, shown, note))
        tables.append(paired_table(judged, against_the_rest(judged, kept[1:])))
    return Section(title="Ablations", text=("The first row is the model of Table 1.",), tables=tuple(tables))


def _seconds(experiment: Experiment) -> float:
    return sum(d.record.seconds for runs in experiment.done.values() for folds in runs for d in folds)


def _made_of(experiment: Experiment) -> Section:
    rows = []
    for trial in experiment.trials:
        done = [d for folds in experiment.done[trial.key] for d in folds]
        mean = sum(d.record.seconds for d in done) / len(done)
        row = (trial.name, str(len(done)), f"{mean:.0f}", done[0].record.device, done[0].record.machine)
        rows.append((*row, _convergence(trial, done)))
    times = Table(
        caption=f"Training: {_seconds(experiment) / 60:.1f} minutes in all",
        columns=("Model", "trainings", "seconds each", "device", "machine", "ended"),
        rows=tuple(rows),
        note="The paper: 50 hours on one P100.",
    )
    differs = Table(
        caption="Where the configuration of IAIA-BL departs from the paper's",
        columns=("Setting", "paper", "here", "why"),
        rows=tuple((d.field, d.paper, d.here, d.why) for d in deviations(experiment.config)),
    )
    return Section(title="Run time and settings", tables=(times, differs))


def _convergence(trial: Trial, done: Sequence[FinishedPart]) -> str:
    """Say how the trainings of one model ended: on validation, at the limit of epochs, or at a fixed length."""
    if not isinstance(trial.config, ClassifierConfig):
        return f"{trial.config.epochs.joint} joint epochs, the best projected one by validation"
    cards = [one.classifier().card for one in done]
    epochs = f"{min(card.epochs for card in cards)} to {max(card.epochs for card in cards)} epochs"
    ended = sum(card.converged is True for card in cards)
    return f"{epochs}; {ended} of {len(cards)} converged on validation, the best epoch by validation"


def _provenance(experiment: Experiment) -> Provenance:
    model = experiment.first(IAIA).model()
    found = provenance_of(model.card, model.sha256)
    details = (
        ("Shown model", "IAIA-BL, first training"),
        *found.details,
        ("Fingerprints of the data, by fold", ", ".join(data.fingerprint[:16] for data in experiment.data)),
    )
    return Provenance(
        model_sha256=found.model_sha256,
        data_fingerprint=found.data_fingerprint,
        synthetic=experiment.synthetic,
        details=details,
    )
