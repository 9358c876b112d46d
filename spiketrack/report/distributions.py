"""How often which count, which weight, which head-room occurs: sums over a run and its export."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spiketrack.documents.manifest import Manifest
from spiketrack.documents.run import RunDocument
from spiketrack.errors import SpikeTrackError
from spiketrack.export.nir.reader import read_nir
from spiketrack.integer.nodes.types import Conv
from spiketrack.limits import MAX_COUNT
from spiketrack.runs.folder import open_counts

FRAMES = 4  # inferences of each branch that are read, spread over the run
LARGEST = 128  # magnitude of an int8

Occurrences = NDArray[np.int64]


def count_occurrences(
    run: Path, about: RunDocument, branches: Mapping[str, int]
) -> dict[str, Occurrences]:
    """By branch: how many neuron steps held the count 0, 1, … 4, in a few inferences of the run.

    ``branches``: inferences of each. Empty for a run that kept totals alone.
    """
    if about.counts != "full":
        return {}
    try:
        return {b: _counts(run, b, number) for b, number in branches.items() if number}
    except SpikeTrackError:  # a backend that records no counts
        return {}


def _counts(run: Path, branch: str, inferences: int) -> Occurrences:
    picks = np.unique(np.linspace(0, inferences - 1, min(FRAMES, inferences)).round().astype(int))
    sums = np.zeros(MAX_COUNT + 1, np.int64)
    with open_counts(run, branch) as counts:
        for name in counts:
            for pick in picks:
                sums += np.bincount(counts.group[name][pick].ravel(), minlength=MAX_COUNT + 1)
    return sums


def weight_occurrences(export: Path, manifest: Manifest) -> dict[str, Occurrences]:
    """By branch: how often each int8 weight from -128 to 127 occurs in the ``.nir`` file.

    Empty where the files are gone or unreadable; the figures then say nothing of weights.
    """
    occurrences = {}
    for branch in manifest.layers:
        try:
            graph = read_nir(export / f"{branch}.nir")
        except (SpikeTrackError, OSError):
            return {}
        sums = np.zeros(2 * LARGEST, np.int64)
        for node in graph:
            if isinstance(node, Conv):
                sums += np.bincount(node.weight.ravel().astype(np.int64) + LARGEST, minlength=256)
        occurrences[branch] = sums
    return occurrences
