"""Patient Orientation, the picture itself and the device's own word decide how a mammogram is turned."""

from __future__ import annotations

import numpy as np
import pytest

from core.domain.turn import Turn
from core.domain.vocabulary import Laterality, ViewPosition
from core.imaging.decoded import DecodedImage, Identity
from core.imaging.orientation import breast_in, breast_of, decide

L, R, CC, MLO = Laterality.LEFT, Laterality.RIGHT, ViewPosition.CC, ViewPosition.MLO


def breast(side: Laterality) -> np.ndarray:
    """Half a disc at the edge where the chest wall hangs, smaller below."""
    y, x = np.mgrid[:120, :90]
    picture = np.where((x / 60) ** 2 + ((y - 50) / 48) ** 2 < 1, 2000, 0).astype(np.uint16)
    return picture if side is L else np.ascontiguousarray(picture[:, ::-1])


def image(pixels: np.ndarray, orientation: str, *, flip: bool = False) -> DecodedImage:
    words = tuple(orientation.split("\\")) if orientation else ()
    return DecodedImage(
        pixels=pixels,
        bits_stored=12,
        format="DICOM",
        mirrored_by_device=flip,
        identity=Identity(patient_orientation=words),
    )


@pytest.mark.parametrize(
    ("side", "view", "orientation", "stored"),
    [
        (L, CC, "A\\R", ""), (R, CC, "P\\L", ""), (L, MLO, "A\\FR", ""), (R, MLO, "P\\FL", ""), (L, CC, "", ""),
        (L, CC, "P\\R", "M"), (R, CC, "A\\L", "M"), (L, CC, "A\\L", "F"), (R, CC, "P\\R", "F"),
        (L, CC, "P\\L", "MF"),
        (R, CC, "A\\R", "MF"), (L, MLO, "A\\HL", "F"), (R, MLO, "A\\H", "MF"), (L, MLO, "FR\\A", "T"),
        (L, MLO, "F\\P", "TF"), (R, MLO, "H\\A", "TMF"), (R, CC, "L\\A", "TF"), (L, MLO, "H\\A", "TM"),
        (L, None, "A\\R", ""), (L, MLO, "P\\L", "M"),
    ],
)  # fmt: skip
def test_stored_turned_by_patient_orientation(
    side: Laterality, view: ViewPosition | None, orientation: str, stored: str
) -> None:
    """``stored``: what was done to the hanging picture before it was stored, so that it is undone."""
    hanging = breast(side)
    as_stored = Turn.of(stored).apply(hanging)
    given = image(as_stored, orientation)
    turn, said = decide(given, side, view, breast_in(given))
    np.testing.assert_array_equal(turn.apply(as_stored), hanging)
    assert bool(said) is bool(stored)


@pytest.mark.parametrize(("side", "orientation"), [(L, "A\\R"), (L, ""), (R, "P\\L")])
def test_the_device_s_flip_is_undone_where_the_picture_bears_it_out(side: Laterality, orientation: str) -> None:
    mirrored = np.ascontiguousarray(breast(side)[:, ::-1])
    given = image(mirrored, orientation, flip=True)
    turn, said = decide(given, side, CC, breast_in(given))
    assert turn == Turn(mirror=True) and "Field of View Horizontal Flip" in said
    right = image(breast(side), orientation, flip=True)
    assert decide(right, side, CC, breast_in(right)) == (Turn(), "")


@pytest.mark.parametrize(("orientation", "word"), [("A\\R", "Check its side"), ("", "Check its side")])
def test_a_picture_on_the_wrong_side_is_left_alone_and_noted(orientation: str, word: str) -> None:
    given = image(breast(R), orientation)
    turn, said = decide(given, L, CC, breast_in(given))
    assert turn == Turn() and word in said


def test_an_orientation_that_the_picture_contradicts_is_not_followed() -> None:
    given = image(breast(L), "P\\R")
    turn, said = decide(given, L, CC, breast_in(given))
    assert turn == Turn() and "contradicts" in said


@pytest.mark.parametrize("orientation", ["X\\Y", "A", "A\\P", "L\\F"])
def test_what_is_no_orientation_turns_nothing(orientation: str) -> None:
    given = image(breast(L), orientation)
    assert decide(given, L, CC, breast_in(given)) == (Turn(), "")


def test_tissue_is_found_in_inverted_pictures_and_beside_bright_padding() -> None:
    picture = breast(L)
    expected = picture > 0
    np.testing.assert_array_equal(breast_of(picture, inverted=False, padding=None).tissue, expected)
    np.testing.assert_array_equal(breast_of(4095 - picture, inverted=True, padding=None).tissue, expected)
    y = np.mgrid[:120, :90][0]
    padded = np.where(picture > 0, 500 + 5 * y, 4095).astype(np.uint16)
    tissue = breast_of(padded, inverted=False, padding=(4000, 4095)).tissue
    assert not tissue[picture == 0].any() and tissue[picture > 0].mean() > 0.9
