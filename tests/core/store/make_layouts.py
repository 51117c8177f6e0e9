"""Write ``core/store/layouts.json`` anew after a migration: ``python -m tests.core.store.make_layouts``."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from core.store import layout, upgrade


def main() -> None:
    head, made = upgrade.HEAD, {}
    for number in range(1, int(head) + 1):
        upgrade.HEAD = f"{number:04d}"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "study.db"
            upgrade.make_database(path)
            with closing(sqlite3.connect(path)) as database:
                made[upgrade.HEAD] = layout.parts_of(database)
    layout._FILE.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
