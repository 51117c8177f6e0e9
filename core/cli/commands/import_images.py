"""Bring images and lesions into a study, each file decoded in a sandboxed process with limits.

The layout is detected from the files: `folder` (images with a lesions.csv; one row a lesion), the public data sets
as they are downloaded (`mini-mias`, `cdd-cesm`, `cbis-ddsm`, `inbreast`, `vindr-mammo`, `cmmd`, `embed`),
`coco` (images with a COCO document of instances, which has one of the usual names or is given by --table), and
`images` (mammograms without a table, to be annotated; also a single file or a ZIP archive). Files are known by
their content; files that are not images are counted and listed. `results` reads DICOM SEG, SR and GSPS of images
that the study holds back, as annotations and labels of --reader; where they carry original identifiers, with the
--identity file that the study has.

Installed packages can add layouts (entry points of the group marginalia.layouts); --layout takes them too.

Columns of lesions.csv: image (required), patient_id, finding, laterality, view, margin, shape, density, category,
pathology, probability, outline (JSON, or x,y,radius, or x0,y0,x1,y1), frame (slice of a tomosynthesis, from 1),
fine (JSON), reader, spacing_mm, comment.

Columns of the table of --choices (cdd-cesm), one row for each image with several regions: image (as in index.csv,
such as full/P3_L_DM_CC.jpg), region (the one that the margin describes, from 1, in the order of the contours of
the table; of a mask, by falling size), and margin where it is another than the word of the table.

Patient identifiers become pseudonyms of the study. The link back is dropped unless --identity keeps it, in a
separate encrypted file: under a passphrase, which is asked for each time, or in the system's key store. Your own
file names are dropped too, unless --keep-file-names keeps them in STUDY.file-names.csv beside the study, which no
export or backup contains.

Images that the study holds already are left out. Where the table gives them other labels, the differences are
shown, and --update-labels takes those of the table; labels and annotations of readers stay as they are.

Exit code 1 if no file could be imported and none was in the study already.

examples:
  marginalia import breast-margins ~/mammograms --dry-run --decode
  marginalia import breast-margins ~/mammograms/one.dcm
  marginalia import breast-margins ~/downloads/study.zip
  marginalia import breast-margins ~/INbreast --results outcome.csv
  marginalia import breast-margins ~/mammograms --update-labels
  marginalia import breast-margins ~/mammograms --identity passphrase --keep-file-names
  marginalia import breast-margins from-the-archive --layout results --reader "Dr. A" --identity passphrase
  marginalia import breast-margins ~/cdd-cesm --choices chosen-regions.csv
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli import lookup
from core.cli.console import Console
from core.cli.identity_prompt import IdentityPrompt
from core.cli.text import count
from core.domain.messages import as_text, message
from core.platform.plugins import plugin_names

if TYPE_CHECKING:
    from core.data.importers.known_images import KnownImages
    from core.data.importers.outcomes import ImportReport
    from core.data.importers.plan import ImportPlan, Issue
    from core.store.study import Study

LAYOUTS = (
    "folder",
    "mini-mias",
    "cdd-cesm",
    "cbis-ddsm",
    "inbreast",
    "vindr-mammo",
    "cmmd",
    "embed",
    "coco",
    "images",
)
"""The built-in ids of ``core.data.importers.layouts``, which printing help need not import."""
RESULTS = "results"
"""Annotations are read back; the images are in the study already."""
HELP = "bring images and lesions into a study"
SHOWN = 5
"""Issues that are shown one by one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument(
        "folder", type=Path, help="folder of the images and their table, an image file or a ZIP archive"
    )
    parser.add_argument(
        "--layout",
        choices=(*LAYOUTS, *plugin_names("marginalia.layouts"), RESULTS),
        metavar="LAYOUT",
        help="layout, one of those above (default: detected from the files)",
    )
    parser.add_argument(
        "--table",
        type=Path,
        help="table of lesions of the layout folder (default: lesions.csv), or a COCO document",
    )
    parser.add_argument("--source", default="", help="name of the data set (default: the folder's name)")
    parser.add_argument(
        "--reader",
        default="",
        help="reader of the fine annotations, if the table has no reader column; "
        "results: whose annotations they are",
    )
    parser.add_argument(
        "--choices", type=Path, metavar="CSV", help="cdd-cesm: regions that a person chose; see above"
    )
    parser.add_argument("--skip-bad-rows", action="store_true", help="import the rest where rows are wrong")
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would be imported, and what would be left out and why"
    )
    parser.add_argument(
        "--decode",
        action="store_true",
        help="with --dry-run: decode each file too, and compare it with the images of the study",
    )
    parser.add_argument(
        "--update-labels",
        action="store_true",
        help="take labels that differ in the table for lesions of the study",
    )
    parser.add_argument("--again", action="store_true", help="import images of forgotten patients again")
    parser.add_argument(
        "--keep-file-names",
        action="store_true",
        help="keep your own file names in STUDY.file-names.csv beside the study, for predict and study lesions",
    )
    parser.add_argument(
        "--results",
        type=Path,
        metavar="CSV",
        help="write the outcome for each file to this CSV, with the pseudonym and the lesions it has in the study",
    )
    parser.add_argument(
        "--identity",
        choices=("drop", "passphrase", "key-store"),
        default="drop",
        help="whether to keep the link from pseudonyms to patients (default: drop)",
    )


def look_up(arguments: argparse.Namespace) -> None:
    lookup.check_study(arguments.study)
    for path in (arguments.folder, arguments.table, arguments.choices):
        if path is not None:
            lookup.check_input(path)


def run(arguments: argparse.Namespace, console: Console) -> int:
    from core.data.importers.folder import DEFAULT_READER
    from core.data.importers.kept_names import keep_names, own_names
    from core.data.importers.known_images import KnownImages
    from core.data.importers.layouts import PlanOptions, make_plan
    from core.store.study import Study

    if arguments.layout == RESULTS:
        return _results(arguments, console)
    options = PlanOptions(
        layout=arguments.layout or "",
        table=arguments.table,
        source=arguments.source,
        reader=arguments.reader or DEFAULT_READER,
        choices=arguments.choices,
        skip_bad_rows=arguments.skip_bad_rows,
    )
    with Study.open(arguments.study, writable=not arguments.dry_run) as study:
        plan = make_plan(arguments.folder, options)
        known = KnownImages(study, update_labels=arguments.update_labels, take_forgotten=arguments.again)
        report = _carried_out(study, plan, known, arguments, console)
        _write_results(arguments.results, study, report, own_names(plan, report, arguments.folder))
        keep = arguments.keep_file_names and not arguments.dry_run
        kept = keep_names(study, plan, report, arguments.folder) if keep else None
    _show_issues(report.issues, console, arguments.results)
    _report(report, plan, arguments, console, kept)
    return 1 if report.nothing_usable else 0


def _carried_out(
    study: Study, plan: ImportPlan, known: KnownImages, arguments: argparse.Namespace, console: Console
) -> ImportReport:
    from core.data.importers.importing import run_import
    from core.data.importers.outcomes import ImportReport, file_results
    from core.data.importers.preview import preview_import
    from core.domain.events import Event, Message

    def progress(event: Event) -> None:
        if not isinstance(event, Message):  # issues are shown once, at the end
            console.emit(event)

    if not arguments.dry_run:
        identity = IdentityPrompt(arguments.identity).file(study)
        return run_import(study, plan, identity=identity, known=known, emit=progress, cancelled=console.cancelled)
    if arguments.decode:
        return preview_import(study, plan, known=known, emit=progress, cancelled=console.cancelled)
    files = file_results(plan, plan.issues, [True] * len(plan.images))
    return ImportReport(
        source=plan.source,
        patients=0,
        images=len(plan.images),
        lesions=plan.lesion_count,
        fine_annotations=0,
        issues=plan.issues,
        files=files,
    )


def _report(
    report: ImportReport, plan: ImportPlan, arguments: argparse.Namespace, console: Console, kept: Path | None
) -> None:
    import msgspec

    there = sum(bool(file.image_id) for file in report.files) - report.images
    unlabelled = sum(lesion.labels.margin is None for image in plan.images for lesion in image.lesions)
    images, lesions = count(report.images, "image"), count(report.lesions, "lesion")
    if arguments.dry_run:
        lines = [f"Would import {images} with {lesions} from {report.source}.{_counts_text(report.issues)}"]
    else:
        lines = [
            f"Imported from {report.source}: {count(report.patients, 'new patient')}, {images}, {lesions}, "
            f"{count(report.fine_annotations, 'fine annotation')}.{_counts_text(report.issues)}"
        ]
    if report.updated:
        verb = "would be updated" if arguments.dry_run else "updated"
        lines.append(f"Labels of {count(report.updated, 'lesion')} {verb}.")
    if there > 0:
        lines.append(f"{count(there, 'file')} already in the study.")
    if unlabelled and report.lesions:
        lines.append(f"{count(unlabelled, 'lesion')} without a margin in the table.")
    if not arguments.source and arguments.layout in (None, "folder", "images") and report.images:
        lines.append(f"The data set is named {report.source}, after the folder; --source NAME gives another name.")
    if kept is not None:
        lines.append(f"Your file names are kept in {kept}; it is private, and not part of the study.")
    if arguments.dry_run:
        lines.append("Nothing was changed.")
        if not arguments.decode:
            lines.append(
                "Files were not decoded, so unreadable ones and those already in the study are not known yet; "
                "--decode finds them."
            )
    document = msgspec.to_builtins(report, enc_hook=as_text) | {
        "dry_run": arguments.dry_run,
        "already_in_study": max(there, 0),
    }
    if arguments.dry_run and not arguments.decode:
        document["already_in_study"] = None
    console.result(document, "\n".join(lines))


def _show_issues(issues: tuple[Issue, ...], console: Console, results: Path | None) -> None:
    """The first few issues on standard error; files that are in the study are counted with the result."""
    from core.data.importers.plan import Severity

    if console.as_json:  # they are in the document
        return
    plain = [one for one in issues if not one.sentence.endswith("identical to those of an image of the study.")]
    shown = [one for one in plain if one.severity is not Severity.NOTE] + [
        one for one in plain if one.severity is Severity.NOTE
    ]
    for issue in shown[:SHOWN]:
        place = f"{issue.where}: " if issue.where and not issue.sentence.startswith(issue.where) else ""
        if issue.severity is Severity.NOTE:
            console.note(f"Note: {place}{issue.sentence}")
        else:
            console.warn(f"{place}{issue.sentence}")
    if len(shown) > SHOWN:
        where = f"{results} lists them all" if results else "--results FILE.csv lists them all"
        console.warn(f"... and {len(shown) - SHOWN:,} more; {where}.")


def _results(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.domain.errors import StudyError
    from core.exchange.dicom.import_results import read_results
    from core.store.identity import has_identity
    from core.store.study import Study

    with Study.open(arguments.study, writable=not arguments.dry_run) as study:
        if arguments.identity != "drop" and not has_identity(study.folder):
            raise StudyError(
                message("This study has no identity file, so original identifiers cannot be followed to images.")
            )
        read = read_results(
            study,
            arguments.folder,
            reader=arguments.reader,
            identity=IdentityPrompt(arguments.identity).file(study),
            dry_run=arguments.dry_run,
            emit=console.emit,
            cancelled=console.cancelled,
        )
    lines = [f"{issue.severity.value}: {issue.sentence}" for issue in read.issues]
    verb = "Would read" if arguments.dry_run else "Read"
    lines.append(
        f"{verb} {count(read.files, 'result')} back: {count(read.fine_annotations, 'fine annotation')} and "
        f"{count(read.labels, 'description')} of {read.reader}, {count(read.new_lesions, 'new lesion')}."
    )
    console.result(msgspec.to_builtins(read, enc_hook=as_text), "\n".join(lines))
    return 0


def _write_results(path: Path | None, study: Study, report: ImportReport, names: list[str]) -> None:
    """The outcome for each file, with what it is called in the study, so that exports can be joined to it."""
    from core.domain.spreadsheet import csv_document
    from core.platform.atomic import atomic_write

    if path is None:
        return
    pseudonyms = {patient.id: patient.pseudonym for patient in study.patients.all()}
    patient_of = {image.id: pseudonyms[image.patient_id] for image in study.images.all()}
    lesions: dict[str, list[str]] = {}
    for lesion in study.lesions.all():
        lesions.setdefault(lesion.image_id, []).append(lesion.id)
    columns = ("file", "outcome", "why", "patient", "image", "lesions")
    rows = [
        (
            name,
            file.fate.value,
            " ".join(file.sentences),
            patient_of.get(file.image_id, ""),
            file.image_id if file.image_id in patient_of else "",
            " ".join(lesions.get(file.image_id, ())),
        )
        for name, file in zip(names, report.files, strict=True)
    ]
    atomic_write(path, csv_document(columns, rows))


def _counts_text(issues: tuple[Issue, ...]) -> str:
    from core.data.importers.plan import Severity, counted

    nouns = {
        Severity.NOTE.value: "{} noted",
        Severity.LEFT_OUT.value: "{} left out",
        Severity.WRONG.value: "{} wrong",
    }
    counts = [nouns[word].format(f"{number:,}") for word, number in counted(issues).items() if number]
    return f" Issues: {', '.join(counts)}." if counts else ""
