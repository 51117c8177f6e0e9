"""Which arithmetic: exact float32 for everything that is shown, reduced precision for gradients of stage A1 only.

A prototype projected in bfloat16 and explained in float32 has self-similarity 5.9 instead of 9.21, so
projection, similarity tables, metrics and explanations all run inside ``exact_float32``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Literal

import torch

Precision = Literal["float32", "bfloat16"]


def _switches() -> tuple[Any, ...]:
    cudnn: Any = torch.backends.cudnn
    mkldnn: Any = torch.backends.mkldnn
    return (torch.backends.cuda.matmul, cudnn.conv, mkldnn.matmul, mkldnn.conv)


class _ExactEverywhere:
    """torch's switches of float32 arithmetic, which belong to the process, not to a thread: off from the first
    thread that needs them off to the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: list[Any] = []

    def enter(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._before = [switch.fp32_precision for switch in _switches()]
                for switch in _switches():
                    switch.fp32_precision = "ieee"
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                for switch, value in zip(_switches(), self._before, strict=True):
                    switch.fp32_precision = value


_exact = _ExactEverywhere()


@contextmanager
def exact_float32() -> Iterator[None]:
    """Switch autocast and TF32 (or bfloat16 inside oneDNN) off; restore the settings afterwards.

    Threads may overlap: the settings are put back when the last of them leaves.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.autocast("cpu", enabled=False))
        if torch.cuda.is_available():
            stack.enter_context(torch.autocast("cuda", enabled=False))
        _exact.enter()
        try:
            yield
        finally:
            _exact.leave()


def wide(values: torch.Tensor) -> torch.Tensor:
    """Convert to float32; float64 stays as it is, for checks of equality."""
    return values if values.dtype == torch.float64 else values.float()


def resolve_precision(wish: Literal["auto", "float32", "bfloat16"], device: torch.device) -> Precision:
    """Resolve ``auto``: bfloat16 on a CUDA device that computes in it, float32 elsewhere."""
    if wish != "auto":
        return wish
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return "bfloat16"
    return "float32"


def gradient_precision(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Return the context of a forward pass whose only use is the gradient of stage A1."""
    if precision == "bfloat16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()
