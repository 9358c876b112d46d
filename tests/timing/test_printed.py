"""PilotNet under the rules of the compiler: its partition, and its measured times in range."""

from __future__ import annotations

import numpy as np
import pytest

from spiketrack.deploy.chip.rules.printed_networks import printed_network
from spiketrack.timing.model import step_times
from spiketrack.timing.printed import ACTIVITY, measured, sample_work
from spiketrack.timing.rates import load_rates

TABLE = load_rates("loihi2-scaled")


def test_what_others_measured_lies_within_the_range() -> None:
    """153 µs a step and 408.9 samples a second (SNN), 1.21 ms a frame (SDNN)."""
    found = measured(TABLE)
    assert [row.value for row in found] == pytest.approx([154e-6, 408.9, 1.21e-3], rel=0.01)
    for row in found:
        assert row.inside, row
        assert row.modelled.high / row.modelled.low < 15  # a range that could have missed


@pytest.mark.parametrize(("name", "cores"), [("pilotnet-snn", 74), ("pilotnet-sdnn", 61)])
def test_the_partition_is_the_printed_one(name: str, cores: int) -> None:
    network = printed_network(name)
    work = sample_work(network, ACTIVITY[1])
    assert len(work.resident) == network.cores == cores
    neurons = sum(int(np.prod(layer.shape)) for layer in network.layers)
    assert work.resident.sum() == work.core("updates").sum() == neurons


def test_operations_are_the_share_of_all_synapses() -> None:
    """Of the third convolution: 24 × 7 × 48 neurons of 9 · 36 synapses, none at a border."""
    network = printed_network("pilotnet-snn")
    work = sample_work(network, 0.25)
    layer = work.layers.index("conv3")
    rows = work.core("layer") == layer
    assert work.core("operations")[rows].sum() == pytest.approx(24 * 7 * 48 * 9 * 36 * 0.25)


def test_more_activity_never_takes_less_time() -> None:
    network = printed_network("pilotnet-sdnn")
    totals = [
        step_times(sample_work(network, share), TABLE.at("central")).total
        for share in (0.0, 0.1, 0.5, 1.0)
    ]
    assert totals == sorted(totals)
    assert totals[0] < totals[-1]
