from __future__ import annotations

from tests.core.cli.conftest import marginalia, refused

__all__ = ["marginalia", "refused"]
