"""A synthetic study as files: DICOM mammograms, their lesions as a table, and the true margins as shapes."""

from __future__ import annotations

import csv
import hashlib
import multiprocessing
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import msgspec

from core.data.importers.folder import COLUMNS
from core.domain.errors import Cancelled, MarginaliaError, StudyError
from core.domain.events import Emit, IsCancelled, Progress, never, silent
from core.domain.messages import message
from core.domain.shapes import encode_shapes
from core.domain.study import Window
from core.imaging.write_dicom import MammogramHeader, write_mammogram
from core.imaging.write_tomosynthesis import write_tomosynthesis
from core.phantom.config import PhantomConfig, patients_of
from core.phantom.patient import PhantomPatient, PhantomView, make_patient
from core.phantom.records import ANNOTATOR, AnnotationFile, LesionRecord
from core.phantom.slices import focus_of, slices_of
from core.platform.atomic import atomic_write, make_folder, storage_error
from core.platform.system import interrupts_held_back

FRAME = "frame"
LESIONS, ANNOTATIONS, PARTS, IMAGES = "lesions.csv", "annotations.json", "parts.csv", "images"
WINDOW = Window(centre=2000.0, width=2400.0, explanation="NORMAL")
_NAME = "SYNTHETIC PHANTOM"
_README = """SYNTHETIC MAMMOGRAMS

No image in this folder shows a person. All were computed from the seed {seed} by Marginalia's phantom:
{patients} patients, one mass each, seen in CC and MLO. Margin, outline, fine annotation, pathology and the
reader's estimate are drawn with the images and are true by construction. Figures measured on them say nothing
about any patient; name them synthetic wherever they are shown.

lesions.csv       one row a lesion, the layout that the folder importer reads
annotations.json  the configuration, and per lesion the true margin as shapes and what was drawn
parts.csv         the part of a split that each patient was made for
images/           12-bit DICOM: MG For Presentation, or Breast Tomosynthesis where slices were asked for
"""

Row = dict[str, str]
Made = tuple[list[Row], list[LesionRecord]]


def study_key(config: PhantomConfig) -> str:
    """Seed and a digest of what departs from the defaults: studies that differ share no Study Instance UID.

    A field that later versions add leaves the key, and with it every id and split, as it is.
    """
    usual, here = msgspec.to_builtins(PhantomConfig()), msgspec.to_builtins(config)
    changed = {name: value for name, value in here.items() if value != usual.get(name)}
    return f"phantom {config.seed} {hashlib.sha256(msgspec.json.encode(changed)).hexdigest()[:16]}"


def _header(patient: PhantomPatient, view: PhantomView, number: int, config: PhantomConfig) -> MammogramHeader:
    return MammogramHeader(
        patient_id=patient.patient_id,
        patient_name="SYNTHETIC^PHANTOM",
        laterality=patient.laterality,
        view=view.view,
        spacing_mm=config.spacing_mm,
        windows=(WINDOW,),
        study_key=study_key(config),
        manufacturer=_NAME,
        model="Marginalia phantom",
        series_description="SYNTHETIC",
        comments="SYNTHETIC: computed from a seed, shows no person",
        instance_number=number,
        synthetic=True,
    )


def _row(patient: PhantomPatient, view: PhantomView, image: str) -> Row:
    labels = patient.labels
    words = (labels.margin, labels.shape, labels.density, labels.category, labels.pathology)
    probability = labels.probability_of_malignancy
    values = (
        image,
        patient.patient_id,
        "1",
        patient.laterality.value,
        view.view.value,
        *("" if word is None else word.value for word in words),
        "" if probability is None else f"{probability:g}",
        encode_shapes((view.outline,)).decode(),
        encode_shapes(view.fine).decode(),
    )
    return dict(zip(COLUMNS, values, strict=True))


def write_patient(folder: Path, config: PhantomConfig, index: int) -> Made:
    """Write one patient's DICOM files under ``folder``; its rows of the table and of the annotation file."""
    patient = make_patient(config, index)
    rows: list[Row] = []
    records: list[LesionRecord] = []
    for number, view in enumerate(patient.views, start=1):
        name = f"{patient.patient_id}-{patient.laterality.value}-{view.view.value}.dcm"
        header = _header(patient, view, number, config)
        row, frame = _row(patient, view, f"{IMAGES}/{name}"), 0
        if config.slices > 1:
            key = (config.seed, 16, index, number)
            frame = focus_of(config, key)
            write_tomosynthesis(folder / IMAGES / name, slices_of(view.pixels, config, key), header)
            row[FRAME] = str(frame + 1)
        else:
            write_mammogram(folder / IMAGES / name, view.pixels, header)
        rows.append(row)
        records.append(LesionRecord.of(patient, view, f"{IMAGES}/{name}", frame))
    return rows, records


def _work(folder: Path, config: PhantomConfig, indices: range, answers: Connection) -> None:
    """A worker process: its patients one by one; ends when nobody listens any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it and stops us
    try:
        for index in indices:
            answers.send((index, write_patient(folder, config, index)))
    except (BrokenPipeError, ConnectionResetError):
        return
    except MarginaliaError as error:
        answers.send((-1, error))
    except Exception:  # noqa: BLE001 (told to the parent, which raises it)
        answers.send((-1, RuntimeError(traceback.format_exc())))


def _made_here(folder: Path, config: PhantomConfig) -> Iterator[tuple[int, Made]]:
    for index in patients_of(config):
        yield index, write_patient(folder, config, index)


def _made_by(workers: int, folder: Path, config: PhantomConfig) -> Iterator[tuple[int, Made] | None]:
    """The patients as the worker processes finish them; None about four times a second in between."""
    context = multiprocessing.get_context("spawn")
    running: dict[Connection, BaseProcess] = {}
    try:
        for first in range(workers):
            here, there = context.Pipe(duplex=False)
            job = (folder, config, patients_of(config)[first::workers], there)
            process: BaseProcess = context.Process(target=_work, args=job, daemon=True)
            with interrupts_held_back():
                process.start()
            there.close()
            running[here] = process
        while running:
            ready = wait(list(running), timeout=0.25)
            if not ready:
                yield None
            for connection in [c for c in running if c in ready]:
                try:
                    index, answer = connection.recv()
                except EOFError:
                    running.pop(connection).join()
                    continue
                if index < 0:
                    raise answer
                yield index, answer
    finally:
        for left in running.values():
            left.terminate()
            left.join()


def _collect(
    folder: Path, config: PhantomConfig, workers: int, emit: Emit, cancelled: IsCancelled
) -> tuple[list[Row], list[LesionRecord]]:
    made: dict[int, Made] = {}
    started = time.monotonic()
    wanted = patients_of(config)
    several = workers > 1 and len(wanted) > workers
    for item in _made_by(workers, folder, config) if several else _made_here(folder, config):
        if cancelled():
            raise Cancelled
        if item is None:
            continue
        made[item[0]] = item[1]
        done = len(made)
        eta = (time.monotonic() - started) / done * (len(wanted) - done)
        emit(Progress(stage="synthetic mammograms", done=done, total=len(wanted), eta_s=round(eta, 1)))
    if len(made) < len(wanted):
        raise StudyError(
            message("A process that makes synthetic mammograms died; there may be too little memory. Try again.")
        )
    ordered = [made[index] for index in wanted]
    return [row for rows, _ in ordered for row in rows], [r for _, records in ordered for r in records]


def _table(rows: list[Row], columns: tuple[str, ...]) -> bytes:
    text = StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _fill(folder: Path, config: PhantomConfig, workers: int, emit: Emit, cancelled: IsCancelled) -> None:
    (folder / IMAGES).mkdir()
    rows, records = _collect(folder, config, workers, emit, cancelled)
    document = AnnotationFile(annotator=ANNOTATOR, config=config, lesions=tuple(records))
    parts = {record.patient_id: {"patient_id": record.patient_id, "part": record.part.value} for record in records}
    atomic_write(folder / PARTS, _table(list(parts.values()), ("patient_id", "part")))
    atomic_write(folder / ANNOTATIONS, msgspec.json.format(msgspec.json.encode(document), indent=1))
    atomic_write(
        folder / "README.txt", _README.format(seed=config.seed, patients=len(patients_of(config))).encode()
    )
    atomic_write(folder / LESIONS, _table(rows, (*COLUMNS, FRAME) if config.slices > 1 else COLUMNS))


def write_study_source(
    folder: Path,
    config: PhantomConfig,
    *,
    workers: int = 2,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
) -> Path:
    """Write a SYNTHETIC study that the folder importer reads; the path of its ``lesions.csv``.

    The folder appears whole or not at all: it is filled beside its place and renamed. With more than one
    worker the patients are made in as many processes, with the same bytes. StudyError where the folder
    exists and is not empty; StorageFullError where the disk is full; Cancelled where the user asked to stop.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StudyError(
            message(
                "{folder} exists and is not empty; choose another folder for the synthetic mammograms.",
                folder=folder,
            )
        )
    try:
        make_folder(folder.parent)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    except OSError as error:
        sentence = storage_error(error, folder)
        if sentence is None:
            raise
        raise sentence from error
    try:
        _fill(beside, config, workers, emit, cancelled)
        with suppress(FileNotFoundError):
            folder.rmdir()
        beside.chmod(0o755)
        beside.rename(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return folder / LESIONS
