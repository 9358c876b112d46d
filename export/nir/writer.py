"""Integer graph → NIR graph and ``.nir`` file."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
from numpy.typing import NDArray

from spiketrack.export.nir import vocabulary as words
from spiketrack.files import HDF5_VERSIONS
from spiketrack.integer.graph import (
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
from spiketrack.integer.registry import Registry

_COMPRESSED_FROM = 64  # smaller arrays grow when compressed
Named = Mapping[str, nir.NIRNode]
Writer = Callable[..., Named]
WRITERS: Registry[Writer] = Registry("NIR writer")


def to_nir(graph: Graph) -> nir.NIRGraph:
    """The NIR graph of an integer graph; nodes keep their names."""
    nodes: dict[str, nir.NIRNode] = {}
    edges: list[tuple[str, str]] = []
    for order, node in enumerate(graph):
        written = WRITERS[node](node, graph, words.common(node, graph, order))
        nodes.update(written)
        edges += _edges(node, written)
    metadata = {
        "vocabulary": words.VOCABULARY,
        "version": words.VOCABULARY_VERSION,
        "branch": graph.name,
    }
    return nir.NIRGraph(nodes, edges, metadata=metadata, type_check=False)


def write_nir(graph: Graph, path: Path) -> None:
    """Write ``graph`` as a compressed ``.nir`` file; the same graph gives the same bytes.

    The layout is that of ``nir.write``, which cannot switch HDF5's byte shuffling on; with it
    weights of 8 significant bits take half the space.
    """
    content = io.BytesIO()  # HDF5 itself crashes on a full disk
    with h5py.File(content, "w", libver=HDF5_VERSIONS) as file:
        file.create_dataset("version", data=nir.version, dtype=h5py.string_dtype())
        _write_group(file.create_group("node"), to_nir(graph).to_dict())
    path.write_bytes(content.getvalue())


def _write_group(group: h5py.Group, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, dict):
            if value:
                _write_group(group.create_group(key), value)
        elif isinstance(value, str):
            group.create_dataset(key, data=value, dtype=h5py.string_dtype())
        elif isinstance(value, np.ndarray) and value.size >= _COMPRESSED_FROM:
            group.create_dataset(key, data=value, compression="gzip", shuffle=True)
        else:
            group.create_dataset(key, data=value)


def _edges(node: Node, written: Named) -> list[tuple[str, str]]:
    """Edges into a node; one with a set of weights for each step has three layers of them."""
    if len(written) == 1:
        return [(source, node.name) for source in node.inputs]
    edges = []
    for step in range((len(written) - 1) // 2):
        select, conv = f"{node.name}.{step}.select", f"{node.name}.{step}"
        edges += [(node.inputs[0], select), (select, conv), (conv, node.name)]
    return edges


def _one(node: Node, written: nir.NIRNode) -> Named:
    return {node.name: written}


def _input_shapes(node: Node, graph: Graph, *names: str) -> dict[str, tuple[int, ...]]:
    shapes = (source.shape[1:] for source in graph.sources(node))
    return dict(zip(names, shapes, strict=True))


@WRITERS.register(Input)
def _input(node: Input, graph: Graph, meta: words.Metadata) -> Named:
    meta |= {"signal": node.signal, "low": node.low, "high": node.high}
    shape = np.asarray(node.shape[1:], np.int64)
    return _one(node, nir.Input(input_type={"input": shape}, metadata=meta))


@WRITERS.register(Output)
def _output(node: Output, graph: Graph, meta: words.Metadata) -> Named:
    shape = np.asarray(node.shape[1:], np.int64)
    return _one(node, nir.Output(output_type={"output": shape}, metadata=meta))


@WRITERS.register(Conv)
def _conv(node: Conv, graph: Graph, meta: words.Metadata) -> Named:
    if len(node.weight) == 1:
        return _one(node, _conv2d(node, graph, 0, meta))
    shape = graph[node.inputs[0]].shape[1:]
    written: dict[str, nir.NIRNode] = {}
    for step in range(len(node.weight)):
        select = words.custom(words.SELECT, {"input": shape}, shape, {"step": step})
        written[f"{node.name}.{step}.select"] = select
        written[f"{node.name}.{step}"] = _conv2d(node, graph, step, dict(meta))
    ports = {f"step{step}": node.shape[1:] for step in range(len(node.weight))}
    return {**written, **_one(node, words.custom(words.STACK, ports, node.shape[1:], meta))}


def _conv2d(node: Conv, graph: Graph, step: int, meta: words.Metadata) -> nir.Conv2d:
    """Weights and biases as real numbers: mantissa · 2^exponent, exact in float32."""
    source, own = graph.fractions[node.inputs[0]], graph.fractions[node.name]
    exponent = node.shift[step] + source - own
    weight = np.ldexp(node.weight[step].astype(np.float32), exponent[:, None, None, None])
    height, width = graph[node.inputs[0]].shape[2:]
    return nir.Conv2d(
        input_shape=(height, width),
        weight=weight,
        stride=node.stride,
        padding=node.padding,
        dilation=1,
        groups=node.groups,
        bias=real(node.bias[step], own),
        metadata=meta | {"shift": node.shift[step]},
    )


def real(integers: NDArray[np.int32], fraction: int) -> NDArray[np.float32]:
    """integers · 2^-fraction, exact for 24-bit integers."""
    values: NDArray[np.float32] = np.ldexp(integers.astype(np.float32), -fraction)
    return values


@WRITERS.register(Sum)
def _sum(node: Sum, graph: Graph, meta: words.Metadata) -> Named:
    if node.constant is None:
        # several edges into one node add up; a unit Scale gives the sum its name
        scale = np.ones((node.shape[1], 1, 1), np.float32)
        return _one(node, nir.Scale(scale=scale, metadata=meta))
    meta |= {"constant": real(node.constant, graph.fractions[node.name])}
    ports = [f"input{index}" for index in range(len(node.inputs))]
    shapes = _input_shapes(node, graph, *ports)
    return _one(node, words.custom(words.EMBEDDING, shapes, node.shape[1:], meta))


@WRITERS.register(Neuron)
def _neuron(node: Neuron, graph: Graph, meta: words.Metadata) -> Named:
    meta |= {
        "thresholds": np.asarray(node.thresholds, np.int32),
        "reset": node.reset,
        "decay": np.asarray(node.decay, np.int32),
    }
    shapes = _input_shapes(node, graph, "input")
    return _one(node, words.custom(words.POPULATION, shapes, node.shape[1:], meta))


@WRITERS.register(Pool)
def _pool(node: Pool, graph: Graph, meta: words.Metadata) -> Named:
    kernel = np.asarray((node.kernel, node.kernel), np.int64)
    zero = np.zeros(2, np.int64)
    pool = nir.AvgPool2d(kernel_size=kernel, stride=kernel, padding=zero, metadata=meta)
    return _one(node, pool)


@WRITERS.register(Upsample)
def _upsample(node: Upsample, graph: Graph, meta: words.Metadata) -> Named:
    meta |= {"factor": node.factor, "shift": node.shift}
    shapes = _input_shapes(node, graph, "input")
    return _one(node, words.custom(words.UPSAMPLE, shapes, node.shape[1:], meta))


@WRITERS.register(KeyValue)
def _key_value(node: KeyValue, graph: Graph, meta: words.Metadata) -> Named:
    meta |= {"positions": node.positions}
    shapes = _input_shapes(node, graph, "k", "v")
    return _one(node, words.custom(words.KEY_VALUE, shapes, node.shape[1:], meta))


@WRITERS.register(Read)
def _read(node: Read, graph: Graph, meta: words.Metadata) -> Named:
    meta |= {"shift": node.shift}
    shapes = _input_shapes(node, graph, "q", "kv")
    return _one(node, words.custom(words.READ, shapes, node.shape[1:], meta))


@WRITERS.register(PositionsAsChannels)
def _positions(node: PositionsAsChannels, graph: Graph, meta: words.Metadata) -> Named:
    shapes = _input_shapes(node, graph, "input")
    return _one(node, words.custom(words.POSITIONS, shapes, node.shape[1:], meta))


@WRITERS.register(Gate)
def _gate(node: Gate, graph: Graph, meta: words.Metadata) -> Named:
    meta |= {"table": node.table, "shift": node.shift}
    shapes = _input_shapes(node, graph, "counts", "logits")
    return _one(node, words.custom(words.GATE, shapes, node.shape[1:], meta))
