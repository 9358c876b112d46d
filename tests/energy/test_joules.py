"""Joules at their edges: no inference, one layer, few frames, each worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from support.prices import price_table

from spiketrack.energy.joules import Energy, Spread, check_execution, price_operations, published
from spiketrack.energy.stages import by_stage, stage
from spiketrack.errors import ConfigError
from spiketrack.integer.counting import FIELDS, Layers
from spiketrack.runs.operations import BranchCounts

ALL = {"ac": 1.0, "mac": 10.0, "neuron_update_active": 100.0, "neuron_update_inactive": 1000.0}
LAYERS = Layers(("image", "spike", "conv"), ("image_conv", "neuron", "conv"), (7, 0, 1), (0, 0, 0))


def row(**values: int) -> list[int]:
    return [values.get(name, 0) for name in FIELDS]


def branch(*frames: list[list[int]]) -> BranchCounts:
    return BranchCounts(LAYERS, np.array(frames, np.int64).reshape(-1, 3, len(FIELDS)))


def frame(factor: int) -> list[list[int]]:
    return [
        row(mac=2 * factor, spikes_in=9),
        row(events=3 * factor, spikes=5 * factor, neuron_updates=8),
        row(ac_graded=4 * factor, ac_spike=6 * factor, spikes_in=5 * factor),
    ]


def test_a_run_without_inferences_costs_nothing() -> None:
    found = Energy.of(branch(), price_table("spike", ALL))
    assert found.mean == 0
    assert found.shares == dict.fromkeys(ALL, 0)
    assert found.unpriced == {}
    assert found.update_share is None


def test_figures_are_means_over_inferences() -> None:
    found = Energy.of(branch(frame(1), frame(2)), price_table("spike", ALL))
    assert found.by_inference.tolist() == [6 + 20 + 500 + 27000, 12 + 40 + 1000 + 22000]
    assert found.mean == (27526 + 23052) / 2
    assert found.shares == {
        "ac": 9,
        "mac": 30,
        "neuron_update_active": 750,
        "neuron_update_inactive": 24500,
    }
    assert found.update_share == pytest.approx(25250 / 25289)


def test_more_messages_than_updates_leave_no_inactive_update() -> None:
    """A population of a later time step can send more messages than it has neurons."""
    graded = Energy.of(branch(frame(4)), price_table("graded", ALL))
    assert graded.operations[0, 1].tolist() == [0, 0, 8, 0]
    spikes = Energy.of(branch(frame(7)), price_table("spike", ALL))
    assert spikes.operations[0, 1].tolist() == [0, 0, 4 * 8, 0]


def test_operations_without_a_price_are_told_as_means() -> None:
    found = Energy.of(branch(frame(1), frame(2)), price_table("spike", {"ac": 2.0}))
    assert found.mean == 18
    assert found.shares == {"ac": 18}
    assert found.unpriced == {
        "mac": 3,
        "neuron_update_active": 7.5,
        "neuron_update_inactive": 24.5,
    }
    assert found.update_share is None


def test_a_layer_of_one_mac_is_dense() -> None:
    found = Energy.of(branch(frame(1)), price_table("dense", ALL))
    assert found.operations[0, :, :2].tolist() == [[0, 7], [0, 0], [0, 1]]
    formula = published(branch(frame(1), frame(3)), price_table("spike", ALL))
    assert formula.first_pj == 70
    assert formula.rest_pj == 1 * (5 + 15) / 2  # no neuron feeds it: its spikes are not divided
    assert formula.exact_pj == (20 + 6 + 60 + 18) / 2
    assert formula.energy_pj == formula.first_pj + formula.rest_pj


@pytest.mark.parametrize("missing", ["ac", "mac"])
def test_the_formula_needs_both_prices(missing: str) -> None:
    prices = {name: pj for name, pj in ALL.items() if name != missing}
    with pytest.raises(ConfigError, match="t: the published formula needs prices of ac and mac"):
        published(branch(frame(1)), price_table("spike", prices))


def test_the_execution_of_the_table_or_of_the_user() -> None:
    for name in ("spike", "graded", "dense"):
        assert check_execution(name) == name
        assert Energy.of(branch(frame(1)), price_table(name, ALL)).execution == name
    assert check_execution(None) is None
    with pytest.raises(ConfigError, match="--execution x: choose one of spike, graded, dense"):
        check_execution("x")
    rows = dict(zip(LAYERS.names, np.array(frame(1)), strict=True))
    assert price_operations(price_table("spike", ALL))(rows) == 27526
    assert price_operations(price_table("spike", ALL), "graded")(rows) == 5324
    with pytest.raises(ConfigError, match="t: dense execution"):
        price_operations(price_table("spike", ALL), "dense")


@pytest.mark.parametrize(
    ("series", "deviation", "independent"),
    [
        ([1, 3], 2**0.5, 2),
        ([1, 2, 4], (7 / 3) ** 0.5, 3),  # neighbours differ more than others: no correlation
        ([1, 2, 3, 4], (5 / 3) ** 0.5, 4 * 0.75 / 1.25),
        ([0] * 50 + [1] * 50, (25 / 99) ** 0.5, 100 * 0.03 / 1.97),
        ([0] * 500 + [1] * 500, (250 / 999) ** 0.5, 1000 * 0.01 / 1.99),  # bounded at 0.99
    ],
)
def test_standard_errors_by_hand(series: list[int], deviation: float, independent: float) -> None:
    found = Spread.of(np.array(series, np.float64))
    assert found.deviation == pytest.approx(deviation)
    assert found.standard_error == pytest.approx(deviation / independent**0.5)


def test_two_equal_frames_do_not_spread() -> None:
    assert Spread.of(np.array([5.0, 5.0])) == Spread(0.0, 0.0)
    assert Spread.of(np.array([])) == Spread(None, None)


NAMES = {
    "decoder.conv1_ctr": "head",
    "encoder.downsample1_1.encode_conv": "stage 1",
    "encoder.ConvBlock2_1.0": "stage 2",
    "encoder.block3.0.conv": "stage 3",
    "encoder.mrm.0.retriever": "retrieval",
    "encoder.stem": "encoder",
    "encoder": "input, output",
    "image": "input, output",
}


@pytest.mark.parametrize("name", NAMES)
def test_parts_of_the_network_by_name(name: str) -> None:
    assert stage(name) == NAMES[name]


def test_parts_stand_in_the_order_of_the_network() -> None:
    found = by_stage(NAMES, str)
    order = ["input, output", "stage 1", "stage 2", "stage 3", "encoder", "retrieval", "head"]
    assert list(found) == order
    assert found["input, output"] == ["encoder", "image"]
