"""The one importer of OpenCV, which points Qt at its own plugins: what it sets in the environment is undone."""

from __future__ import annotations

import os

_QT_VARIABLES = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR")
_before = {name: os.environ.get(name) for name in _QT_VARIABLES}

import cv2  # noqa: E402 (the environment is noted first)

for _name, _value in _before.items():
    if _value is None:
        os.environ.pop(_name, None)
    else:
        os.environ[_name] = _value

# the program's own processes and threads share the cores; OpenCV's pool would take them all
cv2.setNumThreads(1)

__all__ = ["cv2"]
