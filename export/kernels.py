"""The integer network on a CPU, exactly: float32 tensors that hold integers below 2^24.

Every sum stays below 2^23 (``ranges.py`` proves it), so float32 arithmetic is exact in any order
and convolutions run at full speed. A kernel is prepared once for a node and then called with the
node's input tensors, (steps, C, H, W) each, channels last in memory: there oneDNN reorders
nothing, and attention's products of heads need no transposition.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

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
    """Kernels of a graph, or of some of its nodes, in topological order.

    ``fused`` lets a convolution that only populations read clip its membrane to 0..4 units while
    it writes it; such a membrane must not be looked at (populations, operations and all other
    nodes may), nor be in ``sent``, what others read.
    """

    def __init__(
        self,
        graph: Graph,
        names: Collection[str] | None = None,
        fused: bool = False,
        sent: Collection[str] = (),
    ) -> None:
        chosen = [n for n in graph if names is None or n.name in names]
        self.steps = [(n, KERNELS[n](n)) for n in chosen if not isinstance(n, Input)]
        if fused:
            self._fuse(graph, {n.name for n in chosen}, sent)
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
        live = {name: channels_last(value) for name, value in values.items()}
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

    def _fuse(self, graph: Graph, inside: set[str], sent: Collection[str]) -> None:
        kernels = {node.name: (node, kernel) for node, kernel in self.steps}
        for node, _ in self.steps:
            readers = graph.consumers[node.name]
            if not isinstance(node, Conv) or node.name in sent or len(readers) != 1:
                continue
            reader = readers[0]
            if not isinstance(reader, Neuron) or reader.name not in inside:
                continue
            unit = power_of_two_unit(reader)
            if unit and reader.shape == node.shape and not reader.decay:
                kernels[node.name] = (node, convolution(node, 1 / unit, clip=True))
                kernels[reader.name] = (reader, lambda inputs: inputs[0].round_())
        self.steps = list(kernels.values())

    def _free(self, live: dict[str, Tensor], node: Node, keep: Collection[str]) -> None:
        for name in node.inputs:
            if self.last_use[name] == node.name and name not in keep:
                live.pop(name, None)


def channels_last(x: Tensor) -> Tensor:
    """The same values, channels innermost in memory; no copy where they are already."""
    return x.contiguous(memory_format=torch.channels_last)


@KERNELS.register(Conv)
def _conv(node: Conv) -> Kernel:
    return convolution(node)


def convolution(node: Conv, scale: float = 1.0, clip: bool = False) -> Kernel:
    """A convolution's kernel; its output times ``scale``, a power of two, clipped to 0..4."""
    gain = scale * np.exp2(node.shift.astype(np.float64))[:, :, None, None, None]
    weights = torch.from_numpy((node.weight * gain).astype(np.float32))
    biases = torch.from_numpy((node.bias * scale).astype(np.float32))
    steps = [_one_convolution(node, w, b, clip) for w, b in zip(weights, biases, strict=True)]

    def each_step(inputs: Sequence[Tensor]) -> Tensor:
        parts = zip(torch.split(inputs[0], 1), steps, strict=True)
        return torch.cat([run(channels_last(x)) for x, run in parts])

    if len(steps) == 1:
        return lambda inputs: steps[0](channels_last(inputs[0]))
    return each_step


def _one_convolution(
    node: Conv, weight: Tensor, bias: Tensor, clip: bool
) -> Callable[[Tensor], Tensor]:
    """oneDNN with weights packed once where torch has it, else torch's convolution."""
    pair = [node.padding] * 2, [node.stride] * 2, [1, 1], node.groups
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        plain = (node.stride, node.padding, 1, node.groups)
        if clip:
            return lambda x: functional.conv2d(x, weight, bias, *plain).clamp_(0, MAX_COUNT)
        return lambda x: functional.conv2d(x, weight, bias, *plain)
    library: Any = torch.ops.mkldnn  # type: ignore[attr-defined]
    steps = node.shape[0] if len(node.weight) == 1 else 1
    spans = zip(node.shape[2:], weight.shape[2:], strict=True)
    plane = [(n - 1) * node.stride + kernel - 2 * node.padding for n, kernel in spans]
    size = [steps, weight.shape[1] * node.groups, *plane]
    packed = library._reorder_convolution_weight(weight, *pair, size)
    behind = ("hardtanh", [0.0, float(MAX_COUNT)], "") if clip else ("none", [], "")
    run: Callable[[Tensor], Tensor] = lambda x: library._convolution_pointwise(  # noqa: E731
        x, packed, bias, *pair, *behind
    )
    return run


@KERNELS.register(Sum)
def _sum(node: Sum) -> Kernel:
    constant = None
    if node.constant is not None:
        constant = channels_last(torch.from_numpy(node.constant.astype(np.float32)))

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
        found = torch.empty(node.shape, memory_format=torch.channels_last)
        u = x[0]
        found[0] = count(u)
        for t, decay in enumerate(node.decay, start=1):
            left = torch.add(u, found[t - 1], alpha=-node.reset)
            u = leak(left, decay).add_(x[t])
            found[t] = count(u)
        return found

    return one_step if node.shape[0] == 1 else with_state


def leak(u: Tensor, decay: int) -> Tensor:
    """(u · decay) >> 12, exactly, in place.

    The product has up to 36 bits, float32 holds 24: u = high · 2^12 + low, and both
    high · decay and low · decay fit.
    """
    one = 2.0**DECAY_BITS
    high = (u * (1 / one)).floor_()
    low = u.add_(high, alpha=-one).mul_(decay / one).floor_()
    return low.add_(high, alpha=float(decay))


def power_of_two_unit(node: Neuron) -> int | None:
    """The unit when it is a power of two, so that scaling by its inverse is exact."""
    unit = 4 * node.reset
    power = unit > 0 and unit & (unit - 1) == 0
    ties = (unit // 2 + 1, 3 * unit // 2, 5 * unit // 2 + 1, 7 * unit // 2)
    return unit if power and node.thresholds == ties else None


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
    """(T, C, H, W), channels last → (T, 8, H·W, C / 8), a view."""
    steps, channels, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(steps, height * width, HEADS, channels // HEADS)
    return rows.transpose(1, 2)


@KERNELS.register(KeyValue)
def _key_value(node: KeyValue) -> Kernel:
    def run(inputs: Sequence[Tensor]) -> Tensor:
        k, v = (_heads(x) for x in inputs)
        return k.transpose(2, 3) @ v

    return run


@KERNELS.register(Read)
def _read(node: Read) -> Kernel:
    gain = float(2**node.shift)

    def run(inputs: Sequence[Tensor]) -> Tensor:
        q, kv = inputs
        heads = (_heads(q) @ (kv * gain)).transpose(1, 2)
        steps, channels, height, width = node.shape
        return heads.reshape(steps, height, width, channels).permute(0, 3, 1, 2)

    return run


@KERNELS.register(PositionsAsChannels)
def _positions(node: PositionsAsChannels) -> Kernel:
    def run(inputs: Sequence[Tensor]) -> Tensor:
        return inputs[0].permute(0, 2, 3, 1).reshape(node.shape)

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
