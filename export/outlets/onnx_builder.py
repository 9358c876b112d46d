"""What both ONNX outlets share: a model under construction, named after the graph's nodes.

Every node of the graph becomes a few standard operators; the last one and its tensor carry the
node's name, those before it ``<name>/<step>``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiketrack.integer.graph import (
    Graph,
    KeyValue,
    Node,
    PositionsAsChannels,
    Shape,
)
from spiketrack.integer.registry import Registry
from spiketrack.limits import HEADS
from spiketrack.optional import load
from spiketrack.version import VERSION

OPSET = 18  # the first with ReduceMax whose axes are an input and Split in equal parts
IR_VERSION = 8  # that of opset 18's release; onnxruntime 1.14 and later load it
DOMAIN = ""  # the standard operators

Lowering = Callable[["Builder", Any], None]


class Builder:
    """Collects operators, initialisers, inputs and outputs of one model.

    ``forced`` populations are still computed, but what reads them takes the extra input
    ``<name>/forced`` instead (teacher forcing).
    """

    def __init__(self, graph: Graph, forced: Collection[str] = ()) -> None:
        self.graph = graph
        self.forced = frozenset(forced)
        self.onnx = load("onnx", "onnx")
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def source(self, name: str) -> str:
        """Tensor that a reader of node ``name`` takes."""
        return f"{name}/forced" if name in self.forced else name

    def sources(self, node: Node) -> list[str]:
        """Tensors that ``node`` reads."""
        return [self.source(name) for name in node.inputs]

    def add(self, kind: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Append an operator whose only output is called ``name``."""
        return self.add_many(kind, inputs, [name], name, **attributes)[0]

    def add_many(
        self, kind: str, inputs: Sequence[str], outputs: list[str], name: str, **attributes: Any
    ) -> list[str]:
        """Append an operator with several outputs."""
        make = self.onnx.helper.make_node
        self.nodes.append(make(kind, list(inputs), outputs, name=name, **attributes))
        return outputs

    def constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        """Initialiser ``name``."""
        contiguous = np.ascontiguousarray(value).reshape(value.shape)
        self.constants[name] = self.onnx.numpy_helper.from_array(contiguous, name)
        return name

    def shared(self, value: int | Sequence[int], kind: type[np.generic]) -> str:
        """Small constant that many operators use, made once."""
        array = np.asarray(value, kind)
        name = f"const/{np.dtype(kind).name}/{'x'.join(map(str, array.reshape(-1).tolist()))}"
        name += "" if array.ndim == 0 else "/list"
        return name if name in self.constants else self.constant(name, array)

    def cast(self, x: str, kind: type[np.generic], name: str) -> str:
        """Convert a tensor."""
        return self.add("Cast", [x], name, to=self.element(kind))

    def reshape(self, x: str, shape: Sequence[int], name: str) -> str:
        """Give a tensor another shape."""
        return self.add("Reshape", [x, self.shared(list(shape), np.int64)], name)

    def heads(self, node: str, name: str) -> str:
        """Counts of a node (T, C, H, W) → (T, 8, C / 8, H·W)."""
        steps, channels = self.graph[node].shape[:2]
        return self.reshape(self.source(node), (steps, HEADS, channels // HEADS, -1), name)

    def transpose(self, x: str, order: Sequence[int], name: str) -> str:
        """Permute axes."""
        return self.add("Transpose", [x], name, perm=list(order))

    def split_steps(self, x: str, steps: int, name: str) -> list[str]:
        """(steps, ...) → that many (1, ...)."""
        if steps == 1:
            return [x]
        outputs = [f"{name}/step{t}" for t in range(steps)]
        return self.add_many("Split", [x], outputs, f"{name}/split", axis=0, num_outputs=steps)

    def element(self, kind: type[np.generic]) -> int:
        """ONNX's number of a numpy type."""
        number: int = self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        return number

    def add_input(self, name: str, shape: Shape, kind: type[np.generic]) -> None:
        """Declare an input of the model."""
        make = self.onnx.helper.make_tensor_value_info
        self.inputs.append(make(name, self.element(kind), shape))

    def add_output(self, name: str, shape: Shape, kind: type[np.generic]) -> None:
        """Declare an output of the model."""
        make = self.onnx.helper.make_tensor_value_info
        self.outputs.append(make(name, self.element(kind), shape))

    def model(self, description: str, properties: Mapping[str, str]) -> Any:
        """The finished, checked model with the shapes of all tensors."""
        helper = self.onnx.helper
        graph = helper.make_graph(
            self.nodes,
            self.graph.name,
            self.inputs,
            self.outputs,
            list(self.constants.values()),
            doc_string=description,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid(DOMAIN, OPSET)],
            ir_version=IR_VERSION,
            producer_name="spiketrack-loihi",
            producer_version=VERSION,
        )
        helper.set_model_props(model, dict(properties))
        self.onnx.checker.check_model(model, full_check=True)
        return self.onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)


def key_value(b: Builder, node: KeyValue, product: str) -> None:
    """kᵀ v of each head by the operator ``product``."""
    k, v = (
        b.heads(name, f"{node.name}/{end}") for name, end in zip(node.inputs, "kv", strict=True)
    )
    b.add(product, [k, b.transpose(v, (0, 1, 3, 2), f"{node.name}/vt")], node.name)


def positions_as_channels(b: Builder, node: PositionsAsChannels) -> None:
    """(T, C, H, W) → (T, H·W, C, 1)."""
    steps, positions, channels, _ = node.shape
    x = b.reshape(b.source(node.inputs[0]), (steps, channels, positions), f"{node.name}/flat")
    b.reshape(b.transpose(x, (0, 2, 1), f"{node.name}/turned"), node.shape, node.name)


def lower(
    graph: Graph,
    rules: Registry[Lowering],
    count_type: type[np.generic],
    value_type: type[np.generic],
    record: Collection[str] = (),
    forced: Collection[str] = (),
) -> Builder:
    """Apply the rule of every node; ``record`` names populations that become outputs too."""
    builder = Builder(graph, forced)
    for node in graph:
        if node.traits.given:
            builder.add_input(node.name, node.shape, value_type)
        else:
            rules[node](builder, node)
        if node.traits.read_out:
            builder.add_output(node.name, node.shape, value_type)
    for name in forced:
        builder.add_input(f"{name}/forced", graph[name].shape, count_type)
    for name in record:
        builder.add_output(name, graph[name].shape, count_type)
    return builder
