"""Models on disk: ``model.json`` and the weights file that it names by hash; both are one generation.

The weights are written first, under a name that carries their hash, and the card last: a crash between the two
leaves the previous generation complete. Never a pickle.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import torch

from core.domain.errors import ModelError
from core.domain.messages import message
from core.model.card import SCHEMA, ModelCard
from core.model.network import PrototypeNetwork
from core.model.tensor_file import TensorFileHeader, Tensors, decode, encode, first_not_finite, read_header
from core.platform.atomic import atomic_write, make_folder

CARD_NAME = "model.json"
_WEIGHTS_NAME = re.compile(r"model-[0-9a-f]{16}\.safetensors")
_LARGEST_CARD = 16 << 20
_DTYPES = {"F32": torch.float32, "I64": torch.int64}


class _Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    weights: str
    """Name of the file beside this one."""
    sha256: str
    """Hash of that file."""
    card: ModelCard


class _Version(msgspec.Struct, frozen=True):
    schema: int


class _Versioned(msgspec.Struct, frozen=True):
    card: _Version


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedModel:
    network: PrototypeNetwork
    """In evaluation mode; on the CPU as ``load_model`` gives it."""
    card: ModelCard
    sha256: str
    """Hash of the weights file; printed on every report."""

    def on(self, device: torch.device) -> LoadedModel:
        """The model with its network on this device: for many ROIs; for one the processor is as fast."""
        return replace(self, network=self.network.to(device))


def save_model(folder: Path, network: PrototypeNetwork, card: ModelCard) -> str:
    """Write a model into a folder, replacing the one there in one step; returns the weights' sha256.

    ModelError where a weight is not finite or the card is another network's; StorageFullError on a full disk.
    Either leaves the model that was there.
    """
    tensors = dict(network.state_dict())
    _check_card(network, card)
    bad = first_not_finite(tensors)
    if bad is not None:
        raise ModelError(
            message("The model was not saved: its weights are not finite numbers in {tensors}.", tensors=bad)
        )
    content = encode(tensors)
    sha256 = hashlib.sha256(content).hexdigest()
    name = f"model-{sha256[:16]}.safetensors"
    make_folder(folder)
    atomic_write(folder / name, content)
    manifest = _Manifest(weights=name, sha256=sha256, card=_without_paths(card))
    atomic_write(folder / CARD_NAME, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    for path in folder.iterdir():
        if _WEIGHTS_NAME.fullmatch(path.name) and path.name != name:
            path.unlink(missing_ok=True)
    return sha256


def note_in_card(folder: Path, notes: dict[str, str]) -> None:
    """Add notes to the card of a saved model, whose weights stay as they are; ModelError where there is none."""
    manifest = _read_manifest(folder)
    card = msgspec.structs.replace(manifest.card, notes={**manifest.card.notes, **notes})
    noted = msgspec.structs.replace(manifest, card=card)
    atomic_write(folder / CARD_NAME, msgspec.json.format(msgspec.json.encode(noted), indent=1))


def rename_sources(folder: Path, lesions: set[str], other: Callable[[str], str]) -> None:
    """Give the prototypes of these lesions other ids, and hashes of ROIs that belong to none; weights stay.

    ``other`` returns the id that takes the place of one. Raises: ModelError where there is no model.
    """
    manifest = _read_manifest(folder)
    if not any(one.lesion_id in lesions for one in manifest.card.prototypes):
        return
    prototypes = tuple(
        msgspec.structs.replace(one, lesion_id=other(one.lesion_id), roi_sha256=secrets.token_hex(32))
        if one.lesion_id in lesions
        else one
        for one in manifest.card.prototypes
    )
    card = msgspec.structs.replace(manifest.card, prototypes=prototypes)
    renamed = msgspec.structs.replace(manifest, card=card)
    atomic_write(folder / CARD_NAME, msgspec.json.format(msgspec.json.encode(renamed), indent=1))


def _without_paths(card: ModelCard) -> ModelCard:
    """Replace the path of the pretrained weights by the file's name, so that no path of this machine is
    shared."""
    architecture = card.architecture
    bare = msgspec.structs.replace(
        architecture, weights=architecture.weights.replace("\\", "/").rsplit("/", 1)[-1]
    )
    return msgspec.structs.replace(card, architecture=bare)


def _check_card(network: PrototypeNetwork, card: ModelCard) -> None:
    facts = (card.class_names, card.prototype_class, card.transform.input_size, card.architecture)
    own = (
        network.class_names,
        tuple(network.prototype_class.tolist()),
        network.input_size,
        network.architecture,
    )
    if facts != own or len(card.prototypes) not in (0, len(card.prototype_class)):
        raise ModelError(message("The model was not saved: its card describes a different network."))


def load_model(folder: Path) -> LoadedModel:
    """Read a model that ``save_model`` wrote. Nothing is allocated before the header fits the card.

    ModelError, one sentence: no model, cut short, a pickle, a newer version, another architecture, weights that
    are missing, too many, altered or not finite.
    """
    manifest = _read_manifest(folder)
    if not (folder / manifest.weights).is_file():
        # another process may have replaced the generation between the two reads
        manifest = _read_manifest(folder)
    path = folder / manifest.weights
    header = read_header(path)
    network = _skeleton(folder, manifest.card)
    _check_fit(path, header, network)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != manifest.sha256:
        raise ModelError(
            message(
                "{file} is not the file that {card} was written for: it was altered or mixed up.",
                file=path.name,
                card=CARD_NAME,
            )
        )
    tensors = decode(path.name, content)
    _check_values(path, tensors, manifest.card)
    network.load_state_dict(tensors, assign=True)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return LoadedModel(network=network.eval(), card=manifest.card, sha256=manifest.sha256)


def _read_manifest(folder: Path) -> _Manifest:
    if folder.is_file():
        raise ModelError(
            message(
                "{folder} is a file: give the folder of a model saved by this program. Pickles (.pt, .pth) are "
                "not opened, because they could run code.",
                folder=folder.name,
            )
        )
    path = folder / CARD_NAME
    if not path.is_file():
        raise ModelError(
            message("There is no model in {folder}: {card} is missing.", folder=folder, card=CARD_NAME)
        )
    if path.stat().st_size > _LARGEST_CARD:
        raise ModelError(message("{path} is too large for the card of a model and was not opened.", path=path))
    content = path.read_bytes()
    try:
        schema = msgspec.json.decode(content, type=_Versioned).card.schema
        if schema > SCHEMA:
            raise ModelError(
                message(
                    "The model in {folder} was saved by a newer version of the program (layout {layout}, this one "
                    "reads up to {known}): update the program.",
                    folder=folder,
                    layout=schema,
                    known=SCHEMA,
                )
            )
        manifest = msgspec.json.decode(content, type=_Manifest)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ModelError(
            message("{path} is not the card of a model: {error}.", path=path, error=_first_line(error))
        ) from error
    if not _WEIGHTS_NAME.fullmatch(manifest.weights):
        raise ModelError(message("{path} names a weights file that is not beside it.", path=path))
    return manifest


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:200]


def _skeleton(folder: Path, card: ModelCard) -> PrototypeNetwork:
    """Return the network that the card describes, without memory for its weights."""
    if len(card.prototypes) not in (0, len(card.prototype_class)):
        raise ModelError(
            message(
                "The card of the model in {folder} lists a different number of prototypes than it states.",
                folder=folder,
            )
        )
    bare = msgspec.structs.replace(card.architecture, weights="random")
    try:
        with torch.device("meta"):
            network = PrototypeNetwork(
                bare,
                class_names=card.class_names,
                prototype_class=card.prototype_class,
                input_size=card.transform.input_size,
            )
    except ModelError as error:
        raise ModelError(
            message("The card of the model in {folder} describes no network. {error}", folder=folder, error=error)
        ) from error
    network.architecture = card.architecture
    return network


def _check_fit(path: Path, header: TensorFileHeader, network: PrototypeNetwork) -> None:
    wanted = network.state_dict()
    missing = sorted(wanted.keys() - header.entries.keys())
    extra = sorted(header.entries.keys() - wanted.keys())
    if missing or extra:
        what = (
            message("lacks {tensor}", tensor=missing[0])
            if missing
            else message("holds {tensor}, which the network has no place for", tensor=extra[0][:80])
        )
        raise ModelError(
            message(
                "{file} does not have the architecture that its card describes: it {what}.",
                file=path.name,
                what=what,
            )
        )
    for name, tensor in wanted.items():
        entry = header.entries[name]
        if entry.shape != tuple(tensor.shape) or _DTYPES.get(entry.dtype) != tensor.dtype:
            raise ModelError(
                message(
                    "{file} does not have the architecture that its card describes: {name} is {dtype} "
                    "{shape} instead of {expected}.",
                    file=path.name,
                    name=name,
                    dtype=entry.dtype,
                    shape=list(entry.shape),
                    expected=list(tensor.shape),
                )
            )


def _check_values(path: Path, tensors: Tensors, card: ModelCard) -> None:
    bad = first_not_finite(tensors)
    if bad is not None:
        raise ModelError(
            message(
                "{file} holds weights that are not finite numbers ({tensors}): use an earlier model.",
                file=path.name,
                tensors=bad,
            )
        )
    if tuple(tensors["prototype_class"].tolist()) != card.prototype_class:
        raise ModelError(
            message("{file} assigns its prototypes to different classes than its card.", file=path.name)
        )
