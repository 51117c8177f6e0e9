"""The sections of the experiment's page, from judged predictions and measured maps: what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from core.domain.study import Prototype
from core.evaluation.map_tests import MapRecord, measure
from core.evaluation.repeated import Method
from core.experiment.attention import by_prototype, distances_moved, energy_and_firing, precision_by_class
from core.experiment.facts import Experiment
from core.experiment.findings import findings_section, findings_table
from core.experiment.malignancy import against_reader
from core.experiment.risk import risk_picture, risk_table, risks
from core.experiment.robustness import curves_figure, faithfulness_section, stability_section
from core.experiment.summary import limits
from core.experiment.table import (
    Judged,
    TestSet,
    against_the_rest,
    cell,
    judge_methods,
    paired_table,
    short,
    table_one,
)
from core.training.presets import load_preset
from tests.core.evaluation.test_map_tests import model, textured
from tests.core.evaluation.test_report import predictions

EVERYTHING = TestSet(title="all", sources=("film", "digital"))


def judged(**changes: object) -> Judged:
    given = replace(predictions(), **changes)  # type: ignore[arg-type]
    scale = given.lesion_scale
    assert scale is not None
    low = replace(scale, pairs=replace(scale.pairs, value=scale.pairs.value / 4))
    methods = [
        Method(name="IAIA-BL", runs=(given,)),
        Method(name="VGG with GradCAM", runs=(replace(given, scales={"lesion": low}),), post_hoc=True),
        Method(name="VGG with GradCAM++", runs=(replace(given, scales={"lesion": low}),), post_hoc=True),
    ]
    return judge_methods(EVERYTHING, methods, draws=100)


def records() -> tuple[MapRecord, ...]:
    rois = replace(textured(), sources=("film",) * 12)
    return tuple(measure(model(kind), rois) for kind in ("corner", "elsewhere", "nothing"))


def experiment(one: Judged, **changes: Any) -> Experiment:
    parts = np.array(["training"] * 40 + ["test"] * 60)
    values: dict[str, Any] = {
        "out": Path(), "config": load_preset("compact"), "seeds": 1, "folds": 0, "trials": (), "done": {},
        "data": (SimpleNamespace(parts=parts),), "judged": (one,), "variants": (one,), "synthetic": False,
        "study": None,
    }  # fmt: skip
    return Experiment(**(values | changes))


def test_precision_by_class_stands_beside_chance_and_the_attainable_maximum() -> None:
    one = judged()
    table = precision_by_class(one, "lesion")
    assert table is not None
    rows = {row[0]: row[1:] for row in table.rows}
    assert list(rows)[-3:] == ["Attainable maximum", "Central blob", "Chance"]
    assert rows["Chance"][:4] == ("0.200",) * 4
    assert rows["Attainable maximum"][0] == "1.000"
    assert rows["IAIA-BL"][3] == short(one.figures[0].estimates["lesion_precision"])
    assert "60 of 60 images have a mask" in table.note
    assert precision_by_class(one, "fine") is None


def test_energy_that_was_not_measured_is_undefined_and_images_without_a_mask_are_counted() -> None:
    given = predictions().lesion_scale
    assert given is not None
    value = np.where(given.pairs.image < 6, np.nan, given.pairs.value)
    one = judged(scales={"lesion": replace(given, pairs=replace(given.pairs, value=value))})
    table = energy_and_firing(one)
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["IAIA-BL"][0] == "undefined"
    assert rows["IAIA-BL"][2] == "1.000 [1.000, 1.000]"
    assert "IAIA-BL: ever fires in the outline, 6 of 60" in table.note


def fake_done(tmp_path: Path, moved: list[float]) -> Any:
    (tmp_path / "model").mkdir(exist_ok=True)
    places = [("a", 1), ("a", 2), ("a", 1), ("b", 1), ("b", 2), ("a", 1)]
    prototypes = [
        cast(Prototype, SimpleNamespace(distance_moved=value, class_name=name, lesion_id="l", cell=(cell, 0)))
        for value, (name, cell) in zip(moved, places, strict=False)
    ]
    card = SimpleNamespace(
        prototypes=prototypes, prototype_class=(0, 0, 1, 1, 2, 2), class_names=predictions().class_names
    )
    return SimpleNamespace(
        folder=tmp_path, model=lambda: SimpleNamespace(card=card), predictions=lambda kind: predictions()
    )


def test_prototypes_are_listed_one_by_one_and_an_unprojected_one_has_moved_nowhere(tmp_path: Path) -> None:
    done = {"iaia-bl": [[fake_done(tmp_path, [])]]}
    table = by_prototype(experiment(judged(), done=done, maps=records()))
    assert [row[0] for row in table.rows] == [str(number) for number in range(1, 7)]
    assert {row[-1] for row in table.rows} == {"undefined"}
    assert {row[3] for row in table.rows} == {"undefined"}  # no fine mask
    assert "steady: noise" in table.columns


def test_distances_moved_are_summed_up_over_the_trainings(tmp_path: Path) -> None:
    trial = SimpleNamespace(key="iaia-bl", name="IAIA-BL")
    done = {"iaia-bl": [[fake_done(tmp_path, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5])]]}
    found = distances_moved(experiment(judged(), done=done, trials=(trial,)))
    assert found.rows == (("IAIA-BL", "6", "0.25", "0.5", "1 of 6", "2"),)
    none = distances_moved(experiment(judged(), done={"iaia-bl": [[fake_done(tmp_path, [])]]}, trials=(trial,)))
    assert none.rows == (("IAIA-BL", "6", *["undefined"] * 4),)


def test_findings_average_the_views_of_a_mass_and_leave_the_second_map_out() -> None:
    one = judged()
    table = findings_table(one)
    assert table is not None
    assert [row[0] for row in table.rows] == ["IAIA-BL", "VGG"]
    assert "30 findings, 60 images" in table.caption
    alone = judged(finding_ids=tuple(f"f{i}" for i in range(60)))
    assert findings_table(alone) is None
    assert findings_section([alone]) == ()


def test_stability_and_faithfulness_are_shown_with_what_is_undefined() -> None:
    one = judged()
    shown = experiment(one, maps=records())
    [table] = stability_section(shown).tables
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["corner"][0] == "1.00 [1.00, 1.00]"
    assert rows["nothing"][0] == "undefined"
    assert "nothing 12 of 12" in table.note
    section = faithfulness_section(shown)
    gains = {row[0]: row for row in section.tables[0].rows}
    assert gains["corner"][3] == ""
    assert "p" in gains["elsewhere"][3]
    assert section.pictures[0].data.lstrip().startswith(b"<?xml")
    assert curves_figure(records()) == curves_figure(records())
    assert stability_section(experiment(one)).text == ("No lesion was measured.",)
    assert faithfulness_section(experiment(one)).tables == ()


def test_the_limits_are_made_from_the_figures() -> None:
    one = judged()
    section = limits(experiment(one))
    words = " ".join(section.text)
    area = one.figures[0].estimates["margin_auroc"]
    assert area.low is not None and area.high is not None
    assert f"known to within {(area.high - area.low) / 2:.2f}" in words
    assert "60 images of 30 patients" in words
    assert "saw 40 training lesions" in words
    assert "other scanners" in words
    [row] = section.tables[0].rows
    assert row[1:6] == ("60", "30", "20", "20", "20")


def test_a_source_of_few_patients_of_a_class_and_of_one_benign_patient_is_told() -> None:
    given = predictions()
    rare = np.where((given.label == 1) & (np.arange(60) > 12), 2, given.label)
    benign = np.where(np.isin(np.arange(60), (0, 1)), 0, 1)
    of = tuple("film" if label == 2 else "digital" for label in rare)
    words = " ".join(limits(experiment(judged(label=rare, malignant=benign, sources=of))).text)
    assert "with indistinct margins" in words
    assert "Only one patient of the rarer biopsy result" in words
    assert (
        "Class and data set go together (100% of the lesions of film are spiculated, 0% of those of digital)"
        in words
    )


def test_a_source_of_one_class_has_no_interval_and_says_so() -> None:
    words = " ".join(limits(experiment(judged(label=np.zeros(60, np.int64)))).text)
    assert "Margin AUROC has no interval" in words
    assert "only a difference" not in words


def test_an_auroc_of_exactly_one_has_a_one_sided_bound_and_the_table_says_so() -> None:
    plain = table_one(judged())
    assert "one-sided" not in plain.note
    perfect = judged(logits=10.0 * np.eye(3)[predictions().label])
    table = table_one(perfect)
    area = perfect.figures[0].estimates["margin_auroc"]
    assert (area.value, area.high) == (1.0, 1.0)
    assert area.low is not None and 0.5 < area.low < 1
    assert "exact one-sided 95% bound" in table.note
    assert all(row[1].startswith("1.000 [0.") for row in table.rows[:4])
    paired_table(perfect, against_the_rest(perfect))


def test_probabilities_of_malignancy_are_judged_against_the_biopsy() -> None:
    one = judged()
    found = risks(one)
    assert [risk.name for risk in found] == ["IAIA-BL", "VGG with GradCAM", "VGG with GradCAM++"]
    rows = {row[0]: row for row in risk_table(one, found).rows}
    from sklearn.metrics import brier_score_loss

    expected = brier_score_loss(found[0].positive, found[0].probability)
    assert rows["IAIA-BL"][1].startswith(f"{expected:.3f} [")
    assert risk_picture(one, found).data.lstrip().startswith(b"<?xml")
    none = judged(malignant=np.full(60, -1))
    assert risks(none) == []
    # every bin of one outcome: the limits of the shares 0 and 1 are within rounding of them
    certain = judged(malignancy=np.where(predictions().malignant == 1, 3.0, -3.0) + 0.001 * np.arange(60))
    assert risk_picture(certain, risks(certain)).data


def test_the_model_is_paired_with_the_reader_on_the_lesions_that_the_reader_estimated() -> None:
    method = Method(name="IAIA-BL", runs=(predictions(),))
    first = method.first
    estimates = np.where(np.arange(60) < 40, first.malignant + 0.01 * np.arange(60), np.nan)
    gap = against_reader(method, estimates)
    assert gap is not None and gap.difference.value is not None
    assert gap.difference.value < 0  # the reader is always right here
    assert gap.difference.n == 40
    assert against_reader(method, np.full(60, np.nan)) is None


def test_what_a_model_does_not_predict_is_a_dash_and_what_has_no_value_is_undefined() -> None:
    one = judged(malignancy=np.full(60, np.nan))
    assert cell(one.figures[0], "malignancy_auroc") == "–"
    assert short(None) == "undefined"
    assert short(one.figures[0].estimates["lesion_over_blob"]).startswith("0.")


@pytest.mark.parametrize("kind", ["deletion", "insertion"])
def test_every_curve_starts_and_ends_where_the_picture_does(kind: str) -> None:
    for record in records():
        for map_order, random_order in zip(record.curves[kind], record.curves[f"{kind}_random"], strict=True):
            assert map_order[0] == pytest.approx(random_order[0])
            assert map_order[-1] == pytest.approx(random_order[-1])
