"""Choosing weights by success in closed loop, and how far a network amplifies."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.jobs import SIZES
from support.synthetic_clips import moving_patch

from spiketrack.config import TrackerConfig
from spiketrack.reference.model import SpikeTrack
from spiketrack.simulators.float_reference import FloatSimulator
from spiketrack.tracking.tracker import Tracker, follow
from spiketrack.training.closed_loop import begin_at, closed_loop, follow_all
from spiketrack.training.folders import Clip
from spiketrack.training.schema import load_config
from spiketrack.verification.amplification import amplification, shifted

SETTINGS = TrackerConfig(update_every=2, update_threshold=0.0)


def clip(count: int) -> Clip:
    frames, boxes = moving_patch(count)
    return Clip("patch", tuple(frames), np.array([box.as_tuple() for box in boxes]))


@pytest.fixture(scope="module")
def model() -> SpikeTrack:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return SpikeTrack(SIZES).eval()


def test_starts_are_spread_and_shifted() -> None:
    runs = begin_at(clip(9), 4, 4)
    assert [(run.first, run.last) for run in runs] == [(0, 4), (1, 5), (3, 7), (4, 8)]
    first, second = (run.clip.boxes[run.first] for run in runs[:2])
    assert runs[0].box.as_tuple() == tuple(first)
    assert runs[1].box.x == pytest.approx(second[0] - 0.1 * second[2])
    assert [(run.first, run.last) for run in begin_at(clip(3), 3, 9)] == [(0, 2)] * 3
    assert begin_at(clip(1), 3, 9) == []


def test_runs_side_by_side_are_those_of_the_tracker(model: SpikeTrack) -> None:
    """Templates renewed, runs of different lengths."""
    runs = [*begin_at(clip(6), 1, 9), *begin_at(clip(8), 2, 3)]
    for run, boxes in zip(runs, follow_all(model, SETTINGS, runs), strict=True):
        frames = run.clip.frames[run.first : run.last + 1]
        alone = follow(Tracker(FloatSimulator(model), SETTINGS), frames, run.box)
        expected = [result.box.as_tuple() for result in alone]
        np.testing.assert_allclose([b.as_tuple() for b in boxes], expected, rtol=1e-4)


def test_figures_of_closed_loop(model: SpikeTrack) -> None:
    found = closed_loop(model, SETTINGS, [clip(4)], 2, 2)
    assert 0 <= found["auc_low"] <= found["auc"] <= found["auc_high"] <= 1
    assert closed_loop(model, SETTINGS, [], 2, 2) == {}


def test_what_a_flipped_count_and_a_shift_reach(model: SpikeTrack) -> None:
    rng = np.random.default_rng(0)
    side = SIZES.resolution
    crops = [
        (
            rng.standard_normal((SIZES.templates, 3, side, side), np.float32),
            rng.standard_normal((3, side, side), np.float32),
        )
    ]
    part = amplification(model, crops)
    assert part is not None
    assert part == amplification(model, crops)
    assert 1 <= part.flipped < part.shifted <= part.counts
    same = amplification(model, [(crops[0][0], np.ones_like(crops[0][1]))])
    assert same is not None
    assert same.shifted == 0
    assert same.flipped >= 1
    assert amplification(model, []) is None


def test_a_shift_keeps_the_border() -> None:
    assert shifted(torch.tensor([[1.0, 2.0, 3.0]])).tolist() == [[1.0, 1.0, 2.0]]


def test_micro_keeps_the_list_out() -> None:
    whole, rounded = load_config("micro"), load_config("micro-quantised")
    assert whole.network == rounded.network
    assert whole.network.build().resolution == 192
    assert len(whole.data.validation) == 26
    assert whole.data == rounded.data
