"""What may be sent, where to, and what a PACS may push to us."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pynetdicom import AE, build_context

from core.domain.errors import BadFileError, PacsError
from core.domain.messages import message
from core.pacs.client import connect
from core.pacs.inbox import Inbox, Transfer
from core.pacs.listener import Listener
from core.pacs.profile import DimseProfile, Profile, confirm
from core.pacs.query import Query
from core.pacs.sending import SendingOrigin, send
from core.store.study import Study
from core.tasks.studies.pacs_transfers import deliver, import_transfer, receive, retrieve
from tests.pacs.conftest import Examination, phantom_examination
from tests.pacs.server import AE_TITLE, PASSWORD, PacsServer, free_port

MG = "1.2.840.10008.5.1.4.1.1.1.2"
SR = "1.2.840.10008.5.1.4.1.1.88.33"


def send_to(
    server: PacsServer, paths: Sequence[Path], origin: SendingOrigin, profile: Profile | None = None
) -> int:
    used = profile or confirm(server.dimse())
    with connect(used, PASSWORD) as pacs:
        return len(send(pacs, used, paths, origin).sop_uids)


def changed(source: Path, target: Path, **values: object) -> Path:
    found = pydicom.dcmread(source)
    for keyword, value in values.items():
        setattr(found, keyword, value)
    found.file_meta.MediaStorageSOPInstanceUID = found.SOPInstanceUID
    found.file_meta.MediaStorageSOPClassUID = found.SOPClassUID
    found.save_as(target)
    return target


def report_for(source: Path, target: Path, **more: object) -> Path:
    """A structured report, as the program writes one, about the examination of ``source``."""
    uid = str(pydicom.dcmread(source, stop_before_pixels=True).StudyInstanceUID) + ".9"
    made = changed(source, target, SOPClassUID=SR, SOPInstanceUID=uid[:64], Modality="SR", **more)
    found = pydicom.dcmread(made)
    for keyword in ("PixelData", "Rows", "Columns", "ImageType", "ImageLaterality"):
        delattr(found, keyword)
    found.SeriesInstanceUID = uid[:62] + ".1"
    found.save_as(target)
    return target


class TestOrigin:
    def test_nothing_goes_to_a_destination_that_is_not_confirmed(
        self, server: PacsServer, examinations: tuple[Examination, ...]
    ) -> None:
        for profile in (server.web(), server.dimse()):
            with pytest.raises(PacsError, match="before you have confirmed it"):
                send_to(server, examinations[0].files, SendingOrigin.SYNTHETIC, profile)

    def test_a_confirmation_holds_for_one_destination(
        self, server: PacsServer, examinations: tuple[Examination, ...]
    ) -> None:
        elsewhere = msgspec.structs.replace(confirm(server.dimse()), host="127.0.0.1")
        with pytest.raises(PacsError, match="before you have confirmed it"):
            send_to(server, examinations[0].files, SendingOrigin.SYNTHETIC, elsewhere)

    def test_a_transfer_that_breaks_says_how_many_objects_arrived(self, tmp_path: Path) -> None:
        made = phantom_examination(tmp_path, "S-0002", "Synthetic^Two", "20240909", 12)
        profile = confirm(DimseProfile(name="archive", host="127.0.0.1", port=104, called="ARCHIVE"))

        class Breaking:
            def store(self, paths: Sequence[Path]) -> Iterator[Path]:
                yield from paths[:3]
                raise PacsError(message("archive did not answer."))

        with pytest.raises(PacsError, match=r"archive took 3 of 4 objects.*nothing is stored twice"):
            send(Breaking(), profile, made.files, SendingOrigin.SYNTHETIC)  # type: ignore[arg-type]

    def test_synthetic_files_go_both_ways(self, server: PacsServer, tmp_path: Path) -> None:
        made = phantom_examination(tmp_path, "S-0001", "Synthetic^One", "20240909", 11)
        assert send_to(server, made.files, SendingOrigin.SYNTHETIC) == 4
        assert send_to(server, made.files, SendingOrigin.SYNTHETIC, confirm(server.web())) == 4

    def test_a_patient_is_not_sent_as_synthetic_or_deidentified(
        self, server: PacsServer, examinations: tuple[Examination, ...], tmp_path: Path
    ) -> None:
        patient = changed(examinations[0].files[0], tmp_path / "patient.dcm", ImageType=["ORIGINAL", "PRIMARY"])
        with pytest.raises(PacsError, match=r"patient\.dcm is not marked as synthetic"):
            send_to(server, [*examinations[0].files, patient], SendingOrigin.SYNTHETIC)
        with pytest.raises(PacsError, match=r"patient\.dcm is not de-identified"):
            send_to(server, [patient], SendingOrigin.DEIDENTIFIED)
        changed(patient, patient, PatientIdentityRemoved="YES")  # a claim alone is not enough
        with pytest.raises(PacsError, match="is not de-identified"):
            send_to(server, [patient], SendingOrigin.DEIDENTIFIED)

    def test_deidentified_files_go(
        self, server: PacsServer, examinations: tuple[Examination, ...], tmp_path: Path
    ) -> None:
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator = "113100", "DCM"
        made = changed(
            examinations[0].files[0],
            tmp_path / "clean.dcm",
            PatientID="M-1",
            PatientName="",
            SOPInstanceUID="1.2.3.4.5.6",
            StudyInstanceUID="1.2.3.4.5.7",
            PatientIdentityRemoved="YES",
            DeidentificationMethodCodeSequence=Items([code]),
        )
        assert send_to(server, [made], SendingOrigin.DEIDENTIFIED) == 1

    def test_a_result_goes_to_the_pacs_of_its_patient_and_is_read_back_equal(
        self, server: PacsServer, examinations: tuple[Examination, ...], inbox: Inbox, tmp_path: Path
    ) -> None:
        report = report_for(examinations[1].files[0], tmp_path / "report.dcm")
        for profile in (confirm(server.web()), confirm(server.dimse())):
            assert send_to(server, [report], SendingOrigin.RESULT, profile) == 1
            with connect(profile, PASSWORD) as pacs:
                transfer = retrieve(pacs, profile, inbox, examinations[1].study_uid, Query(modality="SR"))
                [path] = deliver(transfer, tmp_path / profile.name)
            back, sent = pydicom.dcmread(path), pydicom.dcmread(report)
            assert [str(element) for element in back] == [str(element) for element in sent]
            assert path.stem not in (sent.SOPInstanceUID, sent.PatientID)

    def test_a_result_does_not_go_to_a_pacs_that_does_not_know_the_patient(
        self, server: PacsServer, examinations: tuple[Examination, ...], tmp_path: Path
    ) -> None:
        other = report_for(examinations[1].files[0], tmp_path / "a.dcm", PatientID="P-0001")
        wild = report_for(examinations[1].files[0], tmp_path / "b.dcm", PatientID="*")
        unknown = report_for(examinations[1].files[0], tmp_path / "c.dcm", StudyInstanceUID="1.2.3")
        for path in (other, wild, unknown):
            for profile in (confirm(server.web()), confirm(server.dimse())):
                with pytest.raises(PacsError, match="only to the PACS that the patient came from"):
                    send_to(server, [path], SendingOrigin.RESULT, profile)

    def test_an_image_is_no_result(self, server: PacsServer, examinations: tuple[Examination, ...]) -> None:
        with pytest.raises(PacsError, match="is not a result"):
            send_to(server, examinations[0].files, SendingOrigin.RESULT)

    def test_what_is_no_dicom_is_not_sent(self, server: PacsServer, tmp_path: Path) -> None:
        (tmp_path / "note.dcm").write_text("no DICOM")
        for path in (tmp_path / "note.dcm", tmp_path / "missing.dcm"):
            with pytest.raises(BadFileError, match="is not a DICOM file"):
                send_to(server, [path], SendingOrigin.SYNTHETIC)


class Receiving:
    """Receives in a thread while its context lasts."""

    def __init__(self, profile: DimseProfile, inbox: Inbox) -> None:
        self.profile, self.inbox = profile, inbox
        self.arrived: list[Transfer] = []
        self._stop, self._ready = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        receive(
            self.profile,
            self.inbox,
            ready=lambda _: self._ready.set(),
            arrived=self.arrived.append,
            cancelled=self._stop.is_set,
        )

    def __enter__(self) -> Receiving:
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def push(
    profile: DimseProfile, paths: Sequence[Path], *, calling: str = AE_TITLE, abort: bool = False
) -> list[int]:
    """As a PACS pushes; the statuses, none where the association was not accepted."""
    entity = AE(ae_title=calling)
    contexts = [build_context(MG, "1.2.840.10008.1.2.1")]
    association = entity.associate(profile.listen_address, profile.listen_port, contexts, ae_title=profile.calling)
    if not association.is_established:
        return []
    statuses = [association.send_c_store(path).Status for path in paths]
    if abort:
        association.abort()
    else:
        association.release()
    return statuses


class TestReception:
    def test_what_is_pushed_is_imported(
        self, server: PacsServer, examinations: tuple[Examination, ...], inbox: Inbox, tmp_path: Path
    ) -> None:
        ward = server.dimse(listen_port=free_port())
        with Receiving(ward, inbox) as receiving:
            assert push(ward, examinations[0].files) == [0, 0, 0, 0]
        [transfer] = receiving.arrived
        with Study.create(tmp_path / "study", name="S", synthetic=True) as study:
            assert import_transfer(study, transfer).report.images == 4
        assert inbox.transfers() == ()

    def test_an_unknown_caller_is_not_heard(
        self, server: PacsServer, examinations: tuple[Examination, ...], inbox: Inbox
    ) -> None:
        ward = server.dimse(listen_port=free_port())
        with Receiving(ward, inbox) as receiving:
            assert push(ward, examinations[0].files[:1], calling="STRANGER") == []
            assert push(msgspec.structs.replace(ward, calling="OTHER"), examinations[0].files[:1]) == []
        assert receiving.arrived == [] and inbox.transfers() == ()

    def test_a_push_that_breaks_off_is_marked_and_not_imported(
        self, server: PacsServer, examinations: tuple[Examination, ...], inbox: Inbox, tmp_path: Path
    ) -> None:
        ward = server.dimse(listen_port=free_port())
        with Receiving(ward, inbox) as receiving:
            push(ward, examinations[0].files[:2], abort=True)
        [transfer] = receiving.arrived
        assert not transfer.complete and transfer.journal.stopped == "The PACS broke off."
        with Study.create(tmp_path / "study", name="S", synthetic=True) as study:
            with pytest.raises(PacsError, match="is incomplete"):
                import_transfer(study, transfer)
            assert study.images.count() == 0

    def test_a_file_that_is_pushed_half_is_marked_and_not_imported(
        self, server: PacsServer, examinations: tuple[Examination, ...], inbox: Inbox, tmp_path: Path
    ) -> None:
        half = pydicom.dcmread(examinations[0].files[0])
        half.PixelData = half.PixelData[:1000]
        half.save_as(tmp_path / "half.dcm")
        ward = server.dimse(listen_port=free_port())
        with Receiving(ward, inbox) as receiving:
            push(ward, [tmp_path / "half.dcm", examinations[0].files[1]])
        [transfer] = receiving.arrived
        assert not transfer.complete and len(transfer.files) == 1 and "cut short" in transfer.journal.stopped

    def test_each_association_ends_also_where_one_lies_in_memory_where_another_lay(self, tmp_path: Path) -> None:
        class Association:
            """As many of these come and go at one address."""

        ended: list[int] = []
        ward = DimseProfile(name="ward", host="h", port=104, called="PACS")
        listener = Listener(ward, tmp_path, lambda *_: True, lambda number, _: ended.append(number))
        for _ in range(20):
            event = SimpleNamespace(assoc=Association())
            listener._released(event)
            listener._broken(event)  # the connection closes after the release, which is the same end
            del event
        assert ended == list(range(20))

    def test_a_port_that_is_taken_is_a_sentence(self, server: PacsServer, inbox: Inbox) -> None:
        taken = server.dimse(listen_port=server.http_port)
        with pytest.raises(PacsError, match="another program uses it"):
            receive(taken, inbox)
        elsewhere = server.dimse(listen_address="203.0.113.7")
        with pytest.raises(PacsError, match="not an address of this computer"):
            receive(elsewhere, inbox)
        with pytest.raises(PacsError, match="pushes nothing"):
            receive(server.web(), inbox)
