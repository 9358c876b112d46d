"""A network's name in one number: SHA-256 over everything that decides what its graphs compute.

    digest(graph) = SHA-256(graph name, digests of the nodes in the order of their names)
    digest(node) = SHA-256(type, every field, fraction)

Fields are written as ``key=value`` with lengths in front, integers in decimal, arrays as their
shape and little-endian 64-bit values, so that neither the order of the nodes, nor the width of an
array, nor the file that held the graph changes the digest, and any other change does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from spiketrack.errors import GraphError
from spiketrack.integer.graph import Graph, Node


def network_digest(graphs: Mapping[str, Graph]) -> str:
    """Of all branches together, 64 hexadecimal digits."""
    lines = "".join(f"{name} {graph_digest(graphs[name])}\n" for name in sorted(graphs))
    return hashlib.sha256(lines.encode()).hexdigest()


def graph_digest(graph: Graph) -> str:
    """Of one graph, 64 hexadecimal digits; ``GraphError`` for a field that has no written form."""
    nodes = sorted(graph, key=lambda node: node.name)
    lines = [node_digest(node, graph.fractions.get(node.name)) for node in nodes]
    return hashlib.sha256("\n".join([graph.name, *lines]).encode()).hexdigest()


def node_digest(node: Node, fraction: int | None) -> str:
    """Of one node and the grid of its output, 64 hexadecimal digits."""
    digest = hashlib.sha256(_sized(type(node).__name__.encode()))
    for field in fields(node):
        digest.update(_sized(field.name.encode()))
        digest.update(_value(getattr(node, field.name), f"{node.name}.{field.name}"))
    digest.update(_value(fraction, f"{node.name}.fraction"))
    return digest.hexdigest()


def _value(value: Any, where: str) -> bytes:
    if isinstance(value, np.ndarray):
        return _array(value, where)
    if isinstance(value, (str, int, np.integer)) and not isinstance(value, bool):
        kind = b"s" if isinstance(value, str) else b"i"
        return kind + _sized(str(value).encode())
    if value is None or isinstance(value, (bool, float)):
        return b"o" + _sized(repr(value).encode())
    if isinstance(value, Sequence):
        return b"l%d:" % len(value) + b"".join(_value(item, where) for item in value)
    raise GraphError(f"{where}: a {type(value).__name__} has no digest; use integers or arrays")


def _array(value: np.ndarray[Any, Any], where: str) -> bytes:
    """Integers as int64, reals as float64: the value counts, not how it is stored."""
    kinds = {"b": "<i8", "i": "<i8", "u": "<i8", "f": "<f8"}
    if value.dtype.kind not in kinds:
        raise GraphError(f"{where}: an array of {value.dtype} has no digest; use integers")
    shape = "x".join(str(side) for side in value.shape)
    content = np.ascontiguousarray(value, kinds[value.dtype.kind]).tobytes()
    return b"a" + _sized(f"{kinds[value.dtype.kind]} {shape}".encode()) + _sized(content)


def _sized(content: bytes) -> bytes:
    return b"%d:" % len(content) + content
