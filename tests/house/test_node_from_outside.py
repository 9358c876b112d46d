"""A node type from outside the package: one class, one function for each interpreter."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from support import brute_counting, naive
from support.everywhere import assert_same_everywhere
from support.examples import EXAMPLES, load_example
from support.naive import Array
from support.registries import as_before, forget_type

from spiketrack.deploy.chip.execution.engine import Chip
from spiketrack.deploy.chip.execution.products import UNITS
from spiketrack.deploy.chip.layers import build_layers
from spiketrack.deploy.chip.program import Choices, build_program
from spiketrack.deploy.chip.requirements import NEEDS
from spiketrack.errors import GraphError, MissingDependency, NirError, UnsupportedError
from spiketrack.export.nir.reader import READERS, read_nir
from spiketrack.export.nir.vocabulary import OPERATIONS
from spiketrack.export.nir.writer import WRITERS, write_nir
from spiketrack.export.outlets.onnx_float import FLOAT, float_model
from spiketrack.export.outlets.onnx_integer import INTEGER, integer_model
from spiketrack.export.outlets.standard_nir_nodes import STOCK
from spiketrack.export.outlets.standard_nir_parts import partition
from spiketrack.export.passes.quantise import QUANTISERS, quantise
from spiketrack.integer.builder import Builder, Weights
from spiketrack.integer.costs.formulas import FORMULAS
from spiketrack.integer.counting import OperationCounter, dense_mac, layers
from spiketrack.integer.formats import layer_formats
from spiketrack.integer.graph import Graph
from spiketrack.integer.installed import load_installed
from spiketrack.integer.kernels import KERNELS, Program
from spiketrack.integer.registry import Registry, all_registries
from spiketrack.integer.rules.checks import check
from spiketrack.integer.rules.node_checks import CHECKS
from spiketrack.integer.rules.ranges import RANGES
from spiketrack.simulators.onnx_backend import Session

pytestmark = pytest.mark.filterwarnings("ignore::ImportWarning")  # of Lava's imports


@pytest.fixture(scope="module")
def maximum() -> Iterator[ModuleType]:
    """The user's module, and the two functions that the oracles of these tests want."""
    with as_before():
        module = load_example("maximum_node")

        @naive.RULES.register(module.Maximum)
        def evaluate(node: Any, a: Array, b: Array) -> Array:
            return np.where(a > b, a, b)

        @brute_counting.RULES.register(module.Maximum)
        def enumerate_(node: Any, graph: Graph, inputs: list[Array], output: Array) -> Any:
            return {"ac_graded": output.size, "ac_spike": output.size}

        yield module


def real_graph(kind: type[Any]) -> Graph:
    """Two convolutions of the same counts, the larger of both, a population, a read-out."""
    rng, b = np.random.default_rng(0), Builder("outside")

    def weights(out: int, width: int, size: int = 1) -> Weights:
        return Weights(rng.normal(0, 0.5, (out, width, size, size)), rng.normal(0, 0.5, out))

    x = b.conv("block.stem", b.image("image", 16), weights(8, 3, 3), stride=2, padding=1)
    spikes = b.neuron("block.spike", x)
    pair = [b.conv(f"block.{side}", spikes, weights(8, 8, 3), padding=1) for side in "ab"]
    largest = b.add(kind("block.max", tuple(pair), b.shape(pair[0])))
    y = b.conv("block.out", b.neuron("block.count", largest), weights(4, 8))
    b.output("answer", y)
    return b.build()


@pytest.fixture
def graph(maximum: ModuleType) -> Graph:
    return quantise(real_graph(maximum.Maximum))


def test_it_is_complete(maximum: ModuleType) -> None:
    assert not [r.purpose for r in all_registries() if maximum.Maximum in r.missing]


def test_it_goes_through_every_interpreter(graph: Graph, tmp_path: Path) -> None:
    placement = assert_same_everywhere(graph, tmp_path, lava=True)
    layer = next(layer for layer in placement.layers if layer.name == "block.max")
    assert (layer.kind, layer.ports, layer.neurons) == ("maximum", 2, 8 * 8 * 8)


def test_its_grid_is_that_of_its_inputs(graph: Graph) -> None:
    assert len({graph.fractions[f"block.{name}"] for name in ("a", "b", "max")}) == 1
    wrong = Graph(graph.name, graph.nodes, dict(graph.fractions) | {"block.max": 3})
    with pytest.raises(GraphError, match=r"block\.max: lies on another grid than block.a: 3, not"):
        check(wrong, "the test")


def test_it_has_a_row_in_tables(graph: Graph) -> None:
    found = layers(graph)
    assert found.kinds[found.names.index("block.max")] == "maximum"
    rows = layer_formats(graph, check(graph, "the test"))
    assert "Maximum" in [row["type"] for row in rows]


def test_the_chip_refuses_neurons_without_a_program(graph: Graph) -> None:
    program = build_program(graph, Choices())
    with as_before():
        del UNITS["maximum", True]
        message = r"block\.max: no neurons of the chip run the rule maximum; there are counts, "
        with pytest.raises(UnsupportedError, match=message):
            Chip(graph, program)


def test_float_onnx_has_it_too(maximum: ModuleType) -> None:
    folded = real_graph(maximum.Maximum)
    names = ["block.spike", "block.count"]
    rng = np.random.default_rng(1)
    image = rng.normal(0, 1, (1, 3, 16, 16)).astype(np.float32)
    found = Session(float_model(folded, names)).run({"image": image})
    assert set(np.unique(found["block.count"])) <= {0, 0.25, 0.5, 0.75, 1}
    assert found["block.count"].any()


def test_stock_nir_says_why_not(graph: Graph) -> None:
    reasons = {glue.node: glue.reason for glue in partition(graph).glue}
    assert reasons["block.max"] == "NIR has no comparison of two signals"


INTERPRETERS: dict[str, tuple[Registry[Any], Any]] = {
    "check": (CHECKS, lambda graph, folder: check(graph, "the test")),
    "range rule": (RANGES, lambda graph, folder: check(graph, "the test")),
    "kernel": (KERNELS, lambda graph, folder: Program(graph)),
    "operation formula": (FORMULAS, lambda graph, folder: OperationCounter(graph)),
    "operation formula ": (FORMULAS, lambda graph, folder: dense_mac(graph["block.max"], graph)),
    "NIR writer": (WRITERS, lambda graph, folder: write_nir(graph, folder / "a.nir")),
    "integer ONNX lowering": (INTEGER, lambda graph, folder: integer_model(graph)),
    "stock NIR writer": (STOCK, lambda graph, folder: partition(graph)),
    "core requirement": (NEEDS, lambda graph, folder: build_layers(graph)),
}


@pytest.mark.parametrize("purpose", INTERPRETERS)
def test_an_interpreter_without_it_refuses_the_graph(
    graph: Graph, tmp_path: Path, purpose: str
) -> None:
    registry, run = INTERPRETERS[purpose]
    with as_before():
        forget(registry, type(graph["block.max"]))
        message = f"block.max: no {purpose.strip()} for node type Maximum; there are"
        with pytest.raises(GraphError, match=message):
            run(graph, tmp_path)
    run(graph, tmp_path)


def forget(registry: Registry[Any], kind: type) -> None:
    registry.table.pop(kind, None)
    registry.reasons.pop(kind, None)


@pytest.mark.parametrize("registry", [QUANTISERS, FLOAT], ids=["quantiser", "float ONNX lowering"])
def test_so_do_those_of_real_graphs(maximum: ModuleType, registry: Registry[Any]) -> None:
    run: Any = quantise if registry is QUANTISERS else float_model
    with as_before():
        forget(registry, maximum.Maximum)
        with pytest.raises(GraphError, match=f"block.max: no {registry.purpose} for node type M"):
            run(real_graph(maximum.Maximum))


def test_a_file_with_it_needs_its_module(graph: Graph, tmp_path: Path) -> None:
    path = tmp_path / "outside.nir"
    write_nir(graph, path)
    with as_before():
        forget(READERS, type(graph["block.max"]))
        with pytest.raises(GraphError, match=r"block.max: no NIR reader for node type Maximum"):
            read_nir(path)
        del OPERATIONS["maximum"]
        with pytest.raises(NirError, match=r"block.max: operation maximum .* is unknown; known"):
            read_nir(path)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages."""
    monkeypatch.syspath_prepend(tmp_path)
    load_installed.cache_clear()
    yield tmp_path
    load_installed.cache_clear()


def install(site: Path, module: str, content: str) -> None:
    """A package with one entry point of node types."""
    (site / f"{module}.py").write_text(content, "utf-8")
    info = site / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[spiketrack.nodes]\nmine = {module}\n")


def test_an_installed_package_brings_it(site: Path, graph: Graph) -> None:
    install(site, "my_maximum", (EXAMPLES / "maximum_node.py").read_text("utf-8"))
    path = site / "outside.nir"
    write_nir(graph, path)
    with as_before():
        forget_type(type(graph["block.max"]), "maximum")
        found = read_nir(path)
        assert type(found["block.max"]).__module__ == "my_maximum"
        check(found, "the test")
    del sys.modules["my_maximum"]


def test_a_broken_package_is_named(site: Path, graph: Graph, tmp_path: Path) -> None:
    install(site, "my_broken", "import no_such_module")
    path = tmp_path / "outside.nir"
    write_nir(graph, path)
    with as_before():
        del OPERATIONS["maximum"]
        message = r"node types mine: cannot be loaded \(my_broken: ModuleNotFoundError: No module"
        with pytest.raises(MissingDependency, match=message):
            read_nir(path)
