"""Names in the folder of a study that others must know before they open it; without the database's library."""

from __future__ import annotations

DATABASE, RUNS = "study.db", "runs"
FORGETTING = "forgetting.json"
