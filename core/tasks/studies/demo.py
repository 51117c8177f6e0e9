"""The demo: a synthetic study is made, trained on, evaluated, explained and reported, with nothing prepared."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from core.data.importers.folder import DEFAULT_TABLE, read_folder
from core.data.importers.importing import run_import
from core.domain.errors import StudyError
from core.domain.events import Emit, IsCancelled, Message
from core.domain.messages import message
from core.domain.vocabulary import Part
from core.evaluation.control import control
from core.evaluation.report import EvaluationReport
from core.phantom.config import PhantomConfig
from core.phantom.source import write_study_source
from core.platform.atomic import atomic_write, make_folder
from core.statistics.estimate import Estimate
from core.store.study import Study
from core.store.trusted_studies import mark_trusted
from core.tasks.readers.voices import case_facts
from core.tasks.review.evaluate_runs import evaluate_runs
from core.tasks.review.model_in_study import open_model, telling_lesions, write_case_pages
from core.tasks.runs.configure import configure
from core.tasks.runs.lifecycle import carry_out
from core.tasks.runs.splits import make_split
from core.tasks.runs.training_plan import plan_runs
from core.tasks.studies.demo_report import write_demo_report

STUDY, SOURCE, REPORT = "study", "source", "report"
PRESET = "compact"
CHANGES = ("transform.stored_share=3.0", "augmentation.random_context=1.0")
"""The demo's changes to that preset: every draw has a random centre and scale, cut from a square that is large
enough for all of them. With one context the margin lies at one radius, and a constant map finds it."""
FRACTIONS = (0.64, 0.13, 0.23)
"""Training, validation, test: more in the test part than the paper's split, for narrower intervals."""


class DemoResult(msgspec.Struct, frozen=True, kw_only=True):
    study: str
    report: str
    """The page to open first."""
    run: str
    reports: list[EvaluationReport]
    control: Estimate
    seconds: dict[str, float]
    """Wall-clock time of each step."""


@dataclass
class _Watch:
    """Wall-clock seconds of each step."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - began, 1)


def make_demo(
    folder: Path,
    *,
    config: PhantomConfig,
    preset: str,
    overwrite: bool = False,
    emit: Emit,
    cancelled: IsCancelled,
) -> DemoResult:
    """Make everything in a new folder: ``study/`` and ``report/index.html``.

    StudyError if the folder is not empty; with ``overwrite`` only if it holds something else than a demo.
    """
    if overwrite:
        _remove_demo(folder)
    if folder.exists() and any(folder.iterdir()):
        raise StudyError(
            message(
                "{folder} is not empty; choose another folder for the demo, add --overwrite to replace a demo, or "
                "open it with: marginalia {study_folder}",
                folder=folder,
                study_folder=folder / STUDY,
            )
        )
    make_folder(folder)
    watch = _Watch()
    with watch.step("synthetic mammograms"):
        write_study_source(folder / SOURCE, config, emit=emit, cancelled=cancelled)
    with Study.create(folder / STUDY, name="Demo (synthetic)", synthetic=True) as study:
        mark_trusted(folder / STUDY)
        with watch.step("import"):
            plan = read_folder(folder / SOURCE, folder / SOURCE / DEFAULT_TABLE, source="phantom")
            run_import(study, plan, emit=emit, cancelled=cancelled)
            # the study holds the decoded pixels; the files would only double the space
            shutil.rmtree(folder / SOURCE)
        return _train_and_report(
            study, folder / REPORT, watch, preset, config.seed, emit=emit, cancelled=cancelled
        )


def _remove_demo(folder: Path) -> None:
    """Delete a former demo. StudyError if the folder holds a study of people's images, or other files."""
    if not folder.exists():
        return
    others = {path.name for path in folder.iterdir()} - {STUDY, REPORT, SOURCE}
    if others:
        raise StudyError(
            message(
                "{folder} holds {name}, which no demo makes; choose another folder for the demo.",
                folder=folder,
                name=min(others),
            )
        )
    if (folder / STUDY).exists():
        with Study.open(folder / STUDY) as study:
            if not study.info.synthetic:
                raise StudyError(
                    message(
                        "{study_folder} is not a synthetic study, so it is not replaced.",
                        study_folder=folder / STUDY,
                    )
                )
    shutil.rmtree(folder)


def _train_and_report(
    study: Study, folder: Path, watch: _Watch, preset: str, seed: int, *, emit: Emit, cancelled: IsCancelled
) -> DemoResult:
    make_split(study, name="default", label="margin", fractions=FRACTIONS, seed=seed)
    changes = CHANGES if preset == PRESET else ()
    [run] = plan_runs(study, configure(preset, label="margin", seed=seed, changes=changes), name="demo")
    with watch.step("training"):
        run = carry_out(study, run, emit=emit, cancelled=cancelled)
    emit(Message(level="info", text=message("Evaluating the model on the test part.")))
    with watch.step("evaluation"):
        reports = evaluate_runs(study, [run.name], cancelled=cancelled)
        opened = open_model(study, run, cancelled=cancelled)
        plain = control(opened.rows_of(Part.TRAINING), opened.rows_of(Part.TEST))
    with watch.step("explanations"):
        lesions = telling_lesions(opened)
        pages = write_case_pages(
            opened,
            lesions,
            folder / "cases",
            emit=emit,
            cancelled=cancelled,
            index_href="../index.html",
            facts=lambda lesion: case_facts(study, run, lesion, "margin"),
        )
        index = write_demo_report(folder, opened, reports, plain, pages, watch.seconds)
    result = DemoResult(
        study=str(study.folder),
        report=str(index),
        run=run.name,
        reports=reports,
        control=plain,
        seconds=watch.seconds,
    )
    atomic_write(folder / "figures.json", msgspec.json.format(msgspec.json.encode(result)))
    return result
