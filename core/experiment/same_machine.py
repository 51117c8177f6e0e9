"""One way of computing gradients for every model of a table: precision, layout and threads are chosen once.

Left to themselves, each model would measure for itself, and one would train in bfloat16 beside another in float32.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.baselines.config import ClassifierConfig
from core.domain.events import Emit, Message
from core.domain.messages import message
from core.model.accelerator import resolve_device
from core.platform.atomic import atomic_write, make_folder
from core.training.begin_or_resume import make_network
from core.training.config import TrainingConfig
from core.training.machine import MachineChoice, choose_machine, read_choice, write_choice, write_config

SETTLED = "machine.json"


class SettledMachine(msgspec.Struct, frozen=True, kw_only=True):
    """machine.json of an experiment."""

    device: str
    """Kind of device that it was measured on; parts on another one choose for themselves."""
    choice: MachineChoice


def settle_for_all(out: Path, config: TrainingConfig, *, lesions: int, emit: Emit) -> SettledMachine:
    """Return the choice for the experiment in this folder: made for IAIA-BL once, and kept."""
    try:
        return msgspec.json.decode((out / SETTLED).read_bytes(), type=SettledMachine)
    except (OSError, msgspec.MsgspecError):
        device = resolve_device(config.device)
        choice = choose_machine(make_network(config, fresh=False).to(device), config, device, lesions=lesions)
        settled = SettledMachine(device=device.type, choice=choice)
        atomic_write(out / SETTLED, msgspec.json.format(msgspec.json.encode(settled)))
        emit(
            Message(
                level="info", text=message("Every model computes its gradients in {words}.", words=choice.words)
            )
        )
        return settled


def hand_to_part(out: Path, folder: Path, config: TrainingConfig | ClassifierConfig) -> None:
    """Write the experiment's choice into the folder of a part that has not begun, on the same kind of device."""
    if not (out / SETTLED).exists():
        return
    settled = msgspec.json.decode((out / SETTLED).read_bytes(), type=SettledMachine)
    base = config.base if isinstance(config, ClassifierConfig) else config
    make_folder(folder)
    write_config(config, folder)
    if resolve_device(base.device).type == settled.device and read_choice(folder) is None:
        write_choice(folder, settled.choice)
