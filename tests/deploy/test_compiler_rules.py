"""The rules of Intel's compiler against its printed partitions and a recount of every slice."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.program import Program
from support.random_graphs import tiny_graph

from spiketrack.deploy.chip.board import CapacityError, load_board
from spiketrack.deploy.chip.document import document
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.loads import limits
from spiketrack.deploy.chip.mapping import map_network
from spiketrack.deploy.chip.reach import whole, window
from spiketrack.deploy.chip.requirements import COUNTS, POPULATION, Synapses
from spiketrack.deploy.chip.rules.printed_networks import (
    PrintedNetwork,
    printed_network,
    printed_networks,
    reproduce,
)
from spiketrack.deploy.chip.rules.registers import Registers, registers
from spiketrack.deploy.chip.rules.slices import tiling
from spiketrack.deploy.chip.rules.strategy import INTEL_COMPILER, IntelCompiler, rules_of
from spiketrack.documents.chip.partitions import PartitionsDocument
from spiketrack.errors import ConfigError

TOTALS = {"PilotNet SDNN": 61, "PilotNet SNN": 74, "YOLO-KP": 574, "Oxford": 5, "MNIST": 5}


def changed(**values: float) -> Registers:
    """Registers with other numbers."""
    numbers = {key: {"value": value, "source": "test"} for key, value in values.items()}
    return Registers.model_validate({**registers().model_dump(), **numbers})


def dense(neurons: int, inputs: int) -> Layer:
    link = Synapses("image", (whole(inputs), whole(1), whole(1)), inputs * 8, 8, 1)
    return Layer("dense", POPULATION, (neurons, 1, 1), 1, (link,), rule=COUNTS)


def conv(shape: tuple[int, int, int], inputs: int, kernel: int) -> Layer:
    axes = (
        whole(inputs),
        window(shape[1], 1, kernel, 1, kernel // 2),
        window(shape[2], 2, kernel, 1, kernel // 2),
    )
    link = Synapses("image", axes, inputs * kernel * kernel * 8, 8, 1)
    return Layer("conv", POPULATION, shape, 1, (link,), rule=COUNTS)


@pytest.mark.parametrize("network", printed_networks(), ids=lambda network: network.name)
def test_printed_partitions(network: PrintedNetwork) -> None:
    rows = reproduce(network)
    assert [row.layer for row in rows if not row.reproduced] == []
    assert sum(row.cores for row in rows) == network.cores == TOTALS[network.name]
    assert sum(row.printed.cores for row in rows) == network.cores  # the file adds up


@pytest.mark.parametrize("value", [0.0408, 0.06, 0.0813])
def test_words_a_weight_decide_nothing_within_their_range(value: float) -> None:
    """4,096 · 72 weights must not fit, 147,456 must."""
    layers = printed_network("yolo-kp").chip_layers()
    cut = [tiling(layer, changed(words_a_weight=value), 1) for layer in layers]
    assert cut == [tiling(layer, registers(), 1) for layer in layers]


def test_another_limit_gives_another_partition() -> None:
    """4,096 neurons would let PilotNet's slice of 22 × 4 × 64 be sixteen columns wide."""
    layer = printed_network("pilotnet-sdnn").chip_layers()[3]
    assert tiling(layer, registers(), 1).block == (64, 4, 8)
    assert tiling(layer, changed(neurons=4096), 1).block == (64, 4, 16)


def test_dense_layers_follow_the_printed_violations() -> None:
    """66,560 words on one core, then six cores, then twelve; the neuron limit is divided."""
    layer = dense(100, 2560)
    assert registers().words(layer, (100, 1, 1)) == 66_560
    assert tiling(layer, registers(), 1).block == (9, 1, 1)  # 4,095 ÷ 6 ÷ 6 ÷ 6 ÷ 2
    assert tiling(dense(256, 200), registers(), 1).block == (127, 1, 1)
    assert tiling(dense(128, 784), registers(), 1).block == (50, 1, 1)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 600), st.integers(1, 60), st.integers(1, 60)),
    st.integers(1, 300),
    st.sampled_from([1, 3]),
    st.sampled_from([1, 2]),
)
def test_every_slice_fits(
    shape: tuple[int, int, int], inputs: int, kernel: int, places: int
) -> None:
    """Blocks cover the map; a loop over them finds none above a register; x is a power of two."""
    layer = conv(shape, inputs, kernel)
    cut = tiling(layer, registers(), places)
    seen = np.zeros(shape, int)
    for (c0, c1), (h0, h1), (w0, w1) in cut.bounds():
        seen[c0:c1, h0:h1, w0:w1] += 1
        assert (c1 - c0) * (h1 - h0) * (w1 - w0) * places <= 4095
        assert math.ceil((c1 - c0) * inputs * kernel**2 * 0.078125) <= 12_000
    assert (seen == 1).all()
    width = cut.block[2]
    assert width == shape[2] or width & (width - 1) == 0


def test_no_core_holds_two_layers() -> None:
    graphs = {branch: tiny_graph(1, branch) for branch in ("search", "template")}
    placed = map_network(graphs, load_board("loihi2"), rules=INTEL_COMPILER)
    found = document(placed, "0" * 64)
    assert {len(held) for held in found.core_map.layers} == {1}
    assert placed.cores == sum(len(t) for b in placed.branches for t in b.tilings.values())
    assert (found.rules, found.limits.neurons_per_core.value) == ("intel-compiler", 4095)
    assert type(found).parse(found.text().encode(), "map") == found
    assert map_network(graphs, load_board("loihi2")).cores < placed.cores


def test_what_cannot_be_held_is_named() -> None:
    board = load_board("loihi2")
    with pytest.raises(CapacityError, match=r"dense: one channel needs 75,000 synapse words, 63,0"):
        INTEL_COMPILER.partition([dense(4, 60_000)], board)
    rules = IntelCompiler(changed(synapse_words=100_000))
    with pytest.raises(CapacityError, match=r"dense: input axons .* exceeded by 44,000"):
        rules.partition([dense(4, 60_000)], rules.board(board))
    with pytest.raises(ConfigError, match=r"--rules mine: choose hardware or intel-compiler"):
        rules_of("mine")


def test_each_register_limits_what_it_holds() -> None:
    board = changed(neurons=11, axon_in=12, axon_map=13, synapse_words=256).board(
        load_board("loihi2").changed(axon_bits=9)
    )
    assert limits(board).tolist() == [11, 256 * 64, 12, 13]
    assert board.axon_bits.value == 0


def test_the_command(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "partitions.json"
    printed = program("partitions", "--json", path)
    assert "34 of 34 printed rows reproduced from shapes alone" in printed
    document = PartitionsDocument.read(path)
    assert {row.network for row in document.printed} == set(TOTALS)
    assert all(row.reproduced for row in document.printed)
