"""Thin linear algebra uses one thread, and what follows has its threads again."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from core.platform.blas import one_thread


def threads() -> set[int]:
    return {int(pool["num_threads"]) for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_inside_there_is_one_thread_and_afterwards_as_many_as_before() -> None:
    assert np.linalg.norm(np.eye(3)) > 0, "the library is loaded"
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        with one_thread(), one_thread():
            assert threads() == {1}
        assert threads() == before
