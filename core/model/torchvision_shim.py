"""The one importer of torchvision.

Where a CPU build of torch meets a CUDA build of torchvision, importing torchvision fails while it registers
fake kernels for operators whose library does not load. None of them is used here; declaring them first is
enough for the import to succeed.
"""

from __future__ import annotations

import torch

_OPERATORS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}

_library = torch.library.Library("torchvision", "FRAGMENT")
for _name, _signature in _OPERATORS.items():
    if not hasattr(torch.ops.torchvision, _name):
        _library.define(_name + _signature)

from torchvision import models  # noqa: E402 (the operators must be declared first)

__all__ = ["models"]
