"""Profiles hold no secret, say what is wrong with them, and a confirmation holds for one destination."""

from __future__ import annotations

import stat
from pathlib import Path

import keyring
import msgspec
import pytest

from core.domain.errors import BadFileError, MarginaliaError, PacsError
from core.pacs.credentials import forget_secret, keep_secret, secret_of
from core.pacs.inbox import Inbox, TransferJournal, now
from core.pacs.profile import DicomwebProfile, DimseProfile, Profile, Profiles, Tls, confirm, is_confirmed
from core.pacs.query import Query, checked, is_uid, matches
from tests.core.store.test_identity import MemoryKeyring

WEB = DicomwebProfile(name="archive", url="http://pacs.example.org/dicom-web", login="password", user="reader")
WARD = DimseProfile(name="ward", host="10.0.0.7", port=104, called="WARDPACS")


def test_profiles_come_back_as_they_were(tmp_path: Path) -> None:
    profiles = Profiles(tmp_path / "new" / "pacs.json")
    assert profiles.all() == ()
    profiles.put(WARD)
    profiles.put(confirm(WEB))
    assert [one.name for one in profiles.all()] == ["archive", "ward"]
    assert is_confirmed(profiles.get("archive")) and profiles.get("ward") == WARD
    profiles.remove("ward")
    with pytest.raises(PacsError, match="no PACS profile named ward"):
        profiles.get("ward")


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://elsewhere.example.org/dicom-web"},
        {"user": "somebody"},
        {"url": "https://pacs.example.org/dicom-web", "tls": Tls(on=True)},
    ],
)
def test_a_change_of_the_destination_takes_the_confirmation_away(change: dict[str, object]) -> None:
    confirmed = confirm(WEB)
    assert is_confirmed(confirmed) and not is_confirmed(WEB)
    assert not is_confirmed(msgspec.structs.replace(confirmed, **change))
    assert is_confirmed(msgspec.structs.replace(confirmed, timeout_s=60.0))


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        (msgspec.structs.replace(WEB, name="../evil"), "letters, digits"),
        (msgspec.structs.replace(WEB, name=""), "letters, digits"),
        (msgspec.structs.replace(WEB, url="pacs.example.org"), "is not a URL"),
        (msgspec.structs.replace(WEB, url="ftp://pacs.example.org/"), "is not a URL"),
        (msgspec.structs.replace(WEB, url="http://host:port/"), "is not a URL"),
        (msgspec.structs.replace(WEB, url="http://reader:secret@host/"), "must not hold a user or password"),
        (msgspec.structs.replace(WEB, url="https://pacs.example.org/"), "contradict"),
        (msgspec.structs.replace(WEB, user=""), "needs a user name"),
        (msgspec.structs.replace(WARD, called="A\\B"), "AE title of the PACS"),
        (msgspec.structs.replace(WARD, calling="SEVENTEEN-LETTERS"), "AE title of this program"),
        (msgspec.structs.replace(WARD, called=""), "AE title of the PACS"),
        (msgspec.structs.replace(WARD, port=70_000), "is not a port"),
        (msgspec.structs.replace(WARD, host="a/b"), "not the name or address"),
        (msgspec.structs.replace(WARD, listen_address="somewhere"), "not an IP address"),
        (msgspec.structs.replace(WARD, tls=Tls(on=True, ca_file="/no/such.pem")), "is not a file"),
        (msgspec.structs.replace(WARD, tls=Tls(on=True, certificate="/no/such.pem")), "both a certificate"),
        (msgspec.structs.replace(WARD, timeout_s=0.0), "time limit"),
    ],
)
def test_what_is_wrong_with_a_profile_is_said(profile: Profile, words: str, tmp_path: Path) -> None:
    with pytest.raises(PacsError, match=words):
        Profiles(tmp_path / "pacs.json").put(profile)
    assert not (tmp_path / "pacs.json").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'[{"kind": "dicomweb", "name": "x", "password": "y"}]'])
def test_a_damaged_file_of_profiles_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "pacs.json").write_bytes(content)
    with pytest.raises(BadFileError, match="does not hold PACS profiles"):
        Profiles(tmp_path / "pacs.json").all()


class TestSecret:
    def test_it_is_kept_in_the_key_store_and_nowhere_else(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keyring.core, "_keyring_backend", MemoryKeyring())
        Profiles(tmp_path / "pacs.json").put(WEB)
        assert keep_secret(WEB, "KANARIE")
        assert secret_of(WEB, pytest.fail) == "KANARIE"
        assert b"KANARIE" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
        forget_secret(WEB.name)
        assert secret_of(WEB, lambda _: "typed") == "typed"

    def test_without_a_key_store_it_is_asked_for_each_time(self) -> None:
        asked: list[str] = []

        def ask(what: str) -> str:
            asked.append(what)
            return "typed"

        assert not keep_secret(WEB, "KANARIE")
        assert [secret_of(WEB, ask), secret_of(WEB, ask)] == ["typed", "typed"]
        assert asked == ["Password of reader for archive"] * 2
        forget_secret(WEB.name)

    def test_none_is_asked_for_where_none_is_needed(self) -> None:
        assert secret_of(WARD, pytest.fail) == ""

    @pytest.mark.parametrize("secret", ["", "two\nlines", "übel"])
    def test_what_cannot_be_sent_is_refused(self, secret: str) -> None:
        with pytest.raises(PacsError, match="cannot be sent"):
            secret_of(WEB, lambda _: secret)


class TestQuery:
    def test_keys_are_those_of_the_standard(self) -> None:
        query = Query(patient_name="Mül", since="2024-01-02", until="2024-03-04")
        assert query.study_keys == {
            "PatientName": "Mül*",
            "StudyDate": "20240102-20240304",
            "ModalitiesInStudy": "MG",
        }
        assert Query(patient_name="M?ller^*", since="2024-01-02", modality="").study_keys == {
            "PatientName": "M?ller^*",
            "StudyDate": "20240102-",
        }

    @pytest.mark.parametrize(
        "query",
        [
            Query(since="yesterday"),
            Query(since="2024-13-01"),
            Query(since="20240101"),
            Query(since="2024-02-02", until="2024-02-01"),
            Query(patient_id="x\\y"),
            Query(patient_id="a\x00b"),
            Query(patient_id="x", modality="M\\G"),
        ],
    )
    def test_what_cannot_be_asked_is_refused(self, query: Query) -> None:
        with pytest.raises(PacsError):
            checked(query)

    def test_wildcards_match_as_in_the_standard(self) -> None:
        assert matches("Mü*^A?na", "müller^anna") and matches("*", "") and matches("=1+2/..", "=1+2/..")
        assert not matches("a.c", "abc") and not matches("a", "ab")

    @pytest.mark.parametrize("text", ["", "1.2/../3", "1..2", "1.2.", "../../etc", "1.2\n", "1." * 40 + "1"])
    def test_identifiers_of_others_are_uids_or_nothing(self, text: str) -> None:
        assert not is_uid(text) and is_uid("1.2.840.10008")


class TestInbox:
    def test_it_is_for_its_user_only_and_says_what_waits(self, tmp_path: Path) -> None:
        inbox = Inbox(tmp_path / "inbox")
        transfer = inbox.begin(TransferJournal(profile="archive", source="site", study_uid="1.2.3", begun=now()))
        assert stat.S_IMODE(inbox.folder.stat().st_mode) == 0o700
        assert [one.id for one in inbox.transfers()] == [transfer.id]
        assert inbox.get(transfer.id[:6]).journal == transfer.journal
        with pytest.raises(PacsError, match="no transfer nothing"):
            inbox.get("nothing")
        transfer.discard()
        assert inbox.transfers() == ()

    def test_a_damaged_journal_is_no_transfer(self, tmp_path: Path) -> None:
        inbox = Inbox(tmp_path / "inbox")
        transfer = inbox.begin(TransferJournal(profile="archive", source="site", study_uid="1.2.3", begun=now()))
        (transfer.folder / "journal.json").write_text("{")
        assert inbox.transfers() == ()

    def test_two_programs_do_not_work_on_one_examination(self, tmp_path: Path) -> None:
        transfer = Inbox(tmp_path).begin(TransferJournal(profile="a", source="s", study_uid="1.2.3", begun=now()))
        with transfer.held(), pytest.raises(MarginaliaError, match="by another program"), transfer.held():
            pass
