"""Runs as files: what a node needs to train, so that it never opens the study's database.

The regions of interest lie in one file for all runs that train on the same ones: in the study's derived arrays, or
in a folder that the nodes see. Like the file that crosses to another host, it holds no name, no pseudonym and no
whole mammogram.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from core.domain.events import Emit, IsCancelled
from core.domain.study import Run, RunStatus
from core.domain.vocabulary import Part
from core.jobs import ssh
from core.jobs.catalogue import JobRequest
from core.jobs.slurm.options import SlurmOptions
from core.jobs.slurm.submission import REQUEST, read_submission
from core.platform.atomic import atomic_write, make_folder
from core.platform.version import code_version
from core.store.arrays import DERIVED
from core.store.hdf5 import arrays_sha256, write_arrays
from core.store.study import Study
from core.tasks.runs.lifecycle import LOG
from core.tasks.runs.remote_worker import SentRequest, packed_arrays
from core.tasks.runs.train_job import TrainRequest, rois_of

_BEGIN = "sent-"


def folder_of_job(study: Study, run: Run, options: SlurmOptions) -> Path:
    """Return the folder of the files of this run's job, which is made if it does not exist."""
    if not options.folder:
        return study.run_folder(run.id)
    shared = Path(options.folder).expanduser() / study.info.id
    folder = shared / run.id
    make_folder(folder)
    for one in (shared, folder):
        one.chmod(0o700)
    return folder


def packed_job(
    study: Study, request: TrainRequest, folder: Path, *, emit: Emit, cancelled: IsCancelled
) -> JobRequest:
    """Return the job of a run that needs its ``folder`` and one file beside it.

    Raises: TrainingError as ``rois_of`` does.
    """
    rois, parts = rois_of(request, emit, cancelled)
    arrays = packed_arrays(rois, ())
    sha256 = arrays_sha256(arrays)
    inside = folder == Path(request.folder)
    pack = (study.folder / DERIVED if inside else folder.parent) / f"{_BEGIN}{sha256}.h5"
    if not pack.is_file():
        make_folder(pack.parent)
        write_arrays(pack, arrays, sha256=sha256)
        pack.chmod(0o600)
    sent = SentRequest(
        folder=str(folder.resolve()),
        config=request.config,
        sha256=sha256,
        code_version=code_version(),
        forgotten=request.forgotten,
        pack=str(pack.resolve()),
        parts=tuple(Part(part) for part in parts),
    )
    return JobRequest(job="train packed", arguments=msgspec.to_builtins(sent))


def bring_home(source: Path, home: Path) -> None:
    """Copy the results and the log of a job into the folder of its run, and delete the job's folder.

    Nothing happens if they are the same. Raises: TrainingError if a result was not copied completely.
    """
    if source.resolve() == home.resolve():
        return
    for file in ssh.results_in(source):
        make_folder((home / file.name).parent)
        atomic_write(home / file.name, partial(ssh.copy_checked, source / file.name, file.sha256))
    keep_log(source, home)
    shutil.rmtree(source)


def keep_log(source: Path, home: Path) -> None:
    """Copy the log of a job into the folder of its run, where it is not there anyway."""
    if source.resolve() != home.resolve() and (source / LOG).is_file():
        atomic_write(home / LOG, (source / LOG).read_bytes())


def drop_packs(study: Study, folders: Iterable[Path]) -> None:
    """Delete the files of regions of interest that no job in the queue needs any more.

    ``folders``: where jobs of this study that just ended had their files.
    """
    needed = b"".join(_requests(study))
    needed = b"".join(_requests(study))
    shared = {folder.parent for folder in folders if not folder.is_relative_to(study.folder)}
    for place in {study.folder / DERIVED, *shared}:
        for pack in place.glob(f"{_BEGIN}*.h5"):
            if pack.name.encode() not in needed:
                pack.unlink(missing_ok=True)


def _requests(study: Study) -> Iterator[bytes]:
    """The requests of the runs that count as being trained."""
    for run in study.runs.all(archived=True):
        if run.status is RunStatus.RUNNING:
            record = read_submission(study.run_folder(run.id))
            if record is not None and (Path(record.folder) / REQUEST).is_file():
                yield (Path(record.folder) / REQUEST).read_bytes()
