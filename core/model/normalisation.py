"""Normalisations of the network input that published weights expect."""

from __future__ import annotations

from dataclasses import dataclass

Triple = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Normalisation:
    """``(grey - mean) / std`` per channel, of grey values in [0, 1] repeated in all three channels."""

    name: str
    mean: Triple
    std: Triple

    @property
    def words(self) -> str:
        """For sentences, as in "mean 0.485, 0.456, 0.406 and std 0.229, 0.224, 0.225"."""
        mean, std = (", ".join(f"{value:.4g}" for value in values) for values in (self.mean, self.std))
        return f"mean {mean} and std {std}"


IMAGENET = Normalisation(name="ImageNet (torchvision)", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
TENSORFLOW = Normalisation(
    name="(value - 127) / 128 (TensorFlow)",
    mean=(127 / 255, 127 / 255, 127 / 255),
    std=(128 / 255, 128 / 255, 128 / 255),
)
CAFFE_MEAN = (103.939, 116.779, 123.68)
"""Means that the Oxford VGG weights subtract from blue, green and red values from 0 to 255."""
