"""Place of a training run: this computer's processor or graphics card, other machines, Slurm, or one to set up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QWidget

from app.qt.translation import tr
from core.tasks.runs.devices import Device, chosen, processor


@dataclass(frozen=True, kw_only=True)
class TrainingTarget:
    """A place to train on."""

    host: str = ""
    """Name of a confirmed machine; "": this computer."""
    launcher: str = ""
    """Name of a launcher of Slurm or of a pool of machines; "": none."""
    device: str = "auto"
    """``device`` of the configuration."""


class WhereBox(QComboBox):
    target_chosen = Signal(object)
    """The ``TrainingTarget`` that the user chose."""
    add_wanted = Signal()
    """Another machine is to be set up."""
    look_wanted = Signal()
    """The machines' devices are to be shown."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._devices: tuple[Device, ...] = (processor(),)
        self._hosts: tuple[str, ...] = ()
        self._launchers: tuple[str, ...] = ()
        self._pools: tuple[str, ...] = ()
        self._targets: list[TrainingTarget] = []
        self._target = TrainingTarget()
        self.setAccessibleName(tr("Train on"))
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self.activated.connect(self._chosen)
        self._fill()

    @property
    def target(self) -> TrainingTarget:
        return self._target

    @property
    def is_elsewhere(self) -> bool:
        """True if the target is not this computer, whose devices alone are known."""
        return bool(self._target.host or self._target.launcher)

    def show_devices(self, found: tuple[Device, ...]) -> None:
        self._devices = found
        self._fill()

    def show_hosts(self, names: Sequence[str]) -> None:
        """Machines that the user set up and confirmed."""
        self._hosts = tuple(names)
        if self._target.host not in ("", *names):
            self._target = TrainingTarget()
        self._fill()

    @property
    def is_pool(self) -> bool:
        """True if the target is a pool of machines."""
        return self._target.launcher in self._pools

    def show_launchers(self, names: Sequence[str], pools: Sequence[str] = ()) -> None:
        """Launchers that the user set up: of Slurm, and pools of machines."""
        self._launchers, self._pools = tuple(names), tuple(pools)
        if self._target.launcher not in ("", *names, *pools):
            self._target = TrainingTarget()
        self._fill()

    def show_target(self, target: TrainingTarget) -> None:
        self._target = target
        self._show_target()

    def _fill(self) -> None:
        cards = any(one.kind == "cuda" for one in self._devices)
        here = ("auto", "cuda", "cpu") if cards else ("auto",)
        self._targets = [TrainingTarget(device=device) for device in here]
        self._targets += [TrainingTarget(host=name) for name in self._hosts]
        self._targets += [TrainingTarget(launcher=name) for name in (*self._pools, *self._launchers)]
        self.clear()
        for target in self._targets:
            self.addItem(self._words(target))
        self.insertSeparator(self.count())
        self.addItem(tr("Add a machine…"), self.add_wanted)
        if self._hosts:
            self.addItem(tr("Show machines…"), self.look_wanted)
        self._show_target()

    def _words(self, target: TrainingTarget) -> str:
        if target.launcher in self._pools:
            return tr("{name} (any free machine)", name=target.launcher)
        if target.launcher:
            return tr("{name} (Slurm)", name=target.launcher)
        if target.host:
            return target.host
        found = chosen(self._devices, target.device)
        words = tr("this computer") if found is None else tr("this computer: {device}", device=short_words(found))
        more_than_one = target.device == "auto" and len(self._devices) > 1
        return tr("this computer, the fastest device") if more_than_one else words

    def _show_target(self) -> None:
        known = self._target in self._targets
        elsewhere = self._target.host, self._target.launcher
        near = [place for place, one in enumerate(self._targets) if (one.host, one.launcher) == elsewhere]
        self.setCurrentIndex(self._targets.index(self._target) if known else near[0])

    def _chosen(self, index: int) -> None:
        if index >= len(self._targets):
            wanted = self.itemData(index)
            self._show_target()
            wanted.emit()
            return
        self._target = self._targets[index]
        self.target_chosen.emit(self._target)


def short_words(device: Device) -> str:
    """A card by its name, the processor as such."""
    return device.name if device.kind == "cuda" else tr("processor")
