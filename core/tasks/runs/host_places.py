"""Places on the hosts of a pool for runs that are left there: a run goes where most devices are free.

On its host a left run waits for a free device (``core.tasks.runs.held_device``), so that two never share one.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from core.domain.errors import MarginaliaError, TrainingError
from core.domain.events import Emit, IsCancelled, Message, silent
from core.domain.messages import message
from core.jobs.host_check import check_host
from core.jobs.hosts import Hosts
from core.jobs.machine_report import MachineReport

Answer = MachineReport | MarginaliaError


def ask_hosts(names: Sequence[str], *, cancelled: IsCancelled) -> dict[str, Answer]:
    """Return what each host reports, or why it cannot be used; all are asked at once. Raises: Cancelled."""

    def ask(name: str) -> Answer:
        try:
            return check_host(Hosts().usable(name), emit=silent, cancelled=cancelled)
        except MarginaliaError as error:
            return error

    with ThreadPoolExecutor(max(1, len(names)), thread_name_prefix="host") as threads:
        return dict(zip(names, threads.map(ask, names), strict=True))


@dataclass(kw_only=True)
class _Host:
    capacity: int
    taken: int

    @property
    def load(self) -> float:
        return self.taken / self.capacity


class HostPlaces:
    """Raises: TrainingError if none of the hosts can be used; Cancelled while they are asked."""

    def __init__(self, names: Sequence[str], *, emit: Emit, cancelled: IsCancelled) -> None:
        self._emit, self._hosts = emit, dict[str, _Host]()
        for name, answer in ask_hosts(names, cancelled=cancelled).items():
            if isinstance(answer, MachineReport):
                self._hosts[name] = _Host(capacity=answer.capacity, taken=len(answer.busy))
            else:
                self.leave_out(name, answer)
        if not self._hosts:
            raise TrainingError(message("No host of the launcher can be used."))

    def take(self, wanted: str = "") -> str:
        """Return the host for the next run: ``wanted``, if it can be used, else the one with the least to do.

        Raises: TrainingError if no host is left.
        """
        if not self._hosts:
            raise TrainingError(message("No host of the launcher can be used."))
        name = wanted if wanted in self._hosts else min(self._hosts, key=lambda one: self._hosts[one].load)
        self._hosts[name].taken += 1
        return name

    def leave_out(self, name: str, error: MarginaliaError) -> None:
        """Use this host no longer, and report why."""
        self._hosts.pop(name, None)
        self._emit(Message(level="warning", text=message("{name} is left out: {error}", name=name, error=error)))
