"""Whatever is wrong with a PACS or with the way to it is one clear sentence, and nothing is half-imported."""

from __future__ import annotations

import re
import shutil
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pydicom
import pytest

from core.domain.errors import MarginaliaError, PacsError
from core.pacs.client import connect
from core.pacs.inbox import Inbox
from core.pacs.profile import Profile, Tls, confirm
from core.pacs.query import Query
from core.pacs.sending import SendingOrigin, send
from core.store.study import Study
from core.tasks.studies.pacs_transfers import import_transfer, resume, retrieve, search
from tests.pacs.certificates import write_certificates
from tests.pacs.conftest import EVIL_ID, Examination, new_server, phantom_examination
from tests.pacs.namespace import Namespace
from tests.pacs.proxy import CutLine
from tests.pacs.server import PASSWORD, PacsServer, free_port


def refusal(profile: Profile, secret: str = PASSWORD) -> str:
    """The one sentence with which a test of the profile fails."""
    with pytest.raises(PacsError) as caught, connect(profile, secret) as pacs:
        pacs.test()
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence and PASSWORD not in sentence
    assert "Traceback" not in sentence and "Error(" not in sentence
    return sentence


class TestLogin:
    def test_a_wrong_password(self, server: PacsServer) -> None:
        assert "does not accept this user or password" in refusal(server.web(), "wrong")

    def test_no_login_where_one_is_wanted(self, server: PacsServer) -> None:
        assert "requires a login" in refusal(server.web(login="none", user=""))

    def test_a_wrong_token(self, server: PacsServer) -> None:
        assert "does not accept this token" in refusal(server.web(login="token", user=""), "wrong")

    def test_the_pacs_has_another_ae_title(self, server: PacsServer) -> None:
        assert "is not called WRONG" in refusal(server.dimse(called="WRONG"))

    def test_the_pacs_does_not_know_our_ae_title(self, server: PacsServer) -> None:
        sentence = refusal(server.dimse(calling="STRANGER"))
        assert "does not know our AE title STRANGER" in sentence


class TestReach:
    def test_a_server_that_is_down(self, server: PacsServer) -> None:
        nobody = free_port()
        assert "nothing listens there" in refusal(server.web(url=f"http://localhost:{nobody}/dicom-web"))
        assert "nothing listens there" in refusal(server.dimse(port=nobody))

    def test_a_host_that_nobody_knows(self, server: PacsServer) -> None:
        assert "not known on this network" in refusal(server.web(url="http://no-such-host.invalid/dicom-web"))
        assert "not known on this network" in refusal(server.dimse(host="no-such-host.invalid"))

    def test_another_service_at_the_url(self, server: PacsServer) -> None:
        url = f"http://localhost:{server.http_port}"
        assert "check the URL" in refusal(server.web(url=f"{url}/nothing-here"))
        assert refusal(server.web(url=f"{url}/app/explorer.html"))

    def test_dicom_at_the_port_of_http_and_the_other_way(self, server: PacsServer) -> None:
        assert "closed the connection" in refusal(server.dimse(port=server.http_port, timeout_s=5.0))
        url = f"http://localhost:{server.dicom_port}/dicom-web"
        assert refusal(server.web(url=url, timeout_s=5.0))

    def test_a_server_that_says_nothing(self, server: PacsServer) -> None:
        import socket

        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            web = refusal(server.web(url=f"http://127.0.0.1:{port}/x", timeout_s=1.0))
            assert "did not answer within 1 s" in web
            assert refusal(server.dimse(port=port, timeout_s=1.0))


@pytest.fixture(scope="module")
def encrypted_server(namespace: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PacsServer]:
    folder = tmp_path_factory.mktemp("encrypted")
    with namespace.entered():
        server = new_server(folder / "server", tls=write_certificates(folder / "tls"))
        server.start()
    yield server
    server.kill()


@pytest.fixture
def encrypted(encrypted_server: PacsServer) -> Iterator[PacsServer]:
    """By DIMSE as it is; by HTTP behind a front server that encrypts."""
    assert encrypted_server.tls is not None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(encrypted_server.tls / "server.pem", encrypted_server.tls / "server.key")
    with CutLine(encrypted_server.http_port, context=context) as front:
        encrypted_server.https_port = front.port
        yield encrypted_server


def other_ca(encrypted: PacsServer) -> Tls:
    assert encrypted.tls is not None
    return msgspec.structs.replace(encrypted.web().tls, ca_file=str(encrypted.tls / "other.pem"))


class TestEncryption:
    def test_an_examination_goes_and_comes_encrypted(
        self, encrypted: PacsServer, examinations: tuple[Examination, ...], inbox: Inbox
    ) -> None:
        profile = confirm(encrypted.web())
        with connect(profile, PASSWORD) as pacs:
            send(pacs, profile, examinations[0].files, SendingOrigin.SYNTHETIC)
            assert len(retrieve(pacs, profile, inbox, examinations[0].study_uid, Query()).files) == 4
        ward = encrypted.dimse()
        with connect(ward) as pacs:
            assert len(retrieve(pacs, ward, inbox, examinations[0].study_uid, Query()).files) == 4

    def test_a_certificate_of_another_authority(self, encrypted: PacsServer) -> None:
        assert "is not trusted" in refusal(encrypted.web(tls=other_ca(encrypted)))
        assert "is not trusted" in refusal(encrypted.dimse(tls=other_ca(encrypted)))

    def test_an_encrypted_call_to_a_plain_server(self, server: PacsServer) -> None:
        web = server.web(url=f"https://localhost:{server.http_port}/dicom-web", tls=Tls(on=True), timeout_s=30.0)
        assert "does not speak TLS" in refusal(web)
        assert refusal(server.dimse(tls=Tls(on=True), timeout_s=3.0))

    def test_a_plain_call_to_an_encrypted_server(self, encrypted: PacsServer) -> None:
        url = f"http://localhost:{encrypted.https_port}/dicom-web"
        assert "encrypted connection" in refusal(encrypted.web(url=url, tls=Tls(), timeout_s=30.0))
        assert "encrypted connection" in refusal(encrypted.dimse(tls=Tls(), timeout_s=30.0))

    def test_images_are_not_received_in_clear_where_encryption_is_on(
        self, encrypted: PacsServer, examinations: tuple[Examination, ...], inbox: Inbox
    ) -> None:
        bare = msgspec.structs.replace(encrypted.dimse().tls, certificate="", key="")
        ward = encrypted.dimse(tls=bare)
        with connect(ward) as pacs, pytest.raises(PacsError):
            retrieve(pacs, ward, inbox, examinations[0].study_uid, Query())


@pytest.fixture
def large(server: PacsServer, tmp_path: Path) -> Examination:
    """An examination of its own in the PACS."""
    examination = phantom_examination(tmp_path / "large", f"L-{tmp_path.name[-8:]}", "Large^Breast", "20240707", 7)
    profile = confirm(server.web())
    with connect(profile, PASSWORD) as pacs:
        send(pacs, profile, examination.files, SendingOrigin.SYNTHETIC)
    return examination


class TestHalf:
    def test_a_web_server_that_breaks_off_in_an_image(
        self, server: PacsServer, large: Examination, inbox: Inbox, tmp_path: Path
    ) -> None:
        with CutLine(server.http_port, down=180_000) as line:
            profile = server.web(url=f"http://localhost:{line.port}/dicom-web")
            with connect(profile, PASSWORD) as pacs, pytest.raises(PacsError, match="broke off in the") as caught:
                retrieve(pacs, profile, inbox, large.study_uid, Query())
            assert line.cuts
        # PacsServer keeps an idle connection for a second: a slow computer begins the second image on another one
        assert re.search("[12] of 4 objects", str(caught.value))
        self.nothing_is_imported_and_the_rest_comes(server.web(), inbox, tmp_path)

    def test_a_pacs_whose_association_breaks_in_an_image(
        self, server: PacsServer, large: Examination, inbox: Inbox, tmp_path: Path
    ) -> None:
        listen = free_port()
        with CutLine(listen, port=server.receive_port, up=80_000, spared=1) as line:
            profile = server.dimse(listen_port=listen)
            with connect(profile) as pacs, pytest.raises(PacsError, match="1 of 4 objects"):
                retrieve(pacs, profile, inbox, large.study_uid, Query())
            assert line.cuts
        self.nothing_is_imported_and_the_rest_comes(server.dimse(), inbox, tmp_path)

    def nothing_is_imported_and_the_rest_comes(self, profile: Profile, inbox: Inbox, tmp_path: Path) -> None:
        [transfer] = inbox.transfers()
        there = {path: path.stat().st_mtime_ns for path in transfer.files}
        assert 0 <= len(there) < 4 and not transfer.complete and transfer.journal.stopped
        assert {path.suffix for path in transfer.folder.iterdir()} <= {".dcm", ".json", ""}
        with Study.create(tmp_path / "study", name="S", synthetic=True) as study:
            with pytest.raises(PacsError, match="is incomplete"):
                import_transfer(study, transfer)
            assert study.images.count() == 0
            with connect(profile, PASSWORD) as pacs:
                resume(pacs, transfer)
            assert {path: path.stat().st_mtime_ns for path in there} == there  # not sent twice
            assert import_transfer(study, transfer).report.images == 4
        assert inbox.transfers() == ()

    @pytest.mark.parametrize("way", ["dicomweb", "dimse"])
    def test_a_server_that_has_half_an_image(
        self, way: str, server: PacsServer, inbox: Inbox, tmp_path: Path
    ) -> None:
        """The transfer is right, the object is not: its pixel data is shorter than its header says."""
        examination = phantom_examination(tmp_path / "half", f"H-{way}", "Half^Image", "20240808", 8)
        whole = pydicom.dcmread(examination.files[2])
        whole.PixelData = whole.PixelData[:20_000]
        whole.save_as(examination.files[2])
        sender = confirm(server.web())
        with connect(sender, PASSWORD) as pacs:
            send(pacs, sender, examination.files, SendingOrigin.SYNTHETIC)
        profile: Profile = server.web() if way == "dicomweb" else server.dimse()
        with connect(profile, PASSWORD) as pacs, pytest.raises(PacsError, match="1 of 4 objects arrived damaged"):
            retrieve(pacs, profile, inbox, examination.study_uid, Query())
        [transfer] = inbox.transfers()
        assert len(transfer.files) == 3 and "cut short" in transfer.journal.stopped
        with Study.create(tmp_path / "study", name="S", synthetic=True) as study:
            with pytest.raises(PacsError, match="is incomplete"):
                import_transfer(study, transfer)
            assert study.images.count() == 0
            assert import_transfer(study, transfer, incomplete=True).report.images == 3

    def test_a_server_killed_in_the_middle_of_an_examination(
        self, inbox: Inbox, tmp_path: Path, examinations: tuple[Examination, ...]
    ) -> None:
        server = new_server(tmp_path / "own")
        server.start()
        try:
            profile = confirm(server.web())
            with connect(profile, PASSWORD) as pacs:
                send(pacs, profile, examinations[0].files, SendingOrigin.SYNTHETIC)

                def kill_after_two(event: object) -> None:
                    if getattr(event, "stage", "") == "retrieve" and getattr(event, "done", 0) == 2:
                        server.kill()

                with pytest.raises(PacsError, match="2 of 4 objects"):
                    retrieve(pacs, profile, inbox, examinations[0].study_uid, Query(), emit=kill_after_two)
            [transfer] = inbox.transfers()
            assert (len(transfer.files), len(transfer.missing), transfer.complete) == (2, 2, False)
            server.start()
            self.nothing_is_imported_and_the_rest_comes(profile, inbox, tmp_path)
        finally:
            server.kill()

    def test_a_pacs_that_did_not_wait_for_our_answer_is_asked_once_more(
        self, inbox: Inbox, tmp_path: Path, examinations: tuple[Examination, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As on a computer with much to do: the object arrives, but we acknowledge it too late."""
        from core.pacs import dimse

        write = dimse.copy_file
        times: list[Path] = []

        def late(source: Path, path: Path) -> None:
            times.append(path)
            if len(times) == 2:
                time.sleep(5)
            write(source, path)

        server = new_server(tmp_path / "own", patience_s=4)
        server.start()
        try:
            sender, ward = confirm(server.web()), server.dimse()
            with connect(sender, PASSWORD) as pacs:
                send(pacs, sender, examinations[0].files[:2], SendingOrigin.SYNTHETIC)
            monkeypatch.setattr(dimse, "copy_file", late)
            with connect(ward) as pacs:
                assert len(retrieve(pacs, ward, inbox, examinations[0].study_uid, Query()).files) == 2
            assert len(times) == 3
        finally:
            server.kill()


class TestForeignNames:
    @pytest.mark.parametrize("way", ["dicomweb", "dimse"])
    def test_paths_and_formulas_stay_text_and_reach_no_file_name(
        self, way: str, server: PacsServer, examinations: tuple[Examination, ...], inbox: Inbox, tmp_path: Path
    ) -> None:
        profile: Profile = server.web() if way == "dicomweb" else server.dimse()
        with connect(profile, PASSWORD) as pacs:
            [found] = search(pacs, Query(patient_id=EVIL_ID)).studies
            assert "cmd|calc!A0^../../etc/passwd" in found.patient_name  # shown as it is, run by nobody
            transfer = retrieve(pacs, profile, inbox, examinations[2].study_uid, Query())
        for path in (*transfer.folder.iterdir(), transfer.folder):
            assert path.resolve().is_relative_to(inbox.folder.resolve())
            assert set(path.stem) <= set("0123456789abcdefjournallock")
        with Study.create(tmp_path / "study", name="S", synthetic=True) as study:
            import_transfer(study, transfer)
        written = b"".join(p.read_bytes() for p in (tmp_path / "study").rglob("*") if p.is_file())
        assert b"calc!A0" not in written and b"etc/passwd" not in written

    @pytest.mark.parametrize("name", ["a\\b", "a\nb", "\x1b[31m", "x" * 65])
    def test_a_search_with_control_characters_is_not_asked(self, name: str, server: PacsServer) -> None:
        with connect(server.web(), PASSWORD) as pacs, pytest.raises(PacsError, match="backslash or a control"):
            search(pacs, Query(patient_name=name))

    def test_a_search_for_everybody_is_not_asked(self, server: PacsServer) -> None:
        with connect(server.web(), PASSWORD) as pacs, pytest.raises(PacsError, match="a name or a date"):
            search(pacs, Query())


def test_a_full_disk_is_one_sentence(
    server: PacsServer, examinations: tuple[Examination, ...], inbox: Inbox, tmp_path: Path
) -> None:
    inbox.folder.write_text("a file in the way")
    for profile in (server.web(), server.dimse()):
        with connect(profile, PASSWORD) as pacs, pytest.raises(MarginaliaError, match="is a file, not a folder"):
            retrieve(pacs, profile, inbox, examinations[0].study_uid, Query())
    shutil.rmtree(inbox.folder, ignore_errors=True)
