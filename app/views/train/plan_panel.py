"""Before a training: the data, the preset with its deviations, the advanced form, device and time."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QFrame,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from app.qt.sentences import translate_message
from app.qt.translation import tr
from app.services.training_service import PlanRequest
from app.views.train.config_form import ConfigForm
from app.views.train.data_panel import DataPanel
from app.views.train.deviation_list import DeviationList
from app.views.train.job_panel import duration
from app.views.train.label_rule_rows import LabelRuleRows
from app.views.train.weights_notice import WeightsNotice
from app.views.train.where import TrainingTarget, WhereBox
from app.widgets.label import Label
from app.widgets.number import NumberField
from core.domain.errors import MarginaliaError
from core.domain.study import Run, RunStatus, Split
from core.tasks.runs.configure import configure
from core.tasks.runs.devices import Device, chosen, processor
from core.tasks.runs.training_data import TrainingData
from core.training.config import TrainingConfig
from core.training.presets import PRESETS, default_preset, deviations, read_preset

_LABELS = ("margin", "shape")


class PlanPanel(QWidget):
    start_wanted = Signal(object)
    """A ``PlanRequest``."""
    data_wanted = Signal()
    """Emitted when the training data must be counted again."""

    machine_wanted = Signal()
    """Another machine is to be set up."""
    machines_wanted = Signal()
    """The machines' devices are to be shown."""
    measure_wanted = Signal(bool)
    """Time and memory of the run are to be measured; False: no longer."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setMinimumWidth(360)
        self.config: TrainingConfig | None = None
        self._splits: tuple[Split, ...] = ()
        self._runs: tuple[Run, ...] = ()
        self._able, self._busy, self._data_problem = True, False, ""
        self.preset, self.label, self.split_box = QComboBox(), QComboBox(), QComboBox()
        self.where, self.label_rule = WhereBox(), LabelRuleRows(self)
        self.preset.addItems(PRESETS)
        self.preset.setCurrentText(default_preset())
        self._preset_by_hand = False
        self._more_classes: list[str] = []
        """Beyond those of the preset."""
        self.weights = WeightsNotice()
        self.label.addItems([tr(name) for name in _LABELS])
        self.name, self.seed, self.folds = QLineEdit(), NumberField(), NumberField()
        self.name.setPlaceholderText(tr("made from the preset"))
        self.seed.setRange(0, 100_000)
        self.seed.setValue(1)
        self.folds.setRange(0, 20)
        self.folds.setSpecialValueText(tr("none"))
        self.description, self.estimate, self.problem, self.device = Label(), Label(), Label(), Label()
        self._devices: tuple[Device, ...] = (processor(),)
        self.data, self.form, self.deviations = DataPanel(), ConfigForm(), DeviationList()
        self.start = QPushButton(tr("Start training"))
        self.start.setDefault(True)
        self.measure = QPushButton(tr("Measure time and memory"))
        self.measure.setCheckable(True)
        self.measure.setToolTip(tr("Trains one batch of every stage and extrapolates; nothing is kept"))
        self._measured: dict[bytes, str] = {}
        """Measurements of this computer, in words, by configuration and split."""
        self._lay_out()
        self.preset.currentIndexChanged.connect(self._preset_chosen)
        self.preset.activated.connect(self._keep_preset)
        self.weights.arrived.connect(self._read)
        self.label.currentIndexChanged.connect(self._preset_chosen)
        self.split_box.currentIndexChanged.connect(self.data_wanted)
        self.folds.valueChanged.connect(lambda folds: self.split_box.setEnabled(not folds))
        self.seed.valueChanged.connect(self._read)
        self.form.edited.connect(self._read)
        self.label_rule.rule_chosen.connect(self._read)
        self.where.target_chosen.connect(self._take_target)
        self.where.add_wanted.connect(self.machine_wanted)
        self.where.look_wanted.connect(self.machines_wanted)
        self.measure.clicked.connect(self.measure_wanted)
        self.start.clicked.connect(self._start)
        self.data.class_wanted.connect(self._train_too)
        self._preset_chosen()

    def _train_too(self, word: str) -> None:
        """One more class, until another preset is chosen."""
        if self.config is not None and word not in self.config.class_names:
            self._more_classes.append(word)
            self._read()

    def _changes(self) -> list[str]:
        """Changes to the preset, as ``configure`` takes it."""
        changes = self.form.changes()
        if self._more_classes:
            names = [*read_preset(self.preset.currentText()).config.class_names, *self._more_classes]
            changes.append(f"class_names={json.dumps(names)}")
        return changes

    def _lay_out(self) -> None:
        for label in (self.description, self.estimate, self.problem, self.device):
            label.setWordWrap(True)
        self.description.setObjectName("faint")
        self.estimate.setObjectName("faint")
        self.device.setObjectName("faint")
        self.problem.setObjectName("badge")
        self.problem.setMargin(4)
        self.problem.hide()
        form = QFormLayout()
        form.addRow(tr("Preset"), self.preset)
        form.addRow(self.description)
        form.addRow(self.weights)
        form.addRow(tr("Train on"), self.where)
        form.addRow("", self.device)
        form.addRow(tr("Learn the"), self.label)
        form.addRow(tr("Split"), self.split_box)
        self.label_rule.add_to(form)
        form.addRow(tr("Name"), self.name)
        form.addRow(tr("Seed"), self.seed)
        form.addRow(tr("Cross-validation folds"), self.folds)
        first = QWidget()
        column = QVBoxLayout(first)
        column.setContentsMargins(0, 6, 0, 0)
        column.addLayout(form)
        column.addWidget(self.data)
        column.addStretch()
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(first)
        scroll.setAccessibleName(tr("Plan"))
        self.tabs = QTabWidget()
        self.tabs.setAccessibleName(tr("Plan"))
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(scroll, tr("Plan"))
        self.tabs.addTab(self.deviations, tr("Deviations"))
        self.tabs.addTab(self.form, tr("Advanced"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 12, 10)
        layout.addWidget(self.tabs, 1)
        for part in (self.problem, self.estimate, self.measure, self.start):
            layout.addWidget(part)

    @property
    def split(self) -> Split | None:
        """The chosen one; None where one is made at the start."""
        place = self.split_box.currentIndex()
        return self._splits[place] if 0 <= place < len(self._splits) else None

    def suggest_preset(self, *, synthetic: bool) -> None:
        """Choose the preset for the study that was opened, unless somebody chose one by hand."""
        if not self._preset_by_hand:
            self.preset.setCurrentText(default_preset(synthetic=synthetic))

    def _keep_preset(self) -> None:
        self._preset_by_hand = True

    def show_study(self, splits: Sequence[Split], runs: Sequence[Run]) -> None:
        chosen = self.split.name if self.split is not None else "default"
        self._splits, self._runs = tuple(splits), tuple(runs)
        self.split_box.blockSignals(True)
        self.split_box.clear()
        self.split_box.addItems([split.name for split in splits] or [tr("made at the start, by patient")])
        names = [split.name for split in splits]
        self.split_box.setCurrentIndex(names.index(chosen) if chosen in names else 0)
        self.split_box.blockSignals(False)
        self._show_estimate()

    def show_hosts(self, names: Sequence[str], chosen: str = "") -> None:
        """Confirmed machines beside this computer; ``chosen``: the one to train on, if another than now."""
        self.where.show_hosts(names)
        if chosen:
            self.where.show_target(TrainingTarget(host=chosen))
        self._show_device()

    @property
    def host(self) -> str:
        """Name of the machine that is to train; "": this one."""
        return self.where.target.host

    def show_launchers(self, names: Sequence[str], pools: Sequence[str] = ()) -> None:
        """Launchers of Slurm and pools of machines beside this computer and single machines."""
        self.where.show_launchers(names, pools)
        self._show_device()

    def _take_target(self, target: TrainingTarget) -> None:
        device = self.form.fields["device"]
        assert isinstance(device, QComboBox)
        device.setCurrentText(target.device)
        self._show_device()

    def show_data(self, data: TrainingData | None, problem: str) -> None:
        self.data.show_data(data)
        self.label_rule.show_data(data)
        self._data_problem = problem
        if data is not None and not data.lesions:
            self._data_problem = tr(
                "No lesion of this study has a class that can be trained: import or label some."
            )
        self.show_problem(self._data_problem)
        self._enable()

    def show_problem(self, sentence: str) -> None:
        self.problem.setText(sentence)
        self.problem.setVisible(bool(sentence))

    @property
    def plan_key(self) -> bytes:
        """Return the key that a measurement is valid for: the configuration without its seed, and the split."""
        if self.config is None:
            return b""
        config = msgspec.structs.replace(self.config, seed=1)
        return msgspec.json.encode((config, "" if self.split is None else self.split.id))

    def show_measuring(self, text: str) -> None:
        """Show the current step of the measurement; empty if there is none."""
        self.measure.setChecked(bool(text))
        self.measure.setText(tr("Stop measuring") if text else tr("Measure time and memory"))
        self.estimate.setText(text)
        if not text:
            self._show_estimate()

    def keep_measured(self, key: bytes, text: str) -> None:
        self._measured[key] = text

    def set_busy(self, busy: bool, *, able: bool) -> None:
        self._busy, self._able = busy, able
        self._enable()

    def clear_name(self) -> None:
        self.name.clear()

    def _enable(self) -> None:
        ready = self.config is not None and not self._data_problem and not self.weights.missing
        self.start.setEnabled(ready and self._able and not self._busy)
        self.measure.setEnabled(ready and not self._busy)

    def _preset_chosen(self) -> None:
        preset = self.preset.currentText()
        self.description.setText(translate_message(read_preset(preset).description))
        label = _LABELS[self.label.currentIndex()]
        self._more_classes.clear()
        self.form.show_config(configure(preset, label=label, seed=self.seed.value(), changes=()))
        self._read()

    def _read(self) -> None:
        """Read the configuration from the form; an invalid value is reported in place."""
        label = _LABELS[self.label.currentIndex()]
        try:
            self.config = configure(
                self.preset.currentText(),
                label=label,
                seed=self.seed.value(),
                changes=(*self._changes(), *self.label_rule.changes()),
            )
        except MarginaliaError as error:
            self.config = None
            self.show_problem(translate_message(error))
            self._enable()
            return
        self.show_problem("")
        self.weights.show_for(self.config.architecture, elsewhere=self.where.is_elsewhere)
        self._show_deviations(self.config)
        if not self.where.is_elsewhere:
            self.where.show_target(TrainingTarget(device=self.config.device))
        self._show_device()
        self._show_estimate()
        self._enable()
        self.data_wanted.emit()

    def _show_deviations(self, config: TrainingConfig) -> None:
        rows = deviations(config)
        self.deviations.show_deviations(rows)
        self.tabs.setTabText(1, tr("Deviations ({count})", count=len(rows)))

    def show_devices(self, found: tuple[Device, ...]) -> None:
        self._devices = found
        self.where.show_devices(found)
        self._show_device()

    def _show_device(self) -> None:
        if self.config is None:
            return
        target = self.where.target
        if self.where.is_pool:
            words = tr("On machines of {name} with free devices. The runs need no window.", name=target.launcher)
        elif target.launcher:
            words = tr("As jobs in Slurm, with the options of {name}. They need no window.", name=target.launcher)
        elif target.host:
            words = tr("On {host}, once a device there is free. The run needs no window.", host=target.host)
        else:
            words = device_words(chosen(self._devices, self.config.device))
        self.device.setText(words)

    def _show_estimate(self) -> None:
        """Show the estimate measured for this very plan; else that of the last run of the preset in this study."""
        if self.measure.isChecked():
            return
        if self.plan_key in self._measured:
            self.estimate.setText(self._measured[self.plan_key])
            return
        preset = self.preset.currentText()
        like = [r for r in self._runs if r.status is RunStatus.FINISHED and r.config.get("preset") == preset]
        if not like:
            self.estimate.setText(
                tr("Time and memory are known once this preset has been measured or run on this computer.")
            )
            return
        record = like[-1].metrics.get("record")
        seconds = record.get("seconds") if isinstance(record, dict) else None
        device = record.get("device", "") if isinstance(record, dict) else ""
        device = tr("the processor") if device == "cpu" else device
        total = sum(float(value) for value in seconds.values()) if isinstance(seconds, dict) else 0.0
        self.estimate.setText(
            tr("{name} took {time} on {device}.", name=like[-1].name, time=duration(total), device=device)
        )

    def _start(self) -> None:
        if self.config is not None:
            split = "" if self.split is None or self.folds.value() else self.split.name
            self.start_wanted.emit(
                PlanRequest(
                    config=self.config,
                    name=self.name.text().strip(),
                    split=split,
                    folds=self.folds.value(),
                    host=self.host,
                    launcher=self.where.target.launcher,
                )
            )


def device_words(found: Device | None) -> str:
    """Return the device with its memory; advice if the requested device is not there."""
    if found is None:
        return tr("There is no graphics card that can be used here: choose the device cpu or auto.")
    memory = "" if found.memory_bytes is None else tr(", {memory} GB", memory=f"{found.memory_bytes / 1e9:.0f}")
    if found.kind == "cuda":
        return tr("Device: {name}{memory}", name=found.name, memory=memory)
    return tr("Device: processor, cores: {cores}{memory}", cores=found.cores, memory=memory)
