"""Bring images and lesions into a study, each file decoded in a child process with limits.

Layouts, told from the files: `folder` (images with a lesions.csv; one row a lesion), the public data sets as they
are downloaded (`mini-mias`, `cdd-cesm`, `cbis-ddsm`, `inbreast`, `vindr-mammo`, `cmmd`, `embed`), and `images`
(mammograms without a table, to be annotated; also a single file or a ZIP archive). Files are known by their
content; what is passed over is counted and listed. The exit code is 1 where no file could be used. `results` reads
DICOM SEG, SR and GSPS of images that the study holds back, as annotations and labels of --reader; where they carry
original identifiers, with the --identity file that the study has. Columns of lesions.csv: image (required),
patient_id, finding, laterality, view, margin, shape, density, category, pathology, probability, outline (JSON, or
x,y,radius, or x0,y0,x1,y1), frame (slice of a tomosynthesis, from 1), fine (JSON), reader, spacing_mm, comment.

Patient identifiers become pseudonyms of the study. The link back is dropped unless `--identity` keeps it, in a
separate encrypted file: under a passphrase, which is asked for each time, or in the system's key store.

examples:
  main.py import breast-margins ~/mammograms --dry-run
  main.py import breast-margins ~/mammograms/one.dcm
  main.py import breast-margins ~/downloads/study.zip
  main.py import breast-margins ~/INbreast --results what-became-of-it.csv
  main.py import breast-margins ~/mammograms --identity passphrase
  main.py import breast-margins from-the-archive --layout results --reader "Dr. A" --identity passphrase
  main.py import breast-margins ~/cdd-cesm --choices chosen-regions.csv
"""

from __future__ import annotations

import argparse
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli.console import Console

if TYPE_CHECKING:
    from core.data.importers.outcomes import FileResult
    from core.data.importers.plan import ImportPlan, Issue
    from core.store.identity import IdentityFile
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
    "images",
)
"""Of ``core.data.importers.layouts.Layout``, which printing help need not import."""
RESULTS = "results"
"""What is read back, not imported: images come from elsewhere."""
HELP = "bring images and lesions into a study"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument(
        "folder", type=Path, help="folder of the images and their table, an image file or a ZIP archive"
    )
    parser.add_argument("--layout", choices=(*LAYOUTS, RESULTS), help="layout, if not to be told from the files")
    parser.add_argument(
        "--table", type=Path, help="table of lesions of the layout `folder` (default: lesions.csv)"
    )
    parser.add_argument("--source", default="", help="name of the data set (default: the folder's name)")
    parser.add_argument(
        "--reader",
        default="",
        help="who made the fine annotations, where no column says it; results: whose annotations they become",
    )
    parser.add_argument("--choices", type=Path, help="cdd-cesm: table of the regions that a person chose")
    parser.add_argument("--skip-bad-rows", action="store_true", help="import the rest where rows are wrong")
    parser.add_argument("--dry-run", action="store_true", help="say what would be imported, and why not")
    parser.add_argument(
        "--results",
        type=Path,
        metavar="CSV",
        help="write what became of every file, or would become, to this table",
    )
    parser.add_argument(
        "--identity",
        choices=("drop", "passphrase", "key-store"),
        default="drop",
        help="what becomes of the link from pseudonyms to patients (default: drop)",
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.data.importers.folder import DEFAULT_READER
    from core.data.importers.importing import run_import
    from core.data.importers.layouts import Layout, PlanOptions, make_plan
    from core.data.importers.outcomes import file_results
    from core.store.study import Study

    if arguments.layout == RESULTS:
        return _results(arguments, console)
    options = PlanOptions(
        layout=Layout(arguments.layout) if arguments.layout else None,
        table=arguments.table,
        source=arguments.source,
        reader=arguments.reader or DEFAULT_READER,
        choices=arguments.choices,
        skip_bad_rows=arguments.skip_bad_rows,
    )
    if arguments.dry_run:
        with Study.open(arguments.study, writable=False):
            plan = make_plan(arguments.folder, options)
        files = file_results(plan, plan.issues, [True] * len(plan.images))
        _write_results(arguments.results, files)
        console.result(_planned(plan) | {"files": msgspec.to_builtins(files)}, _planned_text(plan))
        return 0
    with Study.open(arguments.study) as study:
        plan = make_plan(arguments.folder, options)
        identity = identity_file(study, arguments.identity)
        report = run_import(study, plan, identity=identity, emit=console.emit, cancelled=console.cancelled)
    _write_results(arguments.results, report.files)
    text = (
        f"Imported from {report.source}: {report.patients} new patients, {report.images} images, "
        f"{report.lesions} lesions, {report.fine_annotations} fine annotations.{_counts_text(report.issues)}"
    )
    console.result(msgspec.to_builtins(report), text)
    return 1 if report.nothing_usable else 0


def _results(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.domain.errors import StudyError
    from core.exchange.dicom.import_results import read_results
    from core.store.identity import has_identity
    from core.store.study import Study

    with Study.open(arguments.study, writable=not arguments.dry_run) as study:
        if arguments.identity != "drop" and not has_identity(study.folder):
            raise StudyError(
                "This study has no identity file, so original identifiers cannot be followed to images."
            )
        read = read_results(
            study,
            arguments.folder,
            reader=arguments.reader,
            identity=identity_file(study, arguments.identity),
            dry_run=arguments.dry_run,
            emit=console.emit,
            cancelled=console.cancelled,
        )
    lines = [f"{issue.severity.value}: {issue.sentence}" for issue in read.issues]
    lines.append(
        f"{'Would read' if arguments.dry_run else 'Read'} {read.files} results back: {read.fine_annotations} fine "
        f"annotations and {read.labels} descriptions of {read.reader}, {read.new_lesions} new lesions."
    )
    console.result(msgspec.to_builtins(read), "\n".join(lines))
    return 0


def _write_results(path: Path | None, files: tuple[FileResult, ...]) -> None:
    from core.data.importers.outcomes import results_table
    from core.platform.atomic import atomic_write

    if path is not None:
        atomic_write(path, results_table(files))


def _planned(plan: ImportPlan) -> dict[str, object]:
    """Names of files and rows only: a plan still holds the patients' own identifiers."""
    import msgspec

    return {
        "source": plan.source,
        "images": len(plan.images),
        "lesions": plan.lesion_count,
        "issues": msgspec.to_builtins(plan.issues),
    }


def _planned_text(plan: ImportPlan) -> str:
    lines = [f"{issue.severity.value}: {issue.where}: {issue.sentence}" for issue in plan.issues]
    lines.append(
        f"Would import {len(plan.images)} images with {plan.lesion_count} lesions from {plan.source}."
        f"{_counts_text(plan.issues)} Nothing was changed."
    )
    return "\n".join(lines)


def _counts_text(issues: tuple[Issue, ...]) -> str:
    from core.data.importers.plan import counted

    counts = [f"{number} {word}" for word, number in counted(issues).items() if number]
    return f" Issues: {', '.join(counts)}." if counts else ""


def identity_file(study: Study, how: str) -> IdentityFile | None:
    """What ``--identity`` asks for: nothing, or the study's file, made where there is none."""
    from core.store.identity import IdentityFile, KeyStore, Passphrase, has_identity

    if how == "drop":
        return None
    source = KeyStore(study.info.id) if how == "key-store" else Passphrase(lambda: getpass("Passphrase: "))
    if has_identity(study.folder):
        return IdentityFile.open(study.folder, source)
    return IdentityFile.create(study.folder, source)
