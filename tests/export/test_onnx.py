"""ONNX outlets: integer arithmetic equals the naive evaluator, float equals the torch reference."""

from __future__ import annotations

import importlib
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.naive import evaluate
from support.random_graphs import Array, graphs, random_graph, random_inputs, tiny_graph, tiny_model
from support.traces import assert_same_inference

from spiketrack.errors import GraphError, MissingDependency
from spiketrack.export.outlets.onnx_float import FLOAT, float_model
from spiketrack.export.outlets.onnx_integer import INTEGER, integer_model
from spiketrack.export.passes.spiketrack import fold
from spiketrack.inference import Crop, Inference
from spiketrack.integer.graph import Conv, Graph, Input, Node, Output
from spiketrack.optional import load
from spiketrack.reference.checkpoint import read_checkpoint
from spiketrack.simulators.float_reference import FloatSimulator
from spiketrack.simulators.integer import IntegerSimulator
from spiketrack.simulators.onnx_backend import (
    OnnxFloatSimulator,
    OnnxSimulator,
    Session,
    populations,
)
from spiketrack.tracking.tracker import Tracker, decode, follow
from spiketrack.video.boxes import Box, iou
from spiketrack.video.clip import BUNDLED_BOX, bundled_clip, open_clip

BRANCHES = ("template", "search")


def crops(steps: int, seed: int = 0) -> Crop:
    """Smooth random crops within the range of normalised images."""
    rough = np.random.default_rng(seed).uniform(-1.8, 2.2, (steps, 3, 8, 8))
    return rough.repeat(8, 2).repeat(8, 3).astype(np.float32)


def assert_exact(graph: Graph, inputs: dict[str, Array]) -> None:
    """onnxruntime and the naive evaluator agree on all populations and outputs."""
    names = populations(graph)
    found = Session(integer_model(graph, names)).run(
        {name: value.astype(np.int32) for name, value in inputs.items()}
    )
    expected = evaluate(graph, inputs)
    assert set(found) == {*names, *(node.name for node in graph.outputs)}
    for node in graph:
        if node.name in found:
            assert np.array_equal(found[node.name], expected[node.name]), node.name


@settings(max_examples=12, deadline=None)
@given(graphs(3), st.integers(0, 999), st.booleans())
def test_integer_model_equals_naive_evaluator(graph: Graph, seed: int, extreme: bool) -> None:
    assert_exact(graph, random_inputs(graph, seed, extreme))


def test_every_lowering_is_exact_at_the_extremes() -> None:
    graph = random_graph(3, ("retrieval", "pooled", "attention", "gated", "each_step"), 1)
    assert {type(node) for node in graph} - {Input} == set(INTEGER.table)
    assert_exact(graph, random_inputs(graph, 1, extreme=True))


@pytest.mark.parametrize("templates", [1, 3])
@pytest.mark.slow
def test_backend_equals_integer_backend(templates: int) -> None:
    model = tiny_model(templates)
    network = {branch: tiny_graph(templates, branch) for branch in BRANCHES}
    integer = IntegerSimulator(network, model.config, counts=True)
    with OnnxSimulator(network, model.config, counts=True) as simulator:
        with pytest.raises(GraphError, match="no template was encoded"):
            simulator.search(crops(1, 1)[0])
        for given_, wanted in (
            (
                simulator.encode_template(crops(templates)),
                integer.encode_template(crops(templates)),
            ),
            (simulator.search(crops(1, 1)[0]), integer.search(crops(1, 1)[0])),
        ):
            assert_same_inference(given_, wanted, operations=False)


@pytest.mark.parametrize("templates", [1, 3])
def test_float_counts_under_teacher_forcing(templates: int) -> None:
    """Each population gets the reference's inputs; its own differences may not exceed 0.2 %."""
    reference = FloatSimulator(tiny_model(templates), record=True)
    traces = {
        "template": reference.encode_template(crops(templates)).trace,
        "search": reference.search(crops(1, 1)[0]).trace,
    }
    feeds: dict[str, NDArray[Any]] = {
        f"memory.{i}": m[:, 0].numpy() for i, m in enumerate(reference.memory)
    }
    for branch, trace in traces.items():
        folded = fold(tiny_model(templates), branch)
        names = populations(folded)
        assert set(names) == set(trace.counts)
        spikes = {n: trace.counts[n].reshape(folded[n].shape) / np.float32(4) for n in names}
        given_ = {"image": crops(templates) if branch == "template" else crops(1, 1)}
        given_ |= {f"{n}/forced": s for n, s in spikes.items()}
        given_ |= feeds if branch == "search" else {}
        found = Session(float_model(folded, names, names)).run(given_)
        for name, expected in spikes.items():
            assert (found[name] != expected).mean() <= 0.002, name


def test_float_backend_gives_the_trained_network_s_boxes() -> None:
    """Same crops of a real clip, free running: the nano's boxes agree."""
    read = read_checkpoint("nano")
    model = read.build()
    reference = FloatSimulator(model)
    tracker = Tracker(reference, read.tracker)
    network = {branch: fold(model, branch) for branch in BRANCHES}
    results = list(islice(follow(tracker, open_clip(bundled_clip()), BUNDLED_BOX), 4))
    with OnnxFloatSimulator(network, model.config, counts=True) as simulator:
        assert results[0].templates is not None
        simulator.encode_template(results[0].templates)
        for result in results[1:]:
            assert result.crop is not None
            assert result.inference is not None
            found = simulator.search(result.crop)
            assert iou(box_in_crop(found), box_in_crop(result.inference)) > 0.8
    assert max(counts.max() for counts in found.trace.counts.values()) == 4


def box_in_crop(inference: Inference) -> Box:
    """Box of an inference's maps in units of the crop."""
    assert inference.maps is not None
    at = decode(inference.maps)
    return Box(at.cx - at.w / 2, at.cy - at.h / 2, at.w, at.h)


def made(model: Any) -> list[tuple[Any, Any]]:
    """Operators with the tensors that they make, where their types are known."""
    known = {v.name: v for v in onnx.shape_inference.infer_shapes(model).graph.value_info}
    return [(n, known[o]) for n in model.graph.node for o in n.output if o in known]


@pytest.mark.parametrize("branch", BRANCHES)
def test_files_are_standard_and_named_after_the_graph(branch: str, tmp_path: Path) -> None:
    whole, real = tiny_graph(3, branch), fold(tiny_model(3), branch)
    for graph, model in ((whole, integer_model(whole)), (real, float_model(real))):
        path = tmp_path / "model.onnx"
        onnx.save(model, path)
        onnx.checker.check_model(path, full_check=True)
        # what onnxruntime 1.17 loads; 8 is the representation of opset 18's release
        assert model.ir_version == 8
        assert [(o.domain, o.version) for o in model.opset_import] == [("", 18)]
        narrow = {(n.op_type, v.type.tensor_type.elem_type) for n, v in made(model)}
        assert not narrow & {("Add", onnx.TensorProto.UINT8), ("Add", onnx.TensorProto.INT8)}
        assert {n.name for n in graph if not isinstance(n, Input)} <= {
            n.name for n in model.graph.node
        }
        assert [i.name for i in model.graph.input] == [node.name for node in graph.inputs]
        assert [o.name for o in model.graph.output] == [node.name for node in graph.outputs]
        shapes = {
            v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
            for v in model.graph.value_info
        }
        for node in graph:
            if not isinstance(node, (Input, Output)):
                assert shapes[node.name] == list(node.shape), node.name


def test_convolution_of_membranes_is_refused() -> None:
    weight, zero = np.ones((1, 2, 2, 1, 1), np.int8), np.zeros((1, 2), np.int32)
    image = Input("image", (), (1, 2, 4, 4), "image", 0, 9)
    first = Conv("first", ("image",), (1, 2, 4, 4), weight, zero, zero)
    second = Conv("second", ("first",), (1, 2, 4, 4), weight, zero, zero)
    graph = Graph("search", (image, first, second), {"image": 0, "first": 0, "second": 0})
    with pytest.raises(GraphError, match="second: reads a membrane"):
        integer_model(graph)


def test_pixels_of_more_than_8_bits_are_refused() -> None:
    weight, zero = np.ones((1, 2, 2, 1, 1), np.int8), np.zeros((1, 2), np.int32)
    image = Input("image", (), (1, 2, 4, 4), "image", -9, 9)
    conv = Conv("conv", ("image",), (1, 2, 4, 4), weight, zero, zero)
    with pytest.raises(GraphError, match=r"image: -9\.\.9 are no pixels of 8 bits"):
        integer_model(Graph("search", (image, conv), {"image": 0, "conv": 0}))


def test_unknown_node_types_are_named() -> None:
    class Strange(Node):
        pass

    graph = Graph("search", (Strange("odd", (), (1, 1, 1, 1)),))
    with pytest.raises(GraphError, match="odd: no integer ONNX lowering for node type Strange"):
        integer_model(graph)
    assert set(FLOAT.table) - {type(n) for n in fold(tiny_model(3), "search")} == set()


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MissingDependency, match=r"pip install 'spiketrack-loihi\[onnx\]'"):
        load("onnx", "onnx")


def test_missing_provider_is_an_error() -> None:
    model = integer_model(random_graph(0, (), 1))
    with pytest.raises(MissingDependency, match="--device cuda: onnxruntime"):
        Session(model, device="cuda")
