"""Dialogs about the program itself: settings, keys, manual, about."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from app.actions.actions import Actions
from app.qt.dialogs import open_dialog


class ProgramDialogs(QObject):
    keymap_applied = Signal(object, object)
    """The new keymap and its ``KeymapPreset``."""

    def __init__(
        self,
        actions: Actions,
        window: QWidget,
        language: str,
        *,
        set_theme: Callable[[str], object],
        set_language: Callable[[str], object],
    ) -> None:
        super().__init__(window)
        self._actions, self._window, self._language = actions, window, language
        self._set_theme, self._set_language = set_theme, set_language
        for name, show in (
            ("edit.settings", self._show_settings),
            ("edit.shortcuts", self._ask_keymap),
            ("help.shortcuts", self._show_shortcuts),
            ("help.manual", self._show_manual),
            ("help.about", self._show_about),
        ):
            actions.connect_to(name, show)

    def _show_settings(self) -> None:
        from app.views.dialogs.settings_dialog import SettingsDialog

        dialog = SettingsDialog(self._actions, self._language, self._window)
        dialog.theme_chosen.connect(self._set_theme)
        dialog.language_chosen.connect(self._set_language)
        open_dialog(dialog)

    def _show_shortcuts(self) -> None:
        from app.views.dialogs.shortcut_sheet import ShortcutSheet

        sheet = ShortcutSheet(self._actions, self._window)
        sheet.change_wanted.connect(self._ask_keymap)
        open_dialog(sheet)

    def _show_manual(self) -> None:
        from app.views.dialogs.manual import ManualDialog

        open_dialog(ManualDialog(self._window))

    def _show_about(self) -> None:
        from app.views.dialogs.about import AboutDialog

        open_dialog(AboutDialog(self._window))

    def _ask_keymap(self) -> None:
        from app.views.dialogs.keymap_dialog import KeymapDialog

        dialog = KeymapDialog(self._actions, self._window)
        dialog.applied.connect(self.keymap_applied)
        open_dialog(dialog)
