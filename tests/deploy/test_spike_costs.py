"""Graded against binary spikes, from counts alone, against what the chip really does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.random_graphs import random_graph, random_inputs

from spiketrack.deploy.chip.execution.activity import COLUMNS
from spiketrack.deploy.chip.execution.engine import Chip
from spiketrack.deploy.chip.program import (
    BINARY,
    FALL_THROUGH,
    GRADED,
    SPIKES,
    Choices,
    build_program,
)
from spiketrack.deploy.chip.spike_costs import spike_costs
from spiketrack.energy.spikes import operation_prices
from spiketrack.integer.counting import FIELDS, OperationCounter
from spiketrack.integer.kernels import Program


@pytest.mark.parametrize("tiles", [(1, 1), (4, 1), (4, 2)])
@pytest.mark.parametrize(
    ("seed", "parts"),
    [
        (9, ("plain", "retrieval", "gated")),
        (12, ("pooled", "attention", "down")),
        (24, ("gated", "grouped", "constant")),
    ],
)
def test_costs_are_those_of_the_execution(
    seed: int, parts: tuple[str, ...], tiles: tuple[int, int]
) -> None:
    graph = random_graph(seed, parts)
    values = {n: torch.from_numpy(v).float() for n, v in random_inputs(graph, seed).items()}
    counter = OperationCounter(graph)
    rows = counter.take(Program(graph).run(values)).astype(float)
    names = [node.name for node in counter.nodes]
    columns = {f: dict(zip(names, rows[:, i], strict=True)) for i, f in enumerate(FIELDS)}
    costs = spike_costs(graph, Choices(FALL_THROUGH, GRADED, *tiles), columns)
    assert [cost.spikes for cost in costs] == list(SPIKES)
    for cost in costs:
        chip = Chip(graph, build_program(graph, Choices(FALL_THROUGH, cost.spikes, *tiles)))
        chip.write({node.name: values[node.name] for node in graph.memories})
        table = chip.run([values["image"]]).activity.table
        sums = dict(zip(COLUMNS, table.sum(0).tolist(), strict=True))
        assert cost.steps == chip.program.latency
        for column in ("messages", "bits", "operations", "multiplications"):
            assert getattr(cost, column) == sums[column], (cost.spikes, column)
    graded, binary = costs
    assert binary.spikes == BINARY
    assert binary.steps > graded.steps
    assert binary.messages > graded.messages
    prices = [operation_prices(cost) for cost in costs]
    assert prices[0].keys() == prices[1].keys()
    assert all(np.array(list(prices[1].values())) > np.array(list(prices[0].values())))
