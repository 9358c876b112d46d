"""``.nir`` file → integer graph, array by array as it was written."""

from __future__ import annotations

from collections.abc import Callable
from operator import index
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
from numpy.typing import NDArray

from spiketrack import hdf5
from spiketrack.documents.digests import file_digest
from spiketrack.errors import Hdf5Error, NirError
from spiketrack.export.nir import vocabulary as words
from spiketrack.integer.graph import (
    IMAGE,
    MEMORY,
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
    Shape,
    Sum,
    Upsample,
)
from spiketrack.integer.registry import Registry

_FINEST = 64  # no grid is finer or coarser than 2^-64, 2^64
READERS: Registry[Callable[..., Node]] = Registry("NIR reader")
_KEPT = 2  # both branches of a network
_kept: dict[str, Graph] = {}  # what was read last, by the SHA-256 of its file


def read_nir(path: Path, known: bool = False) -> Graph:
    """Read a file that this tool wrote (also after stock ``nir`` has read and rewritten it).

    A file that is neither ``known`` nor read before is first opened in another process: damage can
    crash HDF5. The graphs of the last two files are kept for whoever asks again.
    ``NirError`` names the file and the node for what is foreign, newer or inconsistent.
    """
    if not path.is_file():
        raise NirError(f"{path}: no such file")
    digest = file_digest(path)
    if digest not in _kept:
        try:
            if not known:
                hdf5.probe_once(path, digest)
            graph = from_nir(load_nir(path))
        except (NirError, Hdf5Error) as error:
            raise NirError(f"{path}: {error}") from None
        for oldest in list(_kept)[: 1 - _KEPT]:
            del _kept[oldest]
        _kept[digest] = graph
    return _kept[digest]


def load_nir(path: Path) -> nir.NIRGraph:
    """What ``nir.read`` gives for a file, through the door of ``hdf5.py``."""
    with hdf5.opened(path) as door:
        group = door.file.get("node") if "node" in door.file else None
        if not isinstance(group, h5py.Group):
            raise NirError("corrupt or no .nir file (no group named node)")
        values = door.tree(group)
    try:
        return nir.dict2NIRNode(values | {"type_check": False})
    except Exception as error:  # nir raises whatever a changed file provokes
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise NirError(f"corrupt or no .nir file ({reason})") from error


def from_nir(loaded: nir.NIRGraph) -> Graph:
    """Integer graph of a NIR graph in our vocabulary."""
    if not isinstance(loaded, nir.NIRGraph):
        raise NirError(f"a {type(loaded).__name__}, not a graph")
    if str(words.noted(loaded).get("vocabulary")) != words.VOCABULARY:
        raise NirError(f"a graph without vocabulary {words.VOCABULARY}: written by another tool")
    version = words.entry("graph", loaded, "version", index)
    if version != words.VOCABULARY_VERSION:
        raise NirError(
            f"graph of vocabulary version {version}, this program reads "
            f"{words.VOCABULARY_VERSION}; export the checkpoint again"
        )
    try:
        return Reading(loaded).run()
    except (TypeError, ValueError, AttributeError) as error:
        raise NirError(f"a node or edge of another kind than was written ({error})") from None


class Reading:
    """Turns the nodes of one NIR graph back, in their original order."""

    def __init__(self, loaded: nir.NIRGraph) -> None:
        self.loaded = loaded
        self.sources: dict[str, list[str]] = {name: [] for name in loaded.nodes}
        for source, target in loaded.edges:
            if source not in loaded.nodes or target not in loaded.nodes:
                raise NirError(f"edge {source} → {target} names a node that does not exist")
            self.sources[target].append(source)
        self.fractions: dict[str, int] = {}

    def run(self) -> Graph:
        """The graph of all nodes."""
        mains = [n for n in self.loaded.nodes if "order" in words.noted(self.loaded.nodes[n])]
        parts = {
            f"{name}.{step}"
            for name in mains
            if _is(self.loaded.nodes[name], words.STACK)
            for step in range(len(self.sources[name]))
        }
        chosen = [name for name in mains if name not in parts]
        for name in set(self.loaded.nodes) - set(chosen) - parts:
            if name.removesuffix(".select") not in parts:
                raise NirError(f"{name}: a node that this tool did not write")
        ordered = sorted(chosen, key=lambda n: words.entry(n, self.loaded.nodes[n], "order", index))
        for name in ordered:
            node = self.loaded.nodes[name]
            self.fractions[name] = words.entry(name, node, "fraction", index)
            if abs(self.fractions[name]) > _FINEST:
                raise NirError(f"{name}: fraction {self.fractions[name]}, limit {_FINEST}")
        nodes = tuple(self.node(name) for name in ordered)
        branch = words.entry("graph", self.loaded, "branch", words.text)
        return Graph(branch, nodes, {n.name: self.fractions[n.name] for n in nodes})

    def node(self, name: str) -> Node:
        """One node; ``NirError`` names it where its record was changed."""
        node = self.loaded.nodes[name]
        reader = READERS.of(words.node_type(name, node), name)
        inputs = words.entry(name, node, "inputs", words.names)
        self.check_edges(name, node, inputs)
        values = words.entry(name, node, "shape", lambda v: [int(n) for n in words.integers(v)])
        if len(values) != 4:
            raise NirError(f"{name}: shape {values} instead of (steps, channels, height, width)")
        shape: Shape = (values[0], values[1], values[2], values[3])
        try:
            return reader(self, name, inputs, shape, node)
        except (ValueError, TypeError, LookupError, ArithmeticError) as error:
            raise NirError(f"{name}: its arrays were changed ({error})") from None

    def check_edges(self, name: str, node: nir.NIRNode, inputs: tuple[str, ...]) -> None:
        """The edges must say what the node's own record of its inputs says."""
        if _is(node, words.STACK):
            steps = range(len(self.sources[name]))
            for step in steps:
                part = f"{name}.{step}"
                sources = [self.sources.get(n, []) for n in (part, f"{part}.select")]
                if sources != [[f"{part}.select"], list(inputs)]:
                    raise NirError(f"{part}: its edges were changed")
            inputs = tuple(f"{name}.{step}" for step in steps)
        if sorted(self.sources[name]) != sorted(inputs):
            raise NirError(f"{name}: edges from {self.sources[name]}, written with {list(inputs)}")

    def scale(self, name: str, source: str) -> int:
        """Exponent by which an integer weight is smaller than its real value's grid."""
        if source not in self.fractions:
            raise NirError(f"{name}: reads {source}, which does not exist")
        return self.fractions[source] - self.fractions[name]


def _is(node: nir.NIRNode, op: str) -> bool:
    return isinstance(node, nir.NIRGraph) and str(words.noted(node).get("op")) == op


def _integers(name: str, values: Any, fraction: int, kind: type = np.int32) -> Any:
    """values · 2^fraction as integers; ``NirError`` if they are none or too large."""
    with np.errstate(over="ignore"):  # what overflows is refused below
        scaled = np.ldexp(np.asarray(values, np.float64), fraction)
    rounded = np.rint(scaled)
    limit = np.iinfo(kind).max
    if not np.array_equal(scaled, rounded) or np.abs(rounded).max(initial=0) > limit:
        raise NirError(f"{name}: values are no integers on its grid; the file was changed")
    return rounded.astype(kind)


def _conv_parts(
    reading: Reading, name: str, node: nir.Conv2d, inputs: tuple[str, ...]
) -> tuple[NDArray[np.int8], NDArray[np.int32], NDArray[np.int32]]:
    shift = words.entry(name, node, "shift", words.integers)
    exponent = -(shift + reading.scale(name, inputs[0]))
    weight = _integers(name, node.weight, exponent[:, None, None, None], np.int8)
    return weight, shift, _integers(name, node.bias, reading.fractions[name])


@READERS.register(Conv)
def _conv(reading: Reading, name: str, inputs: Any, shape: Shape, node: Any) -> Node:
    """One Conv2d, or one for each step and what stacks them."""
    nodes = [node]
    if _is(node, words.STACK):
        steps = range(len(reading.sources[name]))
        nodes = [reading.loaded.nodes[f"{name}.{step}"] for step in steps]
    if not all(isinstance(n, nir.Conv2d) for n in nodes):
        raise NirError(f"{name}: stacks something else than Conv2d nodes")
    parts = [_conv_parts(reading, name, node, inputs) for node in nodes]
    weight, shift, bias = (np.stack(arrays) for arrays in zip(*parts, strict=True))
    stride, padding, groups, dilation = (
        _single(name, key, *(getattr(node, key) for node in nodes))
        for key in ("stride", "padding", "groups", "dilation")
    )
    if dilation != 1:
        raise NirError(f"{name}: dilation {dilation}; the file was changed")
    return Conv(name, inputs, shape, weight, shift, bias, stride, padding, groups)


def _single(name: str, key: str, *values: Any) -> int:
    """The integer that all values are, on both axes."""
    numbers = {index(number) for value in values for number in np.ravel(value)}
    if len(numbers) != 1:
        raise NirError(f"{name}: {key} {sorted(numbers)}; one number is expected")
    return numbers.pop()


@READERS.register(Input)
def _input(reading: Reading, name: str, inputs: Any, shape: Shape, node: Any) -> Node:
    signal = words.entry(name, node, "signal", words.text)
    if signal not in (IMAGE, MEMORY):
        raise NirError(f"{name}: signal {signal} is unknown; known are {IMAGE}, {MEMORY}")
    low, high = (words.entry(name, node, key, index) for key in ("low", "high"))
    return Input(name, inputs, shape, signal, low, high)


@READERS.register(Output)
def _output(reading: Reading, name: str, inputs: Any, shape: Shape, node: Any) -> Node:
    return Output(name, inputs, shape)


@READERS.register(Sum)
def _sum(reading: Reading, name: str, inputs: Any, shape: Shape, node: Any) -> Node:
    if isinstance(node, nir.Scale):
        if not np.all(node.scale == 1):
            raise NirError(f"{name}: a Scale other than 1; the file was changed")
        return Sum(name, inputs, shape)
    constant = words.entry(name, node, "constant", np.asarray)
    return Sum(name, inputs, shape, _integers(name, constant, reading.fractions[name]))


@READERS.register(Neuron)
def _neuron(reading: Reading, name: str, inputs: Any, shape: Shape, node: Any) -> Node:
    levels = words.entry(name, node, "thresholds", words.integers).tolist()
    if len(levels) != 4:
        raise NirError(f"{name}: {len(levels)} thresholds instead of 4")
    reset = words.entry(name, node, "reset", index)
    decay = tuple(words.entry(name, node, "decay", words.integers).tolist())
    return Neuron(name, inputs, shape, (levels[0], levels[1], levels[2], levels[3]), reset, decay)


@READERS.register(Pool)
def _pool(reading: Reading, name: str, inputs: Any, shape: Shape, node: Any) -> Node:
    kernel = _single(name, "kernel or stride", node.kernel_size, node.stride)
    if np.any(node.padding):
        raise NirError(f"{name}: a pool with padding; the file was changed")
    return Pool(name, inputs, shape, kernel)


@READERS.register(Upsample)
def _upsample(reading: Reading, name: str, inputs: Any, shape: Shape, node: Any) -> Node:
    factor, shift = (words.entry(name, node, key, index) for key in ("factor", "shift"))
    return Upsample(name, inputs, shape, factor, shift)


@READERS.register(KeyValue)
def _key_value(reading: Reading, name: str, inputs: Any, shape: Shape, node: Any) -> Node:
    return KeyValue(name, inputs, shape, words.entry(name, node, "positions", index))


@READERS.register(Read)
def _read(reading: Reading, name: str, inputs: Any, shape: Shape, node: Any) -> Node:
    return Read(name, inputs, shape, words.entry(name, node, "shift", index))


@READERS.register(PositionsAsChannels)
def _positions(reading: Reading, name: str, inputs: Any, shape: Shape, node: Any) -> Node:
    return PositionsAsChannels(name, inputs, shape)


@READERS.register(Gate)
def _gate(reading: Reading, name: str, inputs: Any, shape: Shape, node: Any) -> Node:
    table = words.entry(name, node, "table", words.integers)
    return Gate(name, inputs, shape, table, words.entry(name, node, "shift", index))
