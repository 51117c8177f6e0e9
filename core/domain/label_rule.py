"""Whose labels count where a data set and several readers labelled one lesion."""

from __future__ import annotations

from typing import Literal

import msgspec

LabelName = Literal["margin", "shape"]
LabelSource = Literal[
    "readers, else data set",
    "data set, else readers",
    "readers alone",
    "data set alone",
    "consensus, else readers",
    "consensus alone",
]
"""Whose label of a lesion is taken, in which order. A consensus (``core.domain.group``) comes with its drawing."""
Disagreement = Literal["leave out", "majority", "first reader", "majority, else first reader"]
"""Rule for labels on which readers differ. The lesion is left out, the label of more than half of the readers
counts, that of the first reader who labelled it, or the latter where the former does not exist."""


class LabelRule(msgspec.Struct, frozen=True, kw_only=True):
    """Whose labels a model is trained and tested on."""

    source: LabelSource = "readers, else data set"
    disagreement: Disagreement = "leave out"
    readers: tuple[str, ...] = ()
    """Names of the readers whose labels count, the first before the others; () for all in the order of entry."""

    @property
    def words(self) -> str:
        """The rule in words, for model cards and reports."""
        named = f" ({', '.join(self.readers)})" if self.readers else ""
        return f"{self.source}{named}; where readers differ: {self.disagreement}"
