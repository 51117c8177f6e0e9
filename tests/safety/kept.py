"""Full forms that can be interrupted: what was done is kept in a file, and the next call goes on from there.

``MARGINALIA_SAFETY`` names the folder (``.benchmarks/safety`` in the checkout by default). A form that reached its
end begins anew at the next call.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from core.domain.atomic import atomic_write, make_folder

ROOT = Path(__file__).parents[2]


def go_on(name: str, total: int, step: Callable[[int], Counter[str]], *, at_once: int = 1) -> Counter[str]:
    """Call ``step`` for 0, ``at_once``, ... below ``total``, from where the last call stopped; all it counted."""
    folder = Path(os.environ.get("MARGINALIA_SAFETY", ROOT / ".benchmarks" / "safety"))
    make_folder(folder)
    path = folder / f"{name}.json"
    done, counted = 0, Counter[str]()
    if path.is_file():
        kept = json.loads(path.read_bytes())
        if kept["done"] < total:
            done, counted = kept["done"], Counter(kept["counted"])
    while done < total:
        counted += step(done)
        done += at_once
        atomic_write(path, json.dumps({"done": done, "total": total, "counted": counted}).encode())
    return counted
