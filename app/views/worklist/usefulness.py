"""The order "Most useful first" of the worklist, from the model that is open."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.qt.background import Background, WorkResult
from app.qt.translation import tr
from app.services.model_service import ModelService
from app.state.changes import Change, StudyClosing
from app.state.preferences import shows_others_first
from app.state.session import Session
from app.views.worklist.panel import WorklistPanel
from core.store.worklist import WorklistOrder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from app.services.opened_model import OpenedModel
    from core.tasks.review.case_list import ReviewCase
    from core.tasks.review.useful_order import Candidate


class UsefulFirst(QObject):
    """Ranks the lesions when the order is chosen, and again when the model or its predictions have changed."""

    message = Signal(str)
    """Sentence on what the order rests on."""

    def __init__(self, session: Session, models: ModelService, panel: WorklistPanel) -> None:
        super().__init__(panel)
        self._session, self._models, self._panel = session, models, panel
        self._ranked: tuple[str, int] | None = None
        """Revision and number of the predictions that the shown ranking was made from."""
        self._features: dict[str, NDArray[np.float64]] = {}
        """By lesion; of the run ``_features_of``."""
        self._features_of = ""
        self._stop = threading.Event()
        self.work = Background(self, name="features", most=1)
        self.work.done.connect(self._take_features)
        session.changed.connect(self._close)
        panel.order.currentIndexChanged.connect(self._begin)
        models.model_changed.connect(self._follow)
        models.cases_changed.connect(self._follow)

    @property
    def _chosen(self) -> bool:
        """True if the order is "Most useful first"."""
        return bool(self._panel.order.currentData() == WorklistOrder.RANKING.value)

    def _begin(self) -> None:
        self._ranked = None
        if not (self._chosen and self._session.is_open):
            self._panel.model.reasons = {}
            return
        if self._models.model is None and not self._models.is_opening:
            self._models.open_newest()
        if self._models.model is None and not self._models.is_opening:
            self.message.emit(tr("No model has been trained yet: the order is drawn at random."))
            self._show(())
        elif self._models.is_opening:
            self.message.emit(tr("The model is being opened; the order follows."))
        else:
            self._follow()

    def _follow(self) -> None:
        model = self._models.model
        if not self._chosen or model is None or self._models.is_opening:
            return
        basis = (model.revision.id, sum(case.probabilities is not None for case in model.cases))
        if basis != self._ranked:
            self._ranked = basis
            self._show(model.cases)
        self._ask_for_features(model)

    def _ask_for_features(self, model: OpenedModel) -> None:
        """Compute the features of the lesions once for each run; the order follows them when they are there."""
        if self._features_of == model.run.id:
            return
        self._features_of, self._features = model.run.id, {}
        stop = self._stop = threading.Event()

        def work() -> dict[str, NDArray[np.float64]]:
            from core.tasks.review.lesion_features import lesion_features

            return lesion_features(model.opened, stop.is_set)

        self.work.submit(model.run.id, work)

    def _take_features(self, result: WorkResult) -> None:
        if result.key != self._features_of or not isinstance(result.value, dict):
            return
        self._features = result.value
        self._ranked = None
        self._follow()

    def _close(self, change: Change) -> None:
        if isinstance(change, StudyClosing):
            self._stop.set()
            self.work.stop()
            self._features_of, self._features = "", {}

    def _show(self, cases: tuple[ReviewCase, ...]) -> None:
        from core.tasks.review.useful_order import useful_order

        ranking = useful_order(self._candidates(cases))
        self._panel.model.reasons = {one.lesion_id: one.reason.value for one in ranking}
        self._panel.search_again()

    def _candidates(self, cases: tuple[ReviewCase, ...]) -> list[Candidate]:
        """Every lesion of the study. The data set's label counts only where the reader may see it."""
        from core.tasks.review.useful_order import Candidate

        model, study = self._models.model, self._session.study
        names = () if model is None else model.class_names
        by_id = {case.lesion_id: case for case in cases}
        reader = self._session.reader
        drawn = (
            {} if reader is None else {a.lesion_id: a for a in study.annotations.all_current(reader_id=reader.id)}
        )
        patients = {image.id: image.patient_id for image in study.images.all()}
        found = []
        for lesion in study.lesions.all():
            case = by_id.get(lesion.id)
            said = None if case is None else case.own or (case.label if shows_others_first() else None)
            found.append(
                Candidate(
                    lesion_id=lesion.id,
                    patient_id=patients[lesion.image_id],
                    probabilities=None if case is None else case.probabilities,
                    label=names.index(said) if said in names else None,
                    evidence=None if case is None else case.evidence,
                    has_precedent=case is None or case.has_precedent,
                    features=self._features.get(lesion.id),
                    annotated=lesion.id in drawn and bool(drawn[lesion.id].shapes),
                )
            )
        return found
