"""Every interpreter knows every node type or says why not; nothing passes silently."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import brute_counting, naive
from support.registries import as_before

import spiketrack
from spiketrack.errors import GraphError, UnsupportedError
from spiketrack.integer.graph import Conv, Gate, Graph, Input, Node, node_type, node_types
from spiketrack.integer.kernels import KERNELS
from spiketrack.integer.nodes.traits import MEMBRANE, Stage, Tied, Traits
from spiketrack.integer.registry import Registry, all_registries
from spiketrack.integer.rules.checks import check

LEFT_OUT = ("spiketrack.__main__",)
PURPOSES = {
    "check",
    "range rule",
    "kernel",
    "operation formula",
    "quantiser",
    "NIR writer",
    "NIR reader",
    "integer ONNX lowering",
    "float ONNX lowering",
    "stock NIR writer",
    "netx layer",
    "core requirement",
    "route through wiring",
    "loss of a population's input",
    "norse module",
    "naive rule",
    "enumeration",
}


def registries() -> tuple[Registry[Any], ...]:
    """Of all modules of the package, and the oracles of the tests."""
    for found in pkgutil.walk_packages(spiketrack.__path__, "spiketrack."):
        if found.name not in LEFT_OUT:
            importlib.import_module(found.name)
    assert {naive.RULES, brute_counting.RULES} <= {*all_registries()}
    return all_registries()


REGISTRIES = {registry.purpose: registry for registry in registries()}


@pytest.fixture
def anything() -> Iterator[None]:
    with as_before():
        yield


def test_the_interpreters_are_these() -> None:
    assert len(REGISTRIES) == len(registries()), "two have one purpose"
    assert set(REGISTRIES) >= PURPOSES


def test_the_page_on_extending_lists_every_interpreter() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "extending.md").read_text("utf-8")
    listed = re.findall(r"^\| ([\w' ]+) \| `(spiketrack[\w.]+)\.([A-Z_]+)` \|", page, re.MULTILINE)
    for purpose, module, name in listed:
        assert getattr(importlib.import_module(module), name) is REGISTRIES[purpose]
    oracles = {naive.RULES, brute_counting.RULES}
    asked = {r.purpose for r in REGISTRIES.values() if r.stages and r not in oracles}
    assert {purpose for purpose, _, _ in listed} == asked


@pytest.mark.parametrize("kind", node_types(Stage.BOTH), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("purpose", sorted(REGISTRIES))
def test_every_interpreter_knows_every_node_type(purpose: str, kind: type[Node]) -> None:
    registry = REGISTRIES[purpose]
    if kind in registry.asked:
        reason = registry.reason(kind)
        assert reason is None or len(reason.split()) > 2
    else:
        assert kind not in registry.table, "a function that nothing can reach"


def test_each_type_stands_in_the_graphs_that_its_traits_name() -> None:
    real, whole = node_types(Stage.REAL), node_types(Stage.INTEGER)
    assert {k.__name__ for k in real} - {k.__name__ for k in whole} == {
        "RealConv",
        "RealSum",
        "RealNeuron",
    }
    assert len(node_types(Stage.BOTH)) == len({*real, *whole}) == 14


def test_a_second_registration_is_refused() -> None:
    with pytest.raises(GraphError, match="kernel for node type Conv: registered twice"):
        KERNELS.register(Conv)(lambda node, graph: lambda inputs: inputs[0])
    with pytest.raises(GraphError, match="kernel for node type Conv: registered twice"):
        KERNELS.unsupported(Conv, reason="it would be two answers")


def test_a_type_that_is_left_out_says_why() -> None:
    node = Gate("odd", ("a", "b"), (1, 1, 1, 1), np.zeros(1, np.int32))
    with pytest.raises(
        UnsupportedError, match="odd: no stock NIR writer for node type Gate: NIR has no softmax"
    ):
        REGISTRIES["stock NIR writer"][node]


@pytest.mark.usefixtures("anything")
def test_a_node_type_is_registered_once_and_with_traits() -> None:
    with pytest.raises(GraphError, match="node type Bare: no traits; give the class its own"):

        @node_type
        class Bare(Conv):
            """Those of Conv are not its own."""

    with pytest.raises(GraphError, match="node type Conv: registered twice, now by"):
        node_type(type("Conv", (Node,), {"traits": Conv.traits}))


@pytest.mark.usefixtures("anything")
def test_an_interpreter_without_the_type_is_found_and_refuses_it() -> None:
    @node_type
    @dataclass(frozen=True, eq=False)
    class Lonely(Node):
        """Known to the table of types alone."""

        traits = Traits("lonely", MEMBRANE, Tied())

    for registry in REGISTRIES.values():
        assert registry.missing == ((Lonely,) if Lonely in registry.asked else ())
    node = Lonely("odd", (), (1, 1, 1, 1))
    for purpose in PURPOSES:
        with pytest.raises(GraphError, match=f"odd: no {purpose} for node type Lonely; there are"):
            REGISTRIES[purpose][node]


def test_checks_refuse_a_type_outside_the_table() -> None:
    class Narrow(Input):
        """A sub-class is another type."""

    graph = Graph("g", (Narrow("odd", (), (1, 3, 4, 4), "image", 0, 255),), {"odd": 0})
    with pytest.raises(GraphError, match="after reading: odd: Narrow is none of Input, Conv, Sum"):
        check(graph, "reading")
