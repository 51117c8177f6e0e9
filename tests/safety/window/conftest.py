"""The battery through the real window, without a screen."""

from __future__ import annotations

from tests.app.conftest import _every_study_is_known, qt_messages
from tests.app.screens.conftest import own_settings, window

__all__ = ["_every_study_is_known", "own_settings", "qt_messages", "window"]
