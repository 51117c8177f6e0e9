"""Whether an allocation failed, however the library that tried says it."""

from __future__ import annotations

import torch


def out_of_memory(error: BaseException) -> bool:
    """Return True if the error says that an allocation failed, on an accelerator or on the CPU."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error)
    return "can't allocate memory" in text or "out of memory" in text
