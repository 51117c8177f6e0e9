"""Jobs of runs as text: where they wait, run or ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.jobs.run_records import RunLine
    from core.tasks.runs.submitted_runs import JobLine


def run_status(line: RunLine, job: JobLine | None) -> str:
    """The status of a run, with its job where one waits or runs, or ended without being recorded."""
    if job is not None and job.state == "left":
        return f"left on {job.launcher}: train --resume"
    if job is None or line.status not in ("running", "interrupted"):
        return line.status
    if job.state == "ended":
        return f"job {job.job} ended: train --resume"
    if job.state == "unknown":
        return f"job {job.job}, Slurm does not answer"
    return f"{job.state}, job {job.job}{f' ({job.reason})' if job.reason else ''}"


def job_words(job: JobLine) -> str:
    """All that is known of the job of a run, in a line."""
    handed = f"{job.handed_in_utc[:16].replace('T', ' ')} UTC"
    if job.state == "left":
        return f"left on {job.launcher}, handed in {handed}; follow it with train --resume"
    state = f"{job.state} ({job.reason})" if job.reason else job.state
    return f"{job.job or 'unknown number'} in Slurm, {state}; handed in {handed} by launcher {job.launcher}"
