"""Sentences on what the experiment shows and cannot show, made from its figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.baselines.config import ClassifierConfig
from core.domain.vocabulary import Part
from core.evaluation.claims import localisation_claims
from core.experiment.facts import Experiment
from core.experiment.plan import IAIA, PROTOPNET, backbone_name
from core.experiment.table import Judged, against_the_rest, short
from core.explain.report import Figure, Section, Table
from core.statistics.estimate import Estimate
from core.training.run_record import warm_start_name


def summary(experiment: Experiment, said: dict[str, list[str]]) -> Section:
    first = experiment.judged[0]
    figures = [
        Figure(label=f"{one.model}: lesion-scale precision", value=f"{value.value:.2f}", note=short(value))
        for one in first.figures
        if (value := one.estimates.get("lesion_precision")) is not None and value.value is not None
    ]
    text = [
        f"{judged.test_set.title}. {' '.join([*said[judged.test_set.title], _without_masks(judged)])}"
        for judged in experiment.variants
    ]
    return Section(
        title="What this shows", text=tuple(text), figures=tuple(figures), tables=_side_by_side(experiment)
    )


def how_to_read(experiment: Experiment) -> Section:
    """List what to keep in mind beside the figures."""
    return Section(title="How to read it", text=tuple(_caveats(experiment)))


def _side_by_side(experiment: Experiment) -> tuple[Table, ...]:
    """Return margin AUROC and lesion-scale precision of every model on each test set; () for a single one."""
    if len(experiment.judged) < 2:
        return ()
    keys = (("margin_auroc", "margin AUROC"), ("lesion_precision", "lesion-scale precision"))
    pairs = [(one, more) for one, more in zip(experiment.judged, experiment.variants, strict=True)]
    titles = [one.test_set.title.split(" (")[0] for one, _ in pairs]
    columns = [f"{label}: {title}" for _, label in keys for title in titles]
    shown = [
        [*(f for m, f in zip(one.methods, one.figures, strict=True) if m.margins), more.figures[2]]
        for one, more in pairs
    ]
    rows = [
        (column[0].model, *(short(figures.estimates.get(key)) for key, _ in keys for figures in column))
        for column in zip(*shown, strict=True)
    ]
    return (Table(caption="Every model on every test set", columns=("", *columns), rows=tuple(rows)),)


def _without_masks(judged: Judged) -> str:
    """Describe attention and accuracy without any mask."""
    with_masks, without = judged.figures[0], judged.figures[2]
    return (
        "The same network trained without any mask: lesion-scale activation precision "
        f"{short(without.estimates.get('lesion_precision'))} instead of "
        f"{short(with_masks.estimates.get('lesion_precision'))}, margin AUROC "
        f"{short(without.estimates.get('margin_auroc'))} instead of "
        f"{short(with_masks.estimates.get('margin_auroc'))}."
    )


def _caveats(experiment: Experiment) -> list[str]:
    first = experiment.judged[0].figures[0]
    said = localisation_claims(first.estimates, first.model)
    if "fine_precision" not in first.estimates:
        said.append("No test lesion has a fine annotation: fine-scale activation precision is undefined.")
    if experiment.config.architecture.weights == "random":
        said.append(
            "No network had ImageNet weights. A supervised warm start takes their place: "
            + "; ".join(
                f"{trial.name}: {warm_start_name(trial.base) or 'none'}"
                for trial in experiment.trials
                if trial.key in (IAIA, PROTOPNET)
            )
            + "; the classifiers are trained on whole images from the start."
        )
    tuned = [one.config.tuned_blocks for one in experiment.trials if isinstance(one.config, ClassifierConfig)]
    if experiment.config.frozen_backbone and tuned:
        said.append(
            f"Every model begins with the same weights of {backbone_name(experiment.config)}. Prototype networks "
            f"keep them and train what follows on its features; the black boxes train its last {tuned[0]} blocks "
            "too, from the same augmentations of the same images."
        )
    if experiment.synthetic:
        said.append(
            "The images are synthetic and the misleading marker was put there on purpose: the figures show that "
            "the method does what it claims where it is known what there is to find, and nothing about patients."
        )
    said.append(
        "Intervals and tests describe the variation between patients, not between trainings: see run by run "
        "for those."
    )
    return said


_FEW_PATIENTS = 10
"""Below this many patients a figure of one class says next to nothing."""
_CONFOUNDED = 0.15
"""Difference between the shares of a class in two data sets from which on they are said to go together."""


def limits(experiment: Experiment) -> Section:
    """Describe how many lesions each test set has, how wide that leaves the intervals, and what follows from
    it."""
    text = [sentence for judged in experiment.judged for sentence in (_of_set(judged),) if sentence]
    text += _confounding(experiment)
    training = [int((one.parts == Part.TRAINING.value).sum()) for one in experiment.data]
    if experiment.config.architecture.weights == "random":
        text.append(
            f"The networks began at random and saw {_range(training)} training lesions and nothing else. The "
            "paper's began with ImageNet weights, and every accuracy here may be lower for that alone. That two "
            "models are equally accurate here, or that they differ, does not show that pretrained ones would."
        )
    if not experiment.synthetic:
        text.append("None of it shows how a model performs on other scanners, readers or patients.")
    return Section(title="What this study can and cannot show", text=tuple(text), tables=(_counts(experiment),))


def _counts(experiment: Experiment) -> Table:
    names = experiment.judged[0].class_names
    rows = []
    for judged in experiment.judged:
        first, figures = judged.methods[0].first, judged.figures[0]
        fine = first.fine_scale
        marked = 0 if fine is None else int((~np.isnan(fine.chance)).sum())
        biopsied = f"{int((first.malignant == 1).sum())} / {int((first.malignant == 0).sum())}"
        counts = [str(int((first.label == c).sum())) for c in range(len(names))]
        wide = [_width(figures.estimates.get(key)) for key in ("margin_auroc", "lesion_precision")]
        rows.append(
            (
                judged.test_set.title,
                str(len(first)),
                str(len(set(first.patient_ids))),
                *counts,
                str(marked),
                biopsied,
                *wide,
            )
        )
    return Table(
        caption="Test lesions, and how wide they leave the intervals of IAIA-BL",
        columns=(
            "",
            "images",
            "patients",
            *names,
            "finely annotated",
            "malignant / benign",
            "width, margin AUROC",
            "width, lesion-scale precision",
        ),
        rows=tuple(rows),
    )


def _width(estimate: Estimate | None) -> str:
    if estimate is None or estimate.low is None or estimate.high is None:
        return "no interval"
    return f"{estimate.high - estimate.low:.2f}"


def _of_set(judged: Judged) -> str:
    """Describe what the intervals of one test set leave open."""
    first, figures = judged.methods[0].first, judged.figures[0]
    patients = np.array(first.patient_ids)
    said = [f"{judged.test_set.title}: {len(first)} images of {len(set(first.patient_ids))} patients."]
    area = figures.estimates.get("margin_auroc")
    if area is None or area.value is None or area.low is None or area.high is None:
        why = area.reason if area is not None and area.reason else "not computed"
        said.append(f"Margin AUROC has no interval ({why}), so it cannot be interpreted.")
    else:
        said.append(f"IAIA-BL's margin AUROC is known to within {(area.high - area.low) / 2:.2f} either way.")
    seen = _smallest_difference(judged)
    if seen is not None:
        said.append(
            f"Between two models only a difference of margin AUROC above about {seen:.2f} would show here."
        )
    holders = {name: len(set(patients[first.label == c])) for c, name in enumerate(first.class_names)}
    few = [f"{count} with {name} margins" for name, count in holders.items() if count < _FEW_PATIENTS]
    if few:
        said.append(
            f"Few patients show some classes ({', '.join(few)}): figures of such a class alone mean little."
        )
    precision = figures.estimates.get("lesion_precision")
    if precision is not None and precision.low is not None and precision.high is not None:
        half = (precision.high - precision.low) / 2
        said.append(
            f"Where the maps lie, to which every image adds, is known to within {half:.2f} (lesion scale)."
        )
    rarer = min((len(set(patients[first.malignant == outcome])) for outcome in (0, 1)), default=0)
    if 0 < rarer < _FEW_PATIENTS:
        people = "one patient" if rarer == 1 else f"{rarer} patients"
        said.append(f"Only {people} of the rarer biopsy result: malignancy cannot be evaluated here.")
    return " ".join(said)


def _smallest_difference(judged: Judged) -> float | None:
    """Return half the width of the widest paired interval of the first model against another."""
    halves = [
        (gap.difference.high - gap.difference.low) / 2
        for one in against_the_rest(judged)
        if (gap := one.comparisons.get("margin_auroc")) is not None
        and gap.difference.low is not None
        and gap.difference.high is not None
    ]
    return max(halves) if halves else None


def _confounding(experiment: Experiment) -> list[str]:
    """Return True if class and data set go together, from the shares of each class in each."""
    first = experiment.judged[-1].methods[0].first
    sources = sorted(set(first.sources))
    if len(sources) < 2 or experiment.synthetic:
        return []
    of = np.array(first.sources)
    shares = np.array(
        [[float((first.label[of == s] == c).mean()) for c in range(len(first.class_names))] for s in sources]
    )
    gaps = np.ptp(shares, axis=0)
    c = int(gaps.argmax())
    if gaps[c] < _CONFOUNDED:
        return []
    least, most = sources[int(shares[:, c].argmin())], sources[int(shares[:, c].argmax())]
    return [
        f"Class and data set go together ({shares[:, c].max():.0%} of the lesions of {most} are "
        f"{first.class_names[c]}, {shares[:, c].min():.0%} of those of {least}): a model that only tells the data "
        "sets apart scores above chance on the pooled lesions. The figures of each data set stand alone; "
        "those of all data sets together mean little."
    ]


def _range(values: Sequence[int]) -> str:
    return str(values[0]) if len(set(values)) == 1 else f"{min(values)} to {max(values)}"
