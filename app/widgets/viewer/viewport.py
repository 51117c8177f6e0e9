"""Which part of the mammogram is on screen, and at what size. Pure; the widget holds one and replaces it."""

from __future__ import annotations

import msgspec

from core.domain.geometry import Affine, Box, Point

SMALLEST_ZOOM = 0.01
LARGEST_ZOOM = 64.0


class Viewport(msgspec.Struct, frozen=True, kw_only=True):
    """``zoom`` device pixels of the screen show one pixel of the image; ``centre`` is the image point in the
    middle of the widget; ``width`` and ``height`` are the widget's size in device pixels."""

    width: int
    height: int
    zoom: float
    centre: Point

    @property
    def image_to_view(self) -> Affine:
        x, y = self.centre
        return Affine(
            a=self.zoom,
            b=0,
            c=self.width / 2 - self.zoom * x,
            d=0,
            e=self.zoom,
            f=self.height / 2 - self.zoom * y,
        )

    @property
    def view_to_image(self) -> Affine:
        return self.image_to_view.inverse()

    @property
    def visible(self) -> Box:
        """The box of the image's frame that the widget covers; it may reach beyond the image."""
        return self.view_to_image.of_box(Box(x0=0, y0=0, x1=self.width, y1=self.height))

    def zoomed(self, factor: float, at: Point) -> Viewport:
        """Zoomed by ``factor`` so that the image point under the view point ``at`` stays where it is."""
        zoom = min(max(self.zoom * factor, SMALLEST_ZOOM), LARGEST_ZOOM)
        x, y = self.view_to_image(at)
        centre = (
            x + (self.width / 2 - at[0]) / zoom,
            y + (self.height / 2 - at[1]) / zoom,
        )
        return msgspec.structs.replace(self, zoom=zoom, centre=centre)

    def panned(self, dx: float, dy: float) -> Viewport:
        """Moved so that the image follows the pointer by ``(dx, dy)`` device pixels."""
        x, y = self.centre
        return msgspec.structs.replace(self, centre=(x - dx / self.zoom, y - dy / self.zoom))

    def resized(self, width: int, height: int) -> Viewport:
        return msgspec.structs.replace(self, width=max(width, 1), height=max(height, 1))

    def showing(self, box: Box, *, border: float = 0.0) -> Viewport:
        """The largest view that holds ``box``, with ``border`` as a share of its size around it."""
        room = 1 + 2 * border
        zoom = min(self.width / (box.width * room), self.height / (box.height * room))
        zoom = min(max(zoom, SMALLEST_ZOOM), LARGEST_ZOOM)
        return msgspec.structs.replace(self, zoom=zoom, centre=box.centre)

    def at_zoom(self, zoom: float) -> Viewport:
        return self.zoomed(zoom / self.zoom, (self.width / 2, self.height / 2))
