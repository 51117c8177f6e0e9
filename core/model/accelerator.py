"""The device beside the processor that torch can compute on: which one it is, its memory, and waiting for it.

Everything that differs between CUDA and another device of torch stands here; code elsewhere asks whether a device
is an accelerator, never for its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from core.domain.errors import TrainingError
from core.domain.messages import message

CPU = torch.device("cpu")


def accelerator_kind() -> str | None:
    """torch's name of the kind of accelerator that can be used here; None without one."""
    return "cuda" if torch.cuda.is_available() else None


def resolve_device(wish: str) -> torch.device:
    """The device that a configuration asks for; ``auto`` is the accelerator where there is one, else the CPU.

    TrainingError where CUDA is asked for and cannot be used.
    """
    kind = accelerator_kind()
    if wish == "cuda" and kind is None:
        raise TrainingError(
            message("The configuration asks for CUDA, but no CUDA device can be used: choose device cpu.")
        )
    return CPU if wish == "cpu" or kind is None else device_here(kind)


def device_here(kind: str) -> torch.device:
    """This process's device of a kind, with its number.

    Without a number a thread that was started later would take device 0, whatever this process chose.
    """
    device = torch.device(kind)
    if device.type == "cpu" or ":" in kind:
        return device
    return torch.device(device.type, torch.get_device_module(device.type).current_device())


def is_accelerator(device: torch.device) -> bool:
    """Return True if the processor has to wait for what this device computes."""
    return device.type != "cpu"


def free_memory(device: torch.device) -> int:
    """Bytes free on the device; of the processor's memory nothing is asked, since the ROIs are there already."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 1 << 62


def release_unused(device: torch.device) -> None:
    """Give memory that torch keeps for later back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def wait_for(device: torch.device) -> None:
    """Return when the device has done its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device, without waiting for it where the device allows that; from any thread."""
    if device.type != "cuda":
        return tensor.to(device, non_blocking=True)
    with torch.cuda.device(device):  # pinned memory belongs to the thread's device
        return tensor.pin_memory().to(device, non_blocking=True)


@contextmanager
def fixed_shapes(device: torch.device) -> Iterator[None]:
    """Work whose tensors keep their shapes: cuDNN may try its kernels once and keep the fastest.

    For gradients only: which kernel wins may differ from one process to the next, and with it the last bits.
    """
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
