from __future__ import annotations

import pytest
import torch

from core.model.precision import exact_float32, gradient_precision, resolve_precision

CPU = torch.device("cpu")


def test_exact_arithmetic_leaves_autocast_and_restores_every_switch() -> None:
    a, b = torch.rand(4, 4), torch.rand(4, 4)
    before = torch.backends.cuda.matmul.fp32_precision
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (a @ b).dtype == torch.bfloat16
        with exact_float32():
            assert (a @ b).dtype == torch.float32
            assert torch.backends.cuda.matmul.fp32_precision == "ieee"
        assert (a @ b).dtype == torch.bfloat16
    assert torch.backends.cuda.matmul.fp32_precision == before


def test_switches_are_restored_after_an_error() -> None:
    before = torch.backends.cuda.matmul.fp32_precision
    with pytest.raises(KeyError), exact_float32():
        raise KeyError
    assert torch.backends.cuda.matmul.fp32_precision == before


def test_automatic_precision_on_the_cpu_is_float32() -> None:
    assert resolve_precision("auto", CPU) == "float32"
    assert resolve_precision("bfloat16", CPU) == "bfloat16"


def test_gradient_precision_reduces_products_only_where_asked() -> None:
    a = torch.rand(4, 4)
    with gradient_precision("bfloat16", CPU):
        assert (a @ a).dtype == torch.bfloat16
    with gradient_precision("float32", CPU):
        assert (a @ a).dtype == torch.float32
