"""Chains of compiled kernels: what one call computes equals what one call a kernel computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.python import python
from support.random_graphs import Array, graphs, random_graph, random_inputs, tiny_graph
from torch import Tensor

from spiketrack.errors import GraphError
from spiketrack.inference import BRANCHES, SEARCH
from spiketrack.integer.chains import Chain
from spiketrack.integer.compiled.calls import (
    ADD,
    CODE,
    COLUMNS,
    LOOKED_AT,
    NUMBERS,
    OUT,
    OUT_AT,
    Compiled,
    described,
)
from spiketrack.integer.exact_choice import compiles
from spiketrack.integer.graph import Graph
from spiketrack.integer.kernels import Program

needs_compiled = pytest.mark.skipif(not compiles(), reason="no AVX2: no layer is compiled")


def as_tensors(values: dict[str, Array]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(value.astype(np.float32)) for name, value in values.items()}


def step_by_step(program: Program, values: dict[str, Tensor]) -> dict[str, Tensor]:
    return program.run(values, observe=lambda node, inputs, output: None)


def assert_equal(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for name, value in found.items():
        np.testing.assert_array_equal(value.numpy(), expected[name].numpy(), name)


def chains_of(program: Program, keep: Any = None) -> list[Chain]:
    return [part for part in program._parts(keep) if isinstance(part, Chain)]


@settings(max_examples=40, deadline=None)
@given(graphs(), st.booleans(), st.integers(0, 2**32 - 1))
def test_a_chain_gives_what_its_steps_give(graph: Graph, fused: bool, seed: int) -> None:
    values = as_tensors(random_inputs(graph, seed, extreme=bool(seed % 2)))
    program = Program(graph, fused=fused, sent=[n.inputs[0] for n in graph.outputs])
    expected = step_by_step(program, values)
    populations = [node.name for node in graph.populations]
    outputs = [node.name for node in graph.outputs]
    some = populations[seed % 3 :: 3]
    for keep in (None, outputs, populations, [*outputs, *some]):
        assert_equal(program.run(values, keep), expected)


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("templates", [1, 3])
def test_a_whole_network_in_few_calls(templates: int, branch: str) -> None:
    graph = tiny_graph(templates, branch)
    program = Program(graph, fused=True, sent=[n.inputs[0] for n in graph.outputs])
    outputs = [node.name for node in graph.outputs]
    values = as_tensors(random_inputs(graph, 4))
    assert_equal(program.run(values, outputs), step_by_step(program, values))
    if compiles():
        inside = sum(len(chain.steps) for chain in chains_of(program, outputs))
        assert inside > 0.8 * len(program.plan)


def test_what_was_kept_outlives_the_next_run() -> None:
    graph = tiny_graph(1, SEARCH)
    program = Program(graph, fused=True, sent=[n.inputs[0] for n in graph.outputs])
    names = [node.name for node in (*graph.populations, *graph.outputs)]
    first = program.run(as_tensors(random_inputs(graph, 1)), names)
    copies = {name: value.clone() for name, value in first.items()}
    program.run(as_tensors(random_inputs(graph, 2)), names)
    assert_equal(first, copies)


@needs_compiled
def test_a_chain_takes_the_shapes_of_its_graph_alone() -> None:
    program = Program(random_graph(3, ("plain",)))
    (chain, *_) = chains_of(program)
    given = {
        x.name: torch.zeros((1 + x.shape[0], *x.shape[1:]), dtype=x.dtype) for x in chain.inputs
    }
    live = dict(given)
    assert not chain.run(live)
    assert live == given


@needs_compiled
def test_a_count_that_cannot_be_names_the_population(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = random_graph(3, ("plain",))
    program = Program(graph)
    (chain, *_) = chains_of(program)
    row = next(i for i, call in enumerate(chain.rows) if call[LOOKED_AT])
    monkeypatch.setattr(chain, "run_calls", lambda rows, places: 256 * row + 9)
    with pytest.raises(GraphError, match=f"^{chain.counted[row]}: a count of 9; populations"):
        program.run(as_tensors(random_inputs(graph, 1)))


@needs_compiled
def test_calls_end_where_a_count_cannot_be() -> None:
    from spiketrack.integer.compiled.chain import RIGHT, run_calls

    x, out = np.full(8, 4.0, np.float32), np.zeros(16, np.float32)
    numbers, _ = described(8, 0)
    rows = np.zeros((2, COLUMNS), np.int64)
    rows[:, CODE], rows[:, OUT], rows[:, NUMBERS] = ADD, 1, numbers.ctypes.data
    rows[1, OUT_AT] = 32  # bytes
    places = np.array([x.ctypes.data, out.ctypes.data], np.int64)
    assert run_calls(rows, places) == RIGHT
    assert out.tolist() == [8.0] * 16
    rows[0, LOOKED_AT], out[:] = 32, 0
    largest = int(np.float32(8.0).view(np.uint32)) >> 24  # of the bytes of 8.0
    assert run_calls(rows, places) == largest
    assert out.tolist() == [8.0] * 8 + [0.0] * 8


@needs_compiled
def test_loops_are_compiled_before_processes_are_forked() -> None:
    """Else each of forty would compile them, where numba has kept nothing yet."""
    code = "import sys; from spiketrack.integer.chains import compile_loops; compile_loops()"
    name = "spiketrack.integer.compiled.chain"
    code += f"; assert {name!r} in sys.modules"
    python(code)


@needs_compiled
def test_memory_of_a_chain_is_used_again() -> None:
    graph = tiny_graph(1, SEARCH)
    program = Program(graph, fused=True, sent=[n.inputs[0] for n in graph.outputs])
    outputs = [node.name for node in graph.outputs]
    for chain in chains_of(program, outputs):
        kernels = [step.kernel for step in chain.steps if isinstance(step.kernel, Compiled)]
        written = sum(call.size for kernel in kernels for call in kernel.calls)
        assert len(chain.steps) < 20 or len(chain.memory) < written / 2
