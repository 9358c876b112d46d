"""Consecutive compiled kernels as one call: small layers cost less than a call of Python's each.

What only kernels of a chain read lies in one block of memory, whose places are used again; what
others read, or is kept, is a tensor of its own, new in every run.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from spiketrack.integer.compiled.calls import OWN, Call, Compiled
from spiketrack.integer.count_range import wrong_count
from spiketrack.integer.exact_choice import compiles
from spiketrack.integer.graph import COUNT, MEMORY, Graph, Node

Kernel = Callable[[Sequence[Tensor]], Tensor]
ALIGNED = 64  # bytes, a vector's and a line's of the cache
FEWEST_CALLS = 2  # of a chain
SHARED = 0  # the slot of the chain's own memory


class Step(NamedTuple):
    """A node's turn: ``sources`` feed it, of which nothing reads those ``used_up`` later."""

    node: Node
    name: str
    kernel: Kernel
    sources: tuple[str, ...]
    counts: bool
    used_up: tuple[str, ...]


class Value(NamedTuple):
    """A tensor that a chain reads or writes; its address stands in ``slot``."""

    name: str
    slot: int
    shape: torch.Size
    dtype: torch.dtype
    layout: torch.memory_format

    @property
    def size(self) -> int:
        """Bytes."""
        return self.shape.numel() * self.dtype.itemsize


def compile_loops() -> None:
    """Compile what chains call, before processes are forked that would each do so."""
    if compiles():
        importlib.import_module("spiketrack.integer.compiled.chain")


def chained(
    plan: Sequence[Step], graph: Graph, keep: Collection[str] | None
) -> tuple[Step | Chain, ...]:
    """The plan with consecutive compiled kernels as chains; ``keep``: what is wanted, None: all.

    A kernel that hands on what it is given joins the chain that makes that.
    """
    groups: list[list[Step]] = []
    inside: set[str] = set()  # of the last group, if it may grow
    for step in plan:
        kernel = step.kernel
        joins = isinstance(kernel, Compiled) and (bool(kernel.calls) or step.sources[0] in inside)
        if not (joins and inside):
            groups.append([])
            inside = set()
        groups[-1].append(step)
        if joins:
            inside.add(step.name)
    parts: list[Step | Chain] = []
    for group in groups:
        calls = sum(len(s.kernel.calls) for s in group if isinstance(s.kernel, Compiled))
        if calls < FEWEST_CALLS:
            parts += group
        else:
            made = {s.name for s in group}
            read = {name for s in plan if s.name not in made for name in s.sources}
            parts.append(Chain(group, graph, made if keep is None else made & {*keep, *read}))
    return tuple(parts)


class Chain:
    """Calls of consecutive steps; ``needed``: outputs that others read or that are kept."""

    def __init__(self, steps: Sequence[Step], graph: Graph, needed: Collection[str]) -> None:
        from spiketrack.integer.compiled.chain import run_calls

        self.steps, self.run_calls = tuple(steps), run_calls
        self.used_up = tuple(name for step in steps for name in step.used_up)
        kernels = {step.name: _compiled(step) for step in steps}
        makers: dict[str, str] = {}  # of every output: the step whose calls write it
        for step in steps:
            makers[step.name] = step.name if kernels[step.name].calls else makers[step.sources[0]]
        self.needed = tuple((name, makers[name]) for name in makers if name in needed)
        given = dict.fromkeys(n for step in steps for n in step.sources if n not in makers)
        own = dict.fromkeys(maker for _, maker in self.needed)
        values = {
            name: _value(graph, name, slot, kernels.get(name))
            for slot, name in enumerate((*given, *own), SHARED + 1)
        }
        self.inputs = tuple(values[name] for name in given)
        self.outputs = tuple(values[name] for name in own)
        offsets, size = _offsets(self.steps, graph, makers, own)
        self.memory = np.empty(size + ALIGNED, np.uint8)
        self.places = np.zeros(SHARED + 1 + len(values), np.int64)
        self.places[SHARED] = -(-self.memory.ctypes.data // ALIGNED) * ALIGNED
        where = {name: (values[name].slot, 0) for name in values}
        where |= {name: (SHARED, offset) for name, offset in offsets.items()}
        where |= {name: where[maker] for name, maker in makers.items()}
        counted = {makers[step.name]: step.name for step in steps if step.counts}
        calls = [(step, call) for step in steps for call in kernels[step.name].calls]
        self.counted = tuple(counted.get(step.name, step.name) for step, _ in calls)
        rows = [_row(step, call, where, step.name in counted) for step, call in calls]
        self.rows = np.array(rows, np.int64)

    def run(self, live: dict[str, Tensor]) -> bool:
        """Add what is needed to ``live``; False, and nothing done, where a shape is another.

        ``GraphError`` names a population with a count that cannot be.
        """
        held = []
        for name, slot, shape, dtype, layout in self.inputs:
            x = live[name]
            if x.shape != shape or x.dtype != dtype:
                return False
            x = x.contiguous(memory_format=layout)
            held.append(x)
            self.places[slot] = x.data_ptr()
        made = {}
        for name, slot, shape, dtype, layout in self.outputs:
            made[name] = torch.empty(shape, dtype=dtype, memory_format=layout)
            self.places[slot] = made[name].data_ptr()
        wrong = self.run_calls(self.rows, self.places)
        if wrong >= 0:
            raise wrong_count(self.counted[wrong // 256], wrong % 256)
        for name, maker in self.needed:
            live[name] = made[maker]
        return True


def _compiled(step: Step) -> Compiled[Kernel]:
    assert isinstance(step.kernel, Compiled)
    return step.kernel


def _value(graph: Graph, name: str, slot: int, kernel: Compiled[Kernel] | None) -> Value:
    signal = graph.signal(name)
    counts = kernel.counts if kernel else signal == COUNT
    return Value(
        name,
        slot,
        torch.Size(graph[name].shape),
        torch.uint8 if counts else torch.float32,
        torch.contiguous_format if signal == MEMORY else torch.channels_last,
    )


def _offsets(
    steps: Sequence[Step], graph: Graph, makers: Mapping[str, str], own: Collection[str]
) -> tuple[dict[str, int], int]:
    """Where each output that only the chain reads lies in its memory, and the bytes of that.

    An output takes the first gap that is large enough among those that are still read.
    """
    last = {
        makers[name]: i
        for i, step in enumerate(steps)
        for name in (step.name, *step.sources)
        if name in makers
    }
    offsets: dict[str, int] = {}
    taken: list[tuple[int, int, int]] = []  # from, to, the step that reads it last
    most = 0
    for i, step in enumerate(steps):
        if makers[step.name] != step.name or step.name in own:
            continue
        size = _value(graph, step.name, SHARED, _compiled(step)).size
        taken = sorted(place for place in taken if place[2] >= i)
        start = 0
        for begin, end, _ in taken:
            if begin - start >= size:
                break
            start = max(start, -(-end // ALIGNED) * ALIGNED)
        offsets[step.name] = start
        taken.append((start, start + size, last[step.name]))
        most = max(most, start + size)
    return offsets, most


def _row(
    step: Step, call: Call, where: Mapping[str, tuple[int, int]], looked_at: bool
) -> tuple[int, ...]:
    """A call as ``run_calls`` takes it."""
    slot, begin = where[step.name]
    reads: list[int] = []
    for place in (*call.reads, *call.reads)[:2]:
        source = step.name if place.source == OWN else step.sources[place.source]
        reads += where[source][0], where[source][1] + place.offset
    size = call.size if looked_at else 0
    return call.code, slot, begin + call.offset, *reads, call.numbers.ctypes.data, size
