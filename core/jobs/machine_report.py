"""Resources of a machine, or of a job on it, for training: version, cores, memory, graphics cards, free space."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from core.domain.events import Emit, IsCancelled
from core.jobs.device_lock import PROCESSOR, busy_devices, card_names
from core.platform.system import free_bytes, has_cuda_driver, installed_memory, usable_cores
from core.platform.version import code_version

_GIGABYTE = 1e9


class GraphicsCard(msgspec.Struct, frozen=True, kw_only=True):
    """A graphics card that torch can use."""

    name: str
    memory_bytes: int


class MachineReport(msgspec.Struct, frozen=True, kw_only=True):
    """Resources of a machine for a training."""

    node: str
    code_version: str
    torch: str
    """Version of torch; "" where it is not installed."""
    cores: int
    memory_bytes: int | None
    cards: tuple[GraphicsCard, ...]
    free_bytes: int
    """Free space for the files of runs."""
    device_names: tuple[str, ...] = ()
    """Names of the cards, in their order, or of the processor where there is none."""
    busy: dict[str, str] = {}
    """Devices on which a training of this program runs, each with whose since when."""
    job: str = ""
    """The number of the Slurm job that reported; "" outside of one."""

    @property
    def capacity(self) -> int:
        """The number of trainings that it takes at the same time: one for each card, else one."""
        return max(1, len(self.cards))

    @property
    def is_free(self) -> bool:
        """True if a training there would find a device at once."""
        return len(self.busy) < self.capacity

    @property
    def words(self) -> str:
        """As in "8 cores, 32 GB of memory, NVIDIA A100 (40 GB), 120 GB free, torch 2.13.0"."""
        said = [f"{self.cores} core{'s' if self.cores > 1 else ''}"]
        if self.memory_bytes is not None:
            said.append(f"{self.memory_bytes / _GIGABYTE:.0f} GB of memory")
        cards = [f"{card.name} ({card.memory_bytes / _GIGABYTE:.0f} GB)" for card in self.cards]
        said += cards or ["no graphics card"]
        said.append(f"{_size(self.free_bytes)} free")
        said.append(f"torch {self.torch}" if self.torch else "without torch")
        return ", ".join(said)


def _size(count: int) -> str:
    return f"{count / _GIGABYTE:.0f} GB" if count >= _GIGABYTE else f"{count / 1e6:.0f} MB"


def report_job(arguments: dict[str, Any], emit: Emit, cancelled: IsCancelled) -> dict[str, object]:
    """The report of the machine on which this runs. ``folder``: where runs would lie."""
    from core.platform.allocation import job_number

    folder = Path.home() / Path(str(arguments.get("folder", ""))).expanduser()
    while not folder.exists():
        folder = folder.parent
    cards = _cards()
    names = card_names(len(cards)) or [PROCESSOR]
    found = MachineReport(
        node=platform.node(),
        code_version=code_version(),
        torch=_torch(),
        cores=usable_cores(),
        memory_bytes=installed_memory(),
        cards=cards,
        free_bytes=free_bytes(folder),
        job=job_number(),
        device_names=tuple(names),
        busy=busy_devices(names),
    )
    report: dict[str, object] = msgspec.to_builtins(found)
    return report


def _torch() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return ""


def _cards() -> tuple[GraphicsCard, ...]:
    if not has_cuda_driver() or os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return ()
    import torch

    if not torch.cuda.is_available():
        return ()
    facts = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return tuple(GraphicsCard(name=one.name, memory_bytes=one.total_memory) for one in facts)
