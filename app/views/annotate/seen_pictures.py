"""Last view of each picture: a case is shown again with the view it was left with."""

from __future__ import annotations

import msgspec

from app.state.study_place import SeenPicture
from app.widgets.viewer.mammogram_view import MammogramView
from app.widgets.viewer.picture import Display, as_window


class SeenPictures:
    def __init__(self) -> None:
        self._seen: dict[str, SeenPicture] = {}

    def remember(self, image_id: str, view: MammogramView) -> None:
        """Keep zoom, place and window of the picture that the view shows."""
        if view.picture is not None and view.display is not None:
            self._seen[image_id] = seen_in(view)

    def of(self, image_id: str) -> SeenPicture:
        return self._seen.get(image_id, SeenPicture())

    def put(self, image_id: str, seen: SeenPicture) -> None:
        self._seen[image_id] = seen

    def recall(self, image_id: str, view: MammogramView, *, window_only: bool) -> bool:
        """Show a picture that was just put into the view as it was left. False where it is new."""
        seen, picture = self._seen.get(image_id), view.picture
        if seen is None or picture is None or view.display is None:
            return False
        voi = seen.window
        if seen.choice is not None and seen.choice < len(picture.choices):
            view.set_display(Display(voi=picture.choices[seen.choice], inverted=seen.inverted))
        elif voi is not None:
            view.set_display(Display(voi=voi, inverted=seen.inverted))
        if seen.zoom is not None and not window_only:
            port = view.viewport.at_zoom(seen.zoom)
            view.set_viewport(msgspec.structs.replace(port, centre=seen.centre))
        return True

    def clear(self) -> None:
        self._seen.clear()


def seen_in(view: MammogramView) -> SeenPicture:
    """Return the view's current state of its picture; the view must have one."""
    picture, display, port = view.picture, view.display, view.viewport
    assert picture is not None and display is not None
    choice = next((i for i, voi in enumerate(picture.choices) if voi is display.voi), None)
    return SeenPicture(
        zoom=None if view.is_fitted else port.zoom,
        centre=port.centre,
        choice=choice,
        window=as_window(display.voi) if choice is None else None,
        inverted=display.inverted,
    )
