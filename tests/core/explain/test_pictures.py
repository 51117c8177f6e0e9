from __future__ import annotations

import io

import msgspec
from PIL import Image

from core.explain.explanation import explain, roi_input
from core.explain.gallery import analyse
from core.explain.pictures import case_pictures
from core.explain.prototype_patches import prototype_patches
from core.explain.report import provenance_of, render_index
from core.explain.sections import case_link, prototype_section
from tests.core.explain.world import make_world

NETWORK, CARD, ROIS = make_world()
PATCHES = prototype_patches(NETWORK, CARD, ROIS)
FOUND = explain(NETWORK, CARD, roi_input(ROIS, 2))


def size(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "PNG"
        return picture.size


def test_there_is_a_picture_of_every_row_and_class() -> None:
    found = case_pictures(FOUND, PATCHES)
    assert len(found) == 1 + 6 + 3
    ranked = [f"{row.number:02d}" for row in FOUND.ranked(FOUND.predicted)]
    assert [name.split("-")[3] for name in sorted(found) if name.startswith("row-")] == ranked
    assert {size(found[name]) for name in found if name.startswith("row-")} == {(5 * 224 + 4 * 4, 224)}
    assert size(found["class-activation-spiculated.png"]) == (224, 224)


def test_without_the_source_images_a_row_shows_the_lesion_alone() -> None:
    found = case_pictures(FOUND)
    assert {size(found[name]) for name in found if name.startswith("row-")} == {(2 * 224 + 4, 224)}


def test_the_section_of_prototypes_shows_all_of_them() -> None:
    section = prototype_section(CARD, PATCHES, analyse(NETWORK, CARD, ROIS))
    assert len(section.pictures) == len(section.tables[0].rows) == 6
    assert section.tables[0].rows[0][0] == "1  circumscribed"
    page = render_index("Report", "", (section,), provenance_of(CARD, "a" * 64))
    assert page.count("<img ") == 6
    bare = prototype_section(CARD, (), analyse(NETWORK, CARD, ROIS))
    assert bare.pictures == ()


def test_a_link_says_what_was_read_and_scored() -> None:
    link = case_link(FOUND, "case.html", "Case 1")
    assert link.note.startswith("read as spiculated; scored ")
    card = msgspec.structs.replace(CARD, precedent_threshold=1e9)
    assert case_link(explain(NETWORK, card, roi_input(ROIS, 2)), "case.html", "Case 1").note.endswith(
        "no prediction"
    )
