"""EMBED Open Data: tables of findings and of files, joined by examination and side; one-letter codes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from core.domain.vocabulary import MarginType, Pathology
from tests.core.data.importers.replicas.files import texture, write_file
from tests.core.data.importers.replicas.truth import Truth

METADATA = (
    ",empi_anon,acc_anon,study_date_anon,FinalImageType,ImageLateralityFinal,ViewPosition,spot_mag,num_roi,"
    "ROI_coords,match_level,anon_dicom_path"
)
CLINICAL = (
    ",empi_anon,acc_anon,side,numfind,massshape,massmargin,massdens,calcfind,otherfind,asses,tissueden,"
    "path_severity"
)

TRUTH = Truth(
    patients=3,
    images=6,
    lesions=6,
    margins=Counter({MarginType.SPICULATED: 2, MarginType.CIRCUMSCRIBED: 1, None: 3}),
    pathology=Counter({Pathology.MALIGNANT: 2, Pathology.BENIGN: 2, None: 2}),
    said=(
        "several margins (indistinct, spiculated)",
        "no finding of that side is a mass",
        "it is not known which belongs to which",
        "has the type 3D",
        "match level 2",
        "1 of the files that EMBED_OpenData_metadata.csv lists are not in the folder",
    ),
)


def build(folder: Path) -> Truth:
    files: list[str] = []

    def file(
        patient: str, exam: str, side: str, view: str, boxes: str, count: int, *, kind: str = "2D", level: int = 1,
        there: bool = True,
    ) -> None:  # fmt: skip
        name = f"1.2.840.{len(files) + 1}.dcm"
        if there:
            path = folder / "images" / "cohort_1" / patient / exam / name
            write_file(path, texture(60 + len(files)), patient=patient, side=side, view=view)
        levels = ", ".join([str(level)] * count)
        path_said = f"/mnt/NAS2/mammo/anon_dicom/cohort_1/{patient}/{exam}/{name}"
        files.append(
            f'{len(files)},{patient},{exam},2013-01-01,{kind},{side},{view},0.0,{count},"{boxes}","[{levels}]",'
            f"{path_said}"
        )

    # a mass on the left, seen twice; the right side of the same examination is another finding, benign
    file("1001", "501", "L", "CC", "((20, 10, 44, 30),)", 1)
    file("1001", "501", "L", "MLO", "((30, 12, 54, 32),)", 1, level=2)
    file("1001", "501", "R", "CC", "((5, 6, 25, 26),)", 1)
    # several margins in one field; a bilateral finding
    file("1002", "502", "R", "CC", "((20, 10, 44, 30),)", 1)
    # its box is of an asymmetry: massshape S, which as massmargin would be spiculated
    file("1002", "503", "L", "CC", "((20, 10, 44, 30),)", 1)
    # two boxes and two findings
    file("1003", "504", "L", "CC", "((10, 10, 20, 20), (40, 30, 60, 50))", 2)
    file("1003", "504", "L", "MLO", "()", 0, kind="3D")
    file("1003", "504", "R", "MLO", "()", 0, there=False)
    findings = (
        # the finding takes two rows of pathology; the worse counts. Identifiers as a spreadsheet writes them
        "0,1001.0,501.0,L,1.0,X,S,+,,,S,3.0,1.0",
        "1,1001.0,501.0,L,1.0,X,S,+,,,S,3.0,4.0",
        "2,1001.0,501.0,R,2.0,O,D,=,,,B,3.0,4.0",
        "3,1002,502,B,1,G,IS,-,,,M,2,2",
        "4,1002,503,L,1,S,,,,,A,2,",
        "5,1003,504,L,1,R,D,0,,,P,1,",
        "6,1003,504,L,2,,,,A,,P,1,",
    )
    tables = folder / "tables"
    tables.mkdir(parents=True)
    (tables / "EMBED_OpenData_metadata.csv").write_text("\n".join((METADATA, *files)) + "\n")
    (tables / "EMBED_OpenData_clinical.csv").write_text("\n".join((CLINICAL, *findings)) + "\n")
    return TRUTH
