"""The integer network on a CPU, exactly: counts in uint8, all else float32 that holds integers.

Every sum stays below 2^23 (``ranges.py`` proves it), so float32 arithmetic is exact in any order.
A kernel is prepared once for a node and then called with the node's input tensors,
(steps, C, H, W) each, channels last in memory: there oneDNN reorders nothing, and attention's
products of heads need no transposition.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spiketrack.integer.attention import memory_read, memory_write
from spiketrack.integer.chains import Chain, Step, chained
from spiketrack.integer.compiled.calls import ADD, OWN, Call, Compiled, Place, described
from spiketrack.integer.convolutions import channels_last, convolution
from spiketrack.integer.count_range import in_range
from spiketrack.integer.exact_choice import compiles
from spiketrack.integer.graph import (
    COUNT,
    MEMORY,
    Conv,
    Gate,
    Graph,
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
from spiketrack.integer.neurons import gate, population, power_of_two_unit
from spiketrack.integer.registry import Registry
from spiketrack.machine.precision import whole_float32

Kernel = Callable[[Sequence[Tensor]], Tensor]
Observer = Callable[[Node, Sequence[Tensor], Tensor], None]
Steps = list[tuple[Node, Kernel]]
MOST_ADDED = 2**17  # above, torch adds on all threads and takes no longer
MOST_CHAINED = 8  # different sets of what is kept, each with its own memory
KERNELS: Registry[Callable[..., Kernel]] = Registry("kernel", applies=lambda t: not t.given)


class Program:
    """Kernels of a graph, or of some of its nodes, in topological order.

    ``fused`` lets a convolution that only one population reads count in the same pass: its output
    is that population's, the membrane is never written. Such a membrane must not be looked at
    (populations, operations and all other nodes may), nor be in ``sent``, what others read.
    """

    def __init__(
        self,
        graph: Graph,
        names: Collection[str] | None = None,
        fused: bool = False,
        sent: Collection[str] = (),
    ) -> None:
        self.graph = graph
        chosen = [n for n in graph if names is None or n.name in names]
        steps = [(n, KERNELS[n](n, graph)) for n in chosen if not n.traits.given]
        if fused:
            steps = _fused(steps, graph, {n.name for n in chosen}, sent)
        self.plan = _plan(steps, {n.name for n in graph.populations})
        self._chained: dict[frozenset[str] | None, tuple[Step | Chain, ...]] = {}

    @whole_float32()
    def run(
        self,
        values: Mapping[str, Tensor],
        keep: Collection[str] | None = None,
        observe: Observer | None = None,
        forced: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Outputs of all nodes, or of those in ``keep`` (others are freed after their last use).

        ``observe`` sees every node with its inputs and output; then an entry of ``forced``
        replaces the output (teacher forcing). ``GraphError`` names a population whose counts
        are not 0..4.
        """
        live = {name: as_signal(self.graph, name, value) for name, value in values.items()}
        if observe is None and forced is None:
            for part in self._parts(keep):
                if not isinstance(part, Chain):
                    self._step(part, live, keep)
                elif part.run(live):
                    _forget(part.used_up, live, keep)
                else:
                    for step in part.steps:
                        self._step(step, live, keep)
        else:
            for step in self.plan:
                self._step(step, live, keep, observe, forced)
        return live if keep is None else {name: live[name] for name in keep}

    def _parts(self, keep: Collection[str] | None) -> tuple[Step | Chain, ...]:
        """The plan with consecutive compiled kernels in one call each, made once a ``keep``."""
        wanted = None if keep is None else frozenset(keep)
        if wanted not in self._chained:
            if len(self._chained) >= MOST_CHAINED:
                self._chained.clear()
            plan = tuple(self.plan)
            self._chained[wanted] = chained(plan, self.graph, wanted) if compiles() else plan
        return self._chained[wanted]

    def _step(
        self,
        step: Step,
        live: dict[str, Tensor],
        keep: Collection[str] | None,
        observe: Observer | None = None,
        forced: Mapping[str, Tensor] | None = None,
    ) -> None:
        inputs = [live[source] for source in step.sources]
        output = step.kernel(inputs)
        if step.counts:
            in_range(step.name, output)
        if observe is not None:
            observe(step.node, inputs, output)
        if forced is not None and step.name in forced:
            output = as_signal(self.graph, step.name, forced[step.name])
        live[step.name] = output
        _forget(step.used_up, live, keep)


def _forget(names: Collection[str], live: dict[str, Tensor], keep: Collection[str] | None) -> None:
    """Free what nothing reads any more and nobody wants."""
    if keep is not None:
        for name in names:
            if name not in keep:
                live.pop(name, None)


def _fused(steps: Steps, graph: Graph, inside: set[str], sent: Collection[str]) -> Steps:
    """Steps in which convolutions count for the one population that reads them."""
    kernels = {node.name: (node, kernel) for node, kernel in steps}
    for node, _ in steps:
        readers = graph.consumers[node.name]
        if not isinstance(node, Conv) or node.name in sent or len(readers) != 1:
            continue
        reader = readers[0]
        if not isinstance(reader, Neuron) or reader.name not in inside:
            continue
        if power_of_two_unit(reader) and reader.shape == node.shape and not reader.decay:
            kernels[node.name] = (node, convolution(node, graph, reader))
            kernels[reader.name] = (reader, Compiled(lambda inputs: inputs[0], (), True))
    return list(kernels.values())


def _plan(steps: Steps, populations: set[str]) -> list[Step]:
    last = {name: node.name for node, _ in steps for name in node.inputs}
    plan = []
    for node, kernel in steps:
        used_up = tuple(n for n in dict.fromkeys(node.inputs) if last[n] == node.name)
        counts = node.name in populations
        plan.append(Step(node, node.name, kernel, node.inputs, counts, used_up))
    return plan


def as_signal(graph: Graph, name: str, value: Tensor) -> Tensor:
    """Integers of a node as kernels take them: counts uint8, others float32, maps channels last."""
    signal = graph.signal(name)
    value = in_range(name, value).to(torch.uint8) if signal == COUNT else value.to(torch.float32)
    return value.contiguous() if signal == MEMORY else channels_last(value)


@KERNELS.register(Conv)
def _conv(node: Conv, graph: Graph) -> Kernel:
    return convolution(node, graph)


@KERNELS.register(Sum)
def _sum(node: Sum, graph: Graph) -> Kernel:
    constant, shape = None, torch.Size(node.shape)
    if node.constant is not None:
        constant = channels_last(torch.from_numpy(node.constant.astype(np.float32)))
    real = all(graph.signal(name) != COUNT for name in node.inputs)
    small = math.prod(node.shape) <= MOST_ADDED
    whole = real and small and all(graph[name].shape == node.shape for name in node.inputs)

    def run(inputs: Sequence[Tensor]) -> Tensor:
        total = inputs[0]
        for term in inputs[1:]:
            total = total + term
        if constant is not None:
            total = total + constant
        return total if total.shape == shape else total.expand(shape)

    return Compiled(run, _additions(node, constant)) if whole else run


def _additions(node: Sum, constant: Tensor | None) -> tuple[Call, ...]:
    """A call for each term behind the first, none for one term alone.

    ``constant`` is a map or one for all steps.
    """
    size = math.prod(node.shape)
    terms = [(described(size, 0), Place(i)) for i in range(1, len(node.inputs))]
    if constant is not None:
        whole = channels_last(constant.expand(node.shape)).permute(0, 2, 3, 1).numpy()
        terms.append((described(size, whole), Place(OWN)))
    return tuple(
        Call(ADD, *numbers, (Place(OWN if place else 0), second), 4 * size)
        for place, (numbers, second) in enumerate(terms)
    )


@KERNELS.register(Neuron)
def _neuron(node: Neuron, graph: Graph) -> Kernel:
    kernel, (name,) = population(node), node.inputs
    whole = graph.signal(name) != COUNT and graph[name].shape == node.shape
    return kernel if whole else kernel.run


@KERNELS.register(Pool)
def _pool(node: Pool, graph: Graph) -> Kernel:
    def run(inputs: Sequence[Tensor]) -> Tensor:
        return functional.avg_pool2d(inputs[0], node.kernel, divisor_override=1)

    return run


@KERNELS.register(Upsample)
def _upsample(node: Upsample, graph: Graph) -> Kernel:
    size = node.shape[2:]
    gain = (2.0 * node.factor) ** 2 / 2**node.shift

    def run(inputs: Sequence[Tensor]) -> Tensor:
        fine = functional.interpolate(inputs[0], size, mode="bilinear", align_corners=False)
        upsampled: Tensor = fine.mul_(gain).add_(0.5 if node.shift else 0.0).floor_()
        return upsampled

    return run


@KERNELS.register(KeyValue)
def _key_value(node: KeyValue, graph: Graph) -> Kernel:
    return memory_write(node, graph)


@KERNELS.register(Read)
def _read(node: Read, graph: Graph) -> Kernel:
    return memory_read(node, graph)


@KERNELS.register(PositionsAsChannels)
def _positions(node: PositionsAsChannels, graph: Graph) -> Kernel:
    def run(inputs: Sequence[Tensor]) -> Tensor:
        return inputs[0].permute(0, 2, 3, 1).reshape(node.shape)

    return run


@KERNELS.register(Gate)
def _gate(node: Gate, graph: Graph) -> Kernel:
    return gate(node)


@KERNELS.register(Output)
def _output(node: Output, graph: Graph) -> Kernel:
    return lambda inputs: inputs[0]
