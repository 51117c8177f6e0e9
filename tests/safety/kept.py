"""Full forms that can be interrupted: what was done is kept in a file, and the next call goes on from there.

``MARGINALIA_SAFETY`` names the folder (``.benchmarks/safety`` in the checkout by default). A form that reached its
end begins anew at the next call. Counts are added up; of names that begin with "most" the largest stays.
``python -m tests.safety.figures`` shows what is there.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from core.platform.atomic import atomic_write, make_folder

ROOT = Path(__file__).parents[2]


def state_folder() -> Path:
    return Path(os.environ.get("MARGINALIA_SAFETY", ROOT / ".benchmarks" / "safety"))


def merged(one: Counter[str], other: Counter[str]) -> Counter[str]:
    """Sums, and the larger where the name begins with "most"; a count of 0 stays, as a figure that was found."""
    out = Counter(one)
    for name, value in other.items():
        out[name] = max(out[name], value) if name.startswith("most") else out[name] + value
    return out


def keep(name: str, counted: Mapping[str, float]) -> None:
    """The figures of a form that is done in one go."""
    make_folder(state_folder())
    document = {"done": 1, "total": 1, "counted": dict(counted)}
    atomic_write(state_folder() / f"{name}.json", json.dumps(document).encode())


def go_on(name: str, total: int, step: Callable[[int], Counter[str]], *, at_once: int = 1) -> Counter[str]:
    """Call ``step`` for 0, ``at_once``, ... below ``total``, from where the last call stopped; all it counted."""
    make_folder(state_folder())
    path = state_folder() / f"{name}.json"
    done, counted = 0, Counter[str]()
    if path.is_file():
        kept = json.loads(path.read_bytes())
        if kept["done"] < total:
            done, counted = kept["done"], Counter(kept["counted"])
    while done < total:
        counted = merged(counted, step(done))
        done += at_once
        atomic_write(path, json.dumps({"done": done, "total": total, "counted": counted}).encode())
    return counted
