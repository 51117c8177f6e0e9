"""Static rules of the safety battery (B-22): no file breaks one, each rule finds what it is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.safety_rules import MAY_WRITE, offences

ROOT = Path(__file__).resolve().parents[2]
FILES = [*sorted((ROOT / "core").rglob("*.py")), *sorted((ROOT / "app").rglob("*.py")), ROOT / "main.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_breaks_a_rule_of_safety(path: Path) -> None:
    assert list(offences(path.read_text("utf-8"), path.relative_to(ROOT).as_posix())) == []


def test_the_files_that_may_write_are_there() -> None:
    assert [name for name in MAY_WRITE if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import pickle", "imports pickle"),
        ("from joblib import load", "imports joblib"),
        ("pickle.load(file)", "calls pickle.load"),
        ("eval(text)", "calls eval"),
        ("exec(text)", "calls exec"),
        ("yaml.load(text)", "calls yaml.load"),
        ("os.system('true')", "calls os.system"),
        ("subprocess.run('true', shell=True)", "through a shell"),
        ("torch.load(path)", "without weights_only=True"),
        ("torch.load(path, weights_only=False)", "without weights_only=True"),
        ("np.load(path, allow_pickle=True)", "pickled arrays"),
        ("np.load(path, allow_pickle=sure)", "pickled arrays"),
        ("torch.hub.load_state_dict_from_url(url)", "weights_only=True"),
        ("open(path, 'w')", "not with atomic_write"),
        ("path.open('ab')", "not with atomic_write"),
        ("path.open(mode='r+b')", "not with atomic_write"),
        ("os.open(path, os.O_CREAT | os.O_RDWR)", "not with atomic_write"),
        ("path.write_text('')", "not with atomic_write"),
        ("path.write_bytes(b'')", "not with atomic_write"),
        ("np.save(path, array)", "not with atomic_write"),
        ("torch.save(state, path)", "not with atomic_write"),
        ("safetensors.torch.save_file(state, path)", "not with atomic_write"),
        ("shutil.copyfile(a, b)", "not with atomic_write"),
        ("os.replace(a, b)", "not with atomic_write"),
        ("h5py.File(path, 'w')", "HDF5 for writing"),
        ("h5py.File(path, mode='a')", "HDF5 for writing"),
        ("h5py.File(path, 'r+')", "HDF5 for writing"),
        ("zipfile.ZipFile(path, 'w')", "writes an archive"),
        ("import socket", "imports socket"),
        ("from urllib.request import urlopen", "imports urllib"),
        ("from PySide6.QtNetwork import QTcpSocket", "imports QtNetwork"),
        ("from PySide6 import QtNetwork", "imports QtNetwork"),
        ("import pynetdicom.sop_class", "imports pynetdicom"),
        ("try:\n    work()\nexcept ValueError:\n    pass", "swallows an error"),
        ("try:\n    work()\nexcept Exception:\n    result = None", "says nothing of it"),
        ("try:\n    work()\nexcept (OSError, BaseException):\n    return_code = 1", "says nothing of it"),
        ("try:\n    work()\nexcept:\n    result = None", "says nothing of it"),
        ("label = QLabel(name)", "guesses at markup"),
        ("view.setHtml(name)", "not made in one place"),
    ],
)
def test_a_rule_finds_what_it_is_for(text: str, words: str) -> None:
    assert [sentence for sentence in offences(text, "app/somewhere.py") if words in sentence]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("torch.load(path, weights_only=True)", "core/a.py"),
        ("np.load(path)", "core/a.py"),
        ("path.open('rb')", "core/a.py"),
        ("Study.open(folder)", "core/a.py"),
        ("h5py.File(buffer, 'w')", "core/a.py"),
        ("np.save(buffer, array)", "core/a.py"),
        ("h5py.File(path, 'r', locking=False)", "core/a.py"),
        ("h5py.File(name, 'w', driver='core', backing_store=False)", "core/a.py"),
        ("import pynetdicom", "core/pacs/server.py"),
        ("try:\n    work()\nexcept Exception as error:\n    tell(error)", "core/a.py"),
        ("try:\n    work()\nexcept BaseException:\n    undo()\n    raise", "core/a.py"),
        ("from pickle import UnpicklingError", "core/a.py"),
        ("re.compile('a')", "core/a.py"),
    ],
)
def test_a_rule_leaves_alone_what_is_right(text: str, where: str) -> None:
    assert list(offences(text, where)) == []
