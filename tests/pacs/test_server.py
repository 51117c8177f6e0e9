"""Search, retrieval, reception and sending against a real PACS, both ways."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from core.domain.errors import PacsError
from core.domain.vocabulary import Laterality, ViewPosition
from core.pacs.client import Pacs, connect
from core.pacs.inbox import Inbox
from core.pacs.profile import Profile
from core.pacs.query import Query
from core.store.study import Study
from core.tasks.studies.pacs_transfers import import_transfer, retrieve, search
from tests.pacs.conftest import Examination
from tests.pacs.namespace import Namespace, interfaces
from tests.pacs.server import PASSWORD, PacsServer

WAYS = ("dicomweb", "dimse")


def way_of(server: PacsServer, way: str) -> tuple[Profile, Pacs]:
    profile: Profile = server.web() if way == "dicomweb" else server.dimse()
    return profile, connect(profile, PASSWORD)


def test_the_server_is_alone_in_its_network(server: PacsServer, namespace: Namespace) -> None:
    if not namespace.private:
        pytest.skip("a private network namespace needs root")
    assert interfaces() == ["lo"]


@pytest.mark.parametrize("way", WAYS)
def test_a_profile_that_is_right_answers(way: str, server: PacsServer) -> None:
    with way_of(server, way)[1] as pacs:
        pacs.test()


@pytest.mark.parametrize("way", WAYS)
def test_examinations_are_found_by_patient_and_date(
    way: str, server: PacsServer, examinations: tuple[Examination, ...]
) -> None:
    first, second, _ = examinations
    with way_of(server, way)[1] as pacs:
        [by_id] = search(pacs, Query(patient_id="P-0001")).studies
        [by_name] = search(pacs, Query(patient_name="Nowak")).studies
        [by_date] = search(pacs, Query(since="2024-02-01", until="2024-03-31")).studies
        assert search(pacs, Query(patient_id="P-0001", modality="CT")).studies == ()
    assert by_id.study_uid == first.study_uid
    assert (by_id.patient_id, by_id.patient_name, by_id.date) == ("P-0001", "Müller^Anna", "2024-01-05")
    assert by_name.study_uid == by_date.study_uid == second.study_uid


@pytest.mark.parametrize("way", WAYS)
def test_side_and_view_are_asked_of_the_images(
    way: str, server: PacsServer, examinations: tuple[Examination, ...]
) -> None:
    query = Query(patient_id="P-0002", laterality=Laterality.LEFT, view=ViewPosition.MLO)
    with way_of(server, way)[1] as pacs:
        [found] = search(pacs, query).studies
    [image] = found.matching
    assert (image.laterality, image.view) == ("L", "MLO")
    header = pydicom.dcmread(examinations[1].files[1], stop_before_pixels=True)
    assert image.sop_uid == header.SOPInstanceUID


@pytest.mark.parametrize("way", WAYS)
def test_an_examination_comes_into_the_study_pixel_for_pixel(
    way: str, server: PacsServer, examinations: tuple[Examination, ...], inbox: Inbox, tmp_path: Path
) -> None:
    examination = examinations[0]
    profile, pacs = way_of(server, way)
    with pacs:
        transfer = retrieve(pacs, profile, inbox, examination.study_uid, Query())
    with Study.create(tmp_path / "study", name="S", synthetic=True) as study:
        done = import_transfer(study, transfer)
        assert (done.report.patients, done.report.images, done.report.issues) == (1, 4, ())
        sent = {
            (found.ImageLaterality, found.ViewPosition): found.pixel_array
            for found in map(pydicom.dcmread, examination.files)
        }
        for image in study.images.all():
            stored = study.arrays.read_pixels(image.id)
            assert np.array_equal(stored, sent[image.laterality, image.view])
        [patient] = study.patients.all()
        assert (patient.source, "P-0001" in patient.pseudonym) == (profile.name, False)
    assert list(inbox.folder.iterdir()) == []


@pytest.mark.parametrize("way", WAYS)
def test_only_the_view_that_is_wanted_is_retrieved(
    way: str, server: PacsServer, examinations: tuple[Examination, ...], inbox: Inbox
) -> None:
    profile, pacs = way_of(server, way)
    with pacs:
        query = Query(view=ViewPosition.CC)
        transfer = retrieve(pacs, profile, inbox, examinations[0].study_uid, query)
    views = {(f.ImageLaterality, f.ViewPosition) for f in map(pydicom.dcmread, transfer.files)}
    assert views == {("L", "CC"), ("R", "CC")}


def test_an_unknown_examination_is_a_sentence(server: PacsServer, inbox: Inbox) -> None:
    for way in WAYS:
        profile, pacs = way_of(server, way)
        with pacs, pytest.raises(PacsError, match=r"no object of modality MG|no such exam"):
            retrieve(pacs, profile, inbox, "1.2.3.4", Query())
    assert inbox.transfers() == ()
