"""The integer network on a CPU, exactly: float32 tensors that hold integers below 2^24.

Every sum stays below 2^23 (``ranges.py`` proves it), so float32 arithmetic is exact in any order
and convolutions run at full speed. A kernel is prepared once for a node and then called with the
node's input tensors, (steps, C, H, W) each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spiketrack.errors import GraphError
from spiketrack.export.graph import (
    Conv,
    Gate,
    Graph,
    Input,
    KeyValue,
    Neuron,
    Node,
    Output,
    Pool,
    PositionsAsChannels,
    Read,
    Sum,
    Upsample,
)
from spiketrack.export.registry import Registry
from spiketrack.limits import DECAY_BITS, HEADS, MAX_COUNT

Kernel = Callable[[Sequence[Tensor]], Tensor]
Observer = Callable[[Node, Sequence[Tensor], Tensor], None]
KERNELS: Registry[Callable[..., Kernel]] = Registry("kernel")


class Program:
    """Kernels of a graph, or of some of its nodes, in topological order."""

    def __init__(self, graph: Graph, names: Collection[str] | None = None) -> None:
        chosen = [n for n in graph if names is None or n.name in names]
        self.steps = [(n, KERNELS[n](n)) for n in chosen if not isinstance(n, Input)]
        self.last_use = {name: node.name for node, _ in self.steps for name in node.inputs}

    def run(
        self,
        values: Mapping[str, Tensor],
        keep: Collection[str] | None = None,
        observe: Observer | None = None,
        forced: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Outputs of all nodes, or of those in ``keep`` (others are freed after their last use).

        ``observe`` sees every node with its inputs and output; then an entry of ``forced``
        replaces the output (teacher forcing).
        """
        live = dict(values)
        for node, kernel in self.steps:
            inputs = [live[name] for name in node.inputs]
            output = kernel(inputs)
            if observe is not None:
                observe(node, inputs, output)
            if forced is not None and node.name in forced:
                output = forced[node.name]
            live[node.name] = output
            if keep is not None:
                self._free(live, node, keep)
        return live if keep is None else {name: live[name] for name in keep}

    def _free(self, live: dict[str, Tensor], node: Node, keep: Collection[str]) -> None:
        for name in node.inputs:
            if self.last_use[name] == node.name and name not in keep:
                live.pop(name, None)


@KERNELS.register(Conv)
def _conv(node: Conv) -> Kernel:
    scale = np.exp2(node.shift.astype(np.float64))[:, :, None, None, None]
    weights = torch.from_numpy((node.weight * scale).astype(np.float32))
    biases = torch.from_numpy(node.bias.astype(np.float32))
    options = (node.stride, node.padding, 1, node.groups)

    def shared(inputs: Sequence[Tensor]) -> Tensor:
        return functional.conv2d(inputs[0], weights[0], biases[0], *options)

    def each_step(inputs: Sequence[Tensor]) -> Tensor:
        parts = zip(torch.split(inputs[0], 1), weights, biases, strict=True)
        return torch.cat([functional.conv2d(x, w, b, *options) for x, w, b in parts])

    return shared if len(weights) == 1 else each_step


@KERNELS.register(Sum)
def _sum(node: Sum) -> Kernel:
    constant = None
    if node.constant is not None:
        constant = torch.from_numpy(node.constant.astype(np.float32))

    def run(inputs: Sequence[Tensor]) -> Tensor:
        total = inputs[0]
        for term in inputs[1:]:
            total = total + term
        if constant is not None:
            total = total + constant
        return total.expand(node.shape)

    return run


def counter(thresholds: tuple[int, int, int, int]) -> Callable[[Tensor], Tensor]:
    """u → number of thresholds reached.

    clamp(round(u · c)) is monotone in u, so agreeing with the thresholds at the eight integers
    around them makes it equal everywhere; otherwise the thresholds are compared one by one.
    """
    ends = torch.tensor([[t - 1, t] for t in thresholds], dtype=torch.float32)
    expected = torch.tensor([[j, j + 1] for j in range(MAX_COUNT)], dtype=torch.float32)

    def compared(u: Tensor) -> Tensor:
        return sum((u >= t).float() for t in thresholds)  # type: ignore[return-value]

    for unit in (thresholds[1] / 1.5, thresholds[-1] / 3.5, (thresholds[2] - 1) / 2.5):
        rounded = _rounding(float(np.float32(1 / unit)))
        if torch.equal(rounded(ends), expected):
            return rounded
    return compared


def _rounding(scale: float) -> Callable[[Tensor], Tensor]:
    return lambda u: (u * scale).round_().clamp_(0, MAX_COUNT)


@KERNELS.register(Neuron)
def _neuron(node: Neuron) -> Kernel:
    count = counter(node.thresholds)

    def one_step(inputs: Sequence[Tensor]) -> Tensor:
        return count(inputs[0])

    def with_state(inputs: Sequence[Tensor]) -> Tensor:
        x = inputs[0].expand(node.shape)
        u = x[0]
        found = [count(u)]
        for t, decay in enumerate(node.decay, start=1):
            # the product has up to 36 bits: exact in float64, not in float32
            left = (u - found[-1] * node.reset).double().mul_(decay / 2**DECAY_BITS)
            u = left.floor_().float() + x[t]
            found.append(count(u))
        return torch.stack(found)

    return one_step if node.shape[0] == 1 else with_state


@KERNELS.register(Pool)
def _pool(node: Pool) -> Kernel:
    def run(inputs: Sequence[Tensor]) -> Tensor:
        return functional.avg_pool2d(inputs[0], node.kernel, divisor_override=1)

    return run


@KERNELS.register(Upsample)
def _upsample(node: Upsample) -> Kernel:
    size = node.shape[2:]
    gain = (2.0 * node.factor) ** 2 / 2**node.shift

    def run(inputs: Sequence[Tensor]) -> Tensor:
        fine = functional.interpolate(inputs[0], size, mode="bilinear", align_corners=False)
        result: Tensor = fine.mul_(gain).add_(0.5 if node.shift else 0.0).floor_()
        return result

    return run


def _heads(x: Tensor) -> Tensor:
    """(T, C, H, W) → (T, 8, C / 8, H·W), a view."""
    return x.reshape(x.shape[0], HEADS, x.shape[1] // HEADS, -1)


@KERNELS.register(KeyValue)
def _key_value(node: KeyValue) -> Kernel:
    def run(inputs: Sequence[Tensor]) -> Tensor:
        return _heads(inputs[0]) @ _heads(inputs[1]).transpose(2, 3)

    return run


@KERNELS.register(Read)
def _read(node: Read) -> Kernel:
    gain = float(2**node.shift)

    def run(inputs: Sequence[Tensor]) -> Tensor:
        q, kv = inputs
        return ((kv * gain).transpose(2, 3) @ _heads(q)).reshape(node.shape)

    return run


@KERNELS.register(PositionsAsChannels)
def _positions(node: PositionsAsChannels) -> Kernel:
    def run(inputs: Sequence[Tensor]) -> Tensor:
        return inputs[0].flatten(2).transpose(1, 2).reshape(node.shape)

    return run


@KERNELS.register(Gate)
def _gate(node: Gate) -> Kernel:
    table = torch.from_numpy(node.table.astype(np.float32))
    half = float(2**node.shift // 2)

    def run(inputs: Sequence[Tensor]) -> Tensor:
        counts, logits = inputs
        behind = logits[:, 0, :, 0]
        behind = behind.amax(0) - behind
        index = ((behind + half) * 2.0**-node.shift).floor_().clamp_(max=len(table) - 1)
        weight = table[index.long()][:, :, None, None]
        return (weight * (counts - MAX_COUNT / 2)).sum(0, keepdim=True).gt(0).float()

    return run


@KERNELS.register(Output)
def _output(node: Output) -> Kernel:
    return lambda inputs: inputs[0]


def check_input(node: Input, value: Tensor) -> Tensor:
    """Return ``value`` when it has the input's shape, else raise ``GraphError``."""
    if tuple(value.shape) != node.shape:
        raise GraphError(f"{node.name}: shape {tuple(value.shape)} given, {node.shape} needed")
    return value
