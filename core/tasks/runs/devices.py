"""The devices on which a training can run here; torch is queried in a child process if a driver is installed."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from core.domain.events import Emit, IsCancelled, Succeeded, never, silent
from core.jobs.catalogue import JobRequest
from core.jobs.supervisor import supervise
from core.platform.system import has_cuda_driver, installed_memory, usable_cores


class Device(msgspec.Struct, frozen=True, kw_only=True):
    kind: Literal["cpu", "cuda"]
    name: str = ""
    """The name of a graphics card."""
    cores: int = 0
    """The number of processor cores that may be used."""
    memory_bytes: int | None = None
    """The installed memory in bytes; None if the system does not report it."""


def processor() -> Device:
    return Device(kind="cpu", cores=usable_cores(), memory_bytes=installed_memory())


def devices(*, emit: Emit = silent, cancelled: IsCancelled = never) -> tuple[Device, ...]:
    """The cards that torch can use, the first of which ``auto`` takes, then the processor."""
    if not has_cuda_driver():
        return (processor(),)
    final = supervise(JobRequest(job="devices"), emit=emit, cancelled=cancelled)
    cards = final.result.get("cards") if isinstance(final, Succeeded) else []
    return (*msgspec.convert(cards, tuple[Device, ...]), processor())


def devices_job(arguments: dict[str, Any], emit: Emit, cancelled: IsCancelled) -> dict[str, object]:
    import torch

    found = []
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        facts = torch.cuda.get_device_properties(index)
        card = Device(kind="cuda", name=facts.name, memory_bytes=facts.total_memory)
        found.append(msgspec.to_builtins(card))
    return {"cards": found}


def chosen(found: tuple[Device, ...], wish: str) -> Device | None:
    """Return the device that a configuration's ``device`` selects; None if it needs a card and there is none."""
    kinds = ("cuda", "cpu") if wish == "auto" else (wish,)
    return next((one for kind in kinds for one in found if one.kind == kind), None)
