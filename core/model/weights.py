"""Pretrained weights of a trunk: ImageNet's or a local file's. Hash checked, no pickled code, kept as safetensors.

Order for ImageNet: the converted file in the cache, the published file put there by hand, an installed package
that carries it, a download.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import tempfile
from pathlib import Path
from pickle import UnpicklingError

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from core.domain.errors import StorageFullError, WeightsUnavailableError
from core.domain.messages import message
from core.model.efficientnet_lite import fold_published
from core.model.weights_places import (
    LITE0,
    PACKAGED,
    PackagedWeights,
    in_cache,
    missing_weights,
    packaged_at_hand,
    weights_cache,
)
from core.platform.atomic import atomic_write, make_folder

Tensors = dict[str, Tensor]

OXFORD_FIRST_WEIGHT = 0.42947057
"""Weight of conv1_1's first filter for blue, at the top left, in the VGG-16 of its authors."""

_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.[a-z]+$")
_DENSENET_OLD = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..+)$")


def load_trunk(trunk: nn.Module, name: str, weights: str) -> None:
    """Fill a trunk of the registry with pretrained weights.

    ``name`` is the network whose weights these are. ``weights``: ``imagenet``, or the path of a .safetensors, .pth
    or .pt file in torchvision's naming (or EfficientNet-Lite0's published file). Tensors of a classifier are
    ignored.

    Raises: WeightsUnavailableError, one sentence, where the weights cannot be had, do not fit, or expect another
    normalisation of the input.
    """
    if weights == "imagenet":
        tensors, source = imagenet_tensors(name), f"the ImageNet weights of {name}"
    else:
        path = Path(weights)
        tensors, source = as_trunk_tensors(read_weights(path), path.name), path.name
    _fill(trunk, tensors, name, source)


def imagenet_tensors(name: str) -> Tensors:
    """Return published ImageNet weights of this network: from the cache, an installed package, or downloaded.

    Raises: WeightsUnavailableError where they are not on this computer and cannot be fetched.
    """
    packaged = PACKAGED.get(name)
    published = packaged.file if packaged else published_name(name)
    folder = weights_cache()
    cached = from_cache(folder, Path(published).stem)
    if cached is not None:
        return cached
    by_hand = folder / published
    if by_hand.is_file():
        tensors = as_trunk_tensors(read_weights(by_hand), published)
    elif packaged:
        tensors = _from_package(name, packaged)
    else:
        tensors = _download(_published_url(name), folder / published)
    keep(folder, Path(published).stem, tensors)
    return tensors


def weights_at_hand(name: str) -> bool:
    """Return True if ImageNet weights of this network are on this computer, so that nothing must be fetched."""
    return packaged_at_hand(name) if name in PACKAGED else in_cache(published_name(name))


def _from_package(name: str, packaged: PackagedWeights) -> Tensors:
    path = packaged.installed()
    if path is None:
        raise WeightsUnavailableError(missing_weights(name, "imagenet"))
    content = read_weights(path)
    if hashlib.sha256(path.read_bytes()).hexdigest() != packaged.sha256:
        raise WeightsUnavailableError(
            message(
                "{file} in the package {package} is not the published file: install the package again.",
                file=path.name,
                package=packaged.package,
            )
        )
    return as_trunk_tensors(content, path.name)


def as_trunk_tensors(tensors: Tensors, source: str) -> Tensors:
    """Return tensors in the naming of this program's trunks, for the formats that need no choice.

    Raises: WeightsUnavailableError for weights that expect another normalisation of the input.
    """
    if "_conv_stem.weight" in tensors:
        try:
            return fold_published(tensors)
        except KeyError as error:
            raise WeightsUnavailableError(
                message(
                    "The weights in {source} are not those of {backbone}: the file lacks {tensor}; choose the "
                    "file or the backbone to match.",
                    source=source,
                    backbone=LITE0,
                    tensor=error.args[0],
                )
            ) from error
    if is_oxford(tensors):
        raise WeightsUnavailableError(
            message(
                "{source} holds Oxford's VGG-16, which expects another normalisation of its input (values from 0 "
                "to 255 less a mean): convert it with `marginalia weights import {source}` and choose weights = "
                "imagenet.",
                source=source,
            )
        )
    return tensors


def is_oxford(tensors: Tensors) -> bool:
    """Return true for the VGG-16 of its authors (Caffe), in either order of the colours, known by a weight."""
    first = next((tensors[key] for key in ("features.0.weight", "0.weight") if key in tensors), None)
    if first is None or first.shape != (64, 3, 3, 3):
        return False
    return bool((first[0, :, 0, 0].float() - OXFORD_FIRST_WEIGHT).abs().min() < 1e-6)


def read_weights(path: Path) -> Tensors:
    """Return the tensors of a local file; where its name ends in a hash (``vgg16-397923af.pth``), the hash is
    checked.

    WeightsUnavailableError for a missing, truncated or altered file and for a pickle with code in it.
    """
    if not path.is_file():
        raise WeightsUnavailableError(
            message(
                "There is no file of weights {path}: give the path of a .safetensors or .pth file, or 'random'.",
                path=path,
            )
        )
    content = path.read_bytes()
    named = _HASH_IN_NAME.search(path.name)
    if named and not hashlib.sha256(content).hexdigest().startswith(named[1]):
        raise WeightsUnavailableError(
            message(
                "{file} does not have the hash in its name: it was cut short or altered; download it again.",
                file=path.name,
            )
        )
    if path.suffix == ".safetensors":
        try:
            return safetensors.torch.load(content)
        except SafetensorError as error:
            raise WeightsUnavailableError(
                message(
                    "{file} is not a complete safetensors file: it was cut short or altered; download it again.",
                    file=path.name,
                )
            ) from error
    return _read_pickle(path)


def _read_pickle(path: Path) -> Tensors:
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise WeightsUnavailableError(
            message(
                "{file} is a pickle that holds more than tensors, or none at all, and was not opened: use a "
                "file of plain weights (.safetensors, or a .pth with a state dictionary).",
                file=path.name,
            )
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise WeightsUnavailableError(
            message(
                "{file} cannot be read as a file of weights: it was cut short or is of another kind.",
                file=path.name,
            )
        ) from error
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise WeightsUnavailableError(
            message(
                "{file} holds something other than a dictionary of tensors: save the state dictionary alone.",
                file=path.name,
            )
        )
    return {str(key): value for key, value in loaded.items()}


def _fill(trunk: nn.Module, tensors: Tensors, name: str, source: str) -> None:
    """Copy by name; every tensor of the trunk must be there, but for counters old files do not have."""
    renamed = {_trunk_name(key): value for key, value in tensors.items()}
    wanted = trunk.state_dict()
    for key, target in wanted.items():
        if key.endswith("num_batches_tracked"):
            continue
        given = renamed.get(key)
        if given is None or given.shape != target.shape:
            what = message("lacks") if given is None else message("has another shape for")
            raise WeightsUnavailableError(
                message(
                    "The weights in {source} are not those of {name}: the file {what} {key}; choose the file or "
                    "the backbone to match.",
                    source=source,
                    name=name,
                    what=what,
                    key=key,
                )
            )
        if not torch.isfinite(given).all():
            raise WeightsUnavailableError(
                message(
                    "The weights in {source} are not finite numbers in {key}: use another file.",
                    source=source,
                    key=key,
                )
            )
    trunk.load_state_dict({key: renamed[key] for key in wanted if key in renamed}, strict=False)


def _trunk_name(key: str) -> str:
    key = key.removeprefix("features.")
    old = _DENSENET_OLD.match(key)
    return old[1] + old[2] if old else key


def published_name(name: str) -> str:
    """Return file name under which torchvision publishes the weights; it carries the start of the file's hash."""
    return _published_url(name).rsplit("/", 1)[1]


def _published_url(name: str) -> str:
    from core.model.torchvision_shim import models

    return str(models.get_model_weights(name).IMAGENET1K_V1.url)


def _download(url: str, wanted: Path) -> Tensors:
    try:
        with tempfile.TemporaryDirectory() as folder:
            loaded = torch.hub.load_state_dict_from_url(
                url, model_dir=folder, map_location="cpu", progress=False, check_hash=True, weights_only=True
            )
    except (OSError, RuntimeError, UnpicklingError) as error:
        raise WeightsUnavailableError(
            message(
                "ImageNet weights could not be downloaded: fetch {url} on another machine and put the file "
                "at {path}, or choose weights = random.",
                url=url,
                path=wanted,
            )
        ) from error
    return dict(loaded)


def keep(folder: Path, stem: str, tensors: Tensors) -> None:
    """Save converted weights under a name that carries their hash; what cannot be saved is converted again
    next time."""
    content = safetensors.torch.save({key: value.contiguous() for key, value in tensors.items()})
    with contextlib.suppress(StorageFullError):
        make_folder(folder)
        atomic_write(folder / f"{stem}-{hashlib.sha256(content).hexdigest()}.safetensors", content)


def from_cache(folder: Path, stem: str) -> Tensors | None:
    """Return the converted file; one that no longer has the hash in its name is ignored."""
    for path in sorted(folder.glob(f"{stem}-*.safetensors")):
        try:
            return read_weights(path)
        except WeightsUnavailableError:
            continue
    return None
