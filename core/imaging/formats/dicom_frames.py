"""Attributes of one frame of an enhanced multi-frame image, such as a tomosynthesis (PS3.3 C.7.6.16).

There, spacing, window and rescale do not stand in the dataset itself but in sequences: one item shared by all
frames, and one item a frame, which goes before it.
"""

from __future__ import annotations

from typing import Any

from core.imaging.formats.dicom_header import Attributes

_GROUP_OF = {
    "PixelSpacing": "PixelMeasuresSequence",
    "ImagerPixelSpacing": "PixelMeasuresSequence",
    "WindowCenter": "FrameVOILUTSequence",
    "WindowWidth": "FrameVOILUTSequence",
    "WindowCenterWidthExplanation": "FrameVOILUTSequence",
    "VOILUTFunction": "FrameVOILUTSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "FrameLaterality": "FrameAnatomySequence",
    "PatientOrientation": "PatientOrientationInFrameSequence",
}
_RENAMED = {"ImageLaterality": "FrameLaterality"}


class FrameAttributes(Attributes):
    """The attributes of a dataset as they hold for one frame; those of plain datasets are as they were."""

    def __init__(self, whole: Attributes, frame: int) -> None:
        self._whole = whole
        self.unreadable = whole.unreadable
        self._groups = [
            group
            for group in (
                whole.item("PerFrameFunctionalGroupsSequence", frame),
                whole.item("SharedFunctionalGroupsSequence", 0),
            )
            if group is not None
        ]

    def value(self, keyword: str) -> Any:
        plain = self._whole.value(keyword)
        if plain not in (None, "") or not self._groups:
            return plain
        inner = _RENAMED.get(keyword, keyword)
        for group in self._groups:
            if inner in _GROUP_OF and (found := group.item(_GROUP_OF[inner], 0)) is not None:
                value = found.value(inner)
                if value not in (None, ""):
                    return value
        return plain
