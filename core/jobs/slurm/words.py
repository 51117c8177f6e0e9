"""Sentences about jobs in Slurm, from the states and reasons that squeue and sacct report."""

from __future__ import annotations

from core.jobs.slurm.commands import QueueState

_ENDS = {
    "CANCELLED": "was cancelled in Slurm (scancel)",
    "TIMEOUT": "reached its time limit",
    "DEADLINE": "reached its deadline",
    "OUT_OF_MEMORY": "used more memory than Slurm had given it (ask for more with --mem)",
    "NODE_FAIL": "lost its node",
    "BOOT_FAIL": "could not start its node",
    "PREEMPTED": "was ended in favour of another job",
    "FAILED": "ended with an error",
    "COMPLETED": "ended without reporting its result",
    "REVOKED": "was withdrawn from this cluster",
}
KEPT = "what it had saved is kept, and it can be resumed."


def waiting_words(job: str, state: QueueState) -> str:
    """One sentence for a job that waits, with Slurm's reason."""
    return f"Job {job} waits in Slurm{f' ({state.reason})' if state.reason else ''}."


def running_words(job: str, state: QueueState) -> str:
    return f"Job {job} runs in Slurm{f' on {state.node}' if state.node else ''}."


def state_words(job: str, state: QueueState) -> str:
    if state.waits:
        return waiting_words(job, state)
    return running_words(job, state) if state.runs else ended_words(job, state)


def ended_words(job: str, state: QueueState, *, said: str = "") -> str:
    """One sentence for a job that ended without a result. ``said``: what stands last in its log."""
    how = _ENDS.get(state.state, f"ended as {state.state}" if state.state else "is no longer known to Slurm")
    end = f" ({said})" if said else ""
    return f"Job {job} {how}{end} before it was done; {KEPT}"
