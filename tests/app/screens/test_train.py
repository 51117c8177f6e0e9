"""Training through the screen with a real child process."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from pyqtgraph import InfLineLabel
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QFileDialog, QMessageBox, QToolButton
from pytestqt.qtbot import QtBot

from app.state.changes import RunsChanged
from app.views.main_window.window import MainWindow
from app.views.train import machines_dialog
from app.views.train.comparison import RunComparisonView
from app.views.train.curves import Curves
from app.views.train.field_names import NAMED, RULES, titled
from app.views.train.history import Point, auroc_course, continued, phases, projections
from app.views.train.machine_dialog import MachineDialog
from app.views.train.machines_dialog import MachinesDialog
from app.views.train.run_delegate import COURSE, RunColumn
from app.views.train.runs_table import config_differences
from app.views.train.validation import ExternalValidationView
from app.widgets.label import Label
from core.domain.events import Metrics
from core.domain.study import Labels, Run, RunStatus
from core.domain.units import UNITS
from core.domain.vocabulary import MarginType
from core.evaluation.report import EvaluationReport, Metric
from core.jobs.hosts import Hosts, RemoteHost, confirm
from core.jobs.run_records import LEFT
from core.statistics.estimate import Estimate
from core.store.study import Study
from core.tasks.review.external_validation import ExternalValidation, Shift, Spread
from core.tasks.runs import cancelling
from core.tasks.runs.configure import configure
from core.tasks.runs.devices import Device, processor
from core.tasks.runs.lifecycle import plan_run
from core.training.presets import PRESETS, deviations, load_preset
from tests.app.all_dialogs import ANSWERS
from tests.app.measuring import painted_texts
from tests.trained_study import TINY


@pytest.fixture
def train(qtbot: QtBot, window: MainWindow, own_study: Path) -> MainWindow:
    window.open_study(own_study)
    window.actions_["workspace.train"].trigger()
    qtbot.waitUntil(lambda: window.train.plan.data.table.rowCount() > 0, timeout=20_000)
    yield window
    window.training.stop_all()


def set_tiny(window: MainWindow, *more: str) -> None:
    form = window.train.plan.form
    for change in (*TINY, *more):
        name, _, value = change.partition("=")
        field = form.fields[name]
        assert not isinstance(field, QCheckBox | QComboBox)
        field.setText(value)
        field.editingFinished.emit()


def run_named(window: MainWindow, name: str) -> Run | None:
    return window.session.study.runs.find(name)


def test_a_setting_is_found_by_its_words_and_changed_ones_alone_are_shown(train: MainWindow) -> None:
    form = train.train.plan.form
    train.train.plan.tabs.setCurrentWidget(form)

    def shown() -> set[str]:
        return {name for name, field in form.fields.items() if field.isVisible()}

    assert shown() == set(form.fields)
    form.search.setText("rate prototypes")
    assert {"rates.warm_prototypes", "rates.joint_prototypes"} <= shown() < set(form.fields)
    assert "machine.threads" not in shown()
    form.search.setText("nobody calls it so")
    assert shown() == set()
    form.search.clear()
    form.changed_only.setChecked(True)
    assert shown() == set()
    set_tiny(train)
    form.search.setText(" ")
    assert shown() == {change.partition("=")[0] for change in TINY} & shown() != set()
    assert set(NAMED) <= set(form.fields)
    units = {label.text() for label in form.findChildren(Label) if label.objectName() == "faint"}
    assert units <= {*UNITS, "No setting matches."}, "a unit that is not in the list is not translated"


def test_what_will_be_trained_on_is_counted(train: MainWindow) -> None:
    table = train.train.plan.data.table
    rows = [[table.item(r, c).text() for c in range(5)] for r in range(table.rowCount())]
    assert rows[0] == ["training", "circumscribed", "4", "8", "8"]
    assert len(rows) == 9
    assert "Only 4 patients" in train.train.plan.data.warnings.text()
    assert train.train.plan.start.isEnabled()


def test_a_training_is_started_cancelled_resumed_and_its_model_opened(qtbot: QtBot, train: MainWindow) -> None:
    screen = train.train
    set_tiny(train, "epochs.joint=8", "epochs.project_every=8")
    screen.plan.name.setText("mine")
    qtbot.mouseClick(screen.plan.start, Qt.MouseButton.LeftButton)
    job = train.training
    qtbot.waitUntil(lambda: job.job is not None and len(job.job.metrics) >= 3, timeout=90_000)
    assert [run.name for run in screen.runs.selected] == ["mine"], "a new run is the one that is looked at"
    curves = screen.job.curves
    assert curves is not None
    assert curves.loss.lengths
    assert curves.loss.heading.sentence == "Loss · mine"
    assert screen.job.bar.isVisible()
    train.actions_["workspace.annotate"].trigger()
    assert train.status.training.isVisible()
    assert train.status.training.text().startswith("mine ")
    qtbot.mouseClick(train.status.training, Qt.MouseButton.LeftButton)
    assert train.workspaces.shown_name == "train"
    qtbot.mouseClick(screen.job.cancel, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not job.running, timeout=30_000)
    found = run_named(train, "mine")
    assert found is not None
    assert found.status is RunStatus.CANCELLED
    assert screen.job.title.text() == "mine was cancelled"
    before = len(screen._history(found))
    assert before == len(job.job.metrics) > 0, "the figures of a run that is not finished are written down"
    assert max(curves.loss.lengths) == before
    lesion = train.session.study.lesions.all()[0]
    other = next(m for m in (MarginType.SPICULATED, MarginType.INDISTINCT) if m is not lesion.labels.margin)
    train.session.study.lesions.set_labels(lesion.id, Labels(margin=other))
    screen.runs.table.clearSelection()
    screen.runs.choose(found.id)
    qtbot.mouseClick(screen.runs.resume, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(screen.findChildren(QMessageBox)), timeout=30_000)
    [box] = screen.findChildren(QMessageBox)
    assert box.text() == "Since mine began: 1 label changed."
    assert not job.running
    qtbot.mouseClick(box.defaultButton(), Qt.MouseButton.LeftButton)
    assert job.running
    assert max(curves.loss.lengths) == before, "its curves go on where they stopped"
    qtbot.waitUntil(lambda: not job.running, timeout=120_000)
    done = run_named(train, "mine")
    assert done is not None
    assert done.status is RunStatus.FINISHED
    assert len(screen._history(done)) >= before
    qtbot.waitUntil(lambda: screen.job.prototypes.count == 6)
    assert screen.job.prototypes.isVisible()
    screen.runs.table.clearSelection()
    screen.runs.choose(done.id)
    qtbot.mouseClick(screen.runs.open, Qt.MouseButton.LeftButton)
    assert train.pages.currentWidget() is train.review
    qtbot.waitUntil(lambda: train.desk.model is not None or bool(train.desk.problem), timeout=60_000)
    assert train.desk.model is not None
    assert train.desk.model.run.name == "mine"


def test_a_value_out_of_its_limits_is_said_in_place(qtbot: QtBot, train: MainWindow) -> None:
    plan = train.train.plan
    field = plan.form.fields["loss.fine"]
    field.setText("-3")  # type: ignore[union-attr]
    field.editingFinished.emit()  # type: ignore[union-attr]
    assert "loss.fine must be a number of at least 0" in plan.problem.text()
    assert not plan.start.isEnabled()
    field.setText("0.01")  # type: ignore[union-attr]
    field.editingFinished.emit()  # type: ignore[union-attr]
    assert plan.config is not None
    assert plan.config.loss.fine == 0.01
    [changed] = [row for row in plan.deviations.rows if row.field == "loss.fine"]
    assert changed.here == "0.01" != changed.paper


def test_no_graphics_card_where_one_was_chosen_fails_in_a_sentence(qtbot: QtBot, train: MainWindow) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this computer has one")
    set_tiny(train)
    screen = train.train
    device = screen.plan.form.fields["device"]
    assert isinstance(device, QComboBox)
    device.setCurrentText("cuda")
    qtbot.mouseClick(screen.plan.start, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(screen.job.problem.isVisible, timeout=60_000)
    said = screen.job.problem.text()
    assert "Traceback" not in said
    assert "device" in said
    assert "cpu" in said
    assert screen.job.log.isVisible()


def test_time_and_memory_are_measured_before_the_first_run_of_a_plan(qtbot: QtBot, train: MainWindow) -> None:
    plan = train.train.plan
    set_tiny(train)
    before = plan.estimate.text()
    qtbot.mouseClick(plan.measure, Qt.MouseButton.LeftButton)
    assert plan.estimate.text() == "Measuring …"
    qtbot.waitUntil(lambda: not plan.measure.isChecked(), timeout=120_000)
    assert not plan.problem.isVisible()
    said = plan.estimate.text()
    assert re.fullmatch(
        r"About \d+ (s|min|h), \d+\.\d GB\. Measured on cpu: a batch of 16 images took \d+\.\d\d s, an epoch has "
        r"\d+; 24 lesions\.",
        said,
    )
    field = plan.form.fields["epochs.joint"]
    field.setText("5")  # type: ignore[union-attr]
    field.editingFinished.emit()  # type: ignore[union-attr]
    assert plan.estimate.text() == before  # it was not measured for this one
    field.setText("2")  # type: ignore[union-attr]
    field.editingFinished.emit()  # type: ignore[union-attr]
    assert plan.estimate.text() == said
    qtbot.mouseClick(plan.measure, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(plan.measure, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: plan.estimate.text() == said, timeout=60_000)


def test_a_run_that_waits_can_be_taken_out_of_the_queue_and_two_are_compared(
    qtbot: QtBot, train: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen, study = train.train, train.session.study
    [first] = study.runs.all()
    second = plan_run(study, configure("compact", label="margin", seed=7, changes=()), {}, name="second")
    monkeypatch.setattr(train.training, "_go_on", lambda: None)  # another one is running, as it were
    train.training.enqueue([second])
    assert [run.id for run in train.training.waiting] == [second.id]
    screen.runs.choose(second.id)
    assert screen.runs.resume.text() == "Remove from the queue"
    qtbot.mouseClick(screen.runs.resume, Qt.MouseButton.LeftButton)
    assert not train.training.waiting
    assert screen.runs.resume.text() == "Resume"
    assert not screen.runs.compare.isEnabled()
    place = screen.runs.compare.pos()
    for row in range(2):
        screen.runs.table.item(row, RunColumn.NAME).setCheckState(Qt.CheckState.Checked)
    assert screen.runs.compare.pos() == place, "nothing moves under the pointer"
    assert "seed: second 7, tiny 1" in screen.runs.differences.sentence
    assert screen.job.curves.auroc.heading.sentence == "Validation AUROC · second, tiny"
    qtbot.mouseClick(screen.runs.compare, Qt.MouseButton.LeftButton)
    [dialog] = screen.findChildren(RunComparisonView)
    table = dialog.table
    rows = {
        table.verticalHeaderItem(r).text(): [table.item(r, c).text() for c in range(2)]
        for r in range(table.rowCount())
    }
    assert rows["State"] == ["planned", "finished"]
    assert rows["seed"] == ["7", "1"]
    record = first.metrics["record"]
    assert isinstance(record, dict)
    assert rows["Validation AUROC"] == ["–", f"{record['validation']['validation_auroc']:.4f}"]
    assert rows["Lesions, training"][1] == "24 of 12 patients"
    dialog.close()


def test_the_device_is_named_and_a_card_that_is_not_there_is_said_before_the_start(train: MainWindow) -> None:
    plan = train.train.plan
    assert plan.device.text().startswith("Device: processor, cores: ")
    device = plan.form.fields["device"]
    assert isinstance(device, QComboBox)
    device.setCurrentText("cuda")
    plan.show_devices((processor(),))
    assert plan.device.text().startswith("There is no graphics card")
    card = Device(kind="cuda", name="A Card", memory_bytes=24_000_000_000)
    plan.show_devices((card, processor()))
    assert plan.device.text() == "Device: A Card, 24 GB"


def test_a_note_is_kept_and_an_archived_run_leaves_the_table(qtbot: QtBot, train: MainWindow) -> None:
    runs = train.train.runs
    [run] = train.session.study.runs.all()
    item = runs.table.item(0, RunColumn.NOTES)
    assert item is not None
    item.setText("the first one")
    assert train.session.study.runs.get(run.id).notes == "the first one"
    runs.choose(run.id)
    qtbot.mouseClick(runs.archive, Qt.MouseButton.LeftButton)
    assert runs.table.rowCount() == 0
    runs.archived.setChecked(True)
    assert runs.table.rowCount() == 1


def test_a_run_shows_its_name_above_preset_and_date_and_the_course_of_its_auroc(train: MainWindow) -> None:
    screen = train.train
    [run] = train.session.study.runs.all()
    course = auroc_course(screen._history(run))
    item = screen.runs.table.item(0, RunColumn.AUROC)
    assert item is not None
    assert item.data(COURSE) == course
    assert course and all(0 <= value <= 1 for value in course)
    screen.runs.choose(run.id)
    texts = painted_texts(train)
    assert run.name in texts
    assert any(text.startswith("compact · ") for text in texts), texts
    assert screen.runs.table.horizontalScrollBar().maximum() == 0


def test_an_empty_study_says_what_is_missing(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    Study.create(tmp_path / "empty", name="Empty", synthetic=True).close()
    window.open_study(tmp_path / "empty")
    window.actions_["workspace.train"].trigger()
    qtbot.waitUntil(window.train.plan.problem.isVisible, timeout=10_000)
    assert "import or label" in window.train.plan.problem.text()
    assert not window.train.plan.start.isEnabled()


def test_a_training_that_ended_while_another_screen_was_shown_is_shown_as_finished(train: MainWindow) -> None:
    screen, study = train.train, train.session.study
    [run] = study.runs.all()
    study.runs.update(msgspec.structs.replace(run, status=RunStatus.RUNNING))
    train.session.changed.emit(RunsChanged(run_id=run.id))
    assert screen.runs.table.item(0, RunColumn.STATE).text() == "interrupted"
    train.actions_["workspace.annotate"].trigger()
    study.runs.update(run)
    train.session.changed.emit(RunsChanged(run_id=run.id))
    train.actions_["workspace.train"].trigger()
    assert screen.runs.table.item(0, RunColumn.STATE).text() == "finished"
    screen.runs.choose(run.id)
    assert screen.runs.open.isEnabled()


def test_curves_go_on_where_a_paused_run_stopped_and_begin_anew_with_a_run_that_does() -> None:
    written = [Point(stage="A1", epoch=epoch, values={"loss": 1.0}) for epoch in (1, 2, 3)]
    live = [Metrics(stage="A1", epoch=epoch, values={"loss": 2.0}) for epoch in (3, 4)]
    assert [(p.epoch, p.values["loss"]) for p in continued(written, live)] == [
        (1, 1.0),
        (2, 1.0),
        (3, 2.0),
        (4, 2.0),
    ]
    anew = [Metrics(stage="A1", epoch=1, values={"loss": 3.0})]
    assert [(p.epoch, p.values["loss"]) for p in continued(written, anew)] == [(1, 3.0)]
    assert continued(written, []) == written


def test_stages_are_marked_where_they_begin() -> None:
    stages = ("warm start", "warm start", "warm-up", "A1", "A2", "A3", "A1", "A2", "B")
    points = [Point(stage=stage, epoch=1, values={}) for stage in stages]
    assert [(mark.stage, mark.at) for mark in phases(points)] == [("warm start", 0), ("warm-up", 2), ("A1", 3)]
    assert projections(points) == [4, 7]


def test_every_rule_that_departs_from_the_paper_has_a_name_in_words() -> None:
    rules = {row.field for name in PRESETS for row in deviations(load_preset(name)) if " " in row.field}
    assert rules == set(RULES)
    assert [titled(rule)[0].isupper() for rule in rules] == [True] * len(rules)
    assert titled("last layer (A3)") == "Last layer (A3)"


def test_words_of_stages_stand_above_the_curves_and_the_last_number_of_an_axis_is_whole(qtbot: QtBot) -> None:
    curves = Curves()
    qtbot.addWidget(curves)
    curves.resize(900, 500)
    curves.show()
    qtbot.waitExposed(curves)
    stages = ("warm-up", "warm-up", "A1", "A1", "A1", "A1")
    values = {"loss": 1.0, "validation_auroc": 0.98, "validation_lesion_precision": 0.9}
    points = [Point(stage=stage, epoch=1, values=values | {"loss": x}) for x, stage in enumerate(stages)]
    curves.show_runs({"demo": points})
    assert curves.loss._words == ["all layers"] == curves.auroc._words
    late = [Point(stage=stage, epoch=1, values={"loss": 1.0}) for stage in ("warm start", *stages)]
    late[1:] = [Point(stage=p.stage, epoch=1, values=values) for p in late[1:]]
    curves.show_runs({"late": late})
    assert curves.loss._words == ["warm-up", "all layers"]
    assert curves.auroc._words == ["all layers"], "where its curve begins, the warm-up had begun"
    curves.show_runs({"demo": points})
    view = curves.loss.plot.getPlotItem().getViewBox()
    top = view.mapViewToScene(QPointF(0, 5.0)).y() - view.mapViewToScene(QPointF(0, view.viewRange()[1][1])).y()
    word = next(item for item in curves.loss.plot.items() if isinstance(item, InfLineLabel))
    assert top >= word.boundingRect().width() > 20
    assert view.mapViewToScene(QPointF(0, view.viewRange()[1][1])).y() >= 6
    epochs = curves.loss.plot.getAxis("bottom").tickValues(0, 2, 300)
    assert {value for _, values in epochs for value in values} == {0, 1, 2}


def test_runs_that_are_compared_say_in_what_their_configurations_differ() -> None:
    first = Run(id="1", name="a", created_utc="", config={"seed": 1, "loss": {"fine": 0.1, "cluster": 0.8}})
    second = Run(id="2", name="b", created_utc="", config={"seed": 1, "loss": {"fine": 0.2, "cluster": 0.8}})
    assert config_differences([first, second]) == ["loss.fine: a 0.1, b 0.2"]
    assert config_differences([first, first]) == []


def test_a_run_is_judged_on_a_study_that_it_never_saw(
    qtbot: QtBot, train: MainWindow, own_study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On its own study it is refused in a sentence; figures of another stand in the table with their intervals."""
    runs = train.train.runs
    assert not runs.validate.isEnabled()
    run = run_named(train, "tiny")
    assert run is not None
    runs.choose(run.id)
    assert runs.validate.isEnabled()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(own_study))
    runs.validate.click()
    [view] = train.train.findChildren(ExternalValidationView)
    qtbot.waitUntil(lambda: "trained or validated on" in view.state.text(), timeout=20_000)
    assert not view.table.isVisible()
    reader = Estimate(value=0.87, low=0.8, high=0.93)
    metric = Metric(key="malignancy_auroc_reader", label="Malignancy AUROC of: the reader", estimate=reader)
    report = EvaluationReport(
        model="IAIA-BL", source="elsewhere", unit="image", count=31, patients=20, abstained=0, synthetic=True,
        metrics=(metric, msgspec.structs.replace(metric, as_in_paper=True)),
    )  # fmt: skip
    spacing = Spread(median=0.1, low=0.09, high=0.2, n=31)
    found = ExternalValidation(
        model="IAIA-BL", run="tiny", study="elsewhere", synthetic=True, reports=(report,), recalibration=None,
        shift=(Shift(quantity="pixel spacing, mm", here=spacing, training=None, outside=None),),
        warnings=("No training image came from: GE.",),
    )  # fmt: skip
    view.show_validation(found)
    cells = [[view.table.item(r, c).text() for c in range(2)] for r in range(view.table.rowCount())]
    assert cells[0] == ["elsewhere", "31 images, 20 patients"]
    assert cells[1] == ["Malignancy AUROC of: the reader", "0.870 (0.800-0.930)"]
    assert cells[2] == ["pixel spacing, mm: here", "0.1 (0.09 to 0.2, n = 31)"]
    assert cells[3] == ["pixel spacing, mm: in the training", "unknown"]
    assert view.state.text() == "Synthetic data. No training image came from: GE."
    view.close()


def test_where_a_training_runs_is_chosen_on_the_plan(qtbot: QtBot, train: MainWindow) -> None:
    plan = train.train.plan
    where = plan.where
    assert where.itemText(0) == "this computer: processor"
    card = Device(kind="cuda", name="A Card", memory_bytes=24_000_000_000)
    plan.show_devices((card, processor()))
    plan.show_hosts(["far"])
    plan.show_launchers(["gpus"], ["lab"])
    texts = [where.itemText(place) for place in range(where.count()) if where.itemText(place)]
    assert texts == [
        "this computer, the fastest device", "this computer: A Card", "this computer: processor", "far",
        "lab (any free machine)", "gpus (Slurm)", "Add a machine…", "Show machines…",
    ]  # fmt: skip
    where.setCurrentIndex(2)
    where.activated.emit(2)
    assert plan.config is not None
    assert plan.config.device == "cpu"
    assert plan.host == ""
    where.setCurrentIndex(3)
    where.activated.emit(3)
    assert plan.host == "far"
    assert plan.device.text() == "On far, once a device there is free. The run needs no window."
    where.setCurrentIndex(4)
    where.activated.emit(4)
    assert where.target.launcher == "lab" and where.is_pool
    assert plan.device.text() == "On machines of lab with free devices. The runs need no window."
    where.setCurrentIndex(5)
    where.activated.emit(5)
    assert where.target.launcher == "gpus" and plan.host == ""
    assert plan.device.text() == "As jobs in Slurm, with the options of gpus. They need no window."


def test_folds_make_their_own_splits_whatever_split_was_chosen(train: MainWindow) -> None:
    plan, asked = train.train.plan, []
    plan.start_wanted.disconnect()
    plan.start_wanted.connect(asked.append)
    assert plan.split is not None
    plan.start.click()
    plan.folds.setValue(3)
    assert not plan.split_box.isEnabled()
    plan.start.click()
    assert [(request.folds, request.split) for request in asked] == [(0, "default"), (3, "")]


def test_another_machine_is_set_up_and_confirmed_from_the_plan(
    qtbot: QtBot, train: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARGINALIA_STATE", str(tmp_path / "state"))
    plan = train.train.plan
    where = plan.where
    where.activated.emit(where.findText("Add a machine…"))
    [dialog] = train.train.findChildren(MachineDialog)
    assert not dialog.add.isEnabled()
    dialog.name.setText("far")
    dialog.address.setText("me@gpu.example.org")
    assert not dialog.add.isEnabled(), "nothing is sent before it is allowed"
    dialog.may_send.setChecked(True)
    assert "me@gpu.example.org" in dialog.may_send.text()
    dialog.address.setText("me@other.example.org")
    assert not dialog.may_send.isChecked(), "another address needs another confirmation"
    dialog.may_send.setChecked(True)
    qtbot.mouseClick(dialog.add, Qt.MouseButton.LeftButton)
    assert plan.host == "far"
    assert [host.address for host in Hosts().confirmed()] == ["me@other.example.org"]


def test_the_devices_of_the_machines_are_shown_with_who_uses_them(
    qtbot: QtBot, train: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARGINALIA_STATE", str(tmp_path / "state"))
    for name in ANSWERS:
        Hosts().put(confirm(RemoteHost(name=name, address=name, program="x")))
    asked: list[tuple[str, ...]] = []

    def ask(names: tuple[str, ...], **_: object) -> object:
        asked.append(names)
        return ANSWERS

    monkeypatch.setattr(machines_dialog, "ask_hosts", ask)
    train.train.refresh()
    where = train.train.plan.where
    where.activated.emit(where.findText("Show machines…"))
    [dialog] = train.train.findChildren(MachinesDialog)
    qtbot.waitUntil(lambda: dialog.table.rowCount() == 4, timeout=10_000)
    assert set(asked[0]) == set(ANSWERS) and dialog.summary.text() == "Free devices: 2 of 3"
    cells = [[dialog.table.item(row, column).text() for column in range(4)] for row in range(4)]
    card = "NVIDIA RTX A5000, 24 GB"
    assert [line[:3] for line in cells[:3]] == [
        ["reading-room", card, "820 GB"], ["reading-room", card, "820 GB"],
        ["office", "processor, cores: 8", "95 GB"],
    ]  # fmt: skip
    assert (cells[0][3], cells[2][3]) == ("free", "free") and cells[1][3].startswith("in use by ann since ")
    assert "it accepts no key of yours" in cells[3][3]
    dialog.close()


def test_a_waiting_run_with_a_job_elsewhere_is_cancelled_there_and_stays_until_that_is_recorded(
    qtbot: QtBot, train: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, study = train.training, train.session.study
    config = configure("compact", label="margin", seed=1, changes=TINY)
    here, there = (plan_run(study, config, {}, name=name) for name in ("here", "there"))
    (study.run_folder(there.id) / LEFT).write_text("{}")
    asked: list[str] = []
    monkeypatch.setattr(cancelling, "ask_to_cancel", lambda study, runs: asked.extend(run.name for run in runs))
    training.waiting.extend([here, there])
    training.withdraw(here)
    training.withdraw(there)
    qtbot.waitUntil(lambda: asked == ["there"], timeout=10_000)
    assert [run.name for run in training.waiting] == ["there"] and training.stopping == {there.id}
    training.waiting.clear()


def test_a_lesion_that_is_left_out_is_shown_and_its_class_trained_by_one_press_each(
    qtbot: QtBot, train: MainWindow
) -> None:
    screen, study = train.train, train.session.study
    lesion = study.lesions.all()[3]
    study.lesions.set_labels(lesion.id, Labels(margin=MarginType.MICROLOBULATED))
    screen._look()
    links = screen.plan.data.links

    def link(text: str) -> QToolButton | None:
        found = [button for button in links.findChildren(QToolButton) if button.text() == text]
        return found[0] if found else None

    qtbot.waitUntil(lambda: link("Show: microlobulated") is not None, timeout=20_000)
    link("Show: microlobulated").click()  # type: ignore[union-attr]
    assert train.workspaces.shown_name == "annotate"
    assert train.session.lesion_id == lesion.id
    train.actions_["workspace.train"].trigger()
    qtbot.waitUntil(lambda: link("Train microlobulated too") is not None, timeout=20_000)
    link("Train microlobulated too").click()  # type: ignore[union-attr]
    assert screen.plan.config is not None
    assert screen.plan.config.class_names[-1] == "microlobulated"
    qtbot.waitUntil(lambda: not links.isVisible(), timeout=20_000)
