"""Resources that Slurm allotted to this process, from variables that it sets in a job; a node may have more."""

from __future__ import annotations

import os
import re
from collections.abc import MutableMapping

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_CARDS = ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "GPU_DEVICE_ORDINAL")
_MEGABYTE = 1 << 20


def job_number() -> str:
    """Return the number of the Slurm job that this process belongs to, as squeue writes it; "" outside of one."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")


def allotted_cores() -> int | None:
    """Return the number of processor cores of the job; None outside of one."""
    if not job_number():
        return None
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        if (text := os.environ.get(name, "")).isdigit() and int(text) > 0:
            return int(text)
    found = re.match(r"\d+", os.environ.get("SLURM_JOB_CPUS_PER_NODE", ""))
    return int(found[0]) if found and int(found[0]) > 0 else None


def allotted_memory() -> int | None:
    """Return the memory of the job on this node in bytes; None outside of one, or where the job has no limit."""
    if not job_number():
        return None
    if (text := os.environ.get("SLURM_MEM_PER_NODE", "")).isdigit() and int(text) > 0:
        return int(text) * _MEGABYTE
    if (text := os.environ.get("SLURM_MEM_PER_CPU", "")).isdigit() and int(text) > 0:
        return int(text) * (allotted_cores() or 1) * _MEGABYTE
    return None


def keep_to_allocation(environment: MutableMapping[str, str]) -> None:
    """Limit threads and graphics cards to those of the job, where this process belongs to one.

    It must be called before torch is imported. A job without a graphics card does not see those of its node,
    which other jobs use.
    """
    cores = allotted_cores()
    if cores is None:
        return
    environment.update(dict.fromkeys(_THREADS, str(cores)))
    if not any(name in environment for name in _CARDS):
        environment["CUDA_VISIBLE_DEVICES"] = ""
