"""Other counters agree where they are right: NeuroBench and syops, on binary spikes.

Both come with the ``test`` extra. ``benchmarks/counters.py`` shows where they go wrong.
"""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spiketrack.integer.counting import FIELDS, prepare
from spiketrack.integer.graph import COUNT, Conv, Graph, Input

pytestmark = pytest.mark.limited

CASES = {  # channels in, out, kernel, stride, padding, groups
    "pointwise": (12, 20, 1, 1, 0, 1),
    "3x3": (8, 16, 3, 1, 1, 1),
    "stride 2": (8, 16, 3, 2, 1, 1),
    "depthwise 7x7": (16, 16, 7, 1, 3, 16),
    "grouped": (12, 6, 3, 1, 1, 3),
    "unpadded": (4, 6, 5, 1, 0, 1),
}


def layer(case: str, side: int = 10) -> tuple[nn.Conv2d, Graph]:
    """The same convolution as a torch module and as a node; no weight is 0."""
    fan_in, out, kernel, stride, padding, groups = CASES[case]
    module = nn.Conv2d(fan_in, out, kernel, stride, padding, groups=groups, bias=False)
    nn.init.uniform_(module.weight, 0.5, 1.0)
    size = (side + 2 * padding - kernel) // stride + 1
    weight = np.ones((1, *module.weight.shape), np.int8)
    none = np.zeros((1, out), np.int32)
    node = Conv("y", ("x",), (1, out, size, size), weight, none, none, stride, padding, groups)
    return module, Graph("one", (Input("x", (), (1, fan_in, side, side), COUNT), node))


def spikes(case: str, largest: int = 1, side: int = 10) -> Tensor:
    counts = torch.randint(-2, largest + 1, (1, CASES[case][0], side, side))
    return counts.clamp(min=0).float()


def ours(graph: Graph, x: Tensor) -> dict[str, int]:
    row = prepare(graph["y"], graph)([x], x)
    return dict(zip(FIELDS, row.tolist(), strict=True))


def neurobench(module: nn.Module, x: Tensor) -> dict[str, float]:
    model = importlib.import_module("neurobench.models").TorchModel(nn.Sequential(module))
    metric = importlib.import_module("neurobench.metrics.workload").SynapticOperations()
    model.register_hooks()
    with torch.no_grad():
        found: dict[str, float] = metric(model, model(x), (x, x))
    model.cleanup_hooks()
    return found


def syops(module: nn.Module, x: Tensor) -> tuple[float, float, float]:
    """Operations, ACs and MACs of one layer."""
    measure = importlib.import_module("syops").get_model_complexity_info
    found, _ = measure(
        module, tuple(x.shape[1:]), [(x, None)], print_per_layer_stat=False, as_strings=False
    )
    return float(found[0]), float(found[1]), float(found[2])


@pytest.mark.parametrize("case", CASES)
def test_neurobench_agrees_on_binary_spikes(case: str) -> None:
    module, graph = layer(case)
    x = spikes(case)
    found, mine = neurobench(module, x), ours(graph, x)
    assert found["Effective_ACs"] == mine["ac_spike"] == mine["ac_graded"]
    assert found["Effective_MACs"] == 0


def test_neurobench_takes_counts_for_multiplications() -> None:
    module, graph = layer("3x3")
    x = spikes("3x3", largest=4)
    found, mine = neurobench(module, x), ours(graph, x)
    assert found["Effective_ACs"] == 0
    assert found["Effective_MACs"] == mine["ac_graded"] < mine["ac_spike"]


def test_syops_agrees_on_unpadded_pointwise_layers() -> None:
    module, graph = layer("pointwise")
    x = spikes("pointwise")
    _, accumulations, products = syops(module, x)
    assert accumulations == pytest.approx(ours(graph, x)["ac_spike"], rel=1e-6)
    assert products == 0


def test_syops_counts_padding_as_synapses() -> None:
    module, graph = layer("depthwise 7x7")
    x = spikes("depthwise 7x7")
    _, accumulations, _ = syops(module, x)
    assert accumulations > 1.3 * ours(graph, x)["ac_spike"]


def test_syops_takes_counts_for_dense_multiplications() -> None:
    module, _ = layer("pointwise")
    everything, accumulations, products = syops(module, spikes("pointwise", largest=4))
    assert accumulations == 0
    assert products == everything
