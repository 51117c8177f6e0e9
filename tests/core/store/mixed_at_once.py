"""Several programs make every kind of change in one study at once, on the same few lesions.

``python -m tests.core.store.mixed_at_once FOLDER PROGRAMS CHANGES``: on a study that exists, on a server. What the
study does not allow is counted; afterwards every row must be as the audit trail tells. Prints the counts as JSON.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from core.domain.errors import StudyError
from core.domain.geometry import Box
from core.domain.shapes import Rectangle
from core.domain.study import Finding, Labels, Lesion, Split
from core.domain.vocabulary import MarginType, Part
from core.store.check import check_study
from core.store.study import Study
from tests.core.store.helpers import drawing

ROOT = Path(__file__).parents[3]
IMAGES = ("i1", "i2", "i3")
_MARGINS = tuple(MarginType)


def changes(study: Study, reader_id: str, chance: random.Random) -> list[Callable[[], object]]:
    def lesion() -> str:
        return chance.choice([one.id for one in study.lesions.all()])

    def outline() -> Rectangle:
        return Rectangle(box=Box(x0=0, y0=0, x1=chance.randint(2, 20), y1=chance.randint(2, 20)))

    def add() -> None:
        image = study.images.get(chance.choice(IMAGES))
        name = f"{chance.getrandbits(64):x}"
        number = 1 + max((one.number for one in study.lesions.of_image(image.id)), default=0)
        with study.batch():
            study.lesions.add_finding(Finding(id=f"f{name}", patient_id=image.patient_id))
            study.lesions.add(
                Lesion(id=f"l{name}", finding_id=f"f{name}", image_id=image.id, number=number, outline=outline())
            )

    def change_outline() -> None:
        chosen = study.lesions.get(lesion())
        study.lesions.set_outline(chosen.id, outline(), seen=chosen.outline)

    def order() -> None:
        ids = [one.id for one in study.lesions.of_image(chance.choice(IMAGES))]
        chance.shuffle(ids)
        study.lesions.set_order(chance.choice(IMAGES), ids)

    def link() -> None:
        chosen = study.lesions.get(lesion())
        patient = study.images.get(chosen.image_id).patient_id
        study.lesions.set_finding(chosen.id, Finding(id=f"f{chance.getrandbits(64):x}", patient_id=patient))

    def split() -> None:
        name = f"s{chance.getrandbits(64):x}"
        study.splits.add(Split(id=name, name=name, seed=1, parts={"p1": Part.TEST, "p2": Part.TRAINING}))

    labels = [Labels(margin=margin) for margin in _MARGINS]
    return [
        lambda: study.annotations.commit(lesion(), reader_id, drawing(chance.randrange(1000))),
        lambda: study.lesions.set_labels(lesion(), chance.choice(labels), reader_id=reader_id),
        lambda: study.lesions.set_labels(lesion(), chance.choice(labels)),
        add,
        change_outline,
        order,
        link,
        split,
        lambda: study.lesions.remove(lesion()),
        lambda: study.lesions.put_back(chance.choice(study.lesions.removed() or ("none",))),
        lambda: study.readers.ensure(f"Dr {chance.randrange(5)}"),
        lambda: study.images.move_to_patient(chance.choice(IMAGES), chance.choice(("p1", "p2", "p3"))),
    ]


def work(folder: Path, seed: int, number: int) -> None:
    chance, refused = random.Random(seed), Counter[str]()
    with Study.open(folder, holder=f"Program {seed}") as study:
        reader = study.readers.ensure(f"Dr {seed}")
        kinds = changes(study, reader.id, chance)
        for _ in range(number):
            try:
                chance.choice(kinds)()
            except StudyError as error:
                refused[type(error).__name__] += 1
            except IndexError:
                refused["nothing there"] += 1
    sys.stdout.write(json.dumps(refused) + "\n")


def compete(folder: Path, programs: int, number: int) -> dict[str, object]:
    command = [sys.executable, "-m", "tests.core.store.mixed_at_once", "--work", str(folder)]
    workers = [
        subprocess.Popen(
            [*command, str(seed), str(number)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for seed in range(programs)
    ]
    refused = Counter[str]()
    for worker in workers:
        out, errors = worker.communicate()
        assert worker.returncode == 0, errors.decode()[-2000:]
        refused.update(json.loads(out))
    with Study.open(folder) as study:
        report = check_study(study)
    assert report.problems == (), report.problems[:8]
    return {
        "changes": programs * number,
        "refused": refused,
        "records": report.audit.records,
        "sound": report.good,
    }


if __name__ == "__main__":
    if sys.argv[1] == "--work":
        work(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    else:
        sys.stdout.write(json.dumps(compete(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))) + "\n")
