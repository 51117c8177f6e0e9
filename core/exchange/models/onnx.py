"""The network for other programs: ONNX, with the same numbers to 1e-4.

Input ``pixels``: (batch, 3, I, I) float32 after the model's input transform. Outputs: ``logits`` (batch, K),
``similarities`` (batch, m, H, W), ``scores`` (batch, m) and ``malignancy`` (batch,), as the paper's equations have
them. Written with torch's exporter; the package onnx is needed for that and is an extra of this program.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import msgspec
import torch
from torch import Tensor, nn

from core.domain.errors import ModelError
from core.domain.messages import message
from core.domain.vocabulary import DISCLAIMER
from core.model.card import ModelCard
from core.model.network import PrototypeNetwork
from core.model.precision import exact_float32
from core.model.similarity import pool_top_k, similarity
from core.platform.atomic import atomic_write

FILE = "network.onnx"
OUTPUTS = ("logits", "similarities", "scores", "malignancy")
_OPSET = 18


class _Traced(nn.Module):
    """The network in operators that ONNX knows: distances in one piece instead of blocks, the rest as it is."""

    def __init__(self, network: PrototypeNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        net = self.network
        latent = net.addon(net.features(pixels))
        d = (latent[:, None] - net.prototypes[None]).square().sum(2)
        if net.architecture.distance == "l2":
            d = d.sqrt()
        s = similarity(d, net.architecture.epsilon)
        scores = pool_top_k(s, net.top_k)
        logits = (scores[:, None, :] * net.last.weight).sum(2)
        return logits, s, scores, (logits * net.malignancy.weight).sum(1) + net.malignancy.bias


def export_onnx(network: PrototypeNetwork, card: ModelCard) -> bytes:
    """The bytes of the ONNX file; its metadata name classes, input transform and what it is not for.

    ModelError where the package onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise ModelError(
            message("The package onnx is not installed, so no ONNX file can be written: install marginalia[onnx].")
        ) from error
    example = torch.zeros(2, 3, network.input_size, network.input_size)
    buffer = io.BytesIO()
    with torch.no_grad(), exact_float32(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        torch.onnx.export(
            _Traced(network).eval(),
            (example,),
            buffer,  # type: ignore[arg-type]
            input_names=["pixels"],
            output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "batch"} for name in ("pixels", *OUTPUTS)},
            opset_version=_OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    onnx.helper.set_model_props(
        model,
        {
            "disclaimer": DISCLAIMER,
            "classes": ", ".join(card.class_names),
            "input_transform": msgspec.json.encode(card.transform).decode(),
            "synthetic": str(card.synthetic),
        },
    )
    content: bytes = model.SerializeToString()
    return content


def write_onnx(path: Path, network: PrototypeNetwork, card: ModelCard) -> None:
    """See ``export_onnx``; the file is written whole or not at all."""
    atomic_write(path, export_onnx(network, card))
