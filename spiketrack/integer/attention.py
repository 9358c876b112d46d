"""Attention's two products on a CPU, exactly: compiled where processor and shapes allow it.

Both hold integers below 2^24 in float32, as ``ranges.py`` proves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from spiketrack.integer.compiled.calls import READ, WRITE, Call, Compiled, Place, described
from spiketrack.integer.compiled.dots import LANES, ROWS
from spiketrack.integer.convolutions import channels_last
from spiketrack.integer.exact_choice import compiles, pack
from spiketrack.integer.exact_ops import Layer, OneStep
from spiketrack.integer.graph import COUNT, Graph, KeyValue, Read
from spiketrack.limits import HEADS

READ_MACS, WRITE_MACS = 8_000_000, 1_000_000  # above, torch's products take no longer
Product = Callable[[Sequence[Tensor]], Tensor]


def memory_write(node: KeyValue, graph: Graph) -> Product:
    """kᵀv per head and step: (T, 8, d, e)."""
    counts = all(graph.signal(name) == COUNT for name in node.inputs)
    small = math.prod(node.shape) * node.positions <= WRITE_MACS
    if counts and small and node.shape[3] % LANES == 0 and compiles():
        return _compiled_write(node, graph)

    def run(inputs: Sequence[Tensor]) -> Tensor:
        k, v = (_heads(x) for x in inputs)
        return k.transpose(2, 3) @ v

    return run


def _heads(x: Tensor) -> Tensor:
    """Counts (T, C, H, W), channels last → float32 (T, 8, H·W, C / 8)."""
    steps, channels, height, width = x.shape
    rows = x.float().permute(0, 2, 3, 1).reshape(steps, height * width, HEADS, channels // HEADS)
    return rows.transpose(1, 2)


def _compiled_write(node: KeyValue, graph: Graph) -> Product:
    from spiketrack.integer.compiled.reading import write_memory

    steps, many, height, width = graph[node.inputs[0]].shape
    positions = height * width
    columns = np.empty((many, positions), np.float32)
    rows = np.empty((positions, graph[node.inputs[1]].shape[1]), np.float32)
    one = np.ones(1, np.float32)

    def run(inputs: Sequence[Tensor]) -> Tensor:
        k, v = channels_last(inputs[0]), channels_last(inputs[1])
        if (len(k), len(v)) != (steps, steps):
            raise ValueError(f"{node.name}: {len(k)} and {len(v)} steps given, {steps} needed")
        out = torch.empty(node.shape)
        write_memory(k.data_ptr(), v.data_ptr(), positions, columns, rows, one, out.numpy())
        return out

    numbers = described(positions, *node.shape, columns, rows, one)
    places = (Place(0), Place(1))
    return Compiled(run, (Call(WRITE, *numbers, places, 4 * math.prod(node.shape)),))


def memory_read(node: Read, graph: Graph) -> Callable[[Sequence[Tensor]], Tensor]:
    """q · kv per head and step, compiled where processor and shapes allow it."""
    counts = graph.signal(node.inputs[0]) == COUNT
    small = math.prod(node.shape) * node.shape[1] // (4 * HEADS) <= READ_MACS
    if counts and small and node.shape[1] % (HEADS * LANES) == 0 and compiles():
        return _compiled_read(node)
    return _convolved_read(node)


def _compiled_read(node: Read) -> Callable[[Sequence[Tensor]], Tensor]:
    from spiketrack.integer.compiled.reading import read_memory

    steps, channels, height, width = node.shape
    gain = np.array([2.0**node.shift], np.float32)
    room = np.empty((ROWS, channels // 4), np.float32)

    def run(inputs: Sequence[Tensor]) -> Tensor:
        q, memory = channels_last(inputs[0]), inputs[1].contiguous()
        if (len(q), len(memory)) != (steps, steps):
            raise ValueError(f"{node.name}: {len(q)} and {len(memory)} steps given, {steps} needed")
        out = torch.empty(node.shape, memory_format=torch.channels_last)
        place = out.data_ptr()
        read_memory(q.data_ptr(), height * width, memory.numpy(), gain, room, place)
        return out

    shape = (steps, HEADS, channels // 4 // HEADS, channels // HEADS)  # of the memory
    numbers = described(height * width, *shape, gain, room)
    places = (Place(0), Place(1))
    return Compiled(run, (Call(READ, *numbers, places, 4 * math.prod(node.shape)),))


def _convolved_read(node: Read) -> Callable[[Sequence[Tensor]], Tensor]:
    """A 1×1 convolution of eight groups whose weights are kv.

    A memory that stays the same tensor from call to call is packed once.
    """
    known: list[tuple[Tensor, int, list[OneStep]]] = []

    def pack_all(memory: Tensor) -> list[OneStep]:
        return [_grouped(weight, node) for weight in memory.transpose(2, 3).flatten(1, 2)]

    def run(inputs: Sequence[Tensor]) -> Tensor:
        q, memory = inputs
        if not known or known[0][0] is not memory or known[0][1] != memory._version:
            known[:] = [(memory, memory._version, pack_all(memory))]
        parts = zip(torch.split(q.float(), 1), known[0][2], strict=True)
        steps = [read(channels_last(x)) for x, read in parts]
        return steps[0] if len(steps) == 1 else torch.cat(steps)

    return run


def _grouped(weight: Tensor, node: Read) -> OneStep:
    """weight (4C, C / 8) of one step as 1×1 kernels."""
    return pack(
        Layer(
            weight=weight[..., None, None].contiguous(),
            scale=torch.full((len(weight),), 2.0**node.shift),
            bias=torch.zeros(len(weight)),
            size=(1, node.shape[1] // 4, *node.shape[2:]),
            groups=HEADS,
        )
    )
