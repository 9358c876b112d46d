"""Counts outside 0..4 are an error that names the layer, wherever they appear."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from support.random_graphs import random_graph, random_inputs

from spiketrack.errors import GraphError
from spiketrack.integer import kernels
from spiketrack.integer.count_range import in_range
from spiketrack.integer.kernels import Program, as_signal


@pytest.mark.parametrize("kind", [torch.uint8, torch.int8, torch.int32, torch.float32])
def test_0_to_4_pass(kind: torch.dtype) -> None:
    values = torch.arange(5).to(kind)
    assert in_range("layer", values) is values


@pytest.mark.parametrize(
    ("values", "worst"),
    [
        (torch.tensor([0, 5], dtype=torch.uint8), "5"),
        (torch.tensor([255, 0], dtype=torch.uint8), "255"),
        (torch.tensor([-1, 7]), "-1"),
        (torch.tensor([0.0, 4.5]), "4.5"),
        (torch.tensor([float("nan")]), "nan"),
        (np.array([4, 5], np.int8), "5"),
    ],
)
def test_what_lies_outside_is_named(values: torch.Tensor, worst: str) -> None:
    with pytest.raises(GraphError, match=re.escape(f"block.spike: a count of {worst};")):
        in_range("block.spike", values)


@pytest.mark.parametrize("fused", [False, True])
def test_a_kernel_that_counts_wrongly_is_named(
    fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = random_graph(0, ("attention",), 1)
    victim = graph.populations[2].name
    program = Program(graph, fused=fused)
    program.plan = [
        step._replace(kernel=wrong(step.kernel)) if step.name == victim else step
        for step in program.plan
    ]
    inputs = {n: torch.from_numpy(v).float() for n, v in random_inputs(graph, 0).items()}
    with pytest.raises(GraphError, match=rf"{re.escape(victim)}: a count of 255"):
        program.run(inputs)


def wrong(kernel: kernels.Kernel) -> kernels.Kernel:
    """The kernel with 255 as its first count."""

    def run(inputs: object) -> torch.Tensor:
        found = kernel(inputs).clone()  # type: ignore[arg-type]
        found[0, 0, 0, 0] = 255
        return found

    return run


def test_counts_that_come_in_are_looked_at() -> None:
    graph = random_graph(0, ("attention",), 1)
    name = graph.populations[0].name
    value = torch.zeros(graph[name].shape)
    value.view(-1)[-1] = 260  # 4 in a byte
    with pytest.raises(GraphError, match=rf"{re.escape(name)}: a count of 260"):
        as_signal(graph, name, value)
