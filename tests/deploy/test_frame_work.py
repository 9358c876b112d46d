"""Frames recounted from counts against what an execution on the same placement records."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.brute_synapses import synapses_of
from support.random_graphs import graphs, random_graph, random_inputs, tiny_graph

from spiketrack.deploy.chip.board import Board, load_board
from spiketrack.deploy.chip.execution.activity import COLUMNS
from spiketrack.deploy.chip.execution.engine import Chip
from spiketrack.deploy.chip.execution.ledger import CORE_COLUMNS as RECORDED_CORES
from spiketrack.deploy.chip.execution.ledger import LINK_COLUMNS as RECORDED_LINKS
from spiketrack.deploy.chip.execution.synapses import operator
from spiketrack.deploy.chip.links import Links
from spiketrack.deploy.chip.mapping import place
from spiketrack.deploy.chip.program import MODES, SPIKES, Choices, build_program
from spiketrack.deploy.chip.sites import Sites
from spiketrack.deploy.chip.work.frame import FrameCounter
from spiketrack.deploy.chip.work.rows import CORE_COLUMNS, LINK_COLUMNS, FrameWork
from spiketrack.deploy.chip.work.words import words
from spiketrack.integer.graph import IMAGE, MEMORY, Graph

SLOW = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
Table = dict[tuple[int, ...], int]


def small_board(neurons: int, chip: int = 14) -> Board:
    return load_board("loihi2").changed(
        neurons_per_core=neurons, cores_per_chip=chip, tiles_across=3, cores_per_tile=2
    )


def executed(graph: Graph, chosen: Choices, board: Board, seed: int) -> tuple[Chip, Any, FrameWork]:
    """A frame alone, as it runs with its messages counted, and as its counts are recounted."""
    program = build_program(graph, chosen)
    (branch,) = place({graph.name: program}, board).branches
    sites = Sites.of(branch, board)
    inputs = random_inputs(graph, seed)
    chip = Chip(graph, program, [node.name for node in graph.populations], sites)
    chip.write(
        {n.name: torch.from_numpy(inputs[n.name]) for n in graph.inputs if n.signal == MEMORY}
    )
    (image,) = (n.name for n in graph.inputs if n.signal == IMAGE)
    run = chip.run([torch.from_numpy(inputs[image])])
    values = run.frames[0].values
    counts = {
        n.name: values[n.name].numpy().astype(np.int8).reshape(n.shape) for n in graph.populations
    }
    resident = np.zeros(len(branch.used_cores), np.int64)
    return chip, run, FrameCounter(graph, program, sites, resident).frame(counts)


def sums(rows: NDArray[np.int64], columns: tuple[str, ...], column: str, late: int = 0) -> Table:
    """(step, core or link) → sum of a column, where it is not 0."""
    found: Table = {}
    for row in rows.tolist():
        key = (row[0] + late, row[1])
        found[key] = found.get(key, 0) + row[columns.index(column)]
    return {key: value for key, value in found.items() if value}


def compare(chip: Chip, run: Any, frame: FrameWork) -> None:
    assert run.placed is not None
    for column in ("updates", "operations", "multiplications", "messages", "copies", "arrivals"):
        recorded = sums(run.placed.cores, RECORDED_CORES, column, column == "arrivals")
        assert sums(frame.cores, CORE_COLUMNS, column) == recorded, column
    image = run.activity.table[:, 1] == len(run.activity.names) - 1
    rows = run.activity.table[~image]
    for column, values in frame.by_step().items():
        found = np.zeros(len(values))
        np.add.at(found, rows[:, 0], rows[:, COLUMNS.index(column)])
        assert np.array_equal(values, found), column
    assert chip.ledger is not None
    names = [tuple(row) for row in chip.ledger.ground.links.table.tolist()]
    assert [tuple(row) for row in frame.ends.tolist()] == names
    for column in ("messages", "bits"):
        recorded = sums(run.placed.links, RECORDED_LINKS, column)
        assert sums(frame.links, LINK_COLUMNS, column) == recorded, column


@SLOW
@given(
    graphs(2),
    st.builds(
        Choices,
        st.sampled_from(MODES),
        st.sampled_from(SPIKES),
        st.sampled_from([1, 4]),
        st.sampled_from([1, 2]),
    ),
    st.sampled_from([60, 150, 500, 4000]),
    st.integers(0, 99),
)
@pytest.mark.slow
def test_a_recount_is_what_an_execution_records(
    graph: Graph, chosen: Choices, neurons: int, seed: int
) -> None:
    compare(*executed(graph, chosen, small_board(neurons), seed))


@pytest.mark.parametrize("branch", ["search", "template"])
@pytest.mark.slow
def test_a_whole_network_is_recounted(branch: str) -> None:
    compare(*executed(tiny_graph(3, branch), Choices(), small_board(400), 1))


@pytest.mark.parametrize("parts", [("plain", "attention"), ("depthwise", "retrieval", "pooled")])
def test_a_period_of_the_pipeline_is_recounted(parts: tuple[str, ...]) -> None:
    """In a full pipeline; a neuron whose layer has two frames in one step is updated once."""
    graph, board = random_graph(9, parts), small_board(300)
    chip, _, frame = executed(graph, Choices(), board, 1)
    period = chip.program.period
    assert frame.interval == period
    frames = -(-frame.steps // period) + 1
    (image,) = (n.name for n in graph.inputs if n.signal == IMAGE)
    run = chip.run([torch.from_numpy(random_inputs(graph, 1)[image])] * frames)
    assert run.placed is not None
    folded = frame.folded(period)
    for column in ("updates", "operations", "messages", "copies"):
        recorded = sums(run.placed.cores, RECORDED_CORES, column)
        full = {
            (step % period, core): value
            for (step, core), value in recorded.items()
            if step // period == frames - 1
        }
        assert sums(folded.cores, CORE_COLUMNS, column) == full, column
    assert folded.core("updates").sum() <= frame.core("updates").sum()


def test_without_counts_every_neuron_sends() -> None:
    graph = random_graph(2, ("depthwise", "attention"))
    program = build_program(graph)
    board = small_board(300)
    (branch,) = place({graph.name: program}, board).branches
    counter = FrameCounter(graph, program, Sites.of(branch, board), np.zeros(9, np.int64))
    every = {n.name: np.full(n.shape, 4, np.int8) for n in graph.populations}
    found, full = counter.frame(None), counter.frame(every)
    assert np.array_equal(found.cores, full.cores)
    assert np.array_equal(found.links, full.links)
    none = counter.frame({n.name: np.zeros(n.shape, np.int8) for n in graph.populations})
    assert none.core("operations").sum() < found.core("operations").sum()
    assert Links(board).table.shape[1] == found.ends.shape[1]


@pytest.mark.parametrize(("seed", "parts"), [(0, ("plain", "grouped")), (3, ("depthwise", "down"))])
def test_words_are_those_of_the_loops(seed: int, parts: tuple[str, ...]) -> None:
    """Eight weights of one message, at one place of a block, side by side."""
    graph = random_graph(seed, parts)
    (branch,) = place({graph.name: build_program(graph)}, small_board(150)).branches
    checked = 0
    for layer in branch.layers:
        if len(layer.synapses) != 1 or not layer.nodes:
            continue
        (link,) = layer.synapses
        found = operator(graph, link).reached(torch.ones(1, *graph[link.source].shape[1:]))
        if found is None:
            continue
        tiling = branch.tilings[layer.name]
        met: Counter[tuple[int, ...]] = Counter()
        for block, ((c0, c1), (y0, y1), (x0, x1)) in enumerate(tiling.bounds().tolist()):
            for c, y, x in product(range(c0, c1), range(y0, y1), range(x0, x1)):
                for _, *source in synapses_of(graph, layer.name, (c, y, x)):
                    key = (block, y, x, *source)
                    met[key] += 1
        expected = np.zeros(len(tiling), np.int64)
        for (block, *_), channels in met.items():
            expected[block] += -(-channels // 8)
        assert words(link, found.numpy(), tiling).tolist() == expected.tolist(), layer.name
        checked += 1
    assert checked
