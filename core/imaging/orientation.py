"""Direction in which a mammogram is stored, and the turn to its standard display orientation.

The chest wall of a left breast is displayed at the left edge and that of a right breast at the right edge. The
axilla (MLO) or the lateral side (CC) is up (IHE Mammography Image profile). Patient Orientation (0020,0020) gives
the direction of the rows and columns of the stored matrix. It is not always true, so the picture itself is
examined: the chest wall lies where tissue reaches the edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.messages import NOTHING, Sentence, message
from core.domain.turn import Turn
from core.domain.vocabulary import Laterality, ViewPosition
from core.imaging.decoded import DecodedImage
from core.imaging.display import is_inverted

_MOST_SAMPLES = 256
_BACKGROUND_SHARE = 0.05
_STRIP = 0.03
"""Width of the strip at an edge that is looked at, over the width of the picture."""
_CLEAR = 0.25
"""By how much more of one strip than of the other must be tissue."""
_EXPECTED = {Laterality.LEFT: "left", Laterality.RIGHT: "right"}
_MEDIAL = {Laterality.LEFT: "R", Laterality.RIGHT: "L"}
_NO_TURN = Turn()


@dataclass(frozen=True, kw_only=True, eq=False)
class Breast:
    """Tissue positions on a coarse grid of samples."""

    tissue: NDArray[np.bool_]
    step: int
    """Pixels between samples."""

    def turned(self, turn: Turn) -> Breast:
        return Breast(tissue=turn.apply(self.tissue), step=self.step)

    @property
    def chest_wall(self) -> str:
        """The side, "left" or "right", at which tissue reaches the edge; "" where that is not clear."""
        width = max(1, round(self.tissue.shape[1] * _STRIP))
        left, right = float(self.tissue[:, :width].mean()), float(self.tissue[:, -width:].mean())
        if abs(left - right) < _CLEAR:
            return ""
        return "left" if left > right else "right"


def breast_of(pixels: NDArray[Any], *, inverted: bool, padding: tuple[int, int] | None) -> Breast:
    """Tissue is neither padding nor darker, as shown, than 5% of the way from the darkest to the brightest."""
    step = max(1, -(-max(pixels.shape) // _MOST_SAMPLES))
    values = pixels[::step, ::step].astype(np.float64)
    picture = np.ones(values.shape, bool)
    if padding is not None:
        picture = (values < padding[0]) | (values > padding[1])
    shown = -values if inverted else values
    if not picture.any():
        return Breast(tissue=picture, step=step)
    darkest, brightest = np.quantile(shown[picture], (0.001, 0.999))
    tissue = picture & (shown > darkest + _BACKGROUND_SHARE * (brightest - darkest))
    return Breast(tissue=tissue, step=step)


def described_turn(
    orientation: tuple[str, ...], side: Laterality | None, view: ViewPosition | None
) -> Turn | None:
    """Return the turn that Patient Orientation requires; None if it contains nothing usable.

    The first letter of each direction counts: ``FR`` leads to the feet, and only then to the right.
    """
    letters = [word.strip().upper()[:1] for word in orientation]
    if len(letters) != 2 or not all(letters):
        return None
    transpose = letters[1] in "AP"
    rows, columns = reversed(letters) if transpose else letters
    if rows not in "AP" or columns not in "HFLR":
        return None
    mirror = side is not None and rows != ("A" if side is Laterality.LEFT else "P")
    if columns in "HF":
        flip = columns == "H"
    else:
        # the medial side is down in CC; other views are not named by left and right
        flip = side is not None and view is ViewPosition.CC and columns != _MEDIAL[side]
    return Turn(transpose=transpose, mirror=mirror, flip=flip)


def decide(
    image: DecodedImage, side: Laterality | None, view: ViewPosition | None, breast: Breast
) -> tuple[Turn, Sentence]:
    """Return the turn of a stored picture for display, and a note about it ("" if there is none).

    Patient Orientation is followed unless the picture contradicts it. If the picture is reversed and the device
    states that it mirrored it (Field of View Horizontal Flip), it is mirrored back. Otherwise a picture whose
    chest wall is on the wrong side is not changed: its side may be wrong instead.
    """
    orientation = image.identity.patient_orientation
    asked = described_turn(orientation, side, view) or _NO_TURN
    words = "\\".join("".join(c for c in word.upper() if c in "AFHLPR")[:3] for word in orientation)
    wall = breast.turned(asked).chest_wall
    if side is None or not wall or wall == _EXPECTED[side]:
        if asked == _NO_TURN:
            return asked, NOTHING
        return asked, message(
            "it is stored {how} (Patient Orientation {words}) and was turned for display",
            how=_description(asked),
            words=words,
        )
    if asked.mirror:
        return _NO_TURN, message(
            "Patient Orientation ({words}) states that it is stored {how}, which the picture contradicts; it was "
            "not turned",
            words=words,
            how=_description(asked),
        )
    sides = {"left": message("left"), "right": message("right")}
    place = message(
        "its chest wall is on the {wall}, the wrong side for a {side} breast",
        wall=sides[wall],
        side=sides[_EXPECTED[side]],
    )
    if image.mirrored_by_device:
        turn = Turn(transpose=asked.transpose, mirror=True, flip=asked.flip)
        return turn, message(
            "{place}, though Patient Orientation is {words}; Field of View Horizontal Flip is YES, and it was "
            "mirrored for display",
            place=place,
            words=words,
        )
    return asked, message(
        "{place} (Patient Orientation {words}); it was not mirrored. Check its side", place=place, words=words
    )


def _description(turn: Turn) -> Sentence:
    words = {
        "M": message("mirrored"),
        "F": message("upside down"),
        "MF": message("turned by 180 degrees"),
        "T": message("transposed"),
        "TM": message("turned by 90 degrees"),
        "TF": message("turned by 270 degrees"),
        "TMF": message("transposed and turned by 180 degrees"),
    }
    return words[turn.code]


def breast_in(image: DecodedImage) -> Breast:
    """Return ``breast_of`` for an image, with the file's description of its pixels."""
    return breast_of(image.pixels, inverted=is_inverted(image.photometric), padding=image.padding)
