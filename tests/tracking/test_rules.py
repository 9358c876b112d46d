"""Frames without a visible target, by each data set's own toolkit; GOT-10k's toolkit as oracle."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spiketrack.tracking import metrics
from spiketrack.tracking.rules import RULES, VISIBLE, rule_of

TRUTH = np.array([(10.0, 10, 20, 20)] * 4)
FOUND = np.array([(10.0, 10, 20, 20), (10, 10, 20, 20), (10, 10, 20, 10), (60, 60, 20, 20)])
SIZE = (200, 200)


def scored(layout: str, hidden: tuple[int, ...] = (1,)) -> metrics.Scores:
    """Perfect, hidden (though the box is right), half as high, 50 pixels off both ways."""
    visible = np.ones(4, np.bool_)
    visible[list(hidden)] = False
    truth = TRUTH.copy()
    truth[list(hidden)] = math.nan
    return metrics.score(FOUND, truth, visible, SIZE, rule_of(layout))


def test_the_frames_that_are_left_out() -> None:
    """IoU 1, 0.5, 0: above 20, 10 and 0 of the 21 thresholds; two of three within 20 pixels."""
    for layout in ("OTB", "TC128", "VOT", "GOT-10k", "elsewhere"):
        got = scored(layout)
        assert got.success_auc == pytest.approx((20 + 10 + 0) / 21 / 3)
        assert got.precision_20 == pytest.approx(2 / 3)


def test_lasot_divides_by_all_frames() -> None:
    """LaSOT's toolkit: absent frames are misses in all three, 30/21 of 4 frames instead of 3."""
    got = scored("LaSOT")
    assert got.success_auc == pytest.approx((20 + 10 + 0) / 21 / 4)
    assert got.precision_20 == got.precision_curve[-1] == 2 / 4
    # the half box is 5 pixels = 0.25 of the height off
    assert got.normalised_precision_20 == 1 / 4
    assert got.normalised_curve[-1] == 2 / 4
    assert scored("LaSOT", ()).success_auc == pytest.approx((20 + 20 + 10) / 21 / 4)


def test_a_quarter_out_of_view() -> None:
    """What is 0.757 over the visible frames is 0.568 over all, if a quarter is out of view."""
    left_out, all_frames = scored("OTB").success_auc, scored("LaSOT").success_auc
    assert all_frames == pytest.approx(0.75 * left_out)


def test_uav123_counts_absent_frames_as_hits_of_precision() -> None:
    """Its toolkit marks them -1, which is below every threshold."""
    got = scored("UAV123")
    assert got.success_auc == pytest.approx(30 / 21 / 4)
    assert (got.precision_20, got.precision_curve[0]) == (3 / 4, 2 / 4)
    assert got.normalised_precision_20 == 2 / 4


def test_tnl2k_in_pytracking() -> None:
    """Misses in success and precision, hits of the normalised one."""
    got = scored("TNL2K")
    assert got.success_auc == pytest.approx(30 / 21 / 4)
    assert (got.precision_20, got.normalised_precision_20) == (2 / 4, 2 / 4)


def test_average_overlap_leaves_hidden_frames_out_everywhere() -> None:
    for layout in (*RULES, "elsewhere"):
        assert scored(layout).ao == pytest.approx((0.5 + 0) / 2)


def test_every_rule_says_what_it_does() -> None:
    for name, rule in RULES.items():
        assert rule.name == name
        assert set(rule.headline) <= {*metrics.Scores.__dataclass_fields__}
        assert len(rule.said) > 15
    assert rule_of("other") is VISIBLE


def test_what_toolkits_put_right_first() -> None:
    """The first box is the label; one that is no box is the one before."""
    boxes = np.array([(0, 0, 1, 1), (1, 2, 3, 4), (9, 9, 0, 4), (math.nan, 1, 2, 2)], float)
    got = metrics.settled(boxes, TRUTH)
    assert got.tolist() == [[10, 10, 20, 20], *[[1, 2, 3, 4]] * 3]
    assert boxes[0].tolist() == [0, 0, 1, 1]


def test_weights_of_runs() -> None:
    a, b = scored("OTB"), scored("LaSOT")
    mean = metrics.mean_scores([a, b], [1, 3])
    assert mean.success_auc == pytest.approx((a.success_auc + 3 * b.success_auc) / 4)


@pytest.mark.limited
def test_against_the_got10k_toolkit() -> None:
    """AO, SR, success and precision of random boxes, by the toolkit's own classes."""
    from got10k.experiments import ExperimentGOT10k, ExperimentOTB
    from got10k.utils.metrics import rect_iou

    rng = np.random.default_rng(5)
    truth = np.hstack([rng.uniform(0, 120, (40, 2)), rng.uniform(5, 60, (40, 2))])
    found = truth + rng.normal(0, 8, truth.shape)
    found[:, 2:] = np.maximum(found[:, 2:], 2)
    found[0] = truth[0]
    cover = rng.integers(0, 9, 40)
    cover[0] = 8
    got = metrics.score(found, truth, cover > 0, (150, 130), RULES["GOT-10k"])
    bound = (150, 130)  # its boxes count from 1
    one = np.array([1, 1, 0, 0])
    ious = rect_iou(found[1:] + one, truth[1:] + one, bound=bound)
    toolkit = object.__new__(ExperimentGOT10k)
    toolkit.nbins_iou = 101
    ious = ious[cover[1:] > 0]
    assert got.ao == pytest.approx(ious.mean(), abs=1e-12)
    assert got.sr50 == pytest.approx((ious > 0.5).mean(), abs=1e-12)
    ao, sr, _, _ = toolkit._evaluate(ious, np.ones(4))
    assert (got.ao, got.sr50) == pytest.approx((ao, sr[0] if np.ndim(sr) else sr), abs=1e-6)
    otb = object.__new__(ExperimentOTB)
    otb.nbins_iou, otb.nbins_ce = 21, 51
    whole = metrics.score(found, truth, np.ones(40, np.bool_), bound, RULES["OTB"])
    success, precision = otb._calc_curves(*otb._calc_metrics(found, truth))
    assert whole.success_curve == pytest.approx(success.tolist())
    assert whole.precision_curve == pytest.approx(precision.tolist())
