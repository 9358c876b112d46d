"""Messages between cores against an enumeration of every synapse."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.brute_cores import core_tables, read_by
from support.random_graphs import graphs, random_graph

from spiketrack.deploy.chip.board import Board, load_board
from spiketrack.deploy.chip.mapping import map_network
from spiketrack.deploy.chip.placement import Branch
from spiketrack.deploy.chip.program import Choices
from spiketrack.deploy.chip.work.boxes import Sums, disjoint, union, volume
from spiketrack.deploy.chip.work.traffic import Traffic, origin
from spiketrack.integer.graph import COUNT, Graph

SLOW = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


def small_board(neurons: int, chip: int) -> Board:
    return load_board("loihi2").changed(neurons_per_core=neurons, cores_per_chip=chip)


def enumerated(graph: Graph, branch: Branch, sent: dict[str, NDArray[np.int64]]) -> Traffic:
    """The sums of all layers' traffic but the host's, message by message."""
    board, tables = load_board("loihi2"), core_tables(branch)
    by_name = {layer.name: layer for layer in branch.layers}
    needed = {pair for layer in branch.layers for pair in read_by(graph, branch, layer)}
    totals: dict[str, float] = defaultdict(float)
    for (name, *place), core in needed:
        layer = by_name[name]
        source = origin(layer, by_name)
        again = layer.sends.times / (layer.steps if layer.nodes else layer.sends.times)
        number = layer.sends.times * (layer.sends.parts if layer.sends.part == "table" else 1)
        if layer.signal == COUNT:
            number = sent[source.name][tuple(place)] * max(again, 1)
        at = int(tables[name][tuple(place)])
        chips = (at // CHIP, core // CHIP)
        here, there = board.tile(at % CHIP), board.tile(core % CHIP)
        if at == core:
            totals["within_core"] += number
        elif chips[0] != chips[1]:
            totals["between_chips"] += number
        else:
            totals["between_cores"] += number
        if chips[0] == chips[1]:
            totals["hops_east_west"] += number * abs(here[0] - there[0])
            totals["hops_north_south"] += number * abs(here[1] - there[1])
    return Traffic(**totals)


CHIP = 24


@SLOW
@given(
    graphs(2),
    st.sampled_from([60, 300, 2000]),
    st.sampled_from(["pipelined", "fall-through"]),
    st.integers(0, 99),
)
@pytest.mark.slow
def test_every_message_goes_once_to_each_core_that_needs_it(
    graph: Graph, neurons: int, mode: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    sent = {
        node.name: rng.integers(0, 4, node.shape[1:]).astype(np.float64)
        for node in graph.populations
    }
    placement = map_network({"g": graph}, small_board(neurons, CHIP), {"g": sent}, Choices(mode))
    (branch,) = placement.branches
    total = sum(branch.traffic.values(), Traffic())
    expected = enumerated(graph, branch, sent)  # type: ignore[arg-type]
    for part in ("within_core", "between_cores", "between_chips"):
        assert getattr(total, part) == pytest.approx(getattr(expected, part)), part
    assert total.hops_east_west == pytest.approx(expected.hops_east_west)
    assert total.hops_north_south == pytest.approx(expected.hops_north_south)


def test_recorded_places_differ_from_an_even_spread() -> None:
    """All events in one corner: as many messages, other cores."""
    graph = random_graph(0, ("depthwise", "plain"))
    board = small_board(100, CHIP)
    maps = {}
    for node in graph.populations:
        corner = np.zeros(node.shape[1:])
        corner[0, 0, 0] = 5.0
        maps[node.name] = corner
    numbers = {name: float(corner.sum()) for name, corner in maps.items()}
    placed, spread = (
        map_network({"g": graph}, board, {"g": events}).branches[0].traffic
        for events in (maps, numbers)
    )
    assert any(placed[name] != spread[name] for name in maps)


# boxes

sides = st.tuples(st.integers(0, 4), st.integers(1, 4)).map(lambda p: (p[0], p[0] + p[1]))
boxes = st.tuples(sides, sides, sides).map(lambda b: (*b[0], *b[1], *b[2]))


@given(st.lists(st.tuples(st.integers(0, 2), boxes), min_size=1, max_size=8))
def test_unions_hold_every_element_once(rows: list[tuple[int, tuple[int, ...]]]) -> None:
    owners, pieces = disjoint(np.array([o for o, _ in rows]), np.array([b for _, b in rows]))
    for owner in {o for o, _ in rows}:
        expected, found = np.zeros((9, 9, 9), int), np.zeros((9, 9, 9), int)
        for other, (a, b, c, d, e, f) in rows:
            if other == owner:
                expected[a:b, c:d, e:f] = 1
        for a, b, c, d, e, f in pieces[owners == owner].tolist():
            found[a:b, c:d, e:f] += 1
        assert np.array_equal(expected, found)


def test_a_box_within_another_adds_none() -> None:
    assert union([(1, 2, 1, 2, 1, 2), (0, 4, 0, 4, 0, 4)]) == [(0, 4, 0, 4, 0, 4)]
    assert sum(map(volume, union([(0, 2, 0, 2, 0, 2), (1, 3, 0, 2, 0, 2)]))) == 12


def test_sums_over_boxes_are_those_of_slices() -> None:
    values = np.random.default_rng(0).integers(0, 9, (4, 5, 6))
    found = Sums(values).over(
        np.array([[1, 3, 0, 5, 2, 6], [0, 4, 0, 5, 0, 6], [2, 2, 0, 1, 0, 1]])
    )
    assert found.tolist() == [values[1:3, :, 2:].sum(), values.sum(), 0]
