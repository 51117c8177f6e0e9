"""One PACS for all tests: Orthanc where it is installed, else one in Python; with phantom examinations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from core.domain.vocabulary import Laterality, ViewPosition
from core.imaging.write_dicom import MammogramHeader, write_mammogram
from core.pacs.client import connect
from core.pacs.inbox import Inbox
from core.pacs.profile import confirm
from core.pacs.sending import SendingOrigin, send
from tests.pacs.local_pacs import LocalPacs
from tests.pacs.namespace import Namespace
from tests.pacs.orthanc import Orthanc, orthanc_program
from tests.pacs.server import PASSWORD, PacsServer

ROWS, COLUMNS = 300, 200
EVIL_NAME = "=cmd|calc!A0^../../etc/passwd"
EVIL_ID = "=1+2/../../x"


@dataclass(frozen=True, kw_only=True)
class Examination:
    patient_id: str
    name: str
    study_uid: str
    files: tuple[Path, ...]


def phantom_examination(folder: Path, patient_id: str, name: str, day: str, seed: int) -> Examination:
    """Four views of noise, marked as synthetic."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    files = []
    for number, (side, view) in enumerate((s, v) for s in ("L", "R") for v in ("CC", "MLO")):
        header = MammogramHeader(
            patient_id=patient_id,
            patient_name=name,
            laterality=Laterality(side),
            view=ViewPosition(view),
            spacing_mm=0.1,
            acquired=day,
            study_key=day,
            birth_date="19600101",
            instance_number=number + 1,
            synthetic=True,
        )
        path = folder / f"{patient_id[:4].strip('=/.')}-{seed}-{number}.dcm"
        write_mammogram(path, random.integers(0, 4000, (ROWS, COLUMNS), dtype=np.uint16), header)
        files.append(path)
    uid = str(pydicom.dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)
    return Examination(patient_id=patient_id, name=name, study_uid=uid, files=tuple(files))


@pytest.fixture(scope="session")
def namespace() -> Iterator[Namespace]:
    made = Namespace()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def private_network(namespace: Namespace) -> Iterator[None]:
    with namespace.entered():
        yield


@pytest.fixture(autouse=True)
def own_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the profiles, the inbox or the key store of the user of this computer."""
    import keyring
    from keyring.backends.fail import Keyring

    monkeypatch.setenv("MARGINALIA_PACS", str(tmp_path / "pacs"))
    monkeypatch.setattr(keyring.core, "_keyring_backend", Keyring())
    return tmp_path / "pacs"


@pytest.fixture(scope="session")
def examinations(tmp_path_factory: pytest.TempPathFactory) -> tuple[Examination, ...]:
    folder = tmp_path_factory.mktemp("phantoms")
    return (
        phantom_examination(folder, "P-0001", "Müller^Anna", "20240105", 1),
        phantom_examination(folder, "P-0002", "Nowak^Ewa", "20240301", 2),
        phantom_examination(folder, EVIL_ID, EVIL_NAME, "20230909", 3),
    )


def new_server(folder: Path, **more: Any) -> PacsServer:
    """Orthanc where it is installed, else the PACS in Python."""
    return Orthanc(folder=folder, **more) if orthanc_program() else LocalPacs(folder=folder, **more)


@pytest.fixture(scope="session")
def running(
    namespace: Namespace, tmp_path_factory: pytest.TempPathFactory, examinations: tuple[Examination, ...]
) -> Iterator[PacsServer]:
    with namespace.entered():
        server = new_server(tmp_path_factory.mktemp("pacs"))
        server.start()
        profile = confirm(server.web())
        with connect(profile, PASSWORD) as pacs:
            for examination in examinations:
                send(pacs, profile, examination.files, SendingOrigin.SYNTHETIC)
    yield server
    server.kill()


@pytest.fixture
def server(running: PacsServer) -> PacsServer:
    return running


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path / "inbox")
