"""What a server has not confirmed is kept on this computer, and sent once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.domain.shapes import decode_shapes
from core.store.outbox import Outbox, forget_unknown, send_all
from core.store.study import Study
from tests.core.store.helpers import add_case, drawing

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARGINALIA_STATE", str(tmp_path / "state"))


def test_what_is_kept_is_sent_in_its_order_under_its_own_name(study: Study) -> None:
    add_case(study, 1)
    reader = study.readers.ensure("Dr A")
    study.annotations.commit("l1", reader.id, drawing(0))
    outbox = Outbox(study.info.id)
    # the first had reached the server, whose answer was lost
    for number in (0, 1, 2):
        outbox.put("l1", reader.id, "Dr A", drawing(number))
    outbox.put("gone", reader.id, "Dr A", drawing(3))
    study.actor = "Dr B"
    assert outbox.waiting == 4
    assert send_all(study, outbox) == ("l1",)
    assert [one.shapes for one in study.annotations.history("l1", reader.id)] == [drawing(n) for n in range(3)]
    assert {record.who for record in study.audit.of("annotation.commit", f"annotation l1 reader {reader.id}")} == {
        "Tester", "Dr A",
    }  # fmt: skip
    (left,) = outbox.all()
    assert left.lesion_id == "gone" and left.refused and outbox.waiting == 0
    assert decode_shapes(left.shapes) == drawing(3), "what the study does not take is kept"
    outbox.close()


def test_nothing_of_a_forgotten_patient_is_kept(study: Study) -> None:
    for number in (1, 2, 3):
        add_case(study, number)
    outbox = Outbox(study.info.id)
    for lesion in ("l1", "l2", "l3"):
        outbox.put(lesion, "r", "Dr A", drawing(1))
    study.lesions.remove("l1")
    study.forget_patient("p2")
    forget_unknown(study)
    assert [one.lesion_id for one in outbox.all()] == ["l1", "l3"], "a removed lesion can be put back"
    outbox.close()


_KEEP = """
import os, sys
from core.store.outbox import Outbox
from tests.core.store.helpers import drawing
outbox = Outbox("study")
for number in range(10**6):
    outbox.put("l1", "r", "Dr A", drawing(number))
    os.write(1, f"{number}\\n".encode())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_what_was_acknowledged_is_kept_when_the_program_is_killed(tmp_path: Path) -> None:
    program = subprocess.Popen([sys.executable, "-c", _KEEP], cwd=ROOT, stdout=subprocess.PIPE)
    assert program.stdout is not None
    told = [int(program.stdout.readline()) for _ in range(20)]
    program.kill()
    told += [int(line) for line in program.communicate()[0].splitlines()]
    outbox = Outbox("study")
    kept = [decode_shapes(one.shapes) for one in outbox.all()]
    outbox.close()
    assert kept[: len(told)] == [drawing(number) for number in told]
    assert oct((Path(os.environ["MARGINALIA_STATE"]) / "outbox" / "study.db").stat().st_mode)[-3:] == "600"
