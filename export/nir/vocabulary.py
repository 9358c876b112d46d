"""How integer-graph nodes are named in NIR: standard nodes where NIR has the operation, else ours.

All edges carry real values: a spike is count / 4, a membrane its real potential, a pixel its
number 0..255. What NIR lacks is a ``NIRGraph`` with named Inputs and Outputs, no edge between
them, and metadata ``{"vocabulary": "spiketrack", "version": 2, "op": ...}``; ``define`` adds one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from operator import index
from typing import Any

import nir
import numpy as np
from numpy.typing import NDArray

from spiketrack.errors import NirError
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
from spiketrack.integer.installed import load_installed

VOCABULARY = "spiketrack"
VOCABULARY_VERSION = 2

POPULATION = "counting_population"
EMBEDDING = "constant_sum"
UPSAMPLE = "bilinear_upsample"
KEY_VALUE = "key_value_product"
READ = "memory_read"
POSITIONS = "positions_as_channels"
GATE = "temporal_gate"
SELECT = "select_step"
STACK = "stack_steps"

OPERATIONS: dict[str, str] = {}  # op → what it is and why NIR has none
STANDARD: Mapping[type, type[Node]] = {
    nir.Input: Input,
    nir.Output: Output,
    nir.Conv2d: Conv,
    nir.Scale: Sum,
    nir.AvgPool2d: Pool,
}
_TYPES: dict[str, type[Node]] = {}

_LONGEST = 65_536  # letters of the names that a node reads

Metadata = dict[str, Any]


def define(op: str, why: str, kind: type[Node] | None = None) -> None:
    """Add an operation that NIR lacks: ``why`` says so, ``kind`` is the node type it becomes.

    Without a ``kind`` it is a part of another node. ``NirError`` for an ``op`` that is known.
    """
    if op in OPERATIONS:
        raise NirError(f"operation {op}: defined twice")
    OPERATIONS[op] = why
    if kind is not None:
        _TYPES[op] = kind


def node_type(name: str, node: nir.NIRNode) -> type[Node]:
    """Node type that a NIR node of ours stands for; ``NirError`` for any other."""
    if isinstance(node, nir.NIRGraph):
        kind = _TYPES.get(operation(name, node))
    else:
        kind = STANDARD.get(type(node))
    if kind is None:
        raise NirError(f"{name}: unexpected {type(node).__name__} node")
    return kind


define(
    POPULATION,
    "population of counts 0..4 with soft reset and leak; NIR's neurons are binary",
    Neuron,
)
define(EMBEDDING, "membrane sum with a constant map for each step; NIR has no constant", Sum)
define(UPSAMPLE, "bilinear interpolation; NIR has no resampling", Upsample)
define(KEY_VALUE, "product of two spike maps, kv = k^T v; NIR has no product of signals", KeyValue)
define(READ, "product of spikes and a memory, q kv; NIR has no product of signals", Read)
define(
    POSITIONS,
    "transposition of positions and channels; NIR has no permutation",
    PositionsAsChannels,
)
define(GATE, "softmax over time steps and its population; NIR has no softmax", Gate)
define(SELECT, "one time step of a signal; NIR has no indexing of time")
define(STACK, "time steps put in order; NIR has no indexing of time", Conv)


def common(node: Node, graph: Graph, order: int) -> Metadata:
    """Metadata of every node: what NIR cannot say, in NIR's own types."""
    return {
        "order": order,
        "inputs": json.dumps(list(node.inputs)),
        "shape": np.asarray(node.shape, np.int64),
        "fraction": graph.fractions[node.name],
    }


def custom(
    op: str,
    inputs: Mapping[str, Sequence[int]],
    output: Sequence[int],
    metadata: Metadata,
) -> nir.NIRGraph:
    """A node of ours: unconnected Inputs and Output, ``op`` and version in its metadata."""
    nodes: dict[str, nir.NIRNode] = {
        name: nir.Input(input_type={"input": np.asarray(shape, np.int64)})
        for name, shape in inputs.items()
    }
    nodes["output"] = nir.Output(output_type={"output": np.asarray(output, np.int64)})
    named = {"vocabulary": VOCABULARY, "version": VOCABULARY_VERSION, "op": op}
    return nir.NIRGraph(nodes, [], metadata=named | metadata, type_check=False)


def operation(name: str, node: nir.NIRGraph) -> str:
    """The ``op`` of one of our nodes; ``NirError`` for a foreign or newer one."""
    if str(noted(node).get("vocabulary")) != VOCABULARY:
        raise NirError(f"{name}: a sub-graph without vocabulary {VOCABULARY}; export it again")
    version = entry(name, node, "version", index)
    if version != VOCABULARY_VERSION:
        raise NirError(
            f"{name}: vocabulary version {version}, this program reads {VOCABULARY_VERSION}; "
            "export the checkpoint again or use the matching program"
        )
    op: str = entry(name, node, "op", text)
    if op not in OPERATIONS:
        load_installed()
    if op not in OPERATIONS:
        known = ", ".join(sorted(OPERATIONS))
        raise NirError(f"{name}: operation {op} (version {version}) is unknown; known are {known}")
    return op


def noted(node: nir.NIRNode) -> Mapping[str, Any]:
    """A node's metadata; none where a changed file has something else in its place."""
    metadata = node.metadata
    return metadata if isinstance(metadata, Mapping) else {}


def entry(name: str, node: nir.NIRNode, key: str, convert: Callable[[Any], Any]) -> Any:
    """A metadata value; ``NirError`` when it is missing or of the wrong kind."""
    try:
        return convert(noted(node)[key])
    except KeyError:
        raise NirError(f"{name}: metadata {key} is missing; not written by this tool") from None
    except (TypeError, ValueError) as error:
        raise NirError(f"{name}: metadata {key} is unreadable ({error})") from None


def text(value: Any) -> str:
    """The value itself; ``TypeError`` if it is no printable text."""
    if not (isinstance(value, str) and value.isprintable()):
        raise TypeError("no printable text")
    return value


def names(value: Any) -> tuple[str, ...]:
    """A JSON list of node names; ``TypeError`` for anything else."""
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise TypeError("no short text")
    listed = json.loads(value) if value.count("[") == 1 else None
    if not isinstance(listed, list):
        raise TypeError("no list of names")
    return tuple(text(name) for name in listed)


def integers(value: Any) -> NDArray[np.int32]:
    """A vector of integers; ``TypeError`` for anything else."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise TypeError("no vector of integers")
    return array.astype(np.int32)
