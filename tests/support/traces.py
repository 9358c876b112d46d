"""What two backends did with the same crop is compared in one way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from spiketrack.inference import Inference


def assert_same_inference(found: Inference, expected: Inference, operations: bool = True) -> None:
    """Same counts in the same populations, same operations of the same layers, same maps."""
    assert expected.trace.counts, "nothing was recorded to compare with"
    _assert_same_rows(found.trace.counts, expected.trace.counts)
    if operations:
        assert expected.trace.operations, "no operations were counted to compare with"
        _assert_same_rows(found.trace.operations, expected.trace.operations)
    assert (found.maps is None) == (expected.maps is None)
    if found.maps is not None and expected.maps is not None:
        for key in ("score", "size", "offset"):
            assert np.array_equal(getattr(found.maps, key), getattr(expected.maps, key)), key


def _assert_same_rows(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    assert set(found) == set(expected)
    for name, row in expected.items():
        assert np.array_equal(found[name], row), name
