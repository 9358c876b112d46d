"""Do the float and the integer network give the same counts? They do on the grid of training."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from spiketrack.export.checks import check
from spiketrack.export.folding import SEARCH, TEMPLATE, fold
from spiketrack.export.quantise import quantise
from spiketrack.model import SpikeTrack
from spiketrack.simulators.base import Crop
from spiketrack.simulators.float_reference import FloatSimulator
from spiketrack.simulators.integer import IntegerSimulator


def differences(model: SpikeTrack, crops: Iterable[tuple[Crop, Crop]]) -> dict[str, int]:
    """Counts of both branches that ``differ`` between the two networks, of all ``compared``.

    ``crops``: templates (T, 3, S, S) and a search crop (3, S, S), normalised; each network reads
    its own memory. ``GraphError`` where an integer could leave 24 bits.
    """
    graphs = {branch: quantise(fold(model, branch)) for branch in (TEMPLATE, SEARCH)}
    for branch, graph in graphs.items():
        check(graph, f"quantising the {branch} branch")
    real = FloatSimulator(model, record=True)
    whole = IntegerSimulator(graphs, model.config, counts=True)
    found = {"differ": 0, "compared": 0}
    for z, x in crops:
        for call, crop in (("encode_template", z), ("search", x)):
            one, other = (getattr(s, call)(crop).trace.counts for s in (real, whole))
            for name, counts in one.items():
                found["differ"] += int(np.sum(counts.ravel() != other[name].ravel()))
                found["compared"] += counts.size
    return found
