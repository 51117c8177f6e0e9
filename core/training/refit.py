"""Stage A3 and B as convex problems on a table: pure numpy in float64, milliseconds a refit.

Stage A3 minimises, over ``W`` of shape (K, m) without bias,

    F(W) = mean_i CE(softmax(W s_i), y_i) + ridge / 2 * ||W - W0||^2

where ``W0`` holds +1 for a prototype's own class and -1 elsewhere. The data are often separable, where plain
cross-entropy diverges; the ridge keeps the solution finite and close to the meaning of the initial weights.
Damped Newton with the exact Hessian: the objective never rises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import TrainingError
from core.domain.messages import message

Float = NDArray[np.float64]
Labels = NDArray[np.int64]

MALIGNANCY_RIDGE = 1e-4
"""Ridge on ``v`` in stage B: enough for a finite answer where the outcomes are separable."""
_STEPS = 100
_HALVINGS = 40
_TOLERANCE = 1e-9
_ARMIJO = 1e-4

Evaluate = Callable[[Float], tuple[float, Float]]
"""From flat parameters to objective and gradient."""


@dataclass(frozen=True, kw_only=True)
class Solution:
    """A minimum found by Newton's method; ``objective <= start`` always holds."""

    parameters: Float
    objective: float
    start: float
    steps: int


def initial_weights(prototype_class: Sequence[int] | Labels, class_count: int) -> Float:
    """Return ``W0``, (K, m): +1 for the prototype's own class, -1 elsewhere (paper, stage A3)."""
    own = np.asarray(prototype_class, dtype=np.int64)
    return np.where(own[None, :] == np.arange(class_count)[:, None], 1.0, -1.0)


def objective(weights: Float, scores: NDArray[np.floating], labels: Labels, anchor: Float, ridge: float) -> float:
    """Return ``F(weights)``: mean cross-entropy plus the ridge towards ``anchor`` (K, m)."""
    problem = _Multinomial(np.asarray(scores, dtype=np.float64), labels, anchor, ridge)
    return problem.value_and_gradient(weights.ravel())[0]


def refit(
    scores: NDArray[np.floating],
    labels: Labels,
    anchor: Float,
    *,
    ridge: float,
    start: Float | None = None,
) -> Float:
    """Return the weights (K, m) of ``h1`` that minimise ``F`` on similarities (n, m).

    ``start`` (the weights before, for a refit after pruning) saves steps and never changes the answer: the
    problem is strictly convex. The objective at the answer is at most that at ``start``. ``ridge`` must be
    positive; TrainingError where there are no rows or a similarity is not finite.
    """
    table = np.asarray(scores, dtype=np.float64)
    if ridge <= 0:
        raise ValueError("the ridge must be positive: without it the problem may have no minimum")
    if len(table) == 0:
        raise TrainingError(
            message("The last layer cannot be fitted: there are no training lesions with a label.")
        )
    if not np.isfinite(table).all():
        raise TrainingError(message("The last layer cannot be fitted: some similarities are not finite numbers."))
    problem = _Multinomial(table, labels, anchor, ridge)
    begin = anchor if start is None else start
    solution = newton(problem.value_and_gradient, problem.hessian, begin.ravel())
    return solution.parameters.reshape(anchor.shape)


class _Multinomial:
    """The objective of stage A3 with its exact gradient and Hessian in the flat parameters (K * m)."""

    def __init__(self, scores: Float, labels: Labels, anchor: Float, ridge: float) -> None:
        self.scores = np.ascontiguousarray(scores)
        self.transposed = np.ascontiguousarray(scores.T)
        self.labels = labels
        self.anchor = anchor
        self.ridge = ridge
        self.rows = np.arange(len(labels))
        self.probabilities: Float = np.empty((0, 0))

    def value_and_gradient(self, flat: Float) -> tuple[float, Float]:
        weights = flat.reshape(self.anchor.shape)
        logits = weights @ self.transposed  # (K, n): rows are long, which numpy reduces fastest
        logits -= logits.max(axis=0)
        own = logits[self.labels, self.rows]
        np.exp(logits, out=logits)
        total = logits.sum(axis=0)
        logits /= total
        self.probabilities = logits
        away = weights - self.anchor
        n = len(self.labels)
        value = float((np.log(total) - own).sum() / n + 0.5 * self.ridge * (away * away).sum())
        residual = logits.copy()
        residual[self.labels, self.rows] -= 1
        gradient = residual @ self.scores / n + self.ridge * away
        return value, gradient.ravel()

    def hessian(self, flat: Float) -> Float:
        """Return (K m, K m) at the point evaluated last. Off-diagonal blocks are ``-S' diag(p_a p_b) S / n``
        and each row of blocks sums to the ridge alone, so that K (K - 1) / 2 products give all of it."""
        classes, m = self.anchor.shape
        p = self.probabilities
        blocks = np.zeros((classes, m, classes, m))
        for a in range(classes):
            for b in range(a + 1, classes):
                block = (self.transposed * (p[a] * p[b])) @ self.scores / len(self.labels)
                blocks[a, :, b, :] -= block
                blocks[b, :, a, :] -= block
                blocks[a, :, a, :] += block
                blocks[b, :, b, :] += block
        matrix = blocks.reshape(classes * m, classes * m)
        matrix[np.diag_indices_from(matrix)] += self.ridge
        return matrix


def newton(evaluate: Evaluate, hessian: Callable[[Float], Float], start: Float) -> Solution:
    """Return damped Newton with a backtracking line search; every accepted step lowers the objective.

    ``hessian`` is asked at the point that ``evaluate`` saw last. Stops where the gradient's largest entry is
    below 1e-9 or no step lowers the objective any more (rounding).
    """
    point = start.astype(np.float64, copy=True)
    value, gradient = evaluate(point)
    first = value
    steps = 0
    while steps < _STEPS and np.abs(gradient).max() > _TOLERANCE:
        direction = _descent(hessian(point), gradient)
        slope = float(gradient @ direction)
        found = _line_search(evaluate, point, value, direction, slope)
        if found is None:
            break
        point, value, gradient = found
        steps += 1
    return Solution(parameters=point, objective=value, start=first, steps=steps)


def _descent(matrix: Float, gradient: Float) -> Float:
    """Return the Newton direction; steepest descent where the Hessian is singular to rounding."""
    try:
        direction: Float = np.linalg.solve(matrix, -gradient).astype(np.float64)
    except np.linalg.LinAlgError:
        return np.negative(gradient)
    if not np.isfinite(direction).all() or gradient @ direction >= 0:
        return np.negative(gradient)
    return direction


def _line_search(
    evaluate: Evaluate, point: Float, value: float, direction: Float, slope: float
) -> tuple[Float, float, Float] | None:
    step = 1.0
    for _ in range(_HALVINGS):
        candidate = point + step * direction
        new_value, new_gradient = evaluate(candidate)
        if new_value < value and new_value <= value + _ARMIJO * step * slope:
            return candidate, new_value, new_gradient
        step /= 2
    return None


@dataclass(frozen=True, kw_only=True, eq=False)
class Malignancy:
    """``h2`` of stage B: malignancy logit ``v . z + b`` on the unnormalised margin logits."""

    weights: Float
    """(K,)"""
    bias: float
    used: int
    left_out: int
    """Lesions without a biopsy result (the paper: 3 of 78)."""


def fit_malignancy(
    logits: NDArray[np.floating],
    malignant: Labels,
    *,
    ridge: float = MALIGNANCY_RIDGE,
    start: Malignancy | None = None,
) -> Malignancy | None:
    """Return logistic regression of the biopsy label (1 malignant, 0 benign, -1 none) on logits (n, K).

    The ridge is on ``v`` alone, never on the intercept. None where the biopsied lesions do not hold both
    outcomes: then nothing can be said.
    """
    known = malignant >= 0
    table = np.asarray(logits, dtype=np.float64)[known]
    outcome = malignant[known].astype(np.float64)
    if len(outcome) == 0 or outcome.min() == outcome.max():
        return None
    problem = _Logistic(np.column_stack([table, np.ones(len(table))]), outcome, ridge)
    begin = np.zeros(table.shape[1] + 1) if start is None else np.append(start.weights, start.bias)
    found = newton(problem.value_and_gradient, problem.hessian, begin).parameters
    return Malignancy(
        weights=found[:-1], bias=float(found[-1]), used=int(known.sum()), left_out=int((~known).sum())
    )


class _Logistic:
    """Mean logistic loss with a ridge on every parameter but the last (the intercept)."""

    def __init__(self, design: Float, outcome: Float, ridge: float) -> None:
        self.design = design
        self.outcome = outcome
        self.penalty = np.full(design.shape[1], ridge)
        self.penalty[-1] = 0.0
        self.probabilities: Float = np.empty(0)

    def value_and_gradient(self, flat: Float) -> tuple[float, Float]:
        z = self.design @ flat
        loss = float((np.logaddexp(0, z) - self.outcome * z).mean())
        self.probabilities = 1 / (1 + np.exp(-np.clip(z, -500, 500)))
        gradient = self.design.T @ (self.probabilities - self.outcome) / len(z) + self.penalty * flat
        return loss + 0.5 * float((self.penalty * flat * flat).sum()), gradient

    def hessian(self, flat: Float) -> Float:
        p = self.probabilities
        matrix: Float = self.design.T @ (self.design * (p * (1 - p))[:, None]) / len(p)
        return matrix + np.diag(self.penalty)
