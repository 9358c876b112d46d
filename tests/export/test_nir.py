"""NIR files: exact round trips, standard nodes that mean what NIR says, errors that name nodes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from support.random_graphs import Array, graphs, random_graph, random_inputs, tiny_graph

from spiketrack.errors import NirError, SpikeTrackError
from spiketrack.export.nir.reader import from_nir, read_nir
from spiketrack.export.nir.vocabulary import OPERATIONS, SELECT, STACK
from spiketrack.export.nir.writer import to_nir, write_nir
from spiketrack.integer.compare import difference
from spiketrack.integer.graph import Conv, Graph, Neuron, node_types
from spiketrack.integer.kernels import Program
from spiketrack.integer.rules.checks import check

BRANCHES = [(steps, branch) for steps in (1, 3) for branch in ("template", "search")]
EVERY_TYPE = ("retrieval", "pooled", "attention", "gated", "each_step", "grouped", "constant")
Change = Callable[[nir.NIRGraph], None]
Opened = Callable[[int, str], nir.NIRGraph]


def stock(path: Path) -> nir.NIRGraph:
    """What any other tool opens such a file with."""
    return nir.read(path, type_check=False)


def survives(graph: Graph, folder: Path, times: int = 1) -> None:
    """Ours and stock NIR's reading and writing keep every array, type and edge."""
    path = folder / "first.nir"
    write_nir(graph, path)
    assert difference(graph, read_nir(path)) is None
    for time in range(times):
        loaded = stock(path)
        path = folder / f"again{time}.nir"
        nir.write(path, loaded)
        assert difference(graph, read_nir(path)) is None


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """Tiny whole networks from their files, as stock NIR opens them, each read once."""
    folder = tmp_path_factory.mktemp("networks")
    found: dict[tuple[int, str], nir.NIRGraph] = {}

    def load(templates: int, branch: str) -> nir.NIRGraph:
        if (templates, branch) not in found:
            path = folder / f"{branch}{templates}.nir"
            write_nir(tiny_graph(templates, branch), path)
            found[templates, branch] = stock(path)
        return found[templates, branch]

    return load


@pytest.mark.parametrize(("templates", "branch"), BRANCHES)
@pytest.mark.slow
def test_whole_networks_survive(
    templates: int, branch: str, opened: Opened, tmp_path: Path
) -> None:
    graph, loaded = tiny_graph(templates, branch), opened(templates, branch)
    assert difference(graph, from_nir(loaded)) is None
    nir.write(tmp_path / "again.nir", loaded)
    assert difference(graph, read_nir(tmp_path / "again.nir")) is None


@settings(max_examples=8, deadline=None)
@given(graphs(3))
@pytest.mark.slow
def test_random_graphs_survive(graph: Graph) -> None:
    with tempfile.TemporaryDirectory() as folder:
        survives(graph, Path(folder))


@pytest.mark.slow
def test_every_node_type_survives(tmp_path: Path) -> None:
    graph = random_graph(0, EVERY_TYPE)
    assert {type(node) for node in graph} == set(node_types())
    survives(graph, tmp_path, times=2)


def test_grouped_convolutions_survive(tmp_path: Path) -> None:
    graph = random_graph(5, ("grouped", "depthwise", "each_step"), 3)
    write_nir(graph, tmp_path / "a.nir")
    kept = {(n.groups, len(n.weight)) for n in read_nir(tmp_path / "a.nir") if isinstance(n, Conv)}
    assert {(1, 1), (32, 1), (16, 3), (1, 3)} < kept
    assert {n.groups for n in stock(tmp_path / "a.nir").nodes.values() if _is_conv(n)} > {1, 16, 32}


def _is_conv(node: nir.NIRNode) -> bool:
    return isinstance(node, nir.Conv2d)


def test_the_same_graph_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.nir", "b.nir"):
        write_nir(random_graph(0, EVERY_TYPE), tmp_path / name)
    assert (tmp_path / "a.nir").read_bytes() == (tmp_path / "b.nir").read_bytes()


# standard nodes mean what NIR says


@pytest.mark.parametrize(("templates", "branch"), BRANCHES)
@pytest.mark.slow
def test_standard_nodes_compute_the_real_values(
    templates: int, branch: str, opened: Opened
) -> None:
    """Each standard node, run by torch on real values along the file's own edges, is exact."""
    loaded = opened(templates, branch)
    real = real_values(tiny_graph(templates, branch))
    ran = {
        type(node).__name__
        for name, node in loaded.nodes.items()
        if run_standard(loaded, name, node, real)
    }
    assert ran == {"Conv2d", "AvgPool2d", "Scale"}


def real_values(graph: Graph) -> dict[str, Array]:
    """Every node's output in real units, from the integer evaluator."""
    given = random_inputs(graph, 1)
    values = {name: torch.from_numpy(value.astype(np.float32)) for name, value in given.items()}
    found = Program(graph).run(values)
    return {n: np.ldexp(v.double().numpy(), -graph.fractions[n]) for n, v in found.items()}


def run_standard(
    loaded: nir.NIRGraph, name: str, node: nir.NIRNode, real: dict[str, Array]
) -> bool:
    """Whether ``name`` is a standard operation; asserts that its result is that of the graph."""
    if not isinstance(node, (nir.Conv2d, nir.AvgPool2d, nir.Scale)):
        return False
    sources = [source for source, target in loaded.edges if target == name]
    if name in real:
        expected, inputs = real[name], [real[source] for source in sources]
    else:  # one of several sets of weights: behind a selection of one step
        (select,) = sources
        step = int(loaded.nodes[select].metadata["step"])
        (origin,) = (source for source, target in loaded.edges if target == select)
        expected = real[name.removesuffix(f".{step}")][step : step + 1]
        inputs = [real[origin][step : step + 1]]
    total: Any = inputs[0]
    for other in inputs[1:]:
        total = total + other  # several edges into one node add up
    found = operate(node, torch.from_numpy(total))
    assert np.array_equal(np.broadcast_to(found, expected.shape), expected), name
    return True


def operate(node: nir.NIRNode, x: torch.Tensor) -> Any:
    if isinstance(node, nir.Scale):
        return x.numpy() * node.scale
    if isinstance(node, nir.AvgPool2d):
        kernel, step = tuple(node.kernel_size), tuple(node.stride)
        return torch.nn.functional.avg_pool2d(x, kernel, step).numpy()
    weight, bias = (torch.from_numpy(a.astype(np.float64)) for a in (node.weight, node.bias))
    stride, padding = int(np.ravel(node.stride)[0]), int(np.ravel(node.padding)[0])
    return torch.nn.functional.conv2d(x, weight, bias, stride, padding, 1, node.groups).numpy()


@pytest.mark.slow
def test_what_is_not_standard_cannot_be_run_unawares(opened: Opened) -> None:
    loaded = [opened(3, branch) for branch in ("template", "search")]
    nodes = [node for graph in loaded for node in graph.nodes.values()]
    found = {assert_opaque(node) for node in nodes if isinstance(node, nir.NIRGraph)}
    assert found == set(OPERATIONS)


def assert_opaque(node: nir.NIRGraph) -> str:
    """Named Inputs, an Output that none of them reaches, versioned metadata; returns the op."""
    meta = node.metadata
    assert (meta["vocabulary"], int(meta["version"])) == ("spiketrack", 2)
    inputs = {n for n, part in node.nodes.items() if isinstance(part, nir.Input)}
    named = {n for n in inputs if not n.startswith("input_output")}
    reached, edge = set(named), set(named)
    while edge:
        edge = {target for source, target in node.edges if source in edge} - reached
        reached |= edge
    assert named
    assert isinstance(node.nodes["output"], nir.Output)
    assert "output" not in reached
    return str(meta["op"])


# errors


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with every node type."""
    path = tmp_path_factory.mktemp("written") / "every.nir"
    write_nir(random_graph(0, EVERY_TYPE), path)
    return path


def reading(written: Path, folder: Path, change: Change) -> None:
    """Change a file behind our back and read it as the exporter's folder is read."""
    loaded = stock(written)
    change(loaded)
    path = folder / "changed.nir"
    nir.write(path, loaded)
    check(read_nir(path), "reading")


def first(loaded: nir.NIRGraph, op: str) -> str:
    """Name of the first node of ours with this operation."""
    names = (name for name, node in loaded.nodes.items() if _has_op(node, op))
    return str(next(names))


def change_version(loaded: nir.NIRGraph) -> None:
    loaded.metadata["version"] = 3


def change_node_version(loaded: nir.NIRGraph) -> None:
    loaded.nodes["part3.spike"].metadata["version"] = 7


def change_op(loaded: nir.NIRGraph) -> None:
    loaded.nodes["part3.spike"].metadata["op"] = "leaky_counter"


def change_vocabulary(loaded: nir.NIRGraph) -> None:
    loaded.nodes["part3.spike"].metadata["vocabulary"] = "other"


def drop_reset(loaded: nir.NIRGraph) -> None:
    del loaded.nodes["part3.spike"].metadata["reset"]


def drop_threshold(loaded: nir.NIRGraph) -> None:
    meta = loaded.nodes["part3.spike"].metadata
    meta["thresholds"] = meta["thresholds"][:3]


def move_weight(loaded: nir.NIRGraph) -> None:
    loaded.nodes["part1.conv"].weight[0, 0, 0, 0] += 1e-4


def enlarge_weight(loaded: nir.NIRGraph) -> None:
    loaded.nodes["part1.conv"].weight[0] *= 256


def scale_sum(loaded: nir.NIRGraph) -> None:
    name = next(n for n, node in loaded.nodes.items() if isinstance(node, nir.Scale))
    loaded.nodes[name].scale[0] = 2


def reroute(loaded: nir.NIRGraph) -> None:
    """The first population reads the image."""
    loaded.edges.remove(("part1.conv", "part3.spike"))
    loaded.edges.append(("image", "part3.spike"))


def cut(loaded: nir.NIRGraph) -> None:
    loaded.edges.remove(("part1.conv", "part3.spike"))


def add_node(loaded: nir.NIRGraph) -> None:
    loaded.nodes["extra"] = nir.Threshold(np.ones(1))


def change_shape(loaded: nir.NIRGraph) -> None:
    loaded.nodes["part1.conv"].metadata["shape"][1] = 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_version, "vocabulary version 3, this program reads 2; export the checkpoint again"),
        (change_node_version, "part3.spike: vocabulary version 7, this program reads 2; export"),
        (change_op, r"part3.spike: operation leaky_counter \(version 2\) is unknown; known are"),
        (change_vocabulary, "part3.spike: a sub-graph without vocabulary spiketrack"),
        (drop_reset, "part3.spike: metadata reset is missing"),
        (drop_threshold, "part3.spike: 3 thresholds instead of 4"),
        (move_weight, "part1.conv: values are no integers on its grid; the file was changed"),
        (enlarge_weight, "part1.conv: values are no integers on its grid"),
        (scale_sum, "add: a Scale other than 1; the file was changed"),
        (reroute, r"part3.spike: edges from \['image'\], written with \['part1.conv'\]"),
        (cut, r"part3.spike: edges from \[\], written with \['part1.conv'\]"),
        (add_node, "extra: a node that this tool did not write"),
        (change_shape, r"part1.conv: shape \(1, 5, .* does not follow"),
    ],
)
@pytest.mark.slow
def test_changed_files_name_the_node(
    change: Change, message: str, written: Path, tmp_path: Path
) -> None:
    with pytest.raises(SpikeTrackError, match=message) as caught:
        reading(written, tmp_path, change)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_set_of_weights_cut_off_is_named(written: Path, tmp_path: Path) -> None:
    def change(loaded: nir.NIRGraph) -> None:
        name = first(loaded, STACK)
        loaded.edges.remove((f"{name}.1.select", f"{name}.1"))

    if not any(_has_op(node, STACK) for node in stock(written).nodes.values()):
        written = tmp_path / "steps.nir"
        write_nir(random_graph(0, ("each_step",), 3), written)
    with pytest.raises(NirError, match=r"conv\.1: its edges were changed"):
        reading(written, tmp_path, change)


def _has_op(node: nir.NIRNode, op: str) -> bool:
    return isinstance(node, nir.NIRGraph) and node.metadata["op"] == op


GARBAGE = [
    "garbage",
    "two\nlines",
    np.zeros((2, 2)),
    np.array([1.5, np.nan]),
    np.arange(3, 9),
    -(10**9),
]
FIELDS = ("weight", "bias", "scale", "kernel_size", "stride", "padding", "groups", "dilation")


@pytest.mark.parametrize("steps", [1, 3])
def test_no_damaged_entry_is_taken_for_good(steps: int) -> None:
    """Every entry of every kind of node, missing or senseless: one line, never a crash."""
    graph = random_graph(0, EVERY_TYPE, steps)
    loaded = to_nir(graph)
    seen = set()
    for name, node in loaded.nodes.items():
        kind = node.metadata.get("op", type(node).__name__)
        if kind in seen or kind == SELECT:
            continue
        seen.add(kind)
        entries = dict.fromkeys(node.metadata, node.metadata)
        entries |= {key: node.__dict__ for key in FIELDS if key in node.__dict__}
        for key, home in entries.items():
            damage_and_read(loaded, graph, home, key, f"{name} ({kind}): {key}")
    assert len(seen) > 8


def damage_and_read(
    loaded: nir.NIRGraph, graph: Graph, home: dict[str, Any], key: str, what: str
) -> None:
    original = home[key]
    for value in (*GARBAGE, None):
        if value is not None:
            home[key] = value
        elif "order" in home:  # a metadata entry, which may also be missing
            del home[key]
        problem = refusal(loaded, graph)
        assert not problem, f"{what} = {value}: {problem}"
        home[key] = original


def refusal(loaded: nir.NIRGraph, graph: Graph) -> str:
    """Empty if one of our errors, of one line, refuses the graph, or if nothing was lost."""
    try:
        found = from_nir(loaded)
        check(found, "reading")
    except SpikeTrackError as error:
        return "several lines" if "\n" in str(error) else ""
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return difference(graph, found) or ""


def test_files_of_others(tmp_path: Path) -> None:
    path = tmp_path / "foreign.nir"
    one = {"input": np.array([1])}
    nodes = {
        "in": nir.Input(input_type=one),
        "out": nir.Output(output_type={"output": one["input"]}),
    }
    nir.write(path, nir.NIRGraph(nodes, [("in", "out")]))
    with pytest.raises(NirError, match=r"foreign\.nir: a graph without vocabulary spiketrack"):
        read_nir(path)


@pytest.mark.parametrize("content", [b"", b"no HDF5 file", bytes(4096)])
def test_no_hdf5_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.nir"
    path.write_bytes(content)
    with pytest.raises(NirError, match=r"bad\.nir: corrupt, truncated or no HDF5 file"):
        read_nir(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated_file(share: float, written: Path, tmp_path: Path) -> None:
    content = written.read_bytes()
    path = tmp_path / "short.nir"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(NirError, match=r"short\.nir: corrupt, truncated or no HDF5 file"):
        read_nir(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(NirError, match="no such file"):
        read_nir(tmp_path / "none.nir")
    with pytest.raises(NirError, match="no such file"):
        read_nir(tmp_path)


def test_difference_names_node_and_field() -> None:
    a, b = random_graph(1, ("plain",)), random_graph(2, ("plain",))
    assert difference(a, a) is None
    assert difference(a, b) is not None
    populations = [n.name for n in a if isinstance(n, Neuron)]
    assert difference(a, random_graph(1, ("plain", "plain"))) is not None
    assert json.loads(to_nir(a).nodes[populations[0]].metadata["inputs"]) == ["part1.conv"]
