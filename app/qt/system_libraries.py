"""Libraries of the system that Qt needs on Linux to open a window under X, by the packages that bring them."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable

PACKAGES = {
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libEGL.so.1": "libegl1",
    "libfontconfig.so.1": "libfontconfig1",
    "libdbus-1.so.3": "libdbus-1-3",
}
"""Packages of Debian and Ubuntu (for the libraries that the platform plugin ``xcb`` of Qt 6 is linked to)."""


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing_packages(loads: Callable[[str], bool] = _loads) -> tuple[str, ...]:
    """The packages whose library cannot be loaded; none where no window of X is to be opened."""
    wanted = os.environ.get("QT_QPA_PLATFORM", "")
    if sys.platform != "linux" or not os.environ.get("DISPLAY") or wanted not in ("", "xcb"):
        return ()
    return tuple(package for library, package in PACKAGES.items() if not loads(library))


def missing_sentence(packages: tuple[str, ...]) -> str:
    """Return the sentence on the packages to install, with the command for it."""
    return (
        f"The window cannot be opened: Qt needs libraries of the system that are missing. Install them, on Debian "
        f"and Ubuntu with: sudo apt install {' '.join(packages)}\n"
    )
