"""What SANA-FE is told of a frame against a walk over every synapse; needs no SANA-FE."""

from __future__ import annotations

import numpy as np
import pytest
from support.brute_cores import core_tables, read_by
from support.one_layer import attention_graph

from spiketrack.deploy.chip.board import load_board
from spiketrack.deploy.chip.mapping import place
from spiketrack.deploy.chip.program import FALL_THROUGH, Choices, build_program
from spiketrack.deploy.chip.sites import Sites
from spiketrack.simulators.sanafe.messages import frame_messages


@pytest.mark.parametrize("neurons", [8192, 500])
def test_every_core_gets_what_its_neurons_read(neurons: int) -> None:
    """Where a block ends within a head, it needs of kv the columns of its own channels alone."""
    graph = attention_graph(0, 24)
    program = build_program(graph, Choices(FALL_THROUGH))
    board = load_board("loihi2").changed(neurons_per_core=neurons)
    (branch,) = place({graph.name: program}, board).branches
    cut = {layer.name: branch.tilings[layer.name].block for layer in branch.layers}
    assert (cut["read_spike"][0] % 12 != 0) == (neurons == 500)
    rng = np.random.default_rng(1)
    counts = {node.name: rng.integers(0, 3, node.shape) for node in graph.populations}
    sent = {}
    for message in frame_messages(graph, program, Sites.of(branch, board), counts):
        if not message.host:
            pairs = zip(message.neuron.tolist(), message.receiver.tolist(), strict=True)
            sent[message.source] = sorted(pairs)
    tables = core_tables(branch)
    needed = {pair for layer in branch.layers for pair in read_by(graph, branch, layer)}
    for name, table in tables.items():
        values = counts.get(name)
        expected = [
            (int(np.ravel_multi_index(place, table.shape)), core)
            for (source, *place), core in needed
            if source == name and (values is None or values[0][tuple(place)])
        ]
        assert sent.get(name, []) == sorted(expected), name
