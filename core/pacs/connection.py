"""The connection to a PACS as the rest of the program sees it, for DICOMweb and DIMSE alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from core.domain.events import IsCancelled, never
from core.pacs.query import Found, FoundImage, Query

PathOf = Callable[[str], Path]
"""Function that returns the path for the object with this SOP Instance UID; we choose the file's name."""


class Pacs(Protocol):
    """A connection to one PACS; every method raises PacsError with one sentence where it fails."""

    def test(self) -> None:
        """C-ECHO, or the smallest query."""

    def studies(self, query: Query) -> Found:
        """Examinations that match the keys of the study level, at most ``MOST_STUDIES``."""

    def images(self, study_uid: str, modality: str) -> tuple[FoundImage, ...]:
        """The objects of an examination with this modality ("": any)."""

    def fetch(
        self, images: Sequence[FoundImage], path_of: PathOf, *, cancelled: IsCancelled = never
    ) -> Iterator[FoundImage]:
        """Bring these objects to their paths, each whole or not at all; gives each when it is there."""

    def store(self, paths: Sequence[Path]) -> Iterator[Path]:
        """Send files as they are; gives each when the PACS has accepted it. See ``core.pacs.sending.send``."""

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...
