from __future__ import annotations

import hashlib
import hmac
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail

from core.domain.errors import BadFileError, StudyError
from core.domain.study import Patient
from core.store.identity import (
    IDENTITY,
    IdentityFile,
    ImageLink,
    KeyStore,
    Passphrase,
    PatientLink,
    delete_identity,
    has_identity,
    header_of,
    identity_key_kind,
)
from core.store.pseudonym_links import PseudonymSession
from core.store.study import Study

NAME = "CANARY-1234567^Жуков"
IMAGE = ImageLink(image_id="i1", study_uid="1.2.3", series_uid="1.2.3.4", sop_uid="1.2.3.4.5")


def passphrase(text: str = "correct horse") -> Passphrase:
    return Passphrase(lambda: text)


class MemoryKeyring(KeyringBackend):
    priority = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture
def key_store() -> Iterator[MemoryKeyring]:
    before = keyring.get_keyring()
    memory = MemoryKeyring()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


def _made(folder: Path) -> IdentityFile:
    identity = IdentityFile.create(folder, passphrase())
    identity.add_patient(PatientLink(pseudonym="PX", source="site", identifier=NAME))
    identity.add_image(IMAGE)
    identity.save()
    return identity


def test_links_are_found_in_both_directions(tmp_path: Path) -> None:
    _made(tmp_path)
    opened = IdentityFile.open(tmp_path, passphrase())
    assert opened.pseudonym_of("site", NAME) == "PX"
    assert opened.pseudonym_of("other site", NAME) is None
    found = opened.patient_of("PX")
    assert found is not None
    assert found.identifier == NAME
    assert opened.image_of("1.2.3.4.5") == opened.uids_of("i1") == IMAGE


def test_nothing_of_it_is_on_the_disk_in_clear(tmp_path: Path) -> None:
    _made(tmp_path)
    content = (tmp_path / IDENTITY).read_bytes()
    for secret in (b"CANARY", "Жуков".encode(), b"1.2.3.4.5", b"PX", b"correct horse"):
        assert secret not in content


def test_links_are_appended_later(tmp_path: Path) -> None:
    _made(tmp_path)
    opened = IdentityFile.open(tmp_path, passphrase())
    opened.add_patient(PatientLink(pseudonym="PY", source="site", identifier="2"))
    opened.save()
    again = IdentityFile.open(tmp_path, passphrase())
    assert again.pseudonym_of("site", "2") == "PY"
    assert again.pseudonym_of("site", NAME) == "PX"


def test_a_wrong_passphrase_is_a_sentence(tmp_path: Path) -> None:
    _made(tmp_path)
    with pytest.raises(StudyError, match="does not open with this passphrase"):
        IdentityFile.open(tmp_path, passphrase("wrong horse"))
    with pytest.raises(StudyError, match="too short"):
        IdentityFile.create(tmp_path / "x", passphrase("short"))


def test_a_changed_or_foreign_file_is_a_sentence(tmp_path: Path) -> None:
    _made(tmp_path)
    path = tmp_path / IDENTITY
    whole = path.read_bytes()
    for changed in (whole[:-1] + bytes([whole[-1] ^ 1]), whole.replace(b'"n":32768', b'"n":16384'), whole[:-20]):
        path.write_bytes(changed)
        with pytest.raises(StudyError, match="was changed"):
            IdentityFile.open(tmp_path, passphrase())
    for foreign in (b"", b"PNG", whole.replace(b'"n":32768', b'"n":99999999')):
        path.write_bytes(foreign)
        with pytest.raises(BadFileError, match="not an identity file"):
            IdentityFile.open(tmp_path, passphrase())
    path.write_bytes(whole.replace(b'"version":1', b'"version":2'))
    with pytest.raises(BadFileError, match="newer"):
        IdentityFile.open(tmp_path, passphrase())


def test_one_identifier_belongs_to_one_pseudonym(tmp_path: Path) -> None:
    identity = _made(tmp_path)
    identity.add_patient(PatientLink(pseudonym="PX", source="site", identifier=NAME))
    for link in (
        PatientLink(pseudonym="PX", source="site", identifier="other"),
        PatientLink(pseudonym="PY", source="site", identifier=NAME),
    ):
        with pytest.raises(StudyError, match="another patient"):
            identity.add_patient(link)
    with pytest.raises(StudyError, match="other UIDs"):
        identity.add_image(ImageLink(image_id="i1", study_uid="", series_uid="", sop_uid="9"))


def test_a_patient_can_be_forgotten_and_the_file_deleted(tmp_path: Path) -> None:
    identity = _made(tmp_path)
    identity.remove_patient("PX", ("i1",))
    identity.save()
    opened = IdentityFile.open(tmp_path, passphrase())
    assert opened.patient_of("PX") is opened.pseudonym_of("site", NAME) is opened.image_of("1.2.3.4.5") is None
    delete_identity(tmp_path)
    assert not has_identity(tmp_path)
    with pytest.raises(StudyError, match="keeps no link"):
        IdentityFile.open(tmp_path, passphrase())


def test_the_key_can_lie_in_the_key_store(tmp_path: Path, key_store: MemoryKeyring) -> None:
    source = KeyStore("study-1")
    identity = IdentityFile.create(tmp_path, source)
    identity.add_patient(PatientLink(pseudonym="PX", source="s", identifier="1"))
    identity.save()
    assert identity_key_kind(tmp_path) == "key store"
    assert IdentityFile.open(tmp_path, source).pseudonym_of("s", "1") == "PX"
    with pytest.raises(StudyError, match="opens with the key store"):
        IdentityFile.open(tmp_path, passphrase())
    with pytest.raises(StudyError, match="holds no key"):
        IdentityFile.open(tmp_path, KeyStore("study-2"))
    source.forget(header_of(tmp_path))
    assert key_store.kept == {}
    with pytest.raises(StudyError, match="holds no key"):
        IdentityFile.open(tmp_path, source)


@pytest.mark.usefixtures("key_store")
def test_without_a_key_store_a_passphrase_is_advised(tmp_path: Path) -> None:
    keyring.set_keyring(fail.Keyring())
    with pytest.raises(StudyError, match=r"no key store .* use a passphrase"):
        IdentityFile.create(tmp_path, KeyStore("study-1"))
    assert not has_identity(tmp_path)


def _import(study: Study, identifier: str, identity: IdentityFile | None = None) -> str:
    """One import of one patient; the pseudonym."""
    given = PseudonymSession(study.patients, identity).assign("site", identifier)
    if given.patient is None:
        patient = Patient(id=f"id-{given.pseudonym}", pseudonym=given.pseudonym, source="site")
        study.patients.add(patient)
    return given.pseudonym


def test_within_an_import_a_pseudonym_is_stable_before_it_is_stored(study: Study) -> None:
    session = PseudonymSession(study.patients)
    assert session.assign("site", "1") == session.assign("site", "1")
    given = {session.assign("site", str(number)).pseudonym for number in range(300)}
    assert len(given) == 300
    assert all(len(p) == 9 and p[0] == "P" for p in given)
    assert session.assign("other site", "1").pseudonym not in given
    assert session.sentences == []


def test_without_the_identity_file_a_second_import_makes_new_patients_and_says_so(study: Study) -> None:
    first = _import(study, NAME)
    session = PseudonymSession(study.patients)
    assert session.assign("site", NAME).pseudonym != first
    assert ["1 patients were entered as new" in sentence for sentence in session.sentences] == [True]


def test_pixels_that_are_there_already_tell_the_patient(study: Study) -> None:
    first = _import(study, NAME)
    session = PseudonymSession(study.patients)
    session.recognise("site", NAME, f"id-{first}")
    assert session.assign("site", NAME).pseudonym == first and session.sentences == []
    late = PseudonymSession(study.patients)
    assert late.assign("site", NAME).pseudonym != first
    late.recognise("site", NAME, f"id-{first}")
    assert any("in the study twice" in sentence for sentence in late.sentences)


def test_the_identity_file_finds_a_patient(study: Study) -> None:
    first = _import(study, NAME)
    identity = IdentityFile.create(study.folder, passphrase())
    identity.add_patient(PatientLink(pseudonym=first, source="site", identifier=NAME))
    assert _import(study, NAME, identity) == first
    assert study.patients.count() == 1


def hashes_of(identifier: str, salt: bytes) -> set[bytes]:
    """Whatever a program could have computed from the identifier with what the study holds."""
    texts = [identifier, f"site{identifier}", f"4:site{identifier}", f"site {identifier}", f"site\n{identifier}"]
    made = set[bytes]()
    for text in texts:
        for digest in (hmac.new(salt, text.encode(), hashlib.sha256), hashlib.sha256(text.encode())):
            made |= {digest.digest(), digest.hexdigest().encode(), digest.hexdigest()[:32].encode()}
    return made


def salt_of(folder: Path) -> bytes:
    with closing(sqlite3.connect(folder / "study.db")) as database:
        return bytes(database.execute("SELECT link_salt FROM study_info").fetchone()[0])


def test_no_identifier_can_be_confirmed_from_a_study_without_its_link(study: Study) -> None:
    """C-03, with the identifier in hand."""
    _import(study, NAME)
    study.close()
    made = hashes_of(NAME, salt_of(study.folder))
    for path in study.folder.rglob("*"):
        assert path.is_dir() or not any(one in path.read_bytes() for one in (*made, b"CANARY"))


def test_hashes_of_earlier_versions_go_with_the_next_opening_and_from_copies_too(study: Study) -> None:
    pseudonym = _import(study, NAME)
    study.close()
    salt = salt_of(study.folder)
    old = hmac.new(salt, f"4:site{NAME}".encode(), hashlib.sha256).hexdigest()
    with closing(sqlite3.connect(study.folder / "study.db")) as database:
        database.execute("UPDATE patient SET link_hash = ?", (old,))
        database.commit()
    (study.folder / "backup").mkdir()
    shutil.copy(study.folder / "study.db", study.folder / "backup" / "study-0001-x.db")
    with Study.open(study.folder) as opened:
        assert opened.patients.find_by_pseudonym(pseudonym) is not None
    files = [path for path in study.folder.rglob("*") if path.is_file()]
    assert len(files) > 1 and not any(old.encode() in path.read_bytes() for path in files)


def test_each_identity_file_has_a_key_of_its_own(study: Study, tmp_path: Path, key_store: MemoryKeyring) -> None:
    """C-01: a copy of a study, in which identifiers are kept anew, leaves the original's file readable."""
    source = KeyStore(study.info.id)
    identity = IdentityFile.create(study.folder, source)
    identity.add_patient(PatientLink(pseudonym="PX", source="s", identifier="1"))
    identity.save()
    copy = tmp_path / "copy"
    copy.mkdir()
    IdentityFile.create(copy, KeyStore(study.info.id))
    assert IdentityFile.open(study.folder, source).pseudonym_of("s", "1") == "PX"
    assert IdentityFile.open(copy, source).pseudonym_of("s", "1") is None
    assert len(key_store.kept) == 2
    restored = tmp_path / "restored"
    restored.mkdir()
    shutil.copy(study.folder / IDENTITY, restored / IDENTITY)
    assert IdentityFile.open(restored, source).pseudonym_of("s", "1") == "PX"


def test_guessing_a_passphrase_costs_time(tmp_path: Path) -> None:
    _made(tmp_path)
    began = time.process_time()
    IdentityFile.open(tmp_path, passphrase())
    assert time.process_time() - began > 0.02
