"""Side, view and patient of an image are corrected in the worklist, and the correction is taken back."""

from __future__ import annotations

from PySide6.QtWidgets import QInputDialog, QMenu
from pytestqt.qtbot import QtBot

from app.operations.images import correct_patient, correct_view
from app.operations.lesions import link_lesion, remove_lesion
from app.views.main_window.window import MainWindow
from app.views.worklist.correction_menu import CorrectionMenu
from core.domain.vocabulary import Laterality, ViewPosition
from core.store.check import check_study
from tests.app.window.conftest import wait_for_picture


def menu_of(window: MainWindow, image_id: str) -> dict[str, QMenu]:
    worklist = window.annotate.worklist
    menu = CorrectionMenu(window.session, image_id, worklist.refused.emit, worklist)
    return {action.text(): action.menu() for action in menu.actions()}


def test_side_and_view_are_corrected_and_the_picture_follows(qtbot: QtBot, opened: MainWindow) -> None:
    menu = menu_of(opened, "patient0-CC")["Side"]
    right = next(action for action in menu.actions() if action.text() == "Right")
    assert not right.isChecked()
    right.trigger()
    assert opened.session.reads.image("patient0-CC").laterality is Laterality.RIGHT
    wait_for_picture(qtbot, opened)
    picture = opened.annotate.view.picture
    assert picture is not None and picture.laterality is Laterality.RIGHT
    correct_view(opened.session, "patient0-CC", Laterality.RIGHT, ViewPosition.MLO)
    wait_for_picture(qtbot, opened)
    assert opened.actions_["edit.undo"].text() == "Undo: Side and view"
    for expected in ((Laterality.RIGHT, ViewPosition.CC), (Laterality.LEFT, ViewPosition.CC)):
        opened.annotate.steps.undo()
        image = opened.session.reads.image("patient0-CC")
        assert (image.laterality, image.view) == expected
    wait_for_picture(qtbot, opened)


def test_an_image_goes_to_its_patient_with_its_lesions_and_back(qtbot: QtBot, opened: MainWindow) -> None:
    session = opened.session
    reads = session.reads
    link_lesion(session, "lesion-patient0-MLO", reads.lesion("lesion-patient0-CC").finding_id)
    correct_patient(session, "patient0-CC", "P001")
    wait_for_picture(qtbot, opened)
    assert reads.image("patient0-CC").patient_id == "patient1"
    lesions = session.study.lesions
    own, other = reads.lesion("lesion-patient0-CC"), reads.lesion("lesion-patient0-MLO")
    assert lesions.finding(own.finding_id).patient_id == "patient1"
    assert lesions.finding(other.finding_id).patient_id == "patient0"
    assert check_study(session.study).good
    # a lesion that was removed before the image was moved comes back with its new patient
    act = remove_lesion(session, own.id)
    opened.annotate.steps.undo()
    opened.annotate.steps.undo()
    assert reads.image("patient0-CC").patient_id == "patient0"
    act.redo()
    correct_patient(session, "patient0-CC", "P001")
    act.undo()
    assert lesions.finding(reads.lesion(own.id).finding_id).patient_id == "patient1"
    assert check_study(session.study).good


def test_an_unknown_patient_is_refused_in_a_sentence(qtbot: QtBot, opened: MainWindow) -> None:
    worklist = opened.annotate.worklist
    menu = CorrectionMenu(opened.session, "patient0-CC", worklist.refused.emit, worklist)
    menu.actions()[-1].trigger()
    [dialog] = [found for found in opened.findChildren(QInputDialog) if found.isVisible()]
    dialog.setTextValue("nobody")
    dialog.accept()
    assert opened.status.message == "The study has no patient nobody; nothing was changed."
    assert opened.session.reads.image("patient0-CC").patient_id == "patient0"
