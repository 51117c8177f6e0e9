"""How a run computes its gradients on this machine: layout, precision, compilation and threads, measured once.

The choice stands in ``machine.json`` in the run's folder before the first step, and in the run's state and record:
a resumed run keeps it. What the configuration fixes is not measured, and neither is a run so short that trying
everything would not pay; that one takes what is usually best.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch

from core.domain.errors import TrainingError
from core.domain.events import Emit, Message
from core.domain.messages import message
from core.model.accelerator import fixed_shapes, is_accelerator, wait_for
from core.model.backbones import COMPACT
from core.model.network import Activations
from core.model.precision import Precision, gradient_precision, resolve_precision
from core.model.trunk import TrunkNetwork
from core.platform.allocation import allotted_cores
from core.platform.atomic import atomic_write
from core.training.config import TrainingConfig
from core.training.memory import out_of_memory
from core.training.stages import GRADIENT_STAGES, plan

MACHINE_NAME = "machine.json"
SHORT_S = 240.0
"""Runs whose gradients take less are not worth measuring for."""
_SAMPLE_PIXELS = 2 * 224 * 224
"""Pixels of the images of a timed step on a processor: enough for the ratio between two ways of computing."""
_ROUNDS = 2
_WORTH = 0.95
"""Another way than the usual one must take at most this share of its time."""


class MachineChoice(msgspec.Struct, frozen=True, kw_only=True):
    precision: Precision = "float32"
    """Precision of the gradients of A1 and the warm start; everything shown is float32."""
    channels_last: bool = True
    compiled: bool = False
    threads: int = 0
    """0: as many as the process has."""
    how: str = "configured"
    """configured: nothing was open; usual: a short run took what is usually best; measured."""
    seconds: dict[str, float] = {}
    """Seconds of the steps that were timed, by what they were computed with."""

    @property
    def words(self) -> str:
        """Return the choice in words, such as "bfloat16, channels last, 2 threads"."""
        said = [self.precision, "channels last" if self.channels_last else "contiguous"]
        if self.compiled:
            said.append("compiled")
        if self.threads:
            said.append(f"{self.threads} thread{'s' if self.threads > 1 else ''}")
        return ", ".join(said)


def choose_machine(
    network: TrunkNetwork, config: TrainingConfig, device: torch.device, *, lesions: int, epochs: int | None = None
) -> MachineChoice:
    """Return the way to compute the gradients of a run on ``lesions`` training ROIs; times it where something
    is open.

    ``epochs`` of gradients, by default those of the configuration's plan. The network is not changed (a copy
    is trained). TrainingError where no way of computing fits the memory.
    """
    ways = _open_ways(config, device)
    threads = config.machine.threads or (torch.get_num_threads() if device.type == "cpu" else 0)
    usual = msgspec.structs.replace(ways[0], threads=threads)
    if len(ways) == 1 and (config.machine.threads or threads <= 1):
        return usual
    if config.frozen_backbone:  # most of a step is not there
        return msgspec.structs.replace(usual, how="usual")
    timing = _Timing.of(network, config, device)
    try:
        with threads_of(usual):
            first = timing.seconds(usual)
            if first is not None and first * timing.steps(lesions, epochs) < SHORT_S:
                return msgspec.structs.replace(usual, how="usual")
            found = _fastest(ways, timing)
        return _with_threads(found, threads, config, timing)
    finally:
        _forget_compiled()


def threads_wanted(choice: MachineChoice) -> int:
    """The threads of the choice, but no more than this process's Slurm job was allotted."""
    wanted = choice.threads or torch.get_num_threads()
    return min(wanted, allotted_cores() or wanted)


@contextmanager
def threads_of(choice: MachineChoice) -> Iterator[None]:
    """Set torch's threads to the choice; restore them afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads_wanted(choice))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def computing(choice: MachineChoice) -> Iterator[None]:
    """``threads_of`` for a whole training; what it compiled is forgotten afterwards."""
    try:
        with threads_of(choice):
            yield
    finally:
        if choice.compiled:
            _forget_compiled()


def _forget_compiled() -> None:
    """Compiled layers of other networks and layouts count towards torch's limit of variants of one function
    (8): beyond it a network silently runs uncompiled."""
    torch.compiler.reset()


def write_choice(folder: Path, choice: MachineChoice) -> None:
    atomic_write(folder / MACHINE_NAME, msgspec.json.format(msgspec.json.encode(choice), indent=1))


def read_choice(folder: Path) -> MachineChoice | None:
    """Return the choice of a run that stopped before its first state was saved; None where there is none."""
    try:
        return msgspec.json.decode((folder / MACHINE_NAME).read_bytes(), type=MachineChoice)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise TrainingError(
            message("{path} is damaged: delete it, or start the run in a new folder.", path=folder / MACHINE_NAME)
        ) from error


def settle_machine(folder: Path, choose: Callable[[], MachineChoice], emit: Emit) -> MachineChoice:
    """Return the choice that a start before this one wrote into the run's folder, or a new one, written down."""
    choice = read_choice(folder)
    if choice is None:
        choice = choose()
        write_choice(folder, choice)
        if choice.how == "measured":
            emit(
                Message(
                    level="info",
                    text=message("Using the fastest settings measured here: {words}.", words=choice.words),
                )
            )
    return choice


def write_config(config: msgspec.Struct, folder: Path) -> None:
    """Write ``config.json`` of a new run; a choice that was made for another configuration is deleted."""
    path, described = folder / "config.json", msgspec.json.format(msgspec.json.encode(config), indent=1)
    if not path.exists() or path.read_bytes() != described:
        (folder / MACHINE_NAME).unlink(missing_ok=True)
        atomic_write(path, described)


def cpu_computes_bfloat16() -> bool:
    # torch has no public question for it; without an answer float32 is right everywhere
    asked = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return any(bool(ask()) for ask in asked if ask is not None)


def usual_precision(config: TrainingConfig, device: torch.device) -> Precision:
    """Return the precision that is asked for; for ``auto`` bfloat16 if the device computes in it, processors
    included.

    An epoch of the compact backbone then takes 0.6 of the time, a step of VGG-16 half.
    """
    if config.precision == "auto" and device.type == "cpu":
        # cached features of a frozen backbone go through two small layers only
        small = config.frozen_backbone and config.architecture.backbone != COMPACT
        return "bfloat16" if cpu_computes_bfloat16() and not small else "float32"
    return resolve_precision(config.precision, device)


def _open_ways(config: TrainingConfig, device: torch.device) -> list[MachineChoice]:
    """Return every way that the configuration leaves open, the usual one first."""
    usual = usual_precision(config, device)
    precisions: list[Precision] = [usual]
    if config.precision == "auto" and usual == "bfloat16":
        precisions.append("float32")
    layouts = {"auto": [True, False], "channels_last": [True], "contiguous": [False]}[config.machine.layout]
    compiled = {"auto": [False, True] if is_accelerator(device) else [False], "yes": [True], "no": [False]}
    ways = [
        MachineChoice(precision=precision, channels_last=layout, compiled=fused)
        for precision in precisions
        for layout in layouts
        for fused in compiled[config.machine.compiled]
    ]
    if len(ways) == 1:
        return ways
    return [msgspec.structs.replace(way, how="measured") for way in ways]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Timing:
    """Steps of a copy of the network on noise of the input's shape."""

    network: TrunkNetwork
    inputs: torch.Tensor
    config: TrainingConfig

    @staticmethod
    def of(network: TrunkNetwork, config: TrainingConfig, device: torch.device) -> _Timing:
        size, batch = config.transform.input_size, config.batch_lesion + config.batch_fine
        images = batch if is_accelerator(device) else max(2, min(batch, _SAMPLE_PIXELS // size**2))
        noise = torch.rand(images, 3, size, size, generator=torch.Generator().manual_seed(0))
        return _Timing(network=copy.deepcopy(network).train(), inputs=noise.to(device), config=config)

    def steps(self, lesions: int, epochs: int | None) -> float:
        """Return steps of the size timed here in the whole run."""
        if epochs is None:
            epochs = sum(step.stage in GRADIENT_STAGES for step in plan(self.config))
        return epochs * (self.config.epochs.draws or lesions) / len(self.inputs)

    def seconds(self, way: MachineChoice, *, wall: bool = False) -> float | None:
        """One step after one that warms up; None where memory, or the compiler, does not allow it."""
        clock = time.perf_counter if wall or is_accelerator(self.inputs.device) else time.process_time
        self.network.prepare_gradients(channels_last=way.channels_last, compiled=way.compiled)
        try:
            with fixed_shapes(self.inputs.device):
                self._step(way)
                began = clock()
                self._step(way)
                return clock() - began
        except (RuntimeError, MemoryError) as error:
            if not way.compiled and not out_of_memory(error):
                raise
            return None

    def _step(self, way: MachineChoice) -> None:
        self.network.zero_grad(set_to_none=True)
        with gradient_precision(way.precision, self.inputs.device):
            found = self.network(self.inputs)
        (found.similarities if isinstance(found, Activations) else found).sum().backward()
        wait_for(self.inputs.device)


def _fastest(ways: list[MachineChoice], timing: _Timing) -> MachineChoice:
    """Return rounds of all ways alternate and the least time of each counts, so that what else the machine
    does matters little; on a processor it is processor time."""
    least: dict[int, float] = {}
    for _ in range(_ROUNDS):
        for index, way in enumerate(ways):
            took = timing.seconds(way)
            if took is not None:
                least[index] = min(took, least.get(index, took))
    if not least:
        raise TrainingError(
            message(
                "There is not enough memory for a step: choose a smaller batch, input size or backbone, or free "
                "memory."
            )
        )
    best = min(least, key=lambda index: least[index])
    if 0 in least and least[best] > _WORTH * least[0]:
        best = 0
    seconds = {ways[index].words: round(took, 4) for index, took in least.items()}
    return msgspec.structs.replace(ways[best], seconds=seconds)


def _with_threads(found: MachineChoice, threads: int, config: TrainingConfig, timing: _Timing) -> MachineChoice:
    """Return all threads, or half of them where that is faster by the clock on the wall (two a core that share
    it)."""
    everything = msgspec.structs.replace(found, threads=threads)
    if config.machine.threads or threads < 2:
        return everything
    half = msgspec.structs.replace(found, threads=threads // 2)
    if found.compiled:  # what is compiled for one number of threads is compiled anew for another
        _forget_compiled()
    took = {}
    for way in (everything, half):
        with threads_of(way):
            took[way.words] = min(timing.seconds(way, wall=True) or float("inf") for _ in range(_ROUNDS))
    best = half if took[half.words] < _WORTH * took[everything.words] else everything
    return msgspec.structs.replace(best, seconds={**found.seconds, **{k: round(v, 4) for k, v in took.items()}})
