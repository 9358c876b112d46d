"""Integer read-outs to maps: values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from spiketrack.integer.readout import to_maps

FRACTIONS = {"score": 3, "size": 5, "offset": 2}


def test_maps_worked_example() -> None:
    """score -16/8 = -2, size 32/32 = 1 and -64/32 = -2, offset 3/4 and -1/4."""
    outputs = {
        "score": np.array([[[[-16, 0]]]]),
        "size": np.array([[[[32, 0]], [[-64, 0]]]]),
        "offset": np.array([[[[3, 0]], [[-1, 0]]]]),
    }
    maps = to_maps(outputs, FRACTIONS)
    assert maps.score.shape == (1, 2)
    assert maps.size.shape == maps.offset.shape == (2, 1, 2)
    assert {a.dtype.str for a in (maps.score, maps.size, maps.offset)} == {"<f4"}
    assert maps.score[0] == pytest.approx([0.119202922, 0.5], abs=1e-7)
    assert maps.size[:, 0, 0] == pytest.approx([0.731058579, 0.119202922], abs=1e-7)
    assert maps.offset[:, 0, 0].tolist() == [0.75, -0.25]


def test_scores_and_sizes_are_clamped_and_offsets_are_not() -> None:
    far = np.array([-800, 800])
    outputs = {"score": far[None, None, None], "size": far[None, :, None, None]}
    outputs["offset"] = outputs["size"]
    maps = to_maps(outputs, dict.fromkeys(FRACTIONS, 3))
    assert maps.score[0] == pytest.approx([1e-4, 1 - 1e-4], abs=1e-7)
    assert maps.size[:, 0, 0] == pytest.approx([1e-4, 1 - 1e-4], abs=1e-7)
    assert maps.offset[:, 0, 0].tolist() == [-100, 100]
