"""Who is on which case, in a study that many have open."""

from __future__ import annotations

from typing import Protocol

import msgspec

BEAT_S = 2.0
"""Between two beats of a window that stays on a case."""
STALE_S = 20.0
"""After so long without a beat somebody is no longer there, as after the loss of the network."""


class Present(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody else who looks at an image now."""

    name: str
    image_id: str


class Presence(Protocol):
    """For one thread, which may be another than the window's."""

    def beat(self, name: str, image_id: str | None) -> tuple[Present, ...]:
        """Tell where this program's reader is (None: on no case), and return where the others are.

        Raises: ServerLostError while the server cannot be reached.
        """

    def close(self) -> None: ...
