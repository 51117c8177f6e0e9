"""Sentences about jobs in Slurm, from the states and reasons that squeue and sacct report."""

from __future__ import annotations

from core.domain.messages import Sentence, joined, message, template
from core.jobs.slurm.commands import QueueState

_ENDS = {
    "CANCELLED": template("Job {job} was cancelled in Slurm (scancel) before it was done."),
    "TIMEOUT": template("Job {job} reached its time limit before it was done."),
    "DEADLINE": template("Job {job} reached its deadline before it was done."),
    "OUT_OF_MEMORY": template("Job {job} used more memory than Slurm had given it; ask for more with --mem."),
    "NODE_FAIL": template("Job {job} lost its node before it was done."),
    "BOOT_FAIL": template("Job {job} could not start its node."),
    "PREEMPTED": template("Job {job} was ended in favour of another job."),
    "FAILED": template("Job {job} ended with an error before it was done."),
    "COMPLETED": template("Job {job} ended without reporting its result."),
    "": template("Job {job} is no longer known to Slurm, and reported no end."),
}
_OTHER = template("Job {job} ended in Slurm before it was done.")
KEPT = message("What it saved is kept, and the run can be resumed.")


def state_words(job: str, state: QueueState) -> Sentence:
    """One sentence for a job that waits, runs or ended."""
    if state.waits:
        return (
            message("Job {job} waits in Slurm: {reason}.", job=job, reason=state.reason)
            if state.reason
            else message("Job {job} waits in Slurm.", job=job)
        )
    if state.runs:
        return (
            message("Job {job} runs in Slurm on {node}.", job=job, node=state.node)
            if state.node
            else message("Job {job} runs in Slurm.", job=job)
        )
    return ended_words(job, state)


def ended_words(job: str, state: QueueState, *, said: str = "") -> Sentence:
    """How a job ended that wrote no last event, and what can be done. ``said``: what stands last in its log."""
    wrote = [message("It wrote: {said}.", said=said)] if said else []
    return joined([ending(job, state), *wrote, KEPT])


def ending(job: str, state: QueueState) -> Sentence:
    """How a job ended, as Slurm says."""
    return message(_ENDS.get(state.state, _OTHER), job=job)
