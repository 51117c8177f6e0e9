"""The processes that train one model together, one a device or machine, started by ``torchrun``.

Each takes its rows of every batch, with the random numbers that a single process would use; gradients are added up
by DistributedDataParallel, batch statistics over the whole batch, and everything but gradients is computed by the
first process (the leader), which alone writes, and given to the others.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import torch
from torch import Tensor, nn

from core.domain.errors import TrainingError
from core.domain.messages import message

WAIT = timedelta(hours=2)
"""Longest wait of a process for the others: the leader may be projecting or evaluating meanwhile."""
_LOST = re.compile(
    r"Connection (?:closed|reset)|Broken pipe|Socket closed|Timed out waiting|wait timeout|NCCL|gloo|TCPStore|"
    r"recvValue|remote peer",
    re.IGNORECASE,
)
"""In the messages of torch.distributed and its libraries for a process that is gone."""
_stores: Any = torch.distributed
_TIED = "TORCHELASTIC_USE_AGENT_STORE"


@dataclass(frozen=True, kw_only=True, eq=False)
class Team:
    rank: int = 0
    size: int = 1
    control: Any = None
    """Process group of the small messages, on the processor whatever the device."""

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def share(self, draws: int) -> slice:
        """Return the rows of a batch that this process trains on. TrainingError where there is not one for
        each."""
        if draws < self.size:
            raise TrainingError(
                message(
                    "A batch of {draws} cannot be divided among {processes} processes: choose larger batches or "
                    "fewer processes.",
                    draws=draws,
                    processes=self.size,
                )
            )
        return slice(draws * self.rank // self.size, draws * (self.rank + 1) // self.size)

    def anybody(self, flag: bool) -> bool:
        """Return True if it is true in any process; all must ask."""
        if self.size == 1:
            return flag
        said = torch.tensor([float(flag)])
        torch.distributed.all_reduce(said, group=self.control)
        return bool(said.item())

    def total(self, values: Tensor) -> Tensor:
        """Return the sum over all processes, on the device of ``values``; all must ask."""
        if self.size == 1:
            return values
        found = values.clone()
        torch.distributed.all_reduce(found)
        return found

    def hand_out(self, module: nn.Module) -> None:
        """Send the leader's parameters and buffers to all processes."""
        if self.size > 1:
            for tensor in module.state_dict().values():
                # in the order of the leader's memory, whatever the layout here
                sent = tensor.detach().contiguous().clone()
                torch.distributed.broadcast(sent, 0)
                tensor.copy_(sent)

    def tell(self, value: Any) -> Any:
        """Return the leader's value (small, of JSON kinds) to all."""
        if self.size == 1:
            return value
        held = [value]
        torch.distributed.broadcast_object_list(held, 0, group=self.control)
        return held[0]


ALONE = Team()


@contextmanager
def team_of(name: str, *, device: str) -> Iterator[Team]:
    """Return the team that torchrun's environment describes, or this process alone.

    ``name`` distinguishes the trainings of a session. NCCL on CUDA, each process on its own device; gloo on
    processors.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size <= 1:
        yield ALONE
        return
    rank = int(os.environ["RANK"])
    cuda = device != "cpu" and torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    store = _stores.PrefixStore(name, meeting_point(host=False))
    torch.distributed.init_process_group(
        "nccl" if cuda else "gloo", store=store, rank=rank, world_size=size, timeout=WAIT
    )
    try:
        control = torch.distributed.new_group(backend="gloo", timeout=WAIT) if cuda else None
        with _a_lost_process_in_words():
            yield Team(rank=rank, size=size, control=control)
    finally:
        torch.distributed.destroy_process_group()


@contextmanager
def _a_lost_process_in_words() -> Iterator[None]:
    """Raises: TrainingError where torch reports that another process of the team is gone."""
    try:
        yield
    except RuntimeError as error:
        if _LOST.search(str(error)) is None:
            raise
        raise TrainingError(
            message(
                "Another process of this training ended before it was done: it was killed, cancelled, or lost its "
                "machine. What was saved is kept; resume the run."
            )
        ) from error


def held_meeting_point() -> tuple[Any, dict[str, str]]:
    """Return a store of this machine on a free port, which lives as long as it is kept, and the variables by which
    other processes find it."""
    store = _stores.TCPStore("127.0.0.1", 0, is_master=True, timeout=WAIT, wait_for_workers=False)
    return store, {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), _TIED: "True"}


def meeting_point(*, host: bool) -> Any:
    """Return the store at torchrun's address. torchrun keeps one itself; else the leader's command does
    (``host``)."""
    held_by_torchrun = os.environ.get(_TIED) == "True"
    return _stores.TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        is_master=host and not held_by_torchrun,
        timeout=WAIT,
        wait_for_workers=False,
    )


class _Together(nn.Module):
    """Module for DistributedDataParallel: the trained layers, called through their loss."""

    def __init__(self, layers: dict[str, nn.Module], loss: Callable[[Any], dict[str, Tensor]]) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(layers)
        self._loss = loss

    def forward(self, batch: Any) -> dict[str, Tensor]:
        return self._loss(batch)


@dataclass(kw_only=True, eq=False)
class SharedLoss:
    """A loss whose gradients are exchanged within a team, which takes the mean of what its processes computed."""

    team: Team
    call: Callable[[Any], dict[str, Tensor]]
    parallel: nn.parallel.DistributedDataParallel | None = field(default=None)

    @staticmethod
    def of(team: Team, layers: dict[str, nn.Module], loss: Callable[[Any], dict[str, Tensor]]) -> SharedLoss:
        if team.size == 1:
            return SharedLoss(team=team, call=loss)
        together = _Together(layers, loss)
        parallel = nn.parallel.DistributedDataParallel(together, forward_sync_buffers=False)
        return SharedLoss(team=team, call=parallel, parallel=parallel)

    def __call__(self, batch: Any) -> dict[str, Tensor]:
        return self.call(batch)

    def without_exchange(self) -> AbstractContextManager[None]:
        """Keep the gradients here for every piece of a batch but the last."""
        if self.parallel is None:
            return nullcontext()
        return cast(AbstractContextManager[None], self.parallel.no_sync())


class _Sum(torch.autograd.Function):
    """The sum over all processes; so is its gradient."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        found = values.clone()
        torch.distributed.all_reduce(found)
        return found

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        found = gradient.clone()
        torch.distributed.all_reduce(found)
        return found


class TeamBatchNorm2d(nn.BatchNorm2d):
    """Batch statistics over the images of all processes, on any device (torch's own needs a GPU)."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's name)
        if not self.training:
            return super().forward(input)
        add: Callable[[Tensor], Tensor] = _Sum.apply
        x = input.float() if input.dtype in (torch.bfloat16, torch.float16) else input
        # filled on the device: a tensor of a Python number is copied there and waited for
        count = x.new_full((), float(x.numel() // x.shape[1]))
        torch.distributed.all_reduce(count)
        mean = add(x.sum((0, 2, 3))) / count
        away = x - mean.view(1, -1, 1, 1)
        variance = add(away.square().sum((0, 2, 3))) / count
        self._remember(mean, variance * (count / (count - 1)))
        scaled = away * torch.rsqrt(variance + self.eps).view(1, -1, 1, 1)
        if self.weight is not None:
            scaled = scaled * self.weight.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)
        return scaled.to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)


def share_statistics(module: nn.Module) -> None:
    """Let every batch norm below take its statistics over the team; parameters and their names stay."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d) and not isinstance(child, TeamBatchNorm2d):
            setattr(module, name, _shared(child))
        else:
            share_statistics(child)


def _shared(norm: nn.BatchNorm2d) -> TeamBatchNorm2d:
    made = TeamBatchNorm2d(
        norm.num_features,
        eps=norm.eps,
        momentum=norm.momentum,
        affine=False,
        track_running_stats=norm.track_running_stats,
    )
    made.affine = norm.affine
    made.weight, made.bias = norm.weight, norm.bias
    made.running_mean, made.running_var = norm.running_mean, norm.running_var
    made.num_batches_tracked = norm.num_batches_tracked
    made.train(norm.training)
    return made
