from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from core.domain.study import Patient
from core.store.study import Study
from tests.core.store.helpers import add_case, drawing, picture


def test_writers_in_two_threads_lose_nothing(study: Study) -> None:
    """B-23: two times 100 operations."""
    add_case(study, 1)
    readers = [study.readers.ensure(name).id for name in ("A", "B")]

    def work(reader_id: str) -> None:
        for number in range(100):
            study.annotations.commit("l1", reader_id, drawing(number))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, readers))
    for reader_id in readers:
        assert [a.shapes for a in study.annotations.history("l1", reader_id)] == [drawing(n) for n in range(100)]
    assert study.audit.verify().good


def test_another_thread_does_not_see_an_unfinished_batch(study: Study) -> None:
    seen: list[int] = []

    def look() -> None:
        seen.append(study.patients.count())

    with study.batch():
        study.patients.add(Patient(id="p", pseudonym="P", source="s"))
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    look()
    assert seen == [0, 1]


def test_pixels_are_written_from_several_threads(study: Study) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: study.arrays.write_pixels(f"i{n}", picture(n)), range(20)))
    assert all(np.array_equal(study.arrays.read_pixels(f"i{n}"), picture(n)) for n in range(20))


def test_a_batch_of_650_cases_is_one_commit_and_quick(tmp_path: Path) -> None:
    with Study.create(tmp_path / "s", name="s") as study:
        before = study.audit.count()
        with study.batch():
            for number in range(650):
                add_case(study, number, pixels=False)
        assert study.lesions.count() == 650
        assert study.audit.count() == before + 4 * 650
