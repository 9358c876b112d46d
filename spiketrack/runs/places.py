"""Where the events of a run were: messages of every neuron, in the mean over its inferences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spiketrack.runs.folder import open_counts


def mean_messages(run: Path, branch: str, binary: bool = False) -> dict[str, NDArray[np.float64]]:
    """Population → messages a neuron sends in one inference, (C, H, W).

    One for each network step whose count is not 0; ``binary``: one for each spike of a count. Of a
    run that recorded its counts; ``SpikeTrackError`` where it recorded totals alone.
    """
    with open_counts(run, branch) as counts:
        return {name: _mean(counts[name], binary) for name in counts}


def _mean(counts: NDArray[np.int8], binary: bool) -> NDArray[np.float64]:
    sent = counts if binary else counts != 0
    total = sent.sum((0, 1), np.int64)
    means: NDArray[np.float64] = total / len(counts)
    return means
