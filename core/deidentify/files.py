"""Files and folders de-identified: each in a child process, written under names of our own, with a report."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

import msgspec

from core.deidentify.child import ENTRY, Cleaned, FileReport, Job
from core.deidentify.options import Keyed, Options
from core.domain.errors import Cancelled, StudyError
from core.domain.events import Emit, IsCancelled, Message, Progress, never, silent
from core.domain.messages import joined, message
from core.imaging.decoded import RefusedImageError
from core.imaging.sandbox import Sandbox
from core.imaging.worker import DecodeWorker
from core.platform.atomic import atomic_write, make_folder

REPORT = "deidentification.json"
_PICTURES = (".png", ".pgm", ".tif", ".tiff", ".jpg", ".jpeg")
_SAFE = re.compile(r"[^A-Za-z0-9.-]+")


class WrittenFile(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    """Name in the new folder; it reveals nothing of the old name."""
    report: FileReport | None
    """None for a picture without a header: of it nothing but the pixels was written."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Results of all files. Refused files are named to the caller only, not in the folder."""

    files: tuple[WrittenFile, ...]
    refused: int
    suspicious: int
    """Files in which text may be burned in."""


def new_secret() -> bytes:
    return secrets.token_bytes(32)


def files_below(path: Path) -> tuple[Path, ...]:
    """The file itself, or every regular file of a folder; StudyError where there is none."""
    if path.is_file():
        return (path,)
    found = tuple(p for p in sorted(path.rglob("*")) if p.is_file() and not p.is_symlink())
    if not found:
        raise StudyError(
            message("{path} holds no file to de-identify; name a file or a folder of files.", path=path)
        )
    return found


def deidentify_files(
    paths: Iterable[Path],
    folder: Path,
    options: Options,
    *,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
) -> Report:
    """Write each file, de-identified, into ``folder`` (new or empty), with ``deidentification.json``.

    DICOM files are written to one folder per patient, named by the new UID; other pictures become PNG of their
    pixels alone. Other files are left out and reported.

    Raises: StudyError if the folder is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StudyError(
            message("{folder} is not empty; choose a new folder for the de-identified files.", folder=folder)
        )
    make_folder(folder)
    chosen = tuple(paths)
    written: list[WrittenFile] = []
    with Sandbox(ENTRY) as sandbox, DecodeWorker() as decoder:
        for done, path in enumerate(chosen, start=1):
            if cancelled():
                raise Cancelled
            try:
                if path.suffix.lower() in _PICTURES:
                    written.append(_picture(path, folder, decoder, len(written) + 1))
                else:
                    written.append(_dicom(path, folder, sandbox, options, emit))
            except RefusedImageError as refused:
                emit(Message(level="warning", text=joined([refused, message("It was left out.")])))
            emit(Progress(stage="de-identify", done=done, total=len(chosen)))
    suspicious = sum(bool(one.report and one.report.suspicious and not one.report.blacked) for one in written)
    report = Report(files=tuple(written), refused=len(chosen) - len(written), suspicious=suspicious)
    atomic_write(folder / REPORT, msgspec.json.format(msgspec.json.encode(report), indent=1))
    return report


def deidentify_bytes(path: Path, options: Options, sandbox: Sandbox) -> Cleaned:
    """One DICOM file; RefusedImageError where it is none or damaged."""
    job = Job(path=str(path.absolute()), options=options)
    return msgspec.msgpack.decode(sandbox.call(msgspec.msgpack.encode(job), name=path.name), type=Cleaned)


def _dicom(path: Path, folder: Path, sandbox: Sandbox, options: Options, emit: Emit) -> WrittenFile:
    cleaned = deidentify_bytes(path, options, sandbox)
    patient, uid = (_SAFE.sub("-", text) for text in (cleaned.report.patient, cleaned.report.sop_uid))
    if not Keyed(options.secret).made_pseudonym(patient):
        patient = "without-patient"
    place = folder / patient
    make_folder(place)
    stem = uid or secrets.token_hex(8)
    name, further = f"{stem}.dcm", 1
    while (place / name).exists():
        further += 1
        name = f"{stem}-{further}.dcm"
    if further > 1:
        sentence = message(
            "{file} has the SOP Instance UID of an earlier file; it was written beside it as {name}.",
            file=path.name,
            name=name,
        )
        emit(Message(level="warning", text=sentence))
    atomic_write(place / name, cleaned.content)
    return WrittenFile(name=f"{patient}/{name}", report=cleaned.report)


def _picture(path: Path, folder: Path, decoder: DecodeWorker, number: int) -> WrittenFile:
    from PIL import Image

    image = decoder.read(path)
    buffer = BytesIO()
    Image.fromarray(image.pixels).save(buffer, "PNG")
    name = f"picture-{number:05d}.png"
    atomic_write(folder / name, buffer.getvalue())
    return WrittenFile(name=name, report=None)


def summary(report: Report) -> Iterator[str]:
    """The report in lines for a person: attributes by what was done to them, over all files."""
    total = {"removed": 0, "emptied": 0, "replaced": 0, "shifted": 0}
    names: dict[str, set[str]] = {word: set() for word in total}
    private = uids = overlays = 0
    for one in report.files:
        if one.report is not None:
            for word in total:
                counts: dict[str, int] = getattr(one.report, word)
                names[word] |= counts.keys()
                total[word] += sum(counts.values())
            private += one.report.private
            uids += one.report.uids
            overlays += one.report.overlays
    yield f"{len(report.files)} files de-identified, {report.refused} left out."
    for word, count in total.items():
        if count:
            yield f"{count} values {word}: {', '.join(sorted(names[word]))}."
    yield f"{uids} UIDs replaced, {private} private and {overlays} overlay attributes removed."
    if report.suspicious:
        yield (
            f"{report.suspicious} files may have text burned into the picture: look at them, and black it out "
            "with --black-out or --black-out-found."
        )
