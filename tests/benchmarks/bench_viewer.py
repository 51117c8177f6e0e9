"""How fast the viewer answers: real events through the event loop, on a synthetic 28-megapixel 16-bit picture.

    QT_QPA_PLATFORM=offscreen python -m tests.benchmarks.bench_viewer [--json FILE] [--steps N] [--scale RATIO]

Each figure runs from posting one event to the end of the painting that it causes, the copy to the window included.
Nothing is asserted; the goals stand beside the figures. On a busy machine look at the processor's time.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent, QPaintEvent, QWheelEvent
from PySide6.QtWidgets import QApplication

from app.widgets.drawing.canvas import AnnotationCanvas
from app.widgets.drawing.document import AnnotationDocument
from app.widgets.viewer.mammogram_view import MammogramView
from app.widgets.viewer.picture import Picture
from core.domain.edits import simplified
from core.domain.shapes import Length, Line, Shape, circle
from core.domain.study import Image, Window
from core.imaging.opencv import cv2
from core.store.arrays import pyramid

ROWS, COLUMNS = 5928, 4728
VIEW = (1920, 1200)
GOALS = {
    "window/level drag": 16,
    "pan": 16,
    "zoom": 16,
    "window/level drag, annotated": 16,
    "pan, annotated": 16,
    "zoom, annotated": 16,
    "all in full after a zoom": 50,
    "pen move": 8,
    "live wire move": 16,
    "vertex drag": 16,
    "undo": 16,
    "redo": 16,
    "switch to a cached image": 250,
}
Left, Right, Middle = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton
NONE = Qt.KeyboardModifier.NoModifier


class PaintedView(MammogramView):
    """Counts its paintings."""

    paints = 0

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        self.paints += 1


def synthetic_pixels(seed: int) -> NDArray[np.uint16]:
    """Blobs of tissue with noise, 14 bits; SYNTHETIC."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((ROWS // 64 + 2, COLUMNS // 64 + 2)).astype(np.float32)
    pixels = cv2.resize(coarse, (COLUMNS, ROWS), interpolation=cv2.INTER_CUBIC) * 9000 + 3000
    pixels += np.tile(rng.normal(0, 300, (512, COLUMNS)).astype(np.float32), (ROWS // 512 + 1, 1))[:ROWS]
    return np.clip(pixels, 0, 16383).astype(np.uint16)


def make_picture(seed: int) -> Picture:
    image = Image(
        id="synthetic",
        patient_id="synthetic",
        content_sha256="",
        width=COLUMNS,
        height=ROWS,
        bits_stored=14,
        pixel_spacing_mm=0.05,
        windows=(Window(centre=8000, width=9000),),
        synthetic=True,
    )
    return Picture.of(image, pyramid(synthetic_pixels(seed)), title="SYNTHETIC")


def annotation() -> tuple[Shape, ...]:
    """Eight circles and twelve freehand lines around one lesion."""
    centre = np.array([COLUMNS / 2, ROWS / 2])
    shapes: list[Shape] = []
    for i in range(8):
        angle = i * np.pi / 4
        x, y = centre + 300 * np.array([np.cos(angle), np.sin(angle)])
        shapes.append(circle((float(x), float(y)), 60))
    for i in range(12):
        t = np.linspace(i * np.pi / 6, i * np.pi / 6 + 0.6, 200)
        way = centre + 300 * np.stack([np.cos(t), np.sin(t)], 1) * (1 + 0.03 * np.sin(40 * t))[:, None]
        points = tuple((float(x), float(y)) for x, y in way)
        # as the freehand tool stores what was drawn at one to one
        shapes.append(simplified(Line(points=points, width=Length(value=2, unit="mm")), 0.4))
    return tuple(shapes)


class Bench:
    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.view = PaintedView()
        self.view.resize(*VIEW)
        self.document = AnnotationDocument(lambda _: None, 0.05)
        self.canvas = AnnotationCanvas(self.view, self.document)
        self.pictures = [make_picture(1), make_picture(2)]
        self.view.set_picture(self.pictures[0])
        self.view.show()
        QApplication.processEvents()
        self.figures: dict[str, list[tuple[float, float]]] = {}

    def frame(self, act: Callable[[], None]) -> tuple[float, float]:
        """Milliseconds until what ``act`` posts is painted, and how many of them this process had a core."""
        before = self.view.paints
        start, start_cpu = time.perf_counter(), time.process_time()
        act()
        deadline = start + 2
        while self.view.paints == before and time.perf_counter() < deadline:
            QApplication.processEvents()
        return 1000 * (time.perf_counter() - start), 1000 * (time.process_time() - start_cpu)

    def post(self, kind: QEvent.Type, at: QPointF, button: Qt.MouseButton) -> None:
        held = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseButtonRelease else button
        one = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else button
        event = QMouseEvent(kind, at, self.view.mapToGlobal(at), one, held, NONE)
        QApplication.postEvent(self.view, event)

    def drag(self, name: str, button: Qt.MouseButton, way: Callable[[int], QPointF]) -> None:
        self.post(QEvent.Type.MouseButtonPress, way(0), button)
        QApplication.processEvents()
        for i in range(1, 6):  # past what tells a drag from a click
            self.frame(lambda i=i: self.post(QEvent.Type.MouseMove, way(i), button))  # type: ignore[misc]
        self.figures[name] = [
            self.frame(lambda i=i: self.post(QEvent.Type.MouseMove, way(i), button))  # type: ignore[misc]
            for i in range(6, 6 + self.steps)
        ]
        self.post(QEvent.Type.MouseButtonRelease, way(6 + self.steps), button)
        QApplication.processEvents()

    def wheel(self, notches: int) -> None:
        at = QPointF(900, 500)
        event = QWheelEvent(
            at, self.view.mapToGlobal(at), QPoint(), QPoint(0, 30 * notches), Qt.MouseButton.NoButton, NONE,
            Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.postEvent(self.view, event)

    def navigate(self, note: str) -> None:
        """At fit and at one to one, alternately, so that neither alone decides."""
        for where, prepare in (("fit", self.view.fit), ("1:1", self.view.one_to_one)):
            prepare()
            QApplication.processEvents()
            self.drag(f"window/level drag{note}|{where}", Right, lambda i: QPointF(700 + 3 * (i % 50), 600 + i))
            self.drag(f"pan{note}|{where}", Middle, lambda i: QPointF(700 + 5 * (i % 40), 600 + 2 * i))
        self.view.fit()
        turns: Iterator[int] = (1 if (i // 40) % 2 == 0 else -1 for i in range(self.steps * 2))
        self.figures[f"zoom{note}"] = [self.frame(lambda t=t: self.wheel(t)) for t in turns]  # type: ignore[misc]

    def rest(self) -> None:
        """What is painted once more, exactly, when the wheel has come to rest."""
        values = []
        for i in range(20):
            self.frame(lambda i=i: self.wheel(1 if i < 10 else -1))  # type: ignore[misc]
            values.append(self.frame(self.view.zoom_rests))
        self.figures["all in full after a zoom"] = values

    def draw(self) -> None:
        self.view.set_viewport(self.view.viewport.at_zoom(1.0))
        self.canvas.choose_tool("freehand")

        def loop(i: int) -> QPointF:
            return QPointF(960 + 380 * np.cos(i / 40), 600 + 380 * np.sin(i / 40))

        self.drag("pen move", Left, loop)
        self.canvas.choose_tool("select")
        x, y = self.document.shapes[0].centre  # type: ignore[union-attr]
        self.document.select(frozenset({0}))
        middle = self.view.sight.to_widget((x, y))
        self.drag("vertex drag", Left, lambda i: middle + QPointF(i % 60, i % 45))
        self.canvas.choose_tool("livewire")
        self.drag("live wire move", Left, lambda i: QPointF(960 + 1.2 * i, 600 + 20 * np.sin(i / 9)))
        self.view.tool.cancel()

    def undo(self) -> None:
        self.canvas.choose_tool("freehand")
        for i in range(20):
            shape = circle((COLUMNS / 2 + 12 * i, ROWS / 2 + 9 * i), 70)
            self.document.replace((*self.document.shapes, shape), "Circle")
        QApplication.processEvents()
        self.figures["undo"] = [self.frame(lambda: bool(self.document.undo()) and None) for _ in range(20)]
        self.figures["redo"] = [self.frame(lambda: bool(self.document.redo()) and None) for _ in range(20)]

    def switch(self) -> None:
        self.figures["switch to a cached image"] = [
            self.frame(lambda i=i: self.view.set_picture(self.pictures[i % 2]))  # type: ignore[misc]
            for i in range(20)
        ]

    def run(self) -> dict[str, Any]:
        self.navigate("")
        self.document.replace(annotation(), "Annotation")
        self.navigate(", annotated")
        self.rest()
        self.draw()
        self.undo()
        self.switch()
        return {name: _summary(name, values) for name, values in self.figures.items()}


def _summary(name: str, values: list[tuple[float, float]]) -> dict[str, float | int]:
    wall, processor = np.array(values).T
    p50, p95, most = (float(v) for v in np.percentile(wall, [50, 95, 100]))
    return {
        "p50_ms": round(p50, 2),
        "p95_ms": round(p95, 2),
        "max_ms": round(most, 2),
        "processor_p95_ms": round(float(np.percentile(processor, 95)), 2),
        "goal_p95_ms": GOALS[name.split("|")[0]],
        "frames": len(values),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--scale", type=float, default=1.0, help="device pixels in a logical one")
    arguments = parser.parse_args()
    if arguments.scale != 1.0:
        os.environ["QT_SCALE_FACTOR"] = str(arguments.scale)
    application = QApplication([])
    bench = Bench(arguments.steps)
    figures = bench.run()
    print(f"{'ms':38}{'p50':>8}{'p95':>8}{'max':>8}{'cpu p95':>8}{'goal':>8}")  # noqa: T201
    for name, row in figures.items():
        mark = "" if row["p95_ms"] <= row["goal_p95_ms"] else "  over"
        print(  # noqa: T201
            f"{name:38}{row['p50_ms']:8.2f}{row['p95_ms']:8.2f}{row['max_ms']:8.2f}"
            f"{row['processor_p95_ms']:8.2f}{row['goal_p95_ms']:8}{mark}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))
    bench.view.close()
    application.processEvents()


if __name__ == "__main__":
    main()
