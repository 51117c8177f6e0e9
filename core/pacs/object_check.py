"""Check that a PACS sent the requested object. Headers are foreign: a child process reads them."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from pydicom import dcmread

from core.domain.errors import BadFileError, PacsError
from core.domain.messages import message
from core.imaging.sandbox import Sandbox
from core.pacs.query import FoundImage

_ENTRY = "core.pacs.object_check:run"
_KEYWORDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


class ObjectCheck:
    """Compares objects with what was asked for. A context manager."""

    def __init__(self, name: str) -> None:
        """``name``: of the PACS, for sentences."""
        self._name = name
        self._child = Sandbox(_ENTRY)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.close()

    def check(self, image: FoundImage, path: Path) -> None:
        """Delete the file and raise PacsError unless it holds this object of this series of this study."""
        wanted = (image.study_uid, image.series_uid, image.sop_uid)
        try:
            found = msgspec.json.decode(self._child.call(str(path.absolute()).encode(), name="An object"))
        except BadFileError as error:
            path.unlink(missing_ok=True)
            raise PacsError(
                message("{name} sent a damaged object, which was not kept. Get it again.", name=self._name)
            ) from error
        if tuple(found) != wanted:
            path.unlink(missing_ok=True)
            raise PacsError(
                message(
                    "{name} answered with another object than the one that was asked for; it was not kept. Ask "
                    "who runs the PACS.",
                    name=self._name,
                )
            )


def run(argument: bytes) -> bytes:
    """The child's side: a path in, study, series and SOP Instance UID out."""
    header = dcmread(Path(argument.decode()), specific_tags=list(_KEYWORDS), stop_before_pixels=True)
    return msgspec.json.encode([str(header.get(keyword, "")).strip() for keyword in _KEYWORDS])
