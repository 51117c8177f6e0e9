"""B-02: the power fails between any two steps of identity, pruning, upgrade, import and forgetting."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from core.domain.errors import MarginaliaError
from core.store.check import check_study
from core.store.identity import IdentityFile, ImageLink, Passphrase, PatientLink
from core.store.study import Study
from tests.core.store.helpers import add_case
from tests.core.store.test_upgrade import FIXTURES
from tests.safety.power import SAY, Tree, recorded, said_before, worlds, write_world

Opened = Callable[[Path, list[str]], None]
"""Looks at a study after a cut, given what the program had acknowledged; asserts."""


def _can_trace() -> bool:
    if shutil.which("strace") is None or os.name == "nt":
        return False
    done = subprocess.run(["strace", "-qq", "--seccomp-bpf", "-f", "true"], capture_output=True, check=False)
    return done.returncode == 0


pytestmark = [
    pytest.mark.skipif(not _can_trace(), reason="needs strace; the rest of B-02 runs everywhere"),
    pytest.mark.timeout(3600),
]


def survives(folder: Path, script: str, opened: Opened) -> int:
    """Record the script, which changes the folder, and look at every world after a cut; how many there were."""
    before = Tree.of(folder)
    log = folder.with_name("strace.log")
    steps = recorded(folder, ["-c", SAY + script, str(folder)], log)
    log.unlink()
    assert any(step.call == "sync" for step in steps)
    number = 0
    for at, kind, world in worlds(before, steps):
        write_world(world, folder)
        number += 1
        try:
            opened(folder, said_before(steps, at))
        except (AssertionError, MarginaliaError) as error:
            near = [(step.call, step.path, step.other) for step in steps[max(0, at - 4) : at + 2]]
            raise AssertionError(f"after {at} of {len(steps)} steps, {kind}: {error}; {near}") from error
    return number


def _passphrase() -> Passphrase:
    return Passphrase(lambda: "correct horse")


_IDENTITY = """
import sys
from pathlib import Path
from core.store.identity import IdentityFile, ImageLink, Passphrase, PatientLink
folder, key = Path(sys.argv[1]), Passphrase(lambda: "correct horse")
identity = IdentityFile.create(folder, key)
for n in range(3):
    identity.add_patient(PatientLink(pseudonym=f"P{n}", source="s", identifier=f"id{n}"))
    identity.add_image(ImageLink(image_id=f"i{n}", study_uid="1", series_uid="2", sop_uid=f"3.{n}"))
    identity.save()
    say(n)
"""


def test_an_identity_file_is_the_one_before_or_the_one_after(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    folder.mkdir()

    def opened(folder: Path, said: list[str]) -> None:
        if not said and not (folder / "identity.enc").exists():
            return
        identity = IdentityFile.open(folder, _passphrase())
        known = [identity.patient_of(f"P{n}") is not None for n in range(3)]
        assert sum(known) >= len(said)
        for n in range(3):
            assert (identity.uids_of(f"i{n}") is not None) == known[n]

    assert survives(folder, _IDENTITY, opened) >= 20


_UPGRADE = """
import sys
from pathlib import Path
from core.store.study import Study
with Study.open(Path(sys.argv[1])) as study:
    say("opened")
"""


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["layout-0001", "layout-0003"])
def test_a_study_is_upgraded_or_as_it_was(tmp_path: Path, layout: str) -> None:
    folder = Path(shutil.copytree(FIXTURES / layout, tmp_path / "study"))
    with Study.open(Path(shutil.copytree(folder, tmp_path / "whole"))) as study:
        trail = study.audit.count()

    def opened(folder: Path, said: list[str]) -> None:
        copies = list((folder / "backup").glob("*.db")) if (folder / "backup").exists() else []
        assert copies or not said
        with Study.open(folder) as study:
            assert study.audit.count() == trail
            reader = study.readers.find("Dr A")
            assert reader is not None and len(study.annotations.history("l1", reader.id)) == 3
            assert check_study(study).good
        for copy in (folder / "backup").glob("*.db"):
            assert copy.stat().st_size > 0

    assert survives(folder, _UPGRADE, opened) >= 20


_FORGET = """
import sys
from pathlib import Path
from core.store.identity import IdentityFile, Passphrase
from core.store.study import Study
from core.tasks.studies.forget_patient import forget
folder = Path(sys.argv[1])
with Study.open(folder) as study:
    forget(study, "PSEUDO1", open_identity=lambda: IdentityFile.open(folder, Passphrase(lambda: "correct horse")))
    say("forgotten")
"""


@pytest.mark.slow
def test_a_patient_is_forgotten_or_can_be_forgotten_again(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    with Study.create(folder, name="s") as study:
        for number in (1, 2):
            add_case(study, number)
        identity = IdentityFile.create(folder, _passphrase())
        for number in (1, 2):
            identity.add_patient(
                PatientLink(pseudonym=f"PSEUDO{number}", source="made up", identifier=f"id{number}")
            )
            identity.add_image(
                ImageLink(image_id=f"i{number}", study_uid="1", series_uid="2", sop_uid=f"3.{number}")
            )
        identity.save()

    def opened(folder: Path, said: list[str]) -> None:
        from core.tasks.studies.forget_patient import forget

        with Study.open(folder) as study:
            there = study.patients.find_by_pseudonym("PSEUDO1") is not None
            assert not (there and said)
            if there:
                forget(study, "PSEUDO1", open_identity=lambda: IdentityFile.open(folder, _passphrase()))
            identity = IdentityFile.open(folder, _passphrase())
            assert identity.patient_of("PSEUDO1") is None and identity.uids_of("i1") is None
            assert identity.patient_of("PSEUDO2") is not None
            report = check_study(study)
            assert report.good and report.images == 1
        assert not list((folder / "pixels").glob("i1*"))

    assert survives(folder, _FORGET, opened) >= 20


_IMPORT = """
import sys
from pathlib import Path
from core.store.study import Study
from tests.core.store.helpers import add_case
with Study.open(Path(sys.argv[1])) as study:
    for number in (2, 3):
        add_case(study, number)
        say(number)
"""


@pytest.mark.slow
def test_an_image_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    with Study.create(folder, name="s") as study:
        add_case(study, 1)

    def opened(folder: Path, said: list[str]) -> None:
        with Study.open(folder) as study:
            assert study.images.count() >= 1 + len(said)
            for image in study.images.all():
                assert study.arrays.read_pixels(image.id).shape == (image.height, image.width)
            assert check_study(study).good

    assert survives(folder, _IMPORT, opened) >= 40


_PRUNE = """
import sys
from core.cli.main import run_command_line
assert run_command_line(["prune", sys.argv[1], "tiny", "1", "--reason", "first", "--quiet"]) == 0
say("pruned")
assert run_command_line(["prune", sys.argv[1], "tiny", "--undo", "--quiet"]) == 0
say("undone")
"""


@pytest.mark.slow
def test_a_model_is_pruned_or_as_it_was(own_study: Path) -> None:
    from core.tasks.runs.lifecycle import active_model

    def opened(folder: Path, said: list[str]) -> None:
        with Study.open(folder) as study:
            (run,) = study.runs.all()
            kept = study.models.active(run.id)
            assert kept is not None
            assert len(active_model(study, run).card.prototypes) == len(kept.prototype_indices)
            lost = len(study.models.of_run(run.id)) - 1
            assert lost == (1 if said else lost)
            if said == ["pruned"]:
                assert len(kept.prototype_indices) in (5, 6)
            if said == ["pruned", "undone"]:
                assert len(kept.prototype_indices) == 6
            assert check_study(study).good

    assert survives(own_study, _PRUNE, opened) >= 20
