"""Import of a published file of weights into the cache, converted to this program's trunks and checked.

Known: torchvision's published files (by the hash in their names), EfficientNet-Lite0's published file (by its
hash) and Oxford's VGG-16 in Keras' layout (.h5, .npz), as ONNX or as a state dictionary (by probe values).
Oxford's weights expect blue, green and red from 0 to 255 less a mean; the first layer is rewritten for this
program's input.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.domain.errors import WeightsUnavailableError
from core.domain.messages import message
from core.model.backbones import BACKBONES, backbone_entry
from core.model.normalisation import CAFFE_MEAN, IMAGENET
from core.model.weights import (
    Tensors,
    as_trunk_tensors,
    from_cache,
    keep,
    published_name,
    read_weights,
    weights_at_hand,
)
from core.model.weights_places import INSTALL, PACKAGED, weights_cache

OXFORD_PROBES = {(0, (0, 0, 0, 0)): 0.42947057, (12, (400, 0, 0, 2)): -0.008714244}
"""(convolution, index into its weight (out, in, row, column), blue first) to the value in Oxford's VGG-16."""
_OXFORD_SHAPES = tuple(
    (after, before, 3, 3)
    for before, after in (
        (3, 64),
        (64, 64),
        (64, 128),
        (128, 128),
        (128, 256),
        (256, 256),
        (256, 256),
        (256, 512),
        (512, 512),
        (512, 512),
        (512, 512),
        (512, 512),
        (512, 512),
    )
)
_VGG16_LAYERS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
_LARGEST = 2 << 30


@dataclass(frozen=True, kw_only=True)
class ImportedWeights:
    """A file of weights that was converted into the cache."""

    network: str
    source: str
    """Format that the file was recognised as, in words."""
    path: Path
    """The converted file."""


@dataclass(frozen=True, kw_only=True)
class WeightsStatus:
    """Where the ImageNet weights of one network are."""

    network: str
    at_hand: bool
    licence: str
    normalisation: str
    remedy: str
    """Command or package that provides them if they are missing."""


def weights_status() -> list[WeightsStatus]:
    """Return one row for each network of the registry that has published weights."""
    rows = []
    for network in networks():
        entry = backbone_entry(network)
        packaged = PACKAGED.get(network)
        remedy = INSTALL if packaged else f"marginalia weights import {published_name(network)}"
        rows.append(
            WeightsStatus(
                network=network,
                at_hand=weights_at_hand(network),
                licence=entry.licence,
                normalisation=entry.normalisation.name,
                remedy=remedy,
            )
        )
    return rows


def networks() -> tuple[str, ...]:
    """Return the names of the networks with published weights, each once."""
    return tuple(dict.fromkeys(e.weights_of for e in map(backbone_entry, BACKBONES) if e.weights_of))


def import_weights(path: Path) -> ImportedWeights:
    """Recognise, check and convert a file of weights; the result is in the cache.

    Raises: WeightsUnavailableError, one sentence, for a file that is missing, damaged, not known or another
    network's.
    """
    if not path.is_file():
        raise WeightsUnavailableError(
            message("There is no file {path}: give the path of a file of weights.", path=path)
        )
    if path.stat().st_size > _LARGEST:
        raise WeightsUnavailableError(
            message("{file} is larger than any file of weights that this program knows.", file=path.name)
        )
    network, source, stem, tensors = _recognised(path)
    _check_finite(tensors, path.name)
    keep(weights_cache(), stem, tensors)
    if from_cache(weights_cache(), stem) is None:
        raise WeightsUnavailableError(
            message(
                "The converted weights could not be written to {folder}: free some space and import again.",
                folder=weights_cache(),
            )
        )
    (kept, *_) = sorted(weights_cache().glob(f"{stem}-*.safetensors"))
    return ImportedWeights(network=network, source=source, path=kept)


def _recognised(path: Path) -> tuple[str, str, str, Tensors]:
    """Return network, description, stem in the cache, and converted tensors."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    for network, packaged in PACKAGED.items():
        if sha256 == packaged.sha256:
            tensors = as_trunk_tensors(read_weights(path), path.name)
            return network, f"the published file of {packaged.package}", Path(packaged.file).stem, tensors
    for network in networks():
        if network not in PACKAGED and sha256.startswith(_hash_of(published_name(network))):
            name = published_name(network)
            return network, f"torchvision's published file {name}", Path(name).stem, read_weights(path)
    oxford = _oxford_weights(path)
    if oxford is not None:
        stem = Path(published_name("vgg16")).stem
        return "vgg16", "Oxford's VGG-16, converted to this program's input", stem, _for_our_input(oxford)
    raise WeightsUnavailableError(
        message(
            "{file} is not a published file that this program knows (its hash begins with {sha256}), "
            "so the normalisation of its input is unknown: import a file that "
            "`marginalia weights list` names, or set architecture.weights to the path of weights trained on this "
            "program's input.",
            file=path.name,
            sha256=sha256[:12],
        )
    )


def _hash_of(name: str) -> str:
    found = re.search(r"-([0-9a-f]{8,64})\.pth$", name)
    return found[1] if found else "unknown"


@dataclass(frozen=True, kw_only=True)
class _Oxford:
    """The 13 convolutions, weights (out, in, 3, 3) with blue first."""

    weights: tuple[NDArray[np.float32], ...]
    biases: tuple[NDArray[np.float32], ...]


def _oxford_weights(path: Path) -> _Oxford | None:
    """Return Oxford's VGG-16 in any of the layouts that it is passed on in; None for anything else."""
    arrays = _arrays_of(path)
    if arrays is None:
        return None
    kernels = [value for value in arrays if value.ndim == 4]
    biases = [value for value in arrays if value.ndim == 1][: len(_OXFORD_SHAPES)]
    ordered = [_as_oihw(kernel, shape) for kernel, shape in zip(kernels, _OXFORD_SHAPES, strict=False)]
    if len(ordered) != len(_OXFORD_SHAPES) or any(kernel is None for kernel in ordered):
        return None
    weights = [kernel for kernel in ordered if kernel is not None]
    if any(bias.shape != (len(kernel),) for bias, kernel in zip(biases, weights, strict=True)):
        return None
    if abs(weights[0][0, 2, 0, 0] - OXFORD_PROBES[0, (0, 0, 0, 0)]) < 1e-6:
        weights[0] = weights[0][:, ::-1]
    if any(abs(weights[layer][index] - value) > 1e-6 for (layer, index), value in OXFORD_PROBES.items()):
        return None
    return _Oxford(weights=tuple(weights), biases=tuple(biases))


def _as_oihw(kernel: NDArray[np.float32], shape: tuple[int, int, int, int]) -> NDArray[np.float32] | None:
    """Return a kernel in torch's order of axes from torch's or Keras' (row, column, in, out)."""
    if kernel.shape == shape:
        return kernel
    turned = kernel.transpose(3, 2, 0, 1)
    return turned if turned.shape == shape else None


def _arrays_of(path: Path) -> list[NDArray[np.float32]] | None:
    """Return every kernel and bias of the file in the order of its layers; None for a kind of file that is not
    read."""
    if path.suffix in (".pth", ".pt", ".safetensors"):
        tensors = read_weights(path)
        return [tensors[key].float().numpy() for key in sorted(tensors, key=_natural)]
    if path.suffix == ".npz":
        return _from_npz(path)
    if path.suffix in (".h5", ".hdf5"):
        return _from_keras(path)
    if path.suffix == ".onnx":
        return _from_onnx(path)
    return None


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key in which layer 10 comes after layer 2."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _from_npz(path: Path) -> list[NDArray[np.float32]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return [np.asarray(archive[key], np.float32) for key in sorted(archive.files, key=_natural)]
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise WeightsUnavailableError(
            message("{file} is not a complete archive of arrays: download it again.", file=path.name)
        ) from error


def _from_keras(path: Path) -> list[NDArray[np.float32]]:
    import h5py

    found: dict[str, NDArray[np.float32]] = {}
    try:
        with h5py.File(path, "r", locking=False) as file:
            _collect(file, "", found)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise WeightsUnavailableError(
            message("{file} is not a complete HDF5 file: download it again.", file=path.name)
        ) from error
    return [found[name] for name in sorted(found, key=_natural)]


def _collect(group: Any, prefix: str, found: dict[str, NDArray[np.float32]]) -> None:
    """Collect the kernels and biases below a group.

    Raises: ValueError for a link or an array that lies in another file.
    """
    import h5py

    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError("a link to another place")
        item = group[name]
        if isinstance(item, h5py.Group):
            _collect(item, f"{prefix}{name}/", found)
        elif item.external or item.is_virtual or item.nbytes > _LARGEST:
            raise ValueError("an array of another file, or too large a one")
        elif item.ndim in (1, 4) and item.dtype.kind == "f":
            found[prefix + name] = np.asarray(item[()], np.float32)


def _from_onnx(path: Path) -> list[NDArray[np.float32]]:
    """Return weights and biases of the convolutions, in the order of the graph."""
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise WeightsUnavailableError(
            message(
                "{file} is an ONNX file, which needs a package that is not installed: run "
                "`pip install 'marginalia[onnx]'`.",
                file=path.name,
            )
        ) from error
    try:
        graph = onnx.load(path).graph
    except Exception as error:  # protobuf's own class is not part of its interface
        raise WeightsUnavailableError(
            message("{file} is not a complete ONNX file: download it again.", file=path.name)
        ) from error
    known = {item.name: item for item in graph.initializer}
    return [
        np.asarray(numpy_helper.to_array(known[name]), np.float32)
        for node in graph.node
        if node.op_type == "Conv"
        for name in node.input[1:]
        if name in known
    ]


def _for_our_input(oxford: _Oxford) -> Tensors:
    """Return tensors in torchvision's naming that compute the same from this program's input, but for the zero
    padding's 0.005 grey levels."""
    tensors: Tensors = {}
    for layer, weight, bias in zip(_VGG16_LAYERS, oxford.weights, oxford.biases, strict=True):
        weight, bias = weight.astype(np.float64), bias.astype(np.float64)
        if layer == 0:
            weight = weight[:, ::-1]
            mean, std = np.array(IMAGENET.mean), np.array(IMAGENET.std)
            shift = 255 * mean - np.array(CAFFE_MEAN[::-1])
            bias = bias + np.einsum("oihw,i->o", weight, shift)
            weight = weight * (255 * std)[None, :, None, None]
        tensors[f"{layer}.weight"] = torch.from_numpy(np.ascontiguousarray(weight, np.float32))
        tensors[f"{layer}.bias"] = torch.from_numpy(np.ascontiguousarray(bias, np.float32))
    return tensors


def _check_finite(tensors: Mapping[str, torch.Tensor], name: str) -> None:
    for key, value in tensors.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise WeightsUnavailableError(
                message(
                    "{name} holds weights that are not finite numbers in {key}: download it again.",
                    name=name,
                    key=key,
                )
            )
