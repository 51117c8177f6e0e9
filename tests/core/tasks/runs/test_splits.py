"""Splits and folds of a study: by patient, with identical images together, by the labels that training uses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from core.domain.errors import StudyError
from core.domain.study import Labels
from core.domain.vocabulary import MarginType
from core.store.study import Study
from core.tasks.runs.splits import make_folds, make_split
from core.tasks.runs.training_plan import plan_runs
from core.training.presets import load_preset
from tests.core.store.helpers import add_case

MARGINS = (MarginType.CIRCUMSCRIBED, MarginType.INDISTINCT, MarginType.SPICULATED)


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    """18 patients with one lesion each, six of each margin."""
    with Study.create(tmp_path / "study", name="test") as made:
        for number in range(18):
            lesion = add_case(made, number, pixels=False)
            made.lesions.set_labels(lesion.id, Labels(margin=MARGINS[number % 3]))
            image = made.images.get(lesion.image_id)
            assert image.content_sha256 == "0" * 64
        yield made


def _give_every_image_its_own_hash(study: Study, *, twins: tuple[str, str]) -> None:
    """``content_sha256`` of a stored image never changes, so the test reads other images than the study holds."""
    images = {image.id: image for image in study.images.all()}
    own = {name: msgspec.structs.replace(image, content_sha256=name * 8) for name, image in images.items()}
    own[twins[1]] = msgspec.structs.replace(own[twins[1]], content_sha256=own[twins[0]].content_sha256)
    study.images.all = lambda: tuple(own.values())  # type: ignore[method-assign]


def test_patients_with_an_identical_image_are_in_one_fold(study: Study) -> None:
    _give_every_image_its_own_hash(study, twins=("i0", "i4"))
    for seed in range(6):
        for split in make_folds(study, name=f"s{seed}", label="margin", folds=5, seed=seed):
            assert split.parts["p0"] == split.parts["p4"], split.name


def test_a_split_is_stratified_by_what_the_readers_say(study: Study) -> None:
    """The data set calls all lesions spiculated; a reader tells the three classes apart."""
    _give_every_image_its_own_hash(study, twins=("i0", "i0"))
    reader = study.readers.ensure("Dr. A")
    for number in range(18):
        study.lesions.set_labels(f"l{number}", Labels(margin=MarginType.SPICULATED))
        study.lesions.set_labels(f"l{number}", Labels(margin=MARGINS[number % 3]), reader_id=reader.id)
    _, counts = make_split(study, name="s", label="margin", fractions=(0.5, 0.25, 0.25), seed=1)
    assert all(count.lesions > 0 for count in counts if count.class_name)


def test_folds_under_a_name_that_is_taken_are_refused_and_leave_nothing(study: Study) -> None:
    _give_every_image_its_own_hash(study, twins=("i0", "i0"))
    make_split(study, name="x-fold3", label="margin", fractions=(0.5, 0.25, 0.25), seed=1)
    with pytest.raises(StudyError, match="x-fold3 already"):
        make_folds(study, name="x", label="margin", folds=3, seed=1)
    assert [split.name for split in study.splits.all()] == ["x-fold3"]


TWO = (MarginType.CIRCUMSCRIBED.value, MarginType.SPICULATED.value)


def test_a_study_of_two_classes_is_divided_by_those(tmp_path: Path) -> None:
    with Study.create(tmp_path / "study", name="two") as study:
        for number in range(12):
            lesion = add_case(study, number, pixels=False)
            study.lesions.set_labels(lesion.id, Labels(margin=MarginType(TWO[number % 2])))
        _give_every_image_its_own_hash(study, twins=("i0", "i0"))
        fractions = (0.5, 0.25, 0.25)
        with pytest.raises(StudyError, match="class indistinct"):
            make_split(study, name="all", label="margin", fractions=fractions, seed=1)
        _, counts = make_split(study, name="two", label="margin", fractions=fractions, seed=1, class_names=TWO)
        assert {count.class_name for count in counts if count.lesions} == set(TWO)
        folds = make_folds(study, name="f", label="margin", folds=3, seed=1, class_names=TWO)
        assert all(len(split.parts) == 12 for split in folds)
        config = msgspec.structs.replace(load_preset("compact"), class_names=TWO)
        for run in (*plan_runs(study, config, name="plain"), *plan_runs(study, config, name="fold", folds=3)):
            assert run.config
