"""The digest of a graph: the same whatever file holds it, another for any change."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from support.random_graphs import random_graph, tiny_graph

from spiketrack.errors import GraphError
from spiketrack.export.nir.reader import read_nir
from spiketrack.export.nir.writer import write_nir
from spiketrack.integer.digest import graph_digest, network_digest, node_digest
from spiketrack.integer.graph import Graph, Input, Node, node_types

EVERY_TYPE = ("retrieval", "pooled", "attention", "gated", "each_step", "grouped", "constant")
GRAPH = random_graph(0, EVERY_TYPE, 3)


@pytest.mark.slow
def test_files_of_ours_and_of_stock_nir_keep_it(tmp_path: Path) -> None:
    write_nir(GRAPH, tmp_path / "a.nir")
    nir.write(tmp_path / "b.nir", nir.read(tmp_path / "a.nir", type_check=False))
    assert (tmp_path / "a.nir").read_bytes() != (tmp_path / "b.nir").read_bytes()
    for name in ("a.nir", "b.nir"):
        assert graph_digest(read_nir(tmp_path / name)) == graph_digest(GRAPH)


def test_neither_order_nor_width_of_arrays_counts() -> None:
    nodes = tuple(with_wide_arrays(node) for node in reversed(GRAPH.nodes))
    assert graph_digest(Graph(GRAPH.name, nodes, dict(GRAPH.fractions))) == graph_digest(GRAPH)


def with_wide_arrays(node: Node) -> Node:
    wide: dict[str, Any] = {
        field.name: value.astype(np.int64)
        for field in dataclasses.fields(node)
        if isinstance(value := getattr(node, field.name), np.ndarray)
    }
    return dataclasses.replace(node, **wide)


def changes(value: Any) -> Iterator[Any]:
    """Values that differ from ``value`` in one place."""
    if isinstance(value, np.ndarray):
        for place in {0, value.size - 1}:
            other = value.copy()
            other.flat[place] += 1 if other.flat[place] < 127 else -1
            yield other
        yield value.reshape(1, *value.shape)
    elif isinstance(value, str):
        yield value + "x"
    elif isinstance(value, tuple):
        yield (*value, value[-1] if value else 1)
        for index, item in enumerate(value):
            yield from ((*value[:index], other, *value[index + 1 :]) for other in changes(item))
    else:
        yield 1 if value is None else value + 1


def digests() -> Iterator[str]:
    """Of every node, and of every node with one field changed."""
    for node in GRAPH:
        fraction = GRAPH.fractions[node.name]
        yield node_digest(node, fraction)
        yield node_digest(node, fraction + 1)
        for field in dataclasses.fields(node):
            for value in changes(getattr(node, field.name)):
                changed: dict[str, Any] = {field.name: value}
                yield node_digest(dataclasses.replace(node, **changed), fraction)


def test_any_change_of_a_node_gives_another() -> None:
    assert {type(node) for node in GRAPH} == set(node_types())
    found = [*digests()]
    assert len(found) > 500
    assert len(set(found)) == len(found)


def test_name_nodes_and_grids_are_in_the_digest_of_a_graph() -> None:
    name, nodes, fractions = GRAPH.name, GRAPH.nodes, GRAPH.fractions
    finer = dict(fractions) | {nodes[3].name: fractions[nodes[3].name] + 1}
    others = [
        Graph("other", nodes, fractions),
        Graph(name, nodes[:-1], fractions),
        Graph(name, nodes, finer),
        GRAPH,
    ]
    assert len({graph_digest(graph) for graph in others}) == len(others)


def test_a_network_is_its_branches_by_name() -> None:
    one, two = tiny_graph(1, "search"), tiny_graph(1, "template")
    found = network_digest({"search": one, "template": two})
    assert found == network_digest({"template": two, "search": one})
    assert found != network_digest({"search": two, "template": one})
    assert found != network_digest({"search": one})


def test_what_has_no_written_form_is_named() -> None:
    node = Input("x", (), (1, 1, 1, 1), "image", 0, {"a": 1})  # type: ignore[arg-type]
    with pytest.raises(GraphError, match=r"x\.high: a dict has no digest"):
        graph_digest(Graph("g", (node,), {"x": 0}))
