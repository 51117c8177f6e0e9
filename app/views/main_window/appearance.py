"""The submenus of View for the theme and the language."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu

from app.qt import settings
from app.qt.theme import Theme
from app.qt.translation import languages, tr


def add_appearance(
    menu: QMenu, language: str, *, set_theme: Callable[[str], object], set_language: Callable[[str], object]
) -> None:
    menu.addSeparator()
    names = {Theme.DARK: tr("Dark"), Theme.LIGHT: tr("Light"), Theme.SYSTEM: tr("As the system")}
    chosen = settings.text("theme", Theme.DARK.value)
    _choice_menu(menu, tr("Theme"), {t.value: names[t] for t in Theme}, chosen, set_theme)
    _choice_menu(menu, tr("Language"), languages(), language, set_language)


def _choice_menu(
    menu: QMenu, title: str, choices: dict[str, str], chosen: str, take: Callable[[str], object]
) -> None:
    """A submenu of which one entry is chosen; ``take`` is called with its key."""
    sub = menu.addMenu(title)
    group = QActionGroup(sub)
    for key, text in choices.items():
        action = QAction(text, sub)
        action.setCheckable(True)
        action.setChecked(key == chosen)
        action.triggered.connect(lambda _checked=False, key=key: take(key))
        group.addAction(action)
        sub.addAction(action)
