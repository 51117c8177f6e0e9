"""What the experiment trains and on which data; its tables; what it refuses before anything is trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from core.baselines.config import ClassifierConfig
from core.domain.errors import BadFileError, ModelError, StudyError
from core.domain.vocabulary import Part
from core.evaluation.repeated import Method
from core.experiment.malignancy import reader_auroc
from core.experiment.part_data import drop_data, read_data, write_data
from core.experiment.parts import RECORD, Data, check_data, finished, with_few_fine
from core.experiment.plan import IAIA, MALIGNANCY, NO_FINE_LOSS, NO_MASKS, PROTOPNET, VGG, VGG_MASKS, trials
from core.experiment.plots import roc_figure
from core.experiment.run import test_sets as sets_of
from core.experiment.table import TestSet, against_the_rest, judge_methods, paired_table, table_one, verdicts
from core.explain.markdown import table_lines, write_markdown
from core.explain.report import PagePicture, Provenance, Section, Table, render_index
from core.training.config import TrainingConfig
from core.training.presets import load_preset
from tests.core.evaluation.test_report import predictions
from tests.core.training.tiny import tiny_parts, tiny_rois

COMPACT = load_preset("compact")


def data(**changes: object) -> Data:
    return Data.of(replace(tiny_rois(), **changes), tiny_parts())  # type: ignore[arg-type]


def test_a_part_reads_its_data_from_files_that_equal_the_study_to_the_bit(tmp_path: Path) -> None:
    fold = Data.of(tiny_rois(), tiny_parts(), 2, tiny_rois())
    files = write_data(tmp_path, fold)
    assert write_data(tmp_path, fold) == files and len(list(tmp_path.glob("data/*.h5"))) == 1
    found = read_data(files)
    assert found.fingerprint == fold.fingerprint and found.fold == 2 and found.drawn is not None
    for name in ("pixels", "lesion", "fine", "has_fine", "label", "malignant"):
        mine, theirs = getattr(fold.rois, name), getattr(found.rois, name)
        assert mine.dtype == theirs.dtype and (mine == theirs).all(), name
    assert (found.rois.finding_ids, found.rois.sources) == (fold.rois.finding_ids, fold.rois.sources)
    with pytest.raises(BadFileError, match="damaged"):
        read_data(msgspec.structs.replace(files, rois="0" * 64))
    drop_data(tmp_path)
    assert not list(tmp_path.glob("data/*.h5"))


def test_all_models_share_network_data_and_epochs() -> None:
    found = trials(COMPACT, ablations=True)
    assert [trial.key for trial in found[:5]] == [IAIA, PROTOPNET, VGG, MALIGNANCY, NO_MASKS]
    for trial in found:
        base = trial.base
        assert base.architecture.backbone == COMPACT.architecture.backbone, trial.key
        assert (base.transform, base.augmentation, base.epochs) == (
            COMPACT.transform, COMPACT.augmentation, COMPACT.epochs
        ), trial.key  # fmt: skip
    assert len({trial.key for trial in found}) == len(found)


def test_the_model_without_masks_sees_none_in_its_warm_start_either() -> None:
    config = next(trial.config for trial in trials(COMPACT, ablations=False) if trial.key == NO_MASKS)
    assert isinstance(config, TrainingConfig)
    assert (config.loss.fine, config.warm_start) == (0.0, "image")
    assert config.architecture.top_k == COMPACT.architecture.top_k


def test_ablations_are_those_of_the_issue() -> None:
    keys = {trial.key for trial in trials(COMPACT, ablations=True) if trial.ablation}
    assert keys == {"top-1", "no-projection", "fine-0", "fine-10", "fine-30"}
    assert not any(trial.ablation for trial in trials(COMPACT, ablations=False))


def test_masks_are_taken_away_step_by_step() -> None:
    """IAIA-BL, the same with masks in its start only, without any, and the black box with masks in its start."""
    found = {trial.key: trial for trial in trials(COMPACT, ablations=False)}
    assert list(found) == [IAIA, PROTOPNET, VGG, MALIGNANCY, NO_MASKS, NO_FINE_LOSS, VGG_MASKS]
    start_only, warm = found[NO_FINE_LOSS].config, found[VGG_MASKS].config
    assert isinstance(start_only, TrainingConfig) and isinstance(warm, ClassifierConfig)
    assert (start_only.loss.fine, start_only.warm_start) == (0.0, "cells")
    assert warm.mask_warm_start == COMPACT.epochs.warm_start and warm.base == COMPACT
    black_box = found[VGG].config
    assert isinstance(black_box, ClassifierConfig) and black_box.mask_warm_start == 0
    assert warm.epochs == black_box.epochs and warm.patience == black_box.patience
    frozen = msgspec.structs.replace(COMPACT, frozen_backbone=True)
    on_frozen = {trial.key: trial.config for trial in trials(frozen, ablations=False)}[VGG_MASKS]
    assert isinstance(on_frozen, ClassifierConfig) and on_frozen.tuned_blocks > 0


def test_a_seed_reaches_the_classifier() -> None:
    for trial in trials(COMPACT, ablations=False):
        config = trial.with_seed(7)
        assert (config.base if isinstance(config, ClassifierConfig) else config).seed == 7


@pytest.mark.parametrize("count", [0, 3, 99])
def test_few_fine_annotations_are_balanced_and_of_training_lesions_only(count: int) -> None:
    rois, parts = tiny_rois(), tiny_parts()
    some = with_few_fine(rois, parts, count, seed=1)
    training = parts == Part.TRAINING.value
    assert int(some.has_fine[training].sum()) == min(count, int(rois.has_fine[training].sum()))
    np.testing.assert_array_equal(some.has_fine[~training], rois.has_fine[~training])
    np.testing.assert_array_equal(some.has_fine, some.fine.any(axis=(1, 2)))
    if count == 3:
        assert sorted(some.label[training & some.has_fine].tolist()) == [0, 1, 2]
    assert rois.has_fine.sum() == 12


def test_usable_data_pass() -> None:
    check_data(data(), needs_masks=True)


def test_a_part_without_a_class_is_named() -> None:
    label = tiny_rois().label.copy()
    label[(tiny_parts() == Part.VALIDATION.value) & (label == 2)] = -1
    with pytest.raises(StudyError, match="validation part of the split has no lesion of the class spiculated"):
        check_data(data(label=label), needs_masks=True)
    check_data(data(label=label), needs_masks=True, folds=True)


def test_one_patient_is_refused() -> None:
    test = tiny_parts() == Part.TEST.value
    names = tuple("one" if t else p for t, p in zip(test, tiny_rois().patient_ids, strict=True))
    with pytest.raises(StudyError, match="test part of the split has one patient"):
        check_data(data(patient_ids=names), needs_masks=True)


def test_missing_masks_are_refused_where_they_are_needed() -> None:
    rois = tiny_rois()
    empty = {"lesion": 0 * rois.lesion, "fine": 0 * rois.fine, "has_fine": rois.has_fine & False}
    with pytest.raises(StudyError, match="outline or a fine annotation"):
        check_data(data(**empty), needs_masks=True)
    check_data(data(**empty), needs_masks=False)


def test_a_damaged_part_is_refused(tmp_path: Path) -> None:
    trial = trials(COMPACT, ablations=False)[0]
    assert finished(tmp_path, trial, 1, data()) is None
    (tmp_path / RECORD).write_bytes(b"{")
    with pytest.raises(ModelError, match="damaged"):
        finished(tmp_path, trial, 1, data())


def test_twins_are_never_pooled_and_other_sources_are() -> None:
    twins = sets_of(["phantom-no-marker", "phantom-random-marker"])
    assert [one.title for one in twins] == ["Marker drawn at random", "Marker absent"]
    assert [one.sources for one in sets_of(["a", "b", "a"])] == [("a",), ("b",), ("a", "b")]
    assert [one.title for one in sets_of(["a", "a"])] == ["a"]


def methods() -> list[Method]:
    worse = replace(predictions(), logits=predictions().logits / 3 + np.random.default_rng(1).normal(size=(60, 3)))
    scale = worse.lesion_scale
    assert scale is not None
    low = replace(scale, pairs=replace(scale.pairs, value=scale.pairs.value / 4))
    return [
        Method(name="IAIA-BL", runs=(predictions(),)),
        Method(name="VGG with GradCAM", runs=(replace(worse, scales={"lesion": low}),), post_hoc=True),
    ]


def test_table_one_marks_the_best_what_is_not_below_it_and_what_is_post_hoc() -> None:
    judged = judge_methods(TestSet(title="all", sources=("film", "digital")), methods(), draws=200)
    table = table_one(judged)
    rows = {row[0]: row[1:] for row in table.rows}
    number = [row[0] for row in table.rows].index("Lesion-scale activation precision")
    assert (number, 1) in table.strong
    assert (number, 2) not in table.strong
    assert rows["Lesion-scale activation precision"][1].endswith("ᵇ")
    assert "ᵃ" not in rows["Lesion-scale activation precision"][1]
    assert not rows["Mass margin classification (AUROC)"][1].endswith("ᵇ")
    assert rows["Fine-scale activation precision"] == ("undefined", "undefinedᵇ")


def test_the_verdict_gives_ratio_and_difference_with_intervals() -> None:
    judged = judge_methods(TestSet(title="all", sources=("film", "digital")), methods(), draws=200)
    found = against_the_rest(judged)
    [sentence] = verdicts(judged, found)
    ratio = found[0].ratios["lesion"]
    assert ratio is not None
    assert ratio.value == pytest.approx(4.0)
    assert "4.00 [4.00, 4.00] times as high" in sentence
    assert "random centre" not in sentence  # nothing was drawn anew here
    one = found[0]
    for value, words in ((0.3, "more often"), (0.0, "no difference is shown"), (-0.3, "less often")):
        shift = msgspec.structs.replace(
            one.comparisons["lesion_precision"].difference, value=value, low=value - 0.1, high=value + 0.1
        )
        drawn = msgspec.structs.replace(one.comparisons["lesion_precision"], difference=shift)
        placed = replace(one, comparisons={**one.comparisons, "lesion_drawn_precision": drawn})
        assert words in verdicts(judged, [placed])[0]
    assert len(paired_table(judged, found).rows) == 1


def test_a_source_with_one_class_and_no_mask_is_undefined_and_breaks_nothing() -> None:
    given = predictions()
    scale = given.lesion_scale
    assert scale is not None
    one = given.label == 0
    blank = replace(
        scale,
        pairs=replace(scale.pairs, value=np.where(one[scale.pairs.image], np.nan, scale.pairs.value)),
        blob=np.where(one, np.nan, scale.blob),
        chance=np.where(one, np.nan, scale.chance),
        attainable=np.where(one, np.nan, scale.attainable),
    )
    sources = tuple("film" if c else "digital" for c in one)
    found = replace(given, sources=sources, scales={"lesion": blank})
    twice = [Method(name="a", runs=(found,)), Method(name="b", runs=(found,))]
    judged = judge_methods(TestSet(title="film", sources=("film",)), twice, draws=50)
    rows = {row[0]: row[1:] for row in table_one(judged).rows}
    assert rows["Mass margin classification (AUROC)"] == ("undefined", "undefined")
    assert rows["Lesion-scale activation precision"] == ("undefined", "undefined")
    assert verdicts(judged, against_the_rest(judged)) == []
    undefined = ("undefined, p undefined", "undefined", "undefined, p undefined")
    assert paired_table(judged, against_the_rest(judged)).rows[0][1:4] == undefined
    assert roc_figure(judged)


def test_roc_curves_are_svg_and_the_same_bytes_again() -> None:
    judged = judge_methods(TestSet(title="all", sources=("film", "digital")), methods(), draws=20)
    picture = roc_figure(judged, np.linspace(0, 1, 60))
    assert picture.lstrip().startswith(b"<?xml")
    assert b"Spiculated versus all" in picture
    assert roc_figure(judged, np.linspace(0, 1, 60)) == picture


def test_the_readers_estimate_counts_where_there_is_a_biopsy_and_an_estimate() -> None:
    given = predictions()
    some = np.where(np.arange(60) < 40, given.malignant + 0.01 * np.arange(60), np.nan)
    found = reader_auroc(given, some)
    assert found is not None
    assert (found.value, found.n) == (1.0, 40)
    assert reader_auroc(given, np.full(60, np.nan)) is None


def test_markdown_and_page_say_the_same(tmp_path: Path) -> None:
    table = Table(caption="C", columns=("", "a|b"), rows=(("row", "1"),), strong=frozenset({(0, 1)}), note="n")
    assert list(table_lines(table))[2:5] == ["|  | a\\|b |", "| --- | --- |", "| row | **1** |"]
    svg = b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>"
    sections = (Section(title="S", tables=(table,), pictures=(PagePicture(data=svg, alt="curve", wide=True),)),)
    origin = Provenance(model_sha256="m", data_fingerprint="d", synthetic=True)
    write_markdown(tmp_path / "p.md", "T", "lead", sections, origin)
    text, page = (tmp_path / "p.md").read_text(), render_index("T", "lead", sections, origin)
    assert "SYNTHETIC" in text
    assert (tmp_path / "figures" / "s-1.svg").read_bytes() == svg
    assert "<strong>1</strong>" in page
    assert "data:image/svg+xml;base64" in page


def test_configurations_survive_the_record() -> None:
    for trial in trials(COMPACT, ablations=True):
        kind = ClassifierConfig if isinstance(trial.config, ClassifierConfig) else TrainingConfig
        assert msgspec.json.decode(msgspec.json.encode(trial.config), type=kind) == trial.config
