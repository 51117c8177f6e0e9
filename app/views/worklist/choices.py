"""The filters and orders of the worklist, in the user's words."""

from __future__ import annotations

from app.qt.translation import tr
from core.store.worklist import WorklistFilter, WorklistOrder


def filters() -> list[tuple[str, str]]:
    """Word and value of each filter, as they are offered."""
    return [
        (tr("All"), WorklistFilter.ALL.value),
        (tr("My queue"), WorklistFilter.QUEUE.value),
        (tr("Not labelled"), WorklistFilter.UNLABELLED.value),
        (tr("Not annotated"), WorklistFilter.UNANNOTATED.value),
        (tr("Mine"), WorklistFilter.MINE.value),
        (tr("Flagged"), WorklistFilter.FLAGGED.value),
    ]


def orders() -> list[tuple[str, str]]:
    """Word and value of each order, as they are offered."""
    return [
        (tr("As imported"), WorklistOrder.ENTRY.value),
        (tr("Newest first"), WorklistOrder.NEWEST.value),
        (tr("By patient"), WorklistOrder.PATIENT.value),
        (tr("By margin"), WorklistOrder.MARGIN.value),
        (tr("Most useful first"), WorklistOrder.RANKING.value),
    ]
