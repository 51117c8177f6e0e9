"""QActions from the catalogue: every one in a menu, with its shortcut and its icon."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QActionGroup, QKeySequence, QPalette
from PySide6.QtWidgets import QMenu, QMenuBar, QWidget

from app.actions.catalogue import ActionSpec, Need, ScreenName, read_actions
from app.actions.keymap import Keymap, load_keymap, native
from app.qt.icons import icon
from app.qt.translation import tr


class Actions(QObject):
    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.specs = read_actions()
        self.keymap: Keymap = load_keymap(self.specs)
        self.menus: dict[str, QMenu] = {}
        self._window = window
        self._actions: dict[str, QAction] = {}
        self.connected: set[str] = set()
        """Actions that do something; the others wait until what they act on is made."""
        self._receivers: dict[str, Callable[[bool], object]] = {}
        self._groups: dict[str, QActionGroup] = {}
        for spec in self.specs:
            self._actions[spec.id] = self._make(spec)
        self._icons: dict[str, str] = {spec.id: spec.icon for spec in self.specs if spec.icon}
        self._drawn: set[str] = set()

    def __getitem__(self, action: str) -> QAction:
        """The action, for a button or to be triggered; with its icon from now on."""
        self._draw([action])
        return self._actions[action]

    def connect_to(self, action: str, receiver: Callable[[], object]) -> None:
        """Call ``receiver`` whenever the action is triggered."""
        self.connected.add(action)
        self._actions[action].triggered.connect(lambda _checked=False: receiver())

    def connect_checked(self, action: str, receiver: Callable[[bool], object]) -> None:
        """Call it with whether the action is ticked now."""
        self.connected.add(action)
        self._receivers[action] = receiver
        self._actions[action].triggered.connect(lambda checked=False: receiver(bool(checked)))

    def put(self, action: str, *, on: bool) -> None:
        """Tick an action or not, and have its receiver act, also while its screen is not shown."""
        if self._actions[action].isChecked() != on:
            self._actions[action].setChecked(on)
            if action in self._receivers:
                self._receivers[action](on)

    def fill(self, bar: QMenuBar) -> None:
        """One menu a word of the catalogue, in its order; "View/Hanging" lies in "View"."""
        for spec in self.specs:
            if spec.menu not in self.menus:
                above = spec.menu.rpartition("/")[0]
                menu = (self.menus[above] if above else bar).addMenu(tr(spec.menu_name))
                menu.setToolTipsVisible(True)
                menu.aboutToShow.connect(partial(self._draw_menu, spec.menu))
                self.menus[spec.menu] = menu
            if spec.line_above:
                self.menus[spec.menu].addSeparator()
            self.menus[spec.menu].addAction(self._actions[spec.id])

    def enable(self, there: Collection[Need], screen: ScreenName) -> None:
        """Switch every action on or off by what it needs and by the screen that is shown."""
        for spec in self.specs:
            shown = not spec.screen or spec.screen == screen
            self._actions[spec.id].setEnabled(shown and (not spec.needs or spec.needs in there))
        for menu in self.menus.values():
            menu.menuAction().setEnabled(not menu.actions() or any(_usable(action) for action in menu.actions()))

    def name_step(self, action: str, step: str) -> None:
        """Name what undo or redo would do, such as "Undo: circle"; without a step the action's own name."""
        text = tr(next(spec.text for spec in self.specs if spec.id == action))
        self._actions[action].setText(f"{text}: {step}" if step else text)

    def keys_of(self, action: str) -> str:
        """The first key of an action as the user knows it; its name where it has none."""
        keys = self.keymap.get(action, ())
        return native(keys[:1]) or self._actions[action].text()

    def set_keymap(self, keymap: Keymap) -> None:
        self.keymap = keymap
        for spec in self.specs:
            self._set_keys(spec)

    def refresh_icons(self, palette: QPalette) -> None:
        """After a change of the theme."""
        for action in self._drawn:
            self._actions[action].setIcon(icon(self._icons[action], palette))

    def _draw(self, actions: Iterable[str]) -> None:
        """Give them their icons: drawing all of them at the start would keep the window from being shown."""
        new = {action for action in actions if action in self._icons} - self._drawn
        for action in new:
            self._actions[action].setIcon(icon(self._icons[action], self._window.palette()))
        self._drawn |= new

    def _draw_menu(self, menu: str) -> None:
        self._draw(spec.id for spec in self.specs if spec.menu == menu)

    def _make(self, spec: ActionSpec) -> QAction:
        action = QAction(tr(spec.text), self._window)
        action.setObjectName(spec.id)
        action.setCheckable(spec.checkable)
        action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        if spec.group:
            group = self._groups.get(spec.group)
            if group is None:
                group = self._groups[spec.group] = QActionGroup(self)
            group.addAction(action)
        self._actions[spec.id] = action
        self._set_keys(spec)
        self._window.addAction(action)
        return action

    def _set_keys(self, spec: ActionSpec) -> None:
        action, keys = self._actions[spec.id], self.keymap.get(spec.id, ())
        action.setShortcuts([QKeySequence(key) for key in keys])
        label = tr(spec.text).removesuffix("…")
        tip = f"{label} ({native(keys[:1])})" if keys else label
        action.setToolTip(f"{tip}\n{tr(spec.tip)}" if spec.tip else tip)


def _usable(action: QAction) -> bool:
    return action.isEnabled() and not action.isSeparator()
