"""A frame of the viewer while the window is dragged, against windowing and drawing the whole image for it.

    QT_QPA_PLATFORM=offscreen python -m tests.benchmarks.bench_repaint

The naive frame: a grey table over every pixel of the 28-megapixel picture, an image of all of it, drawn scaled
down. Milliseconds of the processor, the median of both.
"""

from __future__ import annotations

import sys
import time
from statistics import median

import numpy as np

from tests.benchmarks.bench_viewer import VIEW, Bench, Right, synthetic_pixels  # chooses the platform first

from PySide6.QtCore import QPointF, Qt  # isort: skip
from PySide6.QtGui import QImage, QPainter  # isort: skip
from PySide6.QtWidgets import QApplication  # isort: skip

NAIVE_FRAMES = 5


def naive_frame(pixels: np.ndarray, target: QImage, centre: float) -> float:
    """Milliseconds of the processor for one frame that starts from every pixel."""
    start = time.process_time()
    levels = np.arange(1 << 16, dtype=np.float32)
    table = np.clip((levels - centre + 4500) / 9000 * 255, 0, 255).astype(np.uint8)
    grey = table[pixels]
    rows, columns = grey.shape
    image = QImage(grey.data, columns, rows, columns, QImage.Format.Format_Grayscale8)
    painter = QPainter(target)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    size = image.size().scaled(target.size(), Qt.AspectRatioMode.KeepAspectRatio)
    painter.drawImage(target.rect().adjusted(0, 0, size.width() - target.width(), 0), image)
    painter.end()
    return 1000 * (time.process_time() - start)


def measure(steps: int = 40) -> tuple[float, float]:
    """Median milliseconds of the processor of the viewer's frame and of the naive one."""
    application = QApplication.instance() or QApplication([])
    bench = Bench(steps)
    bench.view.fit()
    QApplication.processEvents()
    bench.drag("window/level drag|fit", Right, lambda i: QPointF(700 + 3 * (i % 50), 600 + i))
    frame = median(processor for _, processor in bench.figures["window/level drag|fit"])
    pixels, target = synthetic_pixels(1), QImage(*VIEW, QImage.Format.Format_RGB32)
    naive = median(naive_frame(pixels, target, 8000 + 100 * i) for i in range(NAIVE_FRAMES))
    bench.view.close()
    application.processEvents()
    return frame, naive


def main() -> None:
    frame, naive = measure()
    sys.stdout.write(f"frame {frame:.2f} ms, naive {naive:.1f} ms, ratio {frame / naive:.4f}\n")


if __name__ == "__main__":
    main()
