"""Sentences about jobs in Slurm, from the states and reasons that squeue and sacct report."""

from __future__ import annotations

from core.jobs.slurm.commands import QueueState

_ENDS = {
    "CANCELLED": "Job {} was cancelled in Slurm (scancel) before it was done.",
    "TIMEOUT": "Job {} reached its time limit before it was done.",
    "DEADLINE": "Job {} reached its deadline before it was done.",
    "OUT_OF_MEMORY": "Job {} used more memory than Slurm had given it; ask for more with --mem.",
    "NODE_FAIL": "Job {} lost its node before it was done.",
    "BOOT_FAIL": "Job {} could not start its node.",
    "PREEMPTED": "Job {} was ended in favour of another job.",
    "FAILED": "Job {} ended with an error before it was done.",
    "COMPLETED": "Job {} ended without reporting its result.",
    "": "Job {} is no longer known to Slurm, and reported no end.",
}
_OTHER = "Job {} ended in Slurm before it was done."
KEPT = "What it saved is kept, and the run can be resumed."


def state_words(job: str, state: QueueState) -> str:
    """One sentence for a job that waits, runs or ended."""
    if state.waits:
        return f"Job {job} waits in Slurm: {state.reason}." if state.reason else f"Job {job} waits in Slurm."
    if state.runs:
        return f"Job {job} runs in Slurm on {state.node}." if state.node else f"Job {job} runs in Slurm."
    return ended_words(job, state)


def ended_words(job: str, state: QueueState, *, said: str = "") -> str:
    """How a job ended that wrote no last event, and what can be done. ``said``: what stands last in its log."""
    wrote = [f"It wrote: {said}."] if said else []
    return " ".join([_ENDS.get(state.state, _OTHER).format(job), *wrote, KEPT])
