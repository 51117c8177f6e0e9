"""The one call that exports, for window and command line."""

from __future__ import annotations

from core.domain.events import Emit, IsCancelled, never, silent
from core.exchange.formats import Exported, ExportRequest, ExportTools, check_options, format_of
from core.store.study import Study


def export(
    study: Study, request: ExportRequest, *, emit: Emit = silent, cancelled: IsCancelled = never
) -> Exported:
    """Write what the request describes.

    Raises: StudyError if there is no such format, an option does not belong to it, or there is nothing to write;
    Cancelled, which leaves nothing behind.
    """
    chosen = format_of(request.format)
    check_options(chosen, request.options)
    return chosen.writer()(study, request, ExportTools(emit=emit, cancelled=cancelled))
