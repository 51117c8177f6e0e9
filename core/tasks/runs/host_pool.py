"""Runs on several hosts: each host takes the next run when one of its devices is free.

The order of the runs is the order in which they begin. A run that began on a host goes on there; a host that
cannot be used is left out, and its runs go to others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from core.domain.errors import Cancelled, MarginaliaError, TrainingError
from core.domain.events import Emit, Event, IsCancelled, Message, silent
from core.domain.messages import message
from core.domain.study import Run
from core.jobs.host_check import check_host
from core.jobs.hosts import Hosts
from core.store.study import Study
from core.tasks.runs.gathered import gather, named_event
from core.tasks.runs.lifecycle import carry_out, move_run, request_of

ASK_S = 15.0
"""Seconds between two questions to a host whose devices are all in use."""
Outcome = Run | MarginaliaError | Cancelled


def carry_out_on_hosts(
    study: Study, runs: Sequence[Run], hosts: Sequence[str], *, emit: Emit, cancelled: IsCancelled
) -> list[Run]:
    """Train these runs on the hosts, one at a time on each.

    Raises: Cancelled at the user's wish; TrainingError that names the runs that failed, or if no host can be used.
    """
    for name in hosts:
        Hosts().usable(name)
    lock = threading.Lock()

    def told(event: Event) -> None:
        with lock:
            emit(event)

    pool = _Pool(study, runs, hosts, told, cancelled)
    with ThreadPoolExecutor(len(hosts), thread_name_prefix="host") as threads:
        list(threads.map(pool.work, hosts))
    return gather({run.name: pool.outcome(run) for run in runs})


class _Pool:
    def __init__(
        self, study: Study, runs: Sequence[Run], hosts: Sequence[str], emit: Emit, cancelled: IsCancelled
    ) -> None:
        self._study, self._emit, self._cancelled = study, emit, cancelled
        self._left = list(runs)
        self._usable = set(hosts)
        self._host_of = {run.id: request_of(study, run).host for run in runs}
        self._under_way = 0
        self._found: dict[str, Outcome] = {}
        self._changed = threading.Condition()

    def outcome(self, run: Run) -> Outcome:
        if run.id in self._found:
            return self._found[run.id]
        return Cancelled() if self._cancelled() else TrainingError(message("No host of the launcher can be used."))

    def work(self, host: str) -> None:
        """Take runs for this host until none is left."""
        while self._wait_for_device(host):
            run = self._next(host)
            if run is None:
                return
            self._train(run, host)

    def _next(self, host: str) -> Run | None:
        """The next run for this host; None when none is left, and none may come back from another."""
        with self._changed:
            while not self._cancelled():
                for run in self._left:
                    if self._host_of[run.id] in ("", host) or self._host_of[run.id] not in self._usable:
                        self._left.remove(run)
                        self._under_way += 1
                        return run
                if not self._left and not self._under_way:
                    return None
                self._changed.wait(timeout=1.0)
        return None

    def _train(self, run: Run, host: str) -> None:
        def say(event: Event) -> None:
            self._emit(named_event(event, run.name))

        found: Outcome | None
        try:
            move_run(self._study, run, host)
            self._emit(Message(level="info", text=message("{run} is trained on {host}.", run=run.name, host=host)))
            found = carry_out(self._study, run, emit=say, cancelled=self._cancelled)
        except (MarginaliaError, Cancelled) as error:
            found = error
        with self._changed:
            self._under_way -= 1
            self._host_of[run.id] = host
            self._found[run.id] = found
            self._changed.notify_all()

    def _wait_for_device(self, host: str) -> bool:
        """True once a device of the host is free; False if it cannot be used, or nothing is left to do."""
        told = False
        while not self._cancelled() and self._left:
            try:
                report = check_host(Hosts().usable(host), emit=silent, cancelled=self._cancelled)
            except Cancelled:
                return False
            except MarginaliaError as error:
                with self._changed:
                    self._usable.discard(host)
                    self._changed.notify_all()
                self._emit(
                    Message(level="warning", text=message("{host} is left out: {error}", host=host, error=error))
                )
                return False
            if report.is_free:
                return True
            if not told:
                told = True
                used = "; ".join(f"{device} by {holder}" for device, holder in report.busy.items())
                self._emit(
                    Message(
                        level="info",
                        text=message(
                            "{host} is in use ({used}); it takes runs when it is free.", host=host, used=used
                        ),
                    )
                )
            _sleep(ASK_S, self._cancelled)
        return False


def _sleep(seconds: float, cancelled: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not cancelled():
        time.sleep(0.2)
