"""Figures of tracking on worked examples, and against plain loops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spiketrack.errors import ClipError
from spiketrack.tracking import metrics
from spiketrack.tracking.rules import RULES
from spiketrack.video.boxes import Box, iou


def array(*boxes: tuple[float, float, float, float]) -> metrics.Floats:
    return np.array(boxes, float)


def everywhere(count: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.ones(count, bool)


def test_success_worked_example() -> None:
    """IoU 1 exceeds 0 … 0.95 (20 of 21 thresholds), IoU 0.5 exceeds 0 … 0.45 (10), IoU 0 none."""
    curve = metrics.success_curve(np.array([1.0, 0.5, 0.0]))
    assert curve.mean() == pytest.approx((20 + 10 + 0) / 3 / 21)
    assert curve[0] == pytest.approx(2 / 3)
    assert curve[10] == pytest.approx(1 / 3)
    assert curve[20] == 0


def test_precision_worked_example() -> None:
    truth = array((0, 0, 10, 10), (0, 0, 10, 10), (0, 0, 10, 10), (0, 0, 10, 10))
    found = array((0, 0, 10, 10), (12, 16, 10, 10), (20.5, 0, 10, 10), (-5, -5, 20, 20))
    errors = metrics.centre_errors(found, truth)
    assert errors == pytest.approx([0, 20, 20.5, 0])
    assert metrics.error_curve(errors, metrics.PIXEL_THRESHOLDS)[20] == 0.75


def test_normalised_precision_worked_example() -> None:
    """Off by a fifth of the width: inside the thresholds 0.2 … 0.5, 31 of 51."""
    truth, found = array((0, 0, 10, 40)), array((2, 0, 10, 40))
    errors = metrics.normalised_errors(found, truth)
    assert errors == pytest.approx([0.2])
    curve = metrics.error_curve(np.array([0.2 - 1e-9]), metrics.NORMALISED_THRESHOLDS)
    assert curve.mean() == pytest.approx(31 / 51)
    assert metrics.normalised_errors(array((3, 16, 10, 40)), truth) == pytest.approx([0.5])


def test_normalised_precision_has_two_figures() -> None:
    """Errors of 0.1, 0.2 (rounded down), 0.21 and 0.6 widths: half within 0.20; worked mean."""
    truth = array(*[(0, 0, 100, 40)] * 4)
    found = array((10, 0, 100, 40), (20 - 1e-9, 0, 100, 40), (21, 0, 100, 40), (60, 0, 100, 40))
    scores = metrics.score(found, truth, everywhere(4), (500, 500))
    assert scores.normalised_precision_20 == 0.5
    assert scores.normalised_precision_auc == pytest.approx((41 + 31 + 30 + 0) / 4 / 51, abs=6e-3)
    assert scores.normalised_curve[20] == scores.normalised_precision_20


@pytest.mark.parametrize(
    ("iou", "sr50", "sr75"), [(0.72, 1, 0), (0.76, 1, 1), (0.49, 0, 0), (0.75, 1, 0), (0.5, 0, 0)]
)
def test_success_rates_start_above_their_thresholds(iou: float, sr50: int, sr75: int) -> None:
    truth = array((0, 0, 100, 100), (0, 0, 100, 100))
    found = array((0, 0, 100, 100), (0, 0, 100, 100 * iou))
    scores = metrics.score(found, truth, everywhere(2), (500, 500))
    assert scores.ao == pytest.approx(iou)
    assert (scores.sr50, scores.sr75) == (sr50, sr75)


def test_ao_and_sr_leave_the_first_frame_out() -> None:
    truth = array(*[(10, 10, 10, 10)] * 5)
    found = array(
        (10, 10, 10, 10), (10, 10, 10, 8), (10, 10, 10, 6), (10, 10, 10, 5), (50, 50, 10, 10)
    )
    scores = metrics.score(found, truth, everywhere(5), (100, 100))
    assert scores.ao == pytest.approx((0.8 + 0.6 + 0.5 + 0) / 4)
    assert (scores.sr50, scores.sr75) == (0.5, 0.25)
    assert scores.precision_20 == 0.8
    assert scores.success_auc == pytest.approx((20 + 16 + 12 + 10 + 0) / 5 / 21)


def test_bounded_counts_from_one() -> None:
    """GOT-10k's toolkit cuts boxes that start at 1 to 0..W: x = 90 becomes 91, 9 wide."""
    got = metrics.bounded(array((90, -5, 20, 20), (150, 5, 10, 10)), 100, 80)
    assert got.tolist() == [[91, 0, 9, 20], [100, 6, 0, 10]]


def test_hidden_frames_do_not_count() -> None:
    truth = array((0, 0, 10, 10), (math.nan,) * 4, (0, 0, 10, 10), (0, 0, 0, 0))
    found = array(*[(0, 0, 10, 10)] * 4)
    visible = np.array([True, False, True, False])
    scores = metrics.score(found, truth, visible, (50, 50))
    assert scores.success_auc == pytest.approx(20 / 21)
    assert scores.ao == 1
    with pytest.raises(ClipError, match="no frame after the first has a visible target"):
        metrics.score(found, truth, np.array([True, False, False, False]), (50, 50))


coordinates = st.tuples(
    st.floats(-20, 90), st.floats(-20, 70), st.floats(0.5, 60), st.floats(0.5, 60)
)


@settings(deadline=None)
@given(st.lists(st.tuples(coordinates, coordinates), min_size=2, max_size=12))
def test_scores_against_plain_loops(
    pairs: list[tuple[tuple[float, ...], tuple[float, ...]]],
) -> None:
    found, truth = (np.array(side) for side in zip(*pairs, strict=True))
    scores = metrics.score(found, truth, everywhere(len(pairs)), (10**6, 10**6))
    ious = [iou(Box(*a), Box(*b)) for a, b in pairs]
    shares = [sum(i > t / 20 for i in ious) / len(ious) for t in range(21)]
    assert scores.success_auc == pytest.approx(sum(shares) / 21, abs=0.5 / 21)
    near = 0
    for a, b in pairs:
        dx = a[0] + a[2] / 2 - b[0] - b[2] / 2
        dy = a[1] + a[3] / 2 - b[1] - b[3] / 2
        near += math.hypot(dx, dy) <= 20
    assert scores.precision_20 == pytest.approx(near / len(pairs), abs=1e-9)
    assert list(scores.success_curve) == sorted(scores.success_curve, reverse=True)
    assert list(scores.normalised_curve) == sorted(scores.normalised_curve)


def test_the_same_boxes_overlap_wholly_whatever_rounds() -> None:
    """(x + w) - x is not always w: without a bound some of these would overlap by more than 1."""
    boxes = np.random.default_rng(0).random((1000, 4)) * 100 + 0.1
    assert metrics.overlaps(boxes, boxes).max() == 1
    assert metrics.overlaps(boxes, boxes + 200).max() == 0


def test_a_frame_without_a_size_takes_the_box_before_and_the_first_is_the_label() -> None:
    truth = array(*[(10, 20, 30, 40)] * 8)
    rows: list[tuple[float, float, float, float]]
    rows = [(1, 1, 5, 5), (2, 2, 6, 7), (np.nan, 2, 6, 7), (3, 3, 7, 8)]
    rows += [(4, 4, 0, 9), (5, 5, 9, -1), (6, np.inf, 8, 8), (7, 7, 1, 2)]
    kept = metrics.settled(array(*rows), truth)
    third = rows[3]
    wanted = [(10, 20, 30, 40), rows[1], rows[1], third, third, third, third, rows[7]]
    assert kept.tolist() == [list(map(float, row)) for row in wanted]
    first = metrics.settled(array((9, 9, 9, 9), (np.nan,) * 4), array((1, 2, 3, 4), (5, 6, 7, 8)))
    assert first.tolist() == [[1.0, 2.0, 3.0, 4.0]] * 2


@pytest.mark.parametrize(
    ("rule", "success", "precision", "normalised"),
    [("TNL2K", 0.75, 0.75, 1.0), ("UAV123", 0.75, 1.0, 1.0), ("LaSOT", 0.75, 0.75, 0.75)],
)
def test_hidden_frames_are_hits_or_misses_at_every_threshold(
    rule: str, success: float, precision: float, normalised: float
) -> None:
    """Three frames exactly right, one hidden: a hit counts at the threshold 0, too."""
    truth = array(*[(10, 20, 30, 40)] * 4)
    seen = np.array([True, True, False, True])
    scores = metrics.score(truth, truth, seen, (200, 200), RULES[rule])
    assert set(scores.success_curve[:20]) == {success}
    assert set(scores.precision_curve) == {precision}
    assert set(scores.normalised_curve) == {normalised}


def test_mean_scores() -> None:
    truth = array((0, 0, 10, 10), (0, 0, 10, 10))
    good = metrics.score(truth, truth, everywhere(2), (50, 50))
    bad = metrics.score(truth + array((30, 0, 0, 0)), truth, everywhere(2), (50, 50))
    mean = metrics.mean_scores([good, bad])
    assert mean.success_auc == pytest.approx((good.success_auc + bad.success_auc) / 2)
    assert mean.success_curve[3] == pytest.approx(0.5)
    assert isinstance(mean.ao, float)


Numbers = tuple[int, int, int, int]


def exact_iou(a: Sequence[Fraction], b: Sequence[Fraction]) -> Fraction:
    nothing = Fraction(0)
    sides = [max(min(a[i] + a[i + 2], b[i] + b[i + 2]) - max(a[i], b[i]), nothing) for i in (0, 1)]
    shared = sides[0] * sides[1]
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def in_frame(box: Numbers, size: tuple[int, int]) -> list[Fraction]:
    """Counted from 1, cut to 0..W and 0..H."""
    corner = [min(max(box[i] + 1, 0), size[i]) for i in (0, 1)]
    kept = [min(max(box[i + 2], 0), size[i] - corner[i]) for i in (0, 1)]
    return [Fraction(value) for value in corner + kept]


def expected(
    found: list[Numbers], truth: list[Numbers], visible: list[bool], size: tuple[int, int]
) -> dict[str, Any]:
    """Every figure by its definition, in fractions."""
    pairs = [
        pair for pair, seen in zip(zip(found, truth, strict=True), visible, strict=True) if seen
    ]
    whole = [exact_iou([Fraction(v) for v in a], [Fraction(v) for v in b]) for a, b in pairs]
    off = [
        (a[0] - b[0] + Fraction(a[2] - b[2], 2), a[1] - b[1] + Fraction(a[3] - b[3], 2), *b[2:])
        for a, b in pairs
    ]
    later = [
        exact_iou(in_frame(a, size), in_frame(b, size))
        for i, (a, b) in enumerate(zip(found, truth, strict=True))
        if i and visible[i]
    ]
    n, m = len(pairs), len(later)
    success = [Fraction(sum(i > Fraction(t, 20) for i in whole), n) for t in range(21)]
    near = [Fraction(sum(x * x + y * y <= p * p for x, y, _, _ in off), n) for p in range(51)]
    scaled = [
        Fraction(sum((x / w) ** 2 + (y / h) ** 2 <= Fraction(p, 100) ** 2 for x, y, w, h in off), n)
        for p in range(51)
    ]
    return {
        "success_auc": sum(success) / 21,
        "precision_20": near[20],
        "normalised_precision_20": scaled[20],
        "normalised_precision_auc": sum(scaled) / 51,
        "ao": sum(later) / m,
        "sr50": Fraction(sum(i > Fraction(1, 2) for i in later), m),
        "sr75": Fraction(sum(i > Fraction(3, 4) for i in later), m),
        "success_curve": success,
        "precision_curve": near,
        "normalised_curve": scaled,
    }


@pytest.mark.parametrize("seed", range(6))
def test_every_figure_by_its_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = (97, 61)
    truth = np.stack(
        [rng.integers(-9, 80, 40), rng.integers(-9, 50, 40), *rng.integers(7, 31, (2, 40))], 1
    )
    found = truth + rng.integers(-6, 7, (40, 4))
    visible = rng.random(40) < 0.8
    visible[0] = seed % 2 == 0
    rows = [[tuple(int(v) for v in row) for row in side] for side in (found, truth)]
    wanted = expected(rows[0], rows[1], visible.tolist(), size)  # type: ignore[arg-type]
    scores = metrics.score(found.astype(float), truth.astype(float), visible, size)
    for name, value in wanted.items():
        numbers = [float(v) for v in value] if isinstance(value, list) else float(value)
        assert getattr(scores, name) == pytest.approx(numbers, abs=1e-9), name
