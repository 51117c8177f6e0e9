"""Effect of pruning the ticked prototypes: figures before and after, differences with intervals, flips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.qt.translation import tr
from app.widgets.explain.figure_bar import FigureBar
from app.widgets.explain.numbers import MISSING, optional, signed
from app.widgets.label import Label
from core.domain.vocabulary import Part
from core.statistics.estimate import Comparison, p_text

if TYPE_CHECKING:
    from core.pruning.compare import Difference
    from core.pruning.figures import PartFigures
    from core.pruning.prune import PruneOutcome
    from core.tasks.review.prototype_survey import HasPrecision

_PARTS = (Part.VALIDATION, Part.TEST)


class EffectTable(QWidget):
    """Two states of a model side by side."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bars = {key: FigureBar(name) for key, name in _main_figures().items()}
        self.part = QComboBox()
        self.part.addItems([tr(part.value) for part in _PARTS])
        self.part.setAccessibleName(tr("Part that is evaluated"))
        self.once = Label(tr("Decide on validation; the test part is for one look afterwards."))
        self.once.setObjectName("badge")
        self.once.setMargin(4)
        self.once.hide()
        self.table = QTableWidget(0, 5)
        self.table.setHorizontalHeaderLabels(
            [tr("Figure"), tr("now"), tr("after"), tr("change"), tr("95% interval")]
        )
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.table.setShowGrid(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(26)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        self.flips_title = Label()
        self.flips_title.setObjectName("heading")
        self.flips = _flips_table()
        self.more = QToolButton()
        self.more.setObjectName("fold")
        self.more.setCheckable(True)
        self.more.toggled.connect(self._unfold)
        judged = QHBoxLayout()
        judged.addWidget(Label(tr("Evaluated on the part")))
        judged.addWidget(self.part)
        judged.addStretch()
        judged.addWidget(self.more)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for bar in self.bars.values():
            layout.addWidget(bar)
        layout.addLayout(judged)
        layout.addWidget(self.once)
        layout.addWidget(self.table, 3)
        layout.addWidget(self.flips_title)
        layout.addWidget(self.flips, 2)
        layout.addStretch()
        self._unfold(False)
        self._outcome: PruneOutcome | None = None
        self._survey: HasPrecision | None = None
        self._differences: Sequence[Difference] = ()
        self._titles: dict[str, str] = {}
        self.part.currentIndexChanged.connect(self._fill)

    def show_outcome(
        self, outcome: PruneOutcome | None, survey: HasPrecision | None, titles: dict[str, str]
    ) -> None:
        """``titles``: what lesions are called, by their id. The intervals of another outcome go."""
        self._outcome, self._survey, self._titles, self._differences = outcome, survey, titles, ()
        self._fill()

    def _unfold(self, whole: bool) -> None:
        """All figures, or only the three that matter most."""
        self.table.setVisible(whole)
        self.more.setText(tr("Fewer figures") if whole else tr("All figures"))

    def show_differences(self, found: Sequence[Difference]) -> None:
        self._differences = found
        self._fill()

    def text_of(self, key: str, column: int) -> str:
        """Return the text of a cell; ``key`` is the figure's (for tests and screen readers)."""
        for row in range(self.table.rowCount()):
            item = self.table.item(row, 0)
            if item is not None and item.data(Qt.ItemDataRole.UserRole) == key:
                found = self.table.item(row, column)
                return "" if found is None else found.text()
        return ""

    def _fill(self) -> None:
        part, outcome = _PARTS[self.part.currentIndex()], self._outcome
        self.once.setVisible(part is Part.TEST)
        if outcome is None or part not in outcome.figures_before:
            for bar in self.bars.values():
                bar.show_figure(None, None, None, changes=False)
            self.table.setRowCount(0)
            self.flips.setVisible(False)
            self.flips.setRowCount(0)
            self.flips_title.setText("")
            return
        before, after = outcome.figures_before[part], outcome.figures_after[part]
        rows = [
            *((f"auroc:{n}", tr("AUROC {name}", name=tr(n))) for n in outcome.before.class_names),
            ("auroc_mean", tr("Margin AUROC")),
            ("kappa", tr("Kappa with the labels")),
            ("malignancy_auroc", tr("Malignancy AUROC")),
            ("calibration_slope", tr("Malignancy calibration slope")),
            ("cross_entropy", tr("Cross-entropy")),
            ("brier", tr("Brier score (calibration)")),
        ]
        known = {one.key: one.comparison for one in self._differences if one.part is part}
        self.table.setRowCount(len(rows) + 2)
        for place, (key, label) in enumerate(rows):
            pair = (_value(before, key, outcome), _value(after, key, outcome))
            self._put(place, key, label, pair, known.get(key))
        for place, (key, label) in enumerate(
            (("lesion_precision", tr("Activation in lesion")), ("fine_precision", tr("Activation in margin"))),
            start=len(rows),
        ):
            precision = None if self._survey is None else getattr(self._survey, key)
            states = (outcome.before.kept, outcome.after.kept)
            values = (None, None) if precision is None else tuple(precision.mean(kept) for kept in states)
            self._put(place, key, label, (values[0], values[1]), known.get(key))
        scale = max(bar.reach for bar in self.bars.values())
        for bar in self.bars.values():
            bar.set_scale(scale)
        self._fill_flips(outcome, part)

    def _put(
        self,
        row: int,
        key: str,
        label: str,
        pair: tuple[float | None, float | None],
        comparison: Comparison | None,
    ) -> None:
        before, after = pair
        if key in self.bars and self._outcome is not None:
            changes = self._outcome.before is not self._outcome.after
            self.bars[key].show_figure(before, after, comparison, changes=changes)
        change = MISSING if before is None or after is None else signed(after - before, 4)
        values = (label, optional(before, 4), optional(after, 4), change, _interval(comparison))
        if self._outcome is not None and self._outcome.before is self._outcome.after:
            values = (label, optional(before, 4), "", "", "")
        for column, value in enumerate(values):
            item = QTableWidgetItem(value)
            if column:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            else:
                item.setData(Qt.ItemDataRole.UserRole, key)
            if column == 4 and comparison is not None:
                item.setToolTip(comparison.difference.method)
            self.table.setItem(row, column, item)

    def _fill_flips(self, outcome: PruneOutcome, part: Part) -> None:
        flips = [flip for flip in outcome.flips if flip.part is part]
        names = outcome.before.class_names
        lesions = outcome.figures_before[part].lesions
        said = tr("{count} of {all} lesions change their class", count=len(flips), all=lesions)
        self.flips_title.setText("" if outcome.before is outcome.after else said)
        self.flips.setRowCount(len(flips))
        self.flips.setVisible(bool(flips))
        for row, flip in enumerate(flips):
            title = self._titles.get(flip.lesion_id, flip.lesion_id[:8])
            for column, value in enumerate(
                (title, tr(names[flip.label]), tr(names[flip.before]), tr(names[flip.after]))
            ):
                self.flips.setItem(row, column, QTableWidgetItem(value))


def _main_figures() -> dict[str, str]:
    """Return the three main figures for a decision on a pruning, by their keys."""
    return {
        "auroc_mean": tr("Margin AUROC"),
        "lesion_precision": tr("Activation in lesion"),
        "fine_precision": tr("Activation in margin"),
    }


def _value(figures: PartFigures, key: str, outcome: PruneOutcome) -> float | None:
    if key.startswith("auroc:"):
        return figures.auroc[outcome.before.class_names.index(key.removeprefix("auroc:"))]
    value: float | None = getattr(figures, key)
    return value


def _interval(comparison: Comparison | None) -> str:
    if comparison is None:
        return ""
    found = comparison.difference
    if found.low is None or found.high is None:
        return tr("undefined")
    text = f"{signed(found.low, 3)} … {signed(found.high, 3)}"
    return text if comparison.p_value is None else f"{text}, {p_text(comparison.p_value)}"


def _flips_table() -> QTableWidget:
    """Lesions whose class changes, with their label and both answers."""
    table = QTableWidget(0, 4)
    table.setHorizontalHeaderLabels([tr("Lesion"), tr("labelled"), tr("now"), tr("after")])
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setShowGrid(False)
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(24)
    flips = table.horizontalHeader()
    flips.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
    flips.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
    flips.setHighlightSections(False)
    flips.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return table
