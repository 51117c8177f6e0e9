"""An accelerator made of the processor: a ``PrivateUse1`` device whose tensors live apart from the processor's.

It computes with the processor's kernels, refuses to mix devices as CUDA does, holds the fused Adam to CUDA's rule
of equal memory layouts, has a current device for each thread, and notes every operation for which a program would
have to wait for a real device.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

NAME = "emulated"
WAITS = frozenset(("_local_scalar_dense", "nonzero", "masked_select", "equal", "_unique2", "unique_dim"))
"""Operations whose result, or its size, the processor must know."""


@dataclass(frozen=True, kw_only=True)
class Wait:
    """One time that the processor waited for the device."""

    operation: str
    frames: tuple[str, ...]
    """The project's functions that were running, innermost first; () in torch's own threads."""


@dataclass(kw_only=True)
class Log:
    waits: list[Wait] = field(default_factory=list)
    operations: int = 0
    fails_at: int | None = None
    """The convolution from now at which an allocation fails once; None: never."""
    message: str = "CUDA out of memory."

    def in_steps(self) -> list[Wait]:
        """Those between the first and the last batch of an epoch."""
        around, inside = {"begin_epoch", "first_bad", "means"}, {"run_epoch", "load", "backward"}
        return [
            wait
            for wait in self.waits
            if (not wait.frames or inside & set(wait.frames)) and not around & set(wait.frames)
        ]

    def in_function(self, name: str) -> list[Wait]:
        return [wait for wait in self.waits if name in wait.frames]


_logs: list[Log] = []
_lock = threading.Lock()
_thread = threading.local()


class DeviceTensor(Tensor):
    """A tensor of the emulated device; ``held`` has its values in the same memory layout."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor, index: int) -> DeviceTensor:
        made: DeviceTensor = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            device=torch.device(NAME, index),
        )  # fmt: skip
        made.held = held
        return made

    def __tensor_flatten__(self) -> tuple[list[str], int]:
        return ["held"], self.device.index

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, Tensor], index: int, size: Any, stride: Any) -> DeviceTensor:
        return DeviceTensor(inner["held"], index)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"DeviceTensor({self.held!r}, device={self.device})"

    def tolist(self) -> Any:
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name = func.overloadpacket.__name__
    flat, _ = tree_flatten((args, kwargs))
    mine = [one for one in flat if isinstance(one, DeviceTensor)]
    others = [one for one in flat if isinstance(one, Tensor) and not isinstance(one, DeviceTensor)]
    asked = kwargs.get("device")
    leaves = asked is not None and torch.device(asked).type == "cpu"
    _check_devices(name, mine, others)
    _watch(name, args, kwargs, leaves=leaves, scalars=bool(others))
    index = mine[0].device.index if asked is None else _index(asked)
    changed = {} if asked is None else {"device": torch.device("cpu")}
    held = {id(one.held): one for one in mine}
    out = func(*tree_map(_inner, args), **tree_map(_inner, {**kwargs, **changed}))

    def wrapped(value: Any) -> Any:
        if not isinstance(value, Tensor) or leaves or any(value is one for one in others):
            return value
        return held[id(value)] if id(value) in held else DeviceTensor(value, index)

    return tree_map(wrapped, out)


def _inner(value: Any) -> Any:
    return value.held if isinstance(value, DeviceTensor) else value


def _index(device: Any) -> int:
    """A device without number is the thread's current one."""
    index = torch.device(device).index
    return getattr(_thread, "current", 0) if index is None else index


def _check_devices(name: str, mine: list[DeviceTensor], others: list[Tensor]) -> None:
    """torch lets scalars of the processor take part, and copies."""
    devices = {str(one.device) for one in mine} | {"cpu" for one in others if one.dim() > 0}
    if len(devices) > 1 and name not in ("copy_", "_to_copy"):
        raise RuntimeError(f"{name}: tensors of different devices: {sorted(devices)}")


def _watch(name: str, args: Any, kwargs: dict[str, Any], *, leaves: bool, scalars: bool) -> None:
    for log in list(_logs):
        log.operations += 1
    if name in WAITS or (name == "_to_copy" and leaves):
        _note(name)
    elif name == "copy_" and isinstance(args[0], DeviceTensor) is not isinstance(args[1], DeviceTensor):
        if not (len(args) > 2 and args[2]):
            _note("copy_ between processor and device")
    elif name == "index" and any(isinstance(one, Tensor) and one.dtype == torch.bool for one in args[1]):
        _note("index by a mask")
    elif name == "where" and scalars:
        _note("where with a number")
    elif name == "_fused_adam_":
        _check_layouts(*args[:4])
    elif name == "convolution":
        _allocate()


def _note(operation: str) -> None:
    frames, frame = [], sys._getframe(2)
    while frame is not None:
        if "/core/" in frame.f_code.co_filename.replace("\\", "/"):
            frames.append(frame.f_code.co_name)
        frame = frame.f_back  # type: ignore[assignment]
    for log in list(_logs):
        log.waits.append(Wait(operation=operation, frames=tuple(frames)))


def _allocate() -> None:
    for log in list(_logs):
        if log.fails_at is not None:
            log.fails_at -= 1
            if log.fails_at < 0:
                log.fails_at = None
                raise RuntimeError(log.message)


def _check_layouts(*lists: list[DeviceTensor]) -> None:
    """The condition of CUDA's fused Adam; the stride of a side of length 1 does not count."""
    for together in zip(*lists, strict=True):
        strides = [
            tuple(s for s, length in zip(one.stride(), one.shape, strict=True) if length > 1) for one in together
        ]
        if len(set(strides)) > 1:
            raise RuntimeError(f"params, grads and moments must have the same layout: {strides}")


class _Module(_DummyBackendModule):
    def device_count(self) -> int:
        return 2

    def current_device(self) -> int:
        return getattr(_thread, "current", 0)

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


@cache
def install() -> None:
    """Register the device with torch, once a process."""
    _setup_privateuseone_for_python_backend(NAME, backend_module=_Module())

    def empty(
        size: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: Any = None,
        memory_format: Any = None,
    ) -> Tensor:  # fmt: skip
        held = torch.empty(size, dtype=dtype, memory_format=memory_format or torch.contiguous_format)
        return DeviceTensor(held, _index(device))

    def empty_strided(size: Any, stride: Any, *, dtype: Any = None, device: Any = None, **other: Any) -> Tensor:
        return DeviceTensor(torch.empty_strided(size, stride, dtype=dtype), _index(device))

    def copy_from(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
        """torch's constructors of tensors from Python values leave out the dispatch to the tensor's class."""
        if not non_blocking:
            _note("tensor of a Python value")
        _inner(target).copy_(_inner(source))
        return target

    _library.impl("empty.memory_format", empty, "PrivateUse1")
    _library.impl("empty_strided", empty_strided, "PrivateUse1")
    _library.impl("_copy_from", copy_from, "PrivateUse1")


_library = torch.library.Library("aten", "IMPL")


@contextmanager
def emulated(*, current: int = 0) -> Iterator[Log]:
    """Note what happens on the device, in every thread, until the end of the block; ``current``: this thread's
    device. Threads that begin later have device 0, as with CUDA."""
    install()
    log = Log()
    with _lock:
        _logs.append(log)
    _thread.current = current
    try:
        yield log
    finally:
        _thread.current = 0
        with _lock:
            _logs.remove(log)
