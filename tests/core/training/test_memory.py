"""What libraries say when an allocation fails."""

from __future__ import annotations

import pytest
import torch

from core.training.memory import out_of_memory


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`",
        "CUDA error: out of memory",
        "[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory",
    ],
)
def test_a_failed_allocation_is_known_by_every_librarys_words(text: str) -> None:
    assert out_of_memory(RuntimeError(text))


def test_other_errors_are_not_taken_for_one() -> None:
    assert out_of_memory(MemoryError()) and out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    for text in ("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED", "CUDA error: an illegal memory access", ""):
        assert not out_of_memory(RuntimeError(text))
