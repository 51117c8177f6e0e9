"""Files of tensors (safetensors): checked from the header before allocating, written whole or not at all."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import msgspec
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from core.domain.errors import ModelError
from core.domain.messages import message
from core.platform.atomic import atomic_write

Tensors = dict[str, Tensor]

_LARGEST_HEADER = 64 << 20
_ITEM_BYTES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "I16": 2,
    "F16": 2,
    "BF16": 2,
    "I32": 4,
    "F32": 4,
    "I64": 8,
    "F64": 8,
}


class TensorEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tensor as the header declares it."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


class TensorFileHeader(msgspec.Struct, frozen=True, kw_only=True):
    entries: dict[str, TensorEntry]
    metadata: dict[str, str]


def encode(tensors: Tensors, metadata: dict[str, str] | None = None) -> bytes:
    """Return the bytes of a safetensors file; tensors from any device, of any layout."""
    return safetensors.torch.save({name: _plain(value) for name, value in tensors.items()}, metadata)


def _plain(value: Tensor) -> Tensor:
    """Return the tensor contiguous, on the CPU, in memory of its own."""
    value = value.detach().to("cpu").contiguous()
    whole = value.untyped_storage().nbytes() == value.numel() * value.element_size()
    return value if whole else value.clone()


def read_header(path: Path) -> TensorFileHeader:
    """Return the header of a safetensors file, checked against the size of the file. Allocates the header
    only.

    ModelError, one sentence, for a pickle, a file cut short, a header that declares more than the file holds.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = int.from_bytes(start, "little")
            _refuse_pickle(path, start)
            if len(start) < 8 or length > size - 8:
                raise ModelError(message("{file} was cut short: copy or download it again.", file=path.name))
            if length > _LARGEST_HEADER:
                raise ModelError(
                    message(
                        "{file} declares a header of {length} bytes and was not opened.",
                        file=path.name,
                        length=length,
                    )
                )
            raw = file.read(length)
    except OSError as error:
        raise ModelError(
            message(
                "{file} cannot be read ({reason}): check the folder {folder}.",
                file=path.name,
                reason=error.strerror,
                folder=path.parent,
            )
        ) from error
    header = _parse(path, raw)
    _check_extent(path, header, size - 8 - length)
    return header


def _refuse_pickle(path: Path, start: bytes) -> None:
    # a pickle begins with its protocol, a torch archive with PK; as a header length either would be absurd
    if start[:1] == b"\x80" and start[2:3] in b"}(]c\x8a\x95X" and start[3:8] != b"\0\0\0\0\0":
        kind = message("a pickle")
    elif start[:4] == b"PK\x03\x04":
        kind = message("a zip archive of pickles")
    else:
        return
    raise ModelError(
        message(
            "{file} is {kind}, which could run code when opened, and was not: models are read from safetensors.",
            file=path.name,
            kind=kind,
        )
    )


def _parse(path: Path, raw: bytes) -> TensorFileHeader:
    try:
        parts = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        described = parts.pop("__metadata__", None)
        metadata = {} if described is None else msgspec.json.decode(described, type=dict[str, str])
        entries = {name: msgspec.json.decode(part, type=TensorEntry) for name, part in parts.items()}
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ModelError(
            message("{file} is not a file of tensors: its header cannot be read.", file=path.name)
        ) from error
    return TensorFileHeader(entries=entries, metadata=metadata)


def _check_extent(path: Path, header: TensorFileHeader, data_bytes: int) -> None:
    """Check that every tensor's place follows from its shape and that together they fill the file exactly."""
    at = 0
    for name, entry in sorted(header.entries.items(), key=lambda item: item[1].data_offsets):
        item = _ITEM_BYTES.get(entry.dtype)
        if item is None or any(n < 0 for n in entry.shape):
            raise ModelError(
                message(
                    "{file} holds a tensor of a kind that is not used here ({dtype}).",
                    file=path.name,
                    dtype=entry.dtype[:16],
                )
            )
        begin, end = entry.data_offsets
        if begin != at or end - begin != math.prod(entry.shape) * item:
            raise ModelError(
                message(
                    "{file} is damaged: tensor {name} is not at the position that its shape requires.",
                    file=path.name,
                    name=name[:80],
                )
            )
        at = end
    if at != data_bytes:
        what = (
            message("was cut short: copy or download it again")
            if at > data_bytes
            else message("holds more than its tensors")
        )
        raise ModelError(message("{file} {what}.", file=path.name, what=what))


def decode(name: str, content: bytes) -> Tensors:
    """Return the tensors in the bytes of a file whose header was checked."""
    try:
        return safetensors.torch.load(content)
    except SafetensorError as error:
        raise ModelError(
            message("{name} is not a complete file of tensors: copy or download it again.", name=name)
        ) from error


def first_not_finite(tensors: Tensors) -> str | None:
    """Name of a tensor that holds NaN or infinity, or None."""
    for name, value in tensors.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            return name
    return None


def save_state(path: Path, tensors: Tensors, meta: dict[str, Any]) -> None:
    """Write tensors (weights, optimiser moments, random states) and JSON data as one file, atomically.

    ``meta`` holds what JSON can. The file carries the hash of its content. StorageFullError on a full disk.
    """
    plain = {name: _plain(value) for name, value in tensors.items()}
    described = msgspec.json.encode(meta)
    stamp = msgspec.json.encode({"sha256": _content_hash(plain, described), "meta": msgspec.Raw(described)})
    # one key only: the order in which several would be written is not fixed
    atomic_write(path, safetensors.torch.save(plain, {"state": stamp.decode()}))


def load_state(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Load what ``save_state`` wrote, on the CPU.

    Raises: ModelError if the file is missing, cut short or altered.
    """
    header = read_header(path)
    try:
        stamp = msgspec.json.decode(header.metadata["state"], type=dict[str, msgspec.Raw])
        described, sha256 = bytes(stamp["meta"]), msgspec.json.decode(stamp["sha256"], type=str)
        meta = msgspec.json.decode(described, type=dict[str, Any])
    except (KeyError, msgspec.MsgspecError) as error:
        raise ModelError(message("{file} is not a saved state of a training.", file=path.name)) from error
    tensors = decode(path.name, path.read_bytes())
    if _content_hash(tensors, described) != sha256:
        raise ModelError(message("{file} was altered after it was saved: use an earlier state.", file=path.name))
    return tensors, meta


def _content_hash(tensors: Tensors, described: bytes) -> str:
    digest = hashlib.sha256(described)
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name}|{value.dtype}|{tuple(value.shape)}|".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
