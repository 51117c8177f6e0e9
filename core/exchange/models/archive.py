"""The file that carries a model to another study: a zip of stored members with a manifest of their hashes.

Which members there may be is fixed. Nothing is written before every name, size and kind was checked, and nothing
is used before its hash was: see ``core.store.archive``, whose rules these are.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path

import msgspec

from core.domain.errors import BadFileError, StudyError
from core.domain.messages import Sentence, message
from core.domain.vocabulary import DISCLAIMER
from core.model.card import CONTENTS, PICTURES
from core.platform.atomic import atomic_write
from core.store.archive import MANIFEST, ArchiveMember, check_members
from core.store.restore import ZIP_ERRORS

SUFFIX = ".marginalia-model"
CARD, CONFIG, METRICS, README = (
    "model.json",
    "config.json",
    "metrics.json",
    "README.txt",
)
FORMAT = 1
_NAME = re.compile(
    rf"model\.json|contents\.json|config\.json|metrics\.json|README\.txt|model-[0-9a-f]{{16}}\.safetensors"
    rf"|{PICTURES}/prototype-[0-9]{{1,4}}\.png"
)
_NEEDED = {CARD, CONTENTS, CONFIG, METRICS, README}
_LARGEST = 4 << 30


class ModelManifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: int
    disclaimer: str = DISCLAIMER
    files: dict[str, ArchiveMember]


def allowed(name: str) -> bool:
    """Return True if a member of this name may be in the file."""
    return _NAME.fullmatch(name) is not None


def write_model_archive(path: Path, files: dict[str, bytes]) -> None:
    """Write these members; StudyError where ``path`` exists. ValueError for a name that is not on the list."""
    if path.exists():
        raise StudyError(message("{path} exists already; choose another name for the model.", path=path))
    if not files.keys() >= _NEEDED or not all(map(allowed, files)):
        raise ValueError("not the members of a shared model")
    members = {
        name: ArchiveMember(size=len(content), sha256=hashlib.sha256(content).hexdigest())
        for name, content in files.items()
    }
    manifest = ModelManifest(format=FORMAT, files=members)

    def write(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for name, content in files.items():
                archive.writestr(zipfile.ZipInfo(name), content)
            archive.writestr(zipfile.ZipInfo(MANIFEST), msgspec.json.encode(manifest))

    atomic_write(path, write)


def read_model_archive(path: Path) -> dict[str, bytes]:
    """Every member, checked against the manifest; BadFileError for any file that is not one of these.

    Members are stored and not larger than the file together, so that nothing unpacks to more than it weighs.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise BadFileError(
                message("{file} is too large for a shared model and was not opened.", file=path.name)
            )
        with zipfile.ZipFile(path) as archive:
            names = check_members(archive, path, allowed, what="shared model")
            if not {MANIFEST, *_NEEDED} <= names:
                raise _refusal(path, message("it lacks a part"))
            manifest = msgspec.json.decode(archive.read(MANIFEST), type=ModelManifest)
            if manifest.format > FORMAT:
                raise BadFileError(
                    message(
                        "{file} was made by a newer version of Marginalia; open it with that one.", file=path.name
                    )
                )
            if names - {MANIFEST} != manifest.files.keys():
                raise _refusal(path, message("its files are not those of its manifest"))
            return {name: _content(archive, path, name, member) for name, member in manifest.files.items()}
    except FileNotFoundError as error:
        raise BadFileError(message("There is no file {path}.", path=path)) from error
    except OSError as error:
        raise BadFileError(
            message("{file} cannot be read ({reason}).", file=path.name, reason=error.strerror)
        ) from error
    except (*ZIP_ERRORS, msgspec.MsgspecError, RecursionError) as error:
        raise BadFileError(message("{file} is not a Marginalia model, or is damaged.", file=path.name)) from error


def _content(archive: zipfile.ZipFile, path: Path, name: str, member: ArchiveMember) -> bytes:
    content = archive.read(name)
    if len(content) != member.size or hashlib.sha256(content).hexdigest() != member.sha256:
        raise _refusal(path, message("{name} is not what was written", name=name))
    return content


def _refusal(path: Path, why: Sentence) -> BadFileError:
    return BadFileError(
        message(
            "{file} is not a shared model that this program made, or was changed: {why}.", file=path.name, why=why
        )
    )
