"""The server of a study must prove its name with a certificate; without that nothing is sent to it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.domain.errors import ServerLostError, StudyError
from core.store.study import Study
from tests.core.store.helpers import add_case, drawing
from tests.database_server import DatabaseServer, database_server

pytestmark = pytest.mark.postgresql
NAME = "localhost"


def _openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def _authority(folder: Path) -> Path:
    """A certificate authority of the tests' own; its certificate."""
    folder.mkdir()
    new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={folder.name}")
    _openssl(folder, *new, "-keyout", "ca.key", "-out", "ca.crt")
    return folder / "ca.crt"


def _certify(authority: Path, folder: Path) -> None:
    """The server's certificate, for its name alone and not for its number."""
    (authority.parent / "more").write_text(f"subjectAltName=DNS:{NAME}")
    request = ("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={NAME}", "-keyout", "s.key", "-out", "s.csr")
    _openssl(authority.parent, *request)
    signing = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "more")
    _openssl(authority.parent, "x509", "-req", "-in", "s.csr", *signing, "-out", "s.crt")
    owner = folder.stat()
    for name in ("s.key", "s.crt"):
        shutil.copy(authority.parent / name, folder / name)
        os.chown(folder / name, owner.st_uid, owner.st_gid)
        (folder / name).chmod(0o600)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DatabaseServer, Path]]:
    """A server that offers TLS, and the certificate of who signed its own."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    authority = _authority(tmp_path_factory.mktemp("tls") / "authority")
    with database_server(settings=("fsync=off",)) as server:
        _certify(authority, server.folder)
        server.stop()
        names = (f"ssl_cert_file={server.folder}/s.crt", f"ssl_key_file={server.folder}/s.key")
        server.settings = (*server.settings, "ssl=on", *names)
        server.start()
        yield server, authority


def _address(server: DatabaseServer, host: str, tls: str = "") -> str:
    return f"postgresql://owner@{host}:{server.port}/postgres" + (f"?tls={tls}" if tls else "")


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARGINALIA_STATE", str(tmp_path / "state"))


def test_a_study_is_made_and_opened_over_a_verified_connection(
    tls: tuple[DatabaseServer, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, authority = tls
    monkeypatch.setenv("PGSSLROOTCERT", str(authority))
    Study.create(tmp_path / "s", name="s", server=_address(server, NAME)).close()
    with Study.open(tmp_path / "s") as study:
        add_case(study, 1)
        reader = study.readers.ensure("Dr A")
        assert study.annotations.commit("l1", reader.id, drawing(1)).revision == 1
        rows = server.run_sql(
            "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
            "WHERE application_name LIKE 'marginalia%'"
        )
        assert rows and all(encrypted for (encrypted,) in rows)


@pytest.mark.parametrize("trusted", ["the authority", "another authority", "those of the system"])
def test_a_server_that_does_not_prove_its_name_is_refused_with_one_sentence(
    tls: tuple[DatabaseServer, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: str
) -> None:
    server, authority = tls
    host = NAME
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    if trusted == "the authority":
        # the certificate is good, and for another name
        monkeypatch.setenv("PGSSLROOTCERT", str(authority))
        host = "127.0.0.1"
    elif trusted == "another authority":
        monkeypatch.setenv("PGSSLROOTCERT", str(_authority(tmp_path / "other")))
    with pytest.raises(StudyError, match="did not prove that it is the right one") as refused:
        Study.create(tmp_path / "s", name="s", server=_address(server, host))
    assert not isinstance(refused.value, ServerLostError) and "\n" not in str(refused.value)
    assert not (tmp_path / "s").exists()
    if trusted == "the authority":  # the owner of the study may say that the name does not count
        Study.create(tmp_path / "s", name="s", server=_address(server, host, "verify-ca")).close()


def test_a_server_without_tls_is_refused_unless_the_address_says_so(
    shared_server: DatabaseServer, tmp_path: Path
) -> None:
    with pytest.raises(StudyError, match="did not prove that it is the right one"):
        Study.create(tmp_path / "s", name="s", server=_address(shared_server, "127.0.0.1"))
    Study.create(tmp_path / "s", name="s", server=_address(shared_server, "127.0.0.1", "off")).close()
