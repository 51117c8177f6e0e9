"""Replicas of public data sets, each with its traps planted, imported as the real ones are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from core.data.importers.importing import run_import
from core.data.importers.layouts import make_plan, recognised
from core.data.importers.outcomes import ImportOutcome, ImportReport
from core.domain.shapes import Ellipse, Polygon, Rectangle
from core.domain.vocabulary import BiradsCategory, BreastComposition, Laterality, MassDensity, ViewPosition
from core.store.check import check_study
from core.store.study import Study
from tests.core.data.importers.replicas import cbis_ddsm, cmmd, embed, inbreast, vindr_mammo
from tests.core.data.importers.replicas.truth import Truth

REPLICAS: dict[str, Callable[[Path], Truth]] = {
    "cbis-ddsm": cbis_ddsm.build,
    "inbreast": inbreast.build,
    "vindr-mammo": vindr_mammo.build,
    "cmmd": cmmd.build,
    "embed": embed.build,
}


class Imported:
    """One replica in a study of its own."""

    def __init__(self, layout: str, folder: Path) -> None:
        self.source = folder / "download"
        self.source.mkdir()
        self.truth = REPLICAS[layout](self.source)
        self.plan = make_plan(self.source)
        with Study.create(folder / "study", name="replica") as study:
            self.report: ImportReport = run_import(study, self.plan)
            self.patients, self.images, self.lesions = (
                study.patients.all(),
                study.images.all(),
                study.lesions.all(),
            )
            self.good = check_study(study).good

    @property
    def sentences(self) -> str:
        return "\n".join(issue.sentence for issue in self.report.issues)


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Imported]:
    made: dict[str, Imported] = {}

    def one(layout: str) -> Imported:
        if layout not in made:
            made[layout] = Imported(layout, tmp_path_factory.mktemp(layout))
        return made[layout]

    return one


@pytest.mark.parametrize("layout", REPLICAS)
def test_a_download_is_recognised_by_its_tables(layout: str, tmp_path: Path) -> None:
    REPLICAS[layout](tmp_path)
    assert recognised(tmp_path) == layout


@pytest.mark.parametrize("layout", REPLICAS)
def test_imported_counts_are_those_of_the_replica(layout: str, imported: Callable[[str], Imported]) -> None:
    found = imported(layout)
    truth = found.truth
    counts = (len(found.patients), len(found.images), len(found.lesions))
    assert counts == (truth.patients, truth.images, truth.lesions)
    assert Counter(lesion.labels.margin for lesion in found.lesions) == truth.margins
    assert Counter(lesion.labels.pathology for lesion in found.lesions) == truth.pathology
    assert found.good


@pytest.mark.parametrize("layout", REPLICAS)
def test_every_planted_trap_is_said(layout: str, imported: Callable[[str], Imported]) -> None:
    found = imported(layout)
    assert [trap for trap in found.truth.said if trap not in found.sentences] == []


@pytest.mark.parametrize("layout", REPLICAS)
def test_every_file_has_one_line_in_the_results(layout: str, imported: Callable[[str], Imported]) -> None:
    found = imported(layout)
    names = [found.plan.name_of(image) for image in found.plan.images]
    lines = found.report.files
    assert len(set(names)) == len(names) and [line.name for line in lines][: len(names)] == names
    stored = [line for line in lines[: len(names)] if line.fate in (ImportOutcome.IMPORTED, ImportOutcome.NOTE)]
    assert len(stored) == found.truth.images
    said = [sentence for line in lines for sentence in line.sentences]
    assert sorted(said) == sorted(issue.sentence for issue in found.report.issues)


@pytest.mark.parametrize("layout", REPLICAS)
def test_no_identifier_of_a_patient_reaches_the_study(layout: str, imported: Callable[[str], Imported]) -> None:
    found = imported(layout)
    identifiers = {image.patient for image in found.plan.images} - {""}
    database = (found.source.parent / "study" / "study.db").read_bytes()
    # short ones may stand in any number
    assert [word for word in identifiers if len(word) > 5 and word.encode() in database] == []


def test_cbis_masks_become_outlines_where_the_mass_is(imported: Callable[[str], Imported]) -> None:
    found = imported("cbis-ddsm")
    for lesion in found.lesions:
        assert isinstance(lesion.outline, Polygon)
        x, y = lesion.box.centre
        # the mask of half the size too; numbered masses lie 20 px apart
        assert min(abs(x - 20), abs(x - 40)) < 1 and abs(y - 40) < 1 and abs(lesion.box.width - 18) <= 2
    first = [lesion for lesion in found.lesions if lesion.labels.comment.startswith("CBIS-DDSM: mass shape IRREG")]
    assert len(first) == 2 and len({lesion.finding_id for lesion in first}) == 1, "one mass, two views"


def test_inbreast_patients_are_told_from_file_names(imported: Callable[[str], Imported]) -> None:
    found = imported("inbreast")
    compositions = Counter(image.composition for image in found.images)
    assert compositions == {BreastComposition.C: 2, BreastComposition.A: 1, None: 1}
    categories = Counter(lesion.labels.category for lesion in found.lesions)
    assert categories == {BiradsCategory.LOW_SUSPICION: 1, BiradsCategory.HIGHLY_SUGGESTIVE: 1, None: 2}
    assert found.report.fine_annotations == 4


def test_vindr_boxes_keep_their_place_and_digests_are_dropped(imported: Callable[[str], Imported]) -> None:
    found = imported("vindr-mammo")
    boxes = sorted(
        (lesion.box.x0, lesion.box.y0, lesion.box.x1, lesion.box.y1)
        for lesion in found.lesions
        if isinstance(lesion.outline, Rectangle)
    )
    assert boxes == [(5, 6, 25, 30), (10.5, 12.25, 30, 40), (20, 20, 40, 50)]


def test_embed_findings_go_to_their_own_side(imported: Callable[[str], Imported]) -> None:
    found = imported("embed")
    sides = {image.id: (image.laterality, image.view) for image in found.images}
    of_first = {
        sides[lesion.image_id]: lesion.labels
        for lesion in found.lesions
        if lesion.labels.density in (MassDensity.HIGH, MassDensity.EQUAL)
    }
    left, right = of_first[Laterality.LEFT, ViewPosition.CC], of_first[Laterality.RIGHT, ViewPosition.CC]
    assert left == of_first[Laterality.LEFT, ViewPosition.MLO]
    assert (left.density, right.density) == (MassDensity.HIGH, MassDensity.EQUAL)
    assert (left.category, right.category) == (BiradsCategory.SUSPICIOUS, BiradsCategory.BENIGN)
    in_left = [lesion for lesion in found.lesions if lesion.labels == left]
    assert len({lesion.finding_id for lesion in in_left}) == 1
    assert not any(isinstance(lesion.outline, Ellipse) for lesion in found.lesions)
