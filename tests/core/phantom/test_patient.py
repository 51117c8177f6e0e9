"""Synthetic patients: reproducible, true by construction, and hard in the margin only."""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.preprocessing import StandardScaler

from core.domain.geometry import box_around
from core.domain.shapes import Ellipse, Line, Role
from core.domain.vocabulary import Laterality, MarginType, MassShape, Part, Pathology, ViewPosition
from core.imaging.opencv import cv2
from core.phantom.config import CLASSES, PhantomConfig, confounded
from core.phantom.labels import category_of, draw_case, margin_of
from core.phantom.patient import PhantomPatient, PhantomView, make_patient

CONFIG = PhantomConfig(patients=12, seed=3)


@pytest.fixture(scope="module")
def patients() -> list[PhantomPatient]:
    return [make_patient(CONFIG, index) for index in range(CONFIG.patients)]


def _inside(view: PhantomView) -> np.ndarray:
    mask = np.zeros(view.pixels.shape, np.uint8)
    cv2.fillPoly(mask, [np.round(np.array(view.outline.points) - 0.5).astype(np.int32)], 1)
    return mask.astype(bool)


def test_a_patient_depends_on_seed_and_index_alone(patients: list[PhantomPatient]) -> None:
    longer = msgspec.structs.replace(CONFIG, patients=400)
    again = make_patient(longer, 7)
    for one, other in zip(patients[7].views, again.views, strict=True):
        assert np.array_equal(one.pixels, other.pixels)
        assert (one.outline, one.fine, one.truth) == (other.outline, other.fine, other.truth)
    assert again.labels == patients[7].labels


def test_another_seed_gives_other_pixels(patients: list[PhantomPatient]) -> None:
    other = make_patient(msgspec.structs.replace(CONFIG, seed=4), 0)
    assert not np.array_equal(other.views[0].pixels, patients[0].views[0].pixels)


def test_pixels_are_12_bit_with_air_at_zero(patients: list[PhantomPatient]) -> None:
    for view in (view for patient in patients for view in patient.views):
        assert view.pixels.dtype == np.uint16
        assert view.pixels.shape == (CONFIG.height, CONFIG.width)
        assert view.pixels.max() <= 4095
        assert 0.1 < np.mean(view.pixels == 0) < 0.8


def test_the_chest_wall_is_left_in_left_breasts_and_right_in_right_ones(patients: list[PhantomPatient]) -> None:
    for patient in patients:
        for view in patient.views:
            left, right = (np.count_nonzero(view.pixels[:, c]) for c in (2, -3))
            assert (left > right) == (patient.laterality is Laterality.LEFT)


def test_every_patient_has_one_mass_in_cc_and_mlo_inside_the_breast(patients: list[PhantomPatient]) -> None:
    for patient in patients:
        assert [view.view for view in patient.views] == [ViewPosition.CC, ViewPosition.MLO]
        for view in patient.views:
            assert view.pixels[_inside(view)].min() > 400


def test_the_mass_has_the_drawn_area_and_is_brighter_than_its_surroundings(patients: list[PhantomPatient]) -> None:
    brighter = []
    for view in (view for patient in patients for view in patient.views):
        inside = _inside(view)
        diameter = 2 * np.sqrt(inside.sum() / np.pi) * CONFIG.spacing_mm / 1.1
        assert diameter == pytest.approx(view.truth.diameter_mm, rel=0.03)
        wider = cv2.dilate(inside.astype(np.uint8), np.ones((25, 25), np.uint8)).astype(bool) & ~inside
        brighter.append(view.pixels[inside].mean() - view.pixels[wider].mean())
    assert np.mean(np.array(brighter) > 0) > 0.9


def test_the_muscle_shows_in_mlo_only(patients: list[PhantomPatient]) -> None:
    for patient in patients:
        corner = np.s_[5:40, 5:40] if patient.laterality is Laterality.LEFT else np.s_[5:40, -40:-5]
        cc, mlo = (view.pixels[corner].mean() for view in patient.views)
        assert mlo > 1700
        assert cc < mlo


def test_the_texture_follows_a_power_law_of_about_three(patients: list[PhantomPatient]) -> None:
    exponents = []
    for patient in patients:
        pixels = patient.views[0].pixels[386:514].astype(float)
        columns = np.s_[20:276] if patient.laterality is Laterality.LEFT else np.s_[-276:-20]
        window = np.hanning(128)[:, None] * np.hanning(256)[None, :]
        tile = pixels[:, columns]
        power = np.abs(np.fft.fft2((tile - tile.mean()) * window)) ** 2
        f = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(256)[None, :])
        band = (f > 0.03) & (f < 0.2)
        exponents.append(-np.polyfit(np.log(f[band]), np.log(power[band]), 1)[0])
    assert 2.5 < np.mean(exponents) < 3.5


def test_fine_shapes_are_circles_and_lines_along_the_boundary(patients: list[PhantomPatient]) -> None:
    for view in (view for patient in patients for view in patient.views):
        outline = np.array(view.outline.points)
        box = box_around(view.outline.points)
        centre, radius = outline.mean(axis=0), max(box.width, box.height) / 2
        boundary = (centre + (outline - centre) / 1.1).astype(np.float32)
        circles = [s for s in view.fine if isinstance(s, Ellipse)]
        lines = [s for s in view.fine if isinstance(s, Line)]
        assert 2 <= len(circles) <= 4
        assert lines
        assert len(circles) + len(lines) == len(view.fine)
        assert all(s.role is Role.PROMINENT for s in circles)
        assert all(s.role is Role.MARGIN and s.width.unit == "mm" for s in lines)
        points = [s.centre for s in circles] + [p for s in lines for p in s.points]
        away = [abs(cv2.pointPolygonTest(boundary[:, None], p, True)) for p in points]
        assert np.mean(away) < 0.12 * radius
        assert max(away) < 0.3 * radius


def test_classes_are_dealt_out_by_the_balance() -> None:
    config = PhantomConfig(patients=240, class_balance=(1.0, 2.0, 1.0))
    counts = Counter(margin_of(config, i) for i in range(config.patients))
    assert [counts[c] for c in CLASSES] == pytest.approx([60, 120, 60], abs=6)
    few = Counter(margin_of(PhantomConfig(), i) for i in range(12))
    assert [few[c] for c in CLASSES] == [4, 4, 4]


def test_biopsies_follow_the_margin_and_the_reader_knows_something_of_them() -> None:
    config = PhantomConfig(patients=2000)
    cases = [draw_case(config, i) for i in range(config.patients)]
    biopsied = [case for case in cases if case.pathology is not None]
    assert 1 - len(biopsied) / len(cases) == pytest.approx(config.biopsy_missing, abs=0.015)
    for margin, expected in zip(CLASSES, config.malignant_probability, strict=True):
        truth = [case.pathology is Pathology.MALIGNANT for case in biopsied if case.margin is margin]
        assert np.mean(truth) == pytest.approx(expected, abs=0.06)
    truth = [case.pathology is Pathology.MALIGNANT for case in biopsied]
    assert 0.85 < roc_auc_score(truth, [case.probability for case in biopsied]) < 0.98
    assert all(case.category is category_of(case.probability) for case in cases)


def test_shape_and_margin_are_independent() -> None:
    config = PhantomConfig(patients=1500)
    cases = [draw_case(config, i) for i in range(config.patients)]
    for margin in CLASSES:
        shapes = Counter(case.shape for case in cases if case.margin is margin)
        assert [shapes[s] / shapes.total() for s in MassShape] == pytest.approx([1 / 3] * 3, abs=0.06)


def test_size_contrast_and_density_do_not_tell_the_margin() -> None:
    config = PhantomConfig(patients=200)
    cases = [draw_case(config, i) for i in range(config.patients)]
    densities = list(dict.fromkeys(case.density for case in cases))
    x = np.array([[case.diameter_mm, case.contrast, densities.index(case.density)] for case in cases])
    y = np.array([CLASSES.index(case.margin) for case in cases])
    scores = cross_val_predict(
        LogisticRegression(), StandardScaler().fit_transform(x), y, cv=5, method="predict_proba"
    )
    assert roc_auc_score(np.eye(3)[y], scores, average="macro") <= 0.60


def test_the_marker_goes_with_the_class_as_often_as_configured() -> None:
    from core.phantom.confounder import MARKERS, draw_marker

    rng = np.random.default_rng(0)
    training = [draw_marker(rng, "training", 2, 0.8) for _ in range(3000)]
    assert np.mean([marker == MARKERS[2] for marker in training]) == pytest.approx(0.8, abs=0.03)
    anyhow = Counter(draw_marker(rng, "random", 2, 0.8) for _ in range(3000))
    assert [anyhow[marker] / 3000 for marker in MARKERS] == pytest.approx([1 / 3] * 3, abs=0.03)
    assert draw_marker(rng, "absent", 2, 0.8) is None
    assert draw_marker(rng, "none", 2, 0.8) is None


def test_a_marker_changes_nothing_but_a_spot_outside_the_lesion_and_inside_the_roi() -> None:
    config = PhantomConfig(patients=3, seed=8, test_patients=2, test_confounder="random", confounder="training")
    without = msgspec.structs.replace(config, test_confounder="absent")
    marked, plain = make_patient(config, 2), make_patient(without, 2)
    assert (marked.part, make_patient(config, 0).part) == (Part.TEST, Part.TRAINING)
    for one, other in zip(marked.views, plain.views, strict=True):
        assert one.truth.marker is not None
        assert other.truth.marker is None
        rows, columns = np.nonzero(one.pixels != other.pixels)
        box = box_around(one.outline.points)
        side = max(box.width, box.height)
        assert rows.size > 20
        assert not np.any((one.pixels != other.pixels) & _inside(one))
        centre = columns.mean() + 0.5, rows.mean() + 0.5
        assert max(abs(a - b) for a, b in zip(centre, box.centre, strict=True)) < side
        assert one.fine == other.fine


def test_no_patient_beyond_the_last() -> None:
    with pytest.raises(IndexError, match="12 patients"):
        make_patient(CONFIG, 12)


def test_a_configuration_that_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="test patients"):
        PhantomConfig(patients=2, test_patients=3)
    with pytest.raises(ValueError, match="too small"):
        PhantomConfig(height=400, width=300)
    with pytest.raises(ValueError, match="range"):
        PhantomConfig(contrast=(500, 200))


def test_only_the_trained_margins_are_drawn(patients: list[PhantomPatient]) -> None:
    assert {p.labels.margin for p in patients} == {
        MarginType.CIRCUMSCRIBED,
        MarginType.INDISTINCT,
        MarginType.SPICULATED,
    }


def test_the_random_and_the_absent_study_share_their_training_patients() -> None:
    studies = [confounded(patients=3, test_patients=1, seed=2, test=test) for test in ("random", "absent")]
    one, other = (make_patient(config, 1) for config in studies)
    assert np.array_equal(one.views[0].pixels, other.views[0].pixels)
    assert one.views[0].truth.marker is not None
    assert make_patient(studies[1], 2).views[0].truth.marker is None
    assert make_patient(studies[0], 2).patient_id == make_patient(studies[1], 2).patient_id
