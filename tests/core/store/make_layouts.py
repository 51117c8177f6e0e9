"""Write ``core/store/layouts.json`` anew after a migration: ``python -m tests.core.store.make_layouts``."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from core.store import upgrade
from core.store.sqlite import layout
from core.store.sqlite.upgrade import make_database


def main() -> None:
    made = {}
    for number in range(1, int(upgrade.HEAD) + 1):
        version = f"{number:04d}"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "study.db"
            make_database(path, version)
            with closing(sqlite3.connect(path)) as database:
                made[version] = layout.parts_of(database)
    layout._FILE.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
