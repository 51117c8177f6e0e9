from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.domain.errors import ModelError
from core.domain.vocabulary import Part
from core.training.similarity_table import SimilarityTable, load_table, save_table


def _table() -> SimilarityTable:
    return SimilarityTable(
        scores=np.arange(8, dtype=np.float32).reshape(4, 2), label=np.array([0, 1, -1, 1]),
        malignant=np.array([1, 0, -1, -1]), patient_ids=("a", "b", "c", "d"),
        lesion_ids=("1", "2", "3", "ü"), part=("training", "training", "training", "test"),
    )  # fmt: skip


def test_a_saved_table_comes_back_unchanged(tmp_path: Path) -> None:
    table = _table()
    save_table(tmp_path / "table.h5", table)
    back = load_table(tmp_path / "table.h5")
    for name in ("scores", "label", "malignant"):
        np.testing.assert_array_equal(getattr(back, name), getattr(table, name))
        assert getattr(back, name).dtype == getattr(table, name).dtype
    assert (back.patient_ids, back.lesion_ids, back.part) == (table.patient_ids, table.lesion_ids, table.part)
    assert [p.name for p in tmp_path.iterdir()] == ["table.h5"]


def test_rows_of_a_part_leave_out_lesions_without_a_trained_class() -> None:
    assert _table().of_part(Part.TRAINING).lesion_ids == ("1", "2")
    assert _table().of_part(Part.TRAINING, Part.TEST).lesion_ids == ("1", "2", "ü")


def test_columns_follow_the_prototypes_that_are_kept() -> None:
    assert _table().columns(np.array([1])).scores.ravel().tolist() == [1, 3, 5, 7]


@pytest.mark.parametrize("content", [b"", b"not hdf5", None])
def test_a_broken_table_is_refused_with_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "table.h5"
    save_table(path, _table())
    path.write_bytes(path.read_bytes()[:-600] if content is None else content)
    with pytest.raises(ModelError, match=r"table\.h5"):
        load_table(path)


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="one entry a row"):
        SimilarityTable(
            scores=np.zeros((2, 1), np.float32), label=np.zeros(1, np.int64), malignant=np.zeros(2, np.int64),
            patient_ids=("a", "b"), lesion_ids=("1", "2"), part=("test", "test"),
        )  # fmt: skip
