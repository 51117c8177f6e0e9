"""Look here instead: another patch becomes a prototype, before and after beside each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QLineEdit,
    QWidget,
)

from app.qt.background import Background, WorkResult
from app.qt.spacing import dialog_column
from app.qt.translation import tr
from app.services.opened_model import OpenedModel
from app.views.steering.picker import PlacePicker
from app.widgets.explain.effect_table import EffectTable
from app.widgets.explain.heat import grey_picture
from app.widgets.label import Label
from core.domain.vocabulary import Part

if TYPE_CHECKING:
    from core.pruning.compare import Difference
    from core.tasks.review.steering_preview import SteeringOutcome, SteeringPreview
    from core.training.steering import SteeredPlace


@dataclass(frozen=True, kw_only=True)
class _Found:
    outcome: SteeringOutcome
    changes: tuple[Difference, ...]


class SteeringDialog(QDialog):
    """Nothing changes until the reader has given a reason and asked for the new run."""

    wanted = Signal(object)
    """The ``SteeredPlace`` of the new run."""

    def __init__(
        self, model: OpenedModel, index: int, *, lesion_id: str = "", parent: QWidget | None = None
    ) -> None:
        """``index``: of the prototype in the unpruned model; ``lesion_id``: the lesion that is shown first."""
        super().__init__(parent)
        self._model, self._index = model, index
        self._source = model.pruning.base.card.prototypes[index]
        self.rows = _rows(model, self._source.class_name)
        """Rows of the training ROIs of the prototype's class."""
        self.outcome: SteeringOutcome | None = None
        self._preview: SteeringPreview | None = None
        self._place: SteeredPlace | None = None
        self._turn = 0
        self.setWindowTitle(tr("Prototype {number}: look here instead", number=index + 1))
        self.now, self.picker, self.lesions = PlacePicker(), PlacePicker(), QComboBox()
        self.said, self.effect, self.reason = Label(), EffectTable(), QLineEdit()
        self.buttons = QDialogButtonBox()
        self.make = self.buttons.addButton(tr("Make a new run"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.addButton(tr("Cancel"), QDialogButtonBox.ButtonRole.RejectRole)
        self._work = Background(self, name="steering", most=1)
        self._work.done.connect(self._take)
        self._lay_out()
        self._show_now()
        self.lesions.currentIndexChanged.connect(self._show_lesion)
        self.picker.chosen.connect(self._ask)
        self.reason.textChanged.connect(self._enable)
        self.buttons.accepted.connect(self._make)
        self.buttons.rejected.connect(self.reject)
        self._fill(lesion_id)

    def _lay_out(self) -> None:
        self.said.setWordWrap(True)
        self.effect.part.setEnabled(False)
        self.reason.setPlaceholderText(tr("Reason, kept with the run"))
        self.reason.setAccessibleName(tr("Reason"))
        self.lesions.setAccessibleName(tr("Training lesion"))
        self.picker.setAccessibleName(tr("Place that the prototype looks at"))
        titles = [Label(tr("Now")), Label(tr("Look here instead: click on the place"))]
        for title in titles:
            title.setObjectName("heading")
        pictures = QGridLayout()
        pictures.setHorizontalSpacing(16)
        pictures.setColumnStretch(0, 1)
        pictures.setColumnStretch(1, 1)
        pictures.setRowStretch(2, 1)
        name = tr(
            "{name}, from lesion {lesion}", name=tr(self._source.class_name), lesion=self._source.lesion_id[:8]
        )
        for column, parts in enumerate(
            ((titles[0], Label(name), self.now), (titles[1], self.lesions, self.picker))
        ):
            for row, part in enumerate(parts):
                pictures.addWidget(part, row, column)
        layout = dialog_column(self)
        layout.addLayout(pictures, 2)
        layout.addWidget(self.said)
        layout.addWidget(self.effect, 1)
        layout.addWidget(self.reason)
        layout.addWidget(self.buttons)
        self.resize(760, 720)

    def _show_now(self) -> None:
        rois = self._model.opened.rois
        if self._source.lesion_id in rois.lesion_ids:
            row = rois.lesion_ids.index(self._source.lesion_id)
            self.now.show_picture(grey_picture(rois.central(rois.pixels[row])), box=self._source.patch_box_roi)
        else:
            self.now.show_picture(None)

    def _fill(self, lesion_id: str) -> None:
        rois = self._model.opened.rois
        titles = {case.lesion_id: case.title for case in self._model.cases}
        for row in self.rows:
            lesion = rois.lesion_ids[row]
            self.lesions.addItem(titles.get(lesion, lesion[:8]), row)
        found = [place for place, row in enumerate(self.rows) if rois.lesion_ids[row] == lesion_id]
        if found:
            self.lesions.setCurrentIndex(found[0])
        self._show_lesion()
        if not self.rows:
            self._say(tr("No training lesion of this class can be seen by the model."))
        elif lesion_id and not found:
            self._say(
                tr(
                    "This lesion is not a training lesion of the class {name}: validation and test stay unseen, "
                    "and a prototype is a patch of its own class. Choose another lesion.",
                    name=tr(self._source.class_name),
                )
            )

    def _show_lesion(self) -> None:
        self._turn += 1
        self._place = self.outcome = None
        self.effect.show_outcome(None, None, {})
        row = self.lesions.currentData()
        rois, network = self._model.opened.rois, self._model.pruning.base.network
        if row is None:
            self.picker.show_picture(None)
        else:
            self.picker.show_picture(grey_picture(rois.central(rois.pixels[row])), grid=network.grid)
        self._say(tr("The figures before and after follow; the model stays as it is until you make a new run."))
        self._enable()

    def _say(self, sentence: str) -> None:
        self.said.setText(sentence)

    def _ask(self, cell: tuple[int, int]) -> None:
        """Work out what the model would be."""
        from core.tasks.review.steering_preview import SteeringPreview
        from core.training.steering import SteeredPlace

        model, row = self._model, int(self.lesions.currentData())
        rois = model.opened.rois
        place = rois.image_to_input[row].inverse()(self.picker.box_of(cell).centre)
        self._place = SteeredPlace(number=self._index + 1, lesion_id=rois.lesion_ids[row], place=place)
        self.outcome = None
        self._turn += 1
        turn, wanted = self._turn, self._place
        self._say(tr("Computing figures …"))
        self._enable()

        def work() -> _Found:
            if self._preview is None:
                self._preview = SteeringPreview(model.pruning.study, model.opened, model.pruning)
            found = self._preview.outcome([wanted], lambda: turn != self._turn)
            return _Found(outcome=found, changes=found.differences(lambda: turn != self._turn))

        self._work.submit(turn, work)

    def _take(self, result: WorkResult) -> None:
        if result.key != self._turn:
            return
        if result.error is not None:
            self._place = None
            self._say(result.sentence)
            self._enable()
            return
        if not isinstance(result.value, _Found):
            return
        found, changes = result.value.outcome, result.value.changes
        self.outcome = found
        titles = {case.lesion_id: case.title for case in self._model.cases}
        self.effect.show_outcome(found.outcome, found, titles)
        self.effect.show_differences(changes)
        if Part.VALIDATION in found.judged:
            self._say(tr("On the validation part, measured again, with 95% intervals of the paired change:"))
        else:
            self._say(tr("This run has no validation part: the change cannot be measured."))
        self._enable()

    def _enable(self) -> None:
        ready = self.outcome is not None and bool(self.reason.text().strip())
        self.make.setEnabled(ready)
        self.make.setToolTip("" if ready else tr("Choose a place and give a reason first"))

    def _make(self) -> None:
        import msgspec

        if self._place is not None and self.make.isEnabled():
            self.wanted.emit(msgspec.structs.replace(self._place, reason=self.reason.text().strip()))
            self.accept()

    def done(self, result: int) -> None:
        self._turn += 1
        self._work.stop()
        super().done(result)


def _rows(model: OpenedModel, class_name: str) -> list[int]:
    opened = model.opened
    names = opened.rois.class_names
    return [
        row
        for row, (part, label) in enumerate(zip(opened.parts, opened.rois.label.tolist(), strict=True))
        if part == Part.TRAINING.value and label >= 0 and names[label] == class_name
    ]
