from __future__ import annotations

import threading

import pytest
import torch

from core.model.precision import _switches, exact_float32, gradient_precision, resolve_precision

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


def test_threads_that_overlap_compute_exactly_and_leave_the_settings_as_they_were() -> None:
    """The first to begin is the first to end, while the other still computes."""
    before = [switch.fp32_precision for switch in _switches()]
    second_inside, first_left = threading.Event(), threading.Event()
    seen: list[list[str]] = []

    def second() -> None:
        with exact_float32():
            second_inside.set()
            first_left.wait(10)
            seen.append([switch.fp32_precision for switch in _switches()])

    for switch in _switches():
        switch.fp32_precision = "tf32"
    try:
        thread = threading.Thread(target=second)
        with exact_float32():
            thread.start()
            second_inside.wait(10)
        first_left.set()
        thread.join(10)
        after = [switch.fp32_precision for switch in _switches()]
    finally:
        for switch, value in zip(_switches(), before, strict=True):
            switch.fp32_precision = value
    assert seen == [["ieee"] * len(before)] and after == ["tf32"] * len(before)
