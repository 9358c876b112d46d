"""Cores and hops, block by block: what packing may put together, and how far messages go."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.random_graphs import random_graph

from spiketrack.deploy.chip.board import Board, load_board
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.links import HOST, Links
from spiketrack.deploy.chip.loads import loads
from spiketrack.deploy.chip.mapping import map_network
from spiketrack.deploy.chip.packing import Packer
from spiketrack.deploy.chip.reach import Tiling, identity
from spiketrack.deploy.chip.requirements import POPULATION, Synapses
from spiketrack.deploy.chip.work.frame import link_kinds
from spiketrack.deploy.chip.work.rows import BETWEEN_CHIPS, EAST_WEST, NORTH_SOUTH, WITH_HOST
from spiketrack.deploy.chip.work.traffic import traffic

LIMITS: dict[str, Any] = {
    "neurons_per_core": 100,
    "memory_kib_per_core": 1,
    "input_axons_per_core": 50,
    "output_axons_per_core": 40,
}
MOST = (100, 8192, 50, 40)


@pytest.mark.parametrize("scarce", range(4))
def test_a_core_is_filled_up_to_each_of_its_limits(scarce: int) -> None:
    """Random blocks that want much of one resource: no core gives more than it has of any."""
    board = load_board("loihi2").changed(**LIMITS)
    rng = np.random.default_rng(scarce)
    share = np.full(4, 0.02)
    share[scarce] = 0.6
    loads = [np.ceil(rng.random(4) * share * MOST).astype(np.int64) for _ in range(200)]
    packer = Packer(board)
    cores = [packer.place(load) for load in loads]
    held: dict[int, list[int]] = {}
    for core, load in zip(cores, loads, strict=True):
        held[core] = [a + int(b) for a, b in zip(held.get(core, [0] * 4), load, strict=True)]
    assert all(used <= most for row in held.values() for used, most in zip(row, MOST, strict=True))
    assert packer.table.tolist() == [held[core] for core in range(len(held))]
    # and not much is left over: two half-empty neighbours would have shared a core
    assert len(held) < 1.5 * sum(int(load[scarce]) for load in loads) / MOST[scarce]


def test_a_placement_keeps_the_limits_of_axons() -> None:
    graph = random_graph(2, ("depthwise", "plain", "pooled"))
    free = map_network({"g": graph}, load_board("loihi2").changed(neurons_per_core=2000))
    most = int(free.used[:, 2].max()) - 1
    board = free.board.changed(input_axons_per_core=most)
    assert int(map_network({"g": graph}, board).used[:, 2].max()) <= most


@pytest.mark.parametrize(
    ("sender", "receiver", "east_west", "north_south"),
    [(0, 1, 0, 0), (0, 4, 1, 0), (0, 12, 3, 0), (0, 16, 3, 1), (0, 31, 0, 1), (5, 32, 1, 2)],
)
def test_hops_go_along_columns_and_along_rows(
    sender: int, receiver: int, east_west: int, north_south: int
) -> None:
    """Tiles of 4 cores, 4 across, rows to and fro: cores 16 to 19 lie below 12 to 15."""
    board: Board = load_board("loihi2").changed(cores_per_tile=4, tiles_across=4)
    shape = (1, 1, 7)
    first = Layer("a", POPULATION, shape, 1, ())
    link = Synapses("a", identity(shape), 8, 8, 1)
    second = Layer("b", POPULATION, shape, 1, (link,))
    tilings = {name: Tiling(shape, shape) for name in "ab"}
    cores = {"a": np.array([sender]), "b": np.array([receiver])}
    found = traffic([first, second], tilings, {"a": [(second, link)]}, cores, board, {"a": 7.0})
    sent = found["a"]
    assert (sent.hops_east_west, sent.hops_north_south) == (7 * east_west, 7 * north_south)
    assert (sent.within_core, sent.between_cores, sent.between_chips) == (0, 7, 0)


@pytest.mark.parametrize("across", [1, 2, 4])
def test_a_path_takes_a_link_for_each_hop_and_each_has_its_kind(across: int) -> None:
    board = load_board("loihi2").changed(
        cores_per_tile=4, tiles_across=across, cores_per_chip=16 * across
    )
    links = Links(board)
    for receiver in range(board.cores_per_chip.value):
        path = list(links.path(5, receiver))
        column, row = board.tile(5)
        there = board.tile(receiver)
        kinds = link_kinds(links)[path].tolist()
        hops = abs(there[0] - column) * [EAST_WEST] + abs(there[1] - row) * [NORTH_SOUTH]
        assert kinds == hops
    ends = [(0, board.cores_per_chip.value), (HOST, 3), (3, HOST)]
    others = [number for pair in ends for number in links.path(*pair)]
    assert link_kinds(links)[others].tolist() == [BETWEEN_CHIPS, WITH_HOST, WITH_HOST]


def test_axon_entries_take_memory() -> None:
    """Three pixels of one core that another reads: three entries on either side."""
    first = Layer("a", POPULATION, (2, 1, 3), 1, ())
    link = Synapses("a", identity((1, 1, 3)), 8, 8, 1)
    second = Layer("b", POPULATION, (1, 1, 3), 1, (link,))
    tilings = {layer.name: Tiling(layer.shape, layer.shape) for layer in (first, second)}
    readers = {"a": [(second, link)]}
    free, dear = (load_board("loihi2").changed(axon_bits=bits) for bits in (0, 7))
    for layer in (first, second):
        without, found = (loads(layer, tilings, readers, board).memory for board in (free, dear))
        assert (found - without).tolist() == [3 * 7]
