"""A real PACS: Debian's Orthanc with its DICOMweb plugin."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from tests.pacs.server import AE_TITLE, PASSWORD, USER, PacsServer

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


def orthanc_program() -> str | None:
    """Return its path; None if Debian's packages orthanc and orthanc-dicomweb are missing, or not to be used."""
    if os.environ.get("MARGINALIA_TEST_PACS") == "local":
        return None
    found = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
    return found if found is not None and PLUGIN.is_file() else None


class Orthanc(PacsServer):
    def command(self) -> list[str]:
        program = orthanc_program()
        assert program is not None
        file = self.folder / "orthanc.json"
        file.write_text(json.dumps(self._configuration()))
        return [program, str(file)]

    def _configuration(self) -> dict[str, object]:
        storage = self.folder / "storage"
        always = {f"DicomAlwaysAllow{one}": False for one in ("Echo", "Find", "Get", "Move", "Store")}
        tls: dict[str, object] = {}
        if self.tls is not None:
            tls = {
                "DicomTlsEnabled": True,
                "DicomTlsCertificate": str(self.tls / "server.pem"),
                "DicomTlsPrivateKey": str(self.tls / "server.key"),
                "DicomTlsTrustedCertificates": str(self.tls / "ca.pem"),
            }
        us = {
            "AET": "MARGINALIA",
            "Host": "127.0.0.1",
            "Port": self.receive_port,
            "UseDicomTls": self.tls is not None,
        }
        return (
            always
            | tls
            | {
                "Name": "test",
                "StorageDirectory": str(storage),
                "IndexDirectory": str(storage),
                "HttpPort": self.http_port,
                "DicomPort": self.dicom_port,
                "DicomAet": AE_TITLE,
                "DicomCheckCalledAet": True,
                "DicomScuTimeout": self.patience_s,
                "DicomModalities": {"us": us},
                "RemoteAccessAllowed": False,
                "AuthenticationEnabled": True,
                "RegisteredUsers": {USER: PASSWORD},
                "DefaultEncoding": "Utf8",
                "HttpThreadsCount": 4,
                "Plugins": [str(PLUGIN)],
                "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            }
        )
