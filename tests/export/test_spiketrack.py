"""The folded graph computes what the modules compute, in double precision."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from support.random_graphs import tiny_model
from torch import Tensor
from torch.nn import functional

from spiketrack.export.passes.spiketrack import fold
from spiketrack.integer.graph import (
    Gate,
    Graph,
    Input,
    KeyValue,
    Node,
    Output,
    Pool,
    PositionsAsChannels,
    Read,
    Upsample,
)
from spiketrack.integer.real import RealConv, RealNeuron, RealSum
from spiketrack.reference.neuron import Neuron, spike


def evaluate_real(graph: Graph, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every node of a folded graph in float64, written from the docstrings of its types."""
    values: dict[str, Tensor] = {}
    for node in graph:
        if isinstance(node, Input):
            values[node.name] = inputs[node.name].double()
        else:
            values[node.name] = RULES[type(node)](node, *(values[name] for name in node.inputs))
        assert tuple(values[node.name].shape) == node.shape, node.name
    return values


def _conv(node: RealConv, x: Tensor) -> Tensor:
    sets = len(node.weight)
    parts = [
        functional.conv2d(
            x[t : t + 1],
            torch.from_numpy(node.weight[t % sets]),
            torch.from_numpy(node.bias[t % sets]),
            node.stride,
            node.padding,
            1,
            node.groups,
        )
        for t in range(len(x))
    ]
    return torch.cat(parts)


def _sum(node: RealSum, *terms: Tensor) -> Tensor:
    total = torch.zeros(node.shape, dtype=torch.float64)
    for term in terms:
        total = total + term
    return total if node.constant is None else total + torch.from_numpy(node.constant)


def _neuron(node: RealNeuron, x: Tensor) -> Tensor:
    x = x.expand(node.shape)
    u = x[0]
    spikes = [spike(u)]
    for t, leak in enumerate(node.decay, start=1):
        u = (u - spikes[-1]) * leak + x[t]
        spikes.append(spike(u))
    return torch.stack(spikes)


def _pool(node: Pool, x: Tensor) -> Tensor:
    return functional.avg_pool2d(x, node.kernel)


def _upsample(node: Upsample, x: Tensor) -> Tensor:
    size = x.shape[2] * node.factor
    y: Tensor = functional.interpolate(x, (size, size), mode="bilinear", align_corners=False)
    return y


def _key_value(node: KeyValue, k: Tensor, v: Tensor) -> Tensor:
    steps, heads, d, wide = node.shape
    k, v = k.reshape(steps, heads, d, -1), v.reshape(steps, heads, wide, -1)
    return k @ v.transpose(2, 3)


def _read(node: Read, q: Tensor, kv: Tensor) -> Tensor:
    steps, heads, d, _ = kv.shape
    x = kv.transpose(2, 3) @ q.reshape(steps, heads, d, -1)
    return x.reshape(node.shape) * (2 / math.sqrt(d))


def _positions(node: PositionsAsChannels, x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2).reshape(node.shape)


def _gate(node: Gate, counts: Tensor, logits: Tensor) -> Tensor:
    weights = logits[:, 0, :, 0].T.contiguous().softmax(-1).T
    return spike((counts * weights[:, :, None, None]).sum(0, keepdim=True))


def _output(node: Output, x: Tensor) -> Tensor:
    return x


RULES: dict[type[Node], Callable[..., Tensor]] = {
    RealConv: _conv,
    RealSum: _sum,
    RealNeuron: _neuron,
    Pool: _pool,
    Upsample: _upsample,
    KeyValue: _key_value,
    Read: _read,
    PositionsAsChannels: _positions,
    Gate: _gate,
    Output: _output,
}


def _populations(model: torch.nn.Module) -> dict[str, list[Tensor]]:
    """Records what every spiking module gives, call by call."""
    found: dict[str, list[Tensor]] = {}
    for name, module in model.named_modules():
        if isinstance(module, Neuron):

            def record(_: Any, __: Any, output: Tensor, name: str = name) -> None:
                found.setdefault(name, []).append(output)

            module.register_forward_hook(record)
    return found


def _agree(graph: Graph, values: dict[str, Tensor], recorded: dict[str, list[Tensor]]) -> None:
    for node in graph.nodes:
        if isinstance(node, (RealNeuron, Gate)):
            name, _, call = node.name.partition(":")
            expected = recorded[name][int(call or 1) - 1]
            assert torch.equal(values[node.name].flatten(), expected.flatten()), node.name


@pytest.mark.parametrize("templates", [1, 3])
def test_folded_graphs_equal_the_model_in_double_precision(templates: int) -> None:
    model = copy.deepcopy(tiny_model(templates)).double()
    recorded = _populations(model)
    z, x = torch.randn(templates, 3, 64, 64).double(), torch.randn(1, 3, 64, 64).double()

    memory = model.encode_template(z)
    graph = fold(model, "template")
    values = evaluate_real(graph, {"image": z})
    _agree(graph, values, recorded)
    for index, expected in enumerate(memory):
        assert torch.allclose(values[f"memory.{index}"], expected[:, 0], rtol=0, atol=1e-9)

    recorded.clear()
    maps = model(x, memory)
    graph = fold(model, "search")
    inputs = {f"memory.{index}": value[:, 0] for index, value in enumerate(memory)}
    values = evaluate_real(graph, {"image": x, **inputs})
    _agree(graph, values, recorded)
    assert torch.allclose(values["offset"], maps["offset_map"], rtol=0, atol=1e-9)
    for name in ("score", "size"):
        found = values[name].sigmoid().clamp(1e-4, 1 - 1e-4)
        assert torch.allclose(found, maps[f"{name}_map"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("branch", ["template", "search"])
def test_populations_are_named_after_the_modules(branch: str) -> None:
    model = tiny_model(3)
    graph = fold(model, branch)
    modules = {name for name, module in model.named_modules() if isinstance(module, Neuron)}
    found = [n.name for n in graph if isinstance(n, (RealNeuron, Gate))]
    assert len(set(found)) == len(found)
    assert {name.partition(":")[0] for name in found} <= modules
    doubled = [name for name in found if ":" in name]
    assert len(doubled) == (6 if branch == "search" else 0)
    assert all(name.endswith(".retriever.q_spike:2") for name in doubled)


def test_batch_norm_is_in_the_weights() -> None:
    model = tiny_model(1)
    layer = model.encoder.ConvBlock1_1[0]
    graph = fold(model, "search")
    node = graph["encoder.ConvBlock1_1.0.conv1"]
    assert isinstance(node, RealConv)
    x = torch.randn(1, 8, 5, 5)
    with torch.no_grad():
        expected = layer.bn1(layer.conv1(x))
    found = functional.conv2d(
        x.double(), torch.from_numpy(node.weight[0]), torch.from_numpy(node.bias[0]), padding=1
    )
    assert np.abs(found.numpy() - expected.numpy()).max() < 1e-5
