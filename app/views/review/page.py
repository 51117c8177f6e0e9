"""Content of a case's export."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.widgets.explain.heat import HeatLook
from core.store.database import now_utc
from core.tasks.readers.voices import Voice

if TYPE_CHECKING:
    from app.services.opened_model import OpenedModel
    from app.widgets.explain.pictures import CasePictures
    from core.explain.panel import Panel
    from core.explain.prototype_patches import PrototypePatch
    from core.explain.report import Provenance


@dataclass(frozen=True, kw_only=True, eq=False)
class Page:
    """Content of the export."""

    panel: Panel
    patches: tuple[PrototypePatch, ...]
    provenance: Provenance
    title: str
    """Pseudonym of the patient, view and number of the lesion."""
    look: HeatLook
    voices: tuple[Voice, ...] = ()
    """The data set's call and the readers'."""
    model: str = ""
    """Name of the run."""
    day: str = ""
    """Date of the page, ISO 8601."""


def page_of(
    model: OpenedModel, pictures: CasePictures, *, title: str, look: HeatLook, voices: tuple[Voice, ...]
) -> Page:
    """The page of a case as this model explains it, dated today."""
    return Page(
        panel=pictures.panel,
        patches=model.patches,
        provenance=model.opened.provenance,
        title=title,
        look=look,
        voices=voices,
        model=model.run.name,
        day=now_utc()[:10],
    )
