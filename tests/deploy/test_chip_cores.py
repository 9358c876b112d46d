"""What each core and link does in each time step, against loops over every message."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from support.naive_cores import NaiveCores
from support.random_graphs import random_graph, random_inputs, tiny_graph

from spiketrack.deploy.chip.board import Board, load_board
from spiketrack.deploy.chip.execution.activity import COLUMNS
from spiketrack.deploy.chip.execution.engine import Chip, Run
from spiketrack.deploy.chip.execution.ledger import CORE_COLUMNS, LINK_COLUMNS
from spiketrack.deploy.chip.links import HOST, NONE, Link, Links
from spiketrack.deploy.chip.mapping import place
from spiketrack.deploy.chip.program import (
    BINARY,
    FALL_THROUGH,
    GRADED,
    PIPELINED,
    ChipProgram,
    Choices,
    build_program,
)
from spiketrack.deploy.chip.sites import Sites
from spiketrack.errors import GraphError
from spiketrack.integer.graph import IMAGE, MEMORY, Graph


def small_board(**values: Any) -> Board:
    """Chips of a few small cores, so that layers are cut and messages cross chips."""
    given_ = {"neurons_per_core": 500, "cores_per_chip": 14, "tiles_across": 3, "cores_per_tile": 2}
    return load_board("loihi2").changed(**{**given_, **values})


def placed(graph: Graph, program: ChipProgram, board: Board) -> Sites:
    (branch,) = place({graph.name: program}, board).branches
    return Sites.of(branch, board)


def run(
    graph: Graph, program: ChipProgram, sites: Sites, frames: int, seed: int = 0
) -> tuple[Run, Chip, list[dict[str, Any]]]:
    inputs = [random_inputs(graph, seed + n) for n in range(frames)]
    chip = Chip(graph, program, (), sites)
    memories = [n.name for n in graph.inputs if n.signal == MEMORY]
    chip.write({name: torch.from_numpy(inputs[0][name]) for name in memories})
    (image,) = (n.name for n in graph.inputs if n.signal == IMAGE)
    return chip.run([torch.from_numpy(x[image]) for x in inputs]), chip, inputs


def tables(found: Run, chip: Chip) -> tuple[dict[Any, Counter[str]], dict[Any, Counter[str]]]:
    """Core and link rows by what they are of, without zeros."""
    assert found.placed is not None
    assert chip.ledger is not None
    ends = chip.ledger.ground.links.table
    cores = {
        (row[0], row[1]): Counter(dict(zip(CORE_COLUMNS[2:], row[2:], strict=True)))
        for row in found.placed.cores.tolist()
    }
    links = {
        (row[0], *ends[row[1]].tolist()): Counter(dict(zip(LINK_COLUMNS[2:], row[2:], strict=True)))
        for row in found.placed.links.tolist()
    }
    return cores, links


CASES = [  # seeds of maps of 4 × 4 and 8 × 8
    (12, ("pooled", "attention"), Choices(PIPELINED, GRADED, 4), small_board(neurons_per_core=512)),
    (24, ("retrieval", "constant"), Choices(PIPELINED, BINARY), small_board(neurons_per_core=150)),
    (29, ("gated", "down"), Choices(FALL_THROUGH, BINARY), small_board()),
    (
        25,
        ("grouped", "attention"),
        Choices(FALL_THROUGH, GRADED, 2, 2),
        small_board(neurons_per_core=1024, chips=1),
    ),
    (36, ("plain", "each_step"), Choices(), small_board(neurons_per_core=4000)),
]


@pytest.mark.parametrize(("seed", "parts", "chosen", "board"), CASES)
def test_every_core_and_link_is_that_of_the_loops(
    seed: int, parts: tuple[str, ...], chosen: Choices, board: Board
) -> None:
    graph = random_graph(seed, parts)
    program = build_program(graph, chosen)
    sites = placed(graph, program, board)
    found, chip, inputs = run(graph, program, sites, 2, seed)
    naive = NaiveCores(graph, program, sites, inputs[0])
    (image,) = (n.name for n in graph.inputs if n.signal == IMAGE)
    naive.run([x[image] for x in inputs])
    for rows, expected in zip(tables(found, chip), (naive.cores, naive.links), strict=True):
        assert {key: +row for key, row in rows.items() if +row} == {
            key: +row for key, row in expected.items() if +row
        }


@pytest.mark.parametrize("branch", ["search", "template"])
@pytest.mark.slow
def test_cores_add_up_to_layers(branch: str) -> None:
    """Of a whole network, in every time step."""
    graph = tiny_graph(3, branch)
    program = build_program(graph, Choices(FALL_THROUGH, tiles=4, key_tiles=2))
    found, chip, _ = run(graph, program, placed(graph, program, small_board()), 1)
    assert found.placed is not None
    assert chip.ledger is not None
    steps = found.activity.table[:, 0].max() + 1
    image = found.activity.table[:, 1] == len(program.layers)
    for column in ("updates", "operations", "multiplications", "messages", "bits"):
        layers = np.zeros(steps, np.int64)
        rows = found.activity.table[~image]
        np.add.at(layers, rows[:, 0], rows[:, COLUMNS.index(column)])
        cores = np.zeros(steps, np.int64)
        rows = found.placed.cores
        np.add.at(cores, rows[:, 0], rows[:, CORE_COLUMNS.index(column)])
        assert np.array_equal(cores, layers), column
    ends = chip.ledger.ground.links.table
    kinds = {Link(*row).kind for row in ends.tolist()}
    assert kinds == {"mesh", "chips", "host"}
    reading = [node.name for node in graph.outputs]
    to_host = ends[found.placed.links[:, 1], 2] == HOST
    read = sum(int(np.prod(graph[name].shape)) for name in reading)
    assert found.placed.links[to_host, LINK_COLUMNS.index("messages")].sum() == read


def test_a_core_that_misses_operations_is_an_error() -> None:
    graph = random_graph(1, ("plain",))
    program = build_program(graph)
    chip = Chip(graph, program, (), placed(graph, program, small_board()))
    assert chip.ledger is not None
    unit = chip.units[0]
    unit.work.multiplications += 1
    with pytest.raises(GraphError, match=r"0 operations and \d+ multiplications, of which 0 and"):
        chip.run([torch.from_numpy(random_inputs(graph, 0)["image"])])


def test_messages_go_along_columns_first() -> None:
    board = small_board()  # two cores a tile, three tiles across, the second row runs backwards
    links = Links(board)
    steps = [Link(*links.table[number]) for number in links.path(1, 7)]
    assert steps == [Link(0, 0, 0, 1), Link(0, 1, 0, 2), Link(0, 2, 0, 5)]
    assert [link.kind for link in steps] == ["mesh"] * 3
    assert links.path(0, 1) == ()
    assert [Link(*links.table[n]) for n in links.path(0, 15)] == [Link(0, NONE, 1, NONE)]
    assert [Link(*links.table[n]).kind for n in links.path(HOST, 15)] == ["host"]
    assert links.path(1, 7) == links.path(0, 6)
