"""The real Slurm and the real sshd in the default run: what no stand-in shows, in seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.domain.errors import TrainingError
from core.domain.events import Event, Message, Succeeded, silent
from core.jobs.catalogue import JobRequest
from core.jobs.host_check import check_host
from core.jobs.hosts import Hosts
from core.jobs.slurm.follower import SlurmFollower
from core.jobs.slurm.options import SlurmOptions
from core.jobs.slurm.poller import Poller
from core.jobs.slurm.standing import in_queue, number_of
from core.jobs.slurm.submission import SlurmTask, submit
from tests.cluster.real_slurm import RealSlurm
from tests.cluster.real_sshd import RealSshd


def test_an_array_of_jobs_runs_in_folders_with_odd_names_and_keeps_to_its_allocation(
    slurm: RealSlurm, tmp_path: Path
) -> None:
    folders = [tmp_path / name for name in ('st udy\'s "q" %j 100% $HOME &', "b %A_%a %%x")]
    for folder in folders:
        folder.mkdir()
    tasks = [SlurmTask(home=one, folder=one, request=JobRequest(job="report")) for one in folders]
    options = SlurmOptions(slurm="--cpus-per-task=1 --time=5", at_once=2)
    made = submit(tasks, options, title="a test")
    assert [one.job for one in made] == ["1_0", "1_1"]
    said: list[Event] = []
    jobs = {one.name: number_of(one) for one in folders}
    ends = dict(SlurmFollower(jobs, lambda key, event: said.append(event), Poller(every_s=0.5)).ends())
    for number, folder in enumerate(folders):
        final = ends[folder.name]
        assert isinstance(final, Succeeded), final
        assert (final.result["job"], final.result["cores"]) == (f"1_{number}", 1)
    assert in_queue(folders) == set()
    assert any(isinstance(event, Message) and "in Slurm" in event.text for event in said)


def test_a_machine_is_reached_through_a_real_sshd_or_says_why_not(sshd: RealSshd) -> None:
    report = check_host(Hosts().get("direct"), emit=silent, cancelled=lambda: False)
    assert report.cores >= 1 and report.is_free and report.torch
    for name, words in (("stranger", "its key is not known here"), ("keyless", "it accepts no key")):
        with pytest.raises(TrainingError, match=words):
            check_host(Hosts().get(name), emit=silent, cancelled=lambda: False)
