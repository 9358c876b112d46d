"""The rules that a graph keeps, checked after each pass and after reading a file.

Those of one node type stand in ``node_checks.py``.
"""

from __future__ import annotations

from spiketrack.errors import GraphError
from spiketrack.integer.graph import Graph, Node, node_types
from spiketrack.integer.nodes.traits import Fixed, Stage, Tied
from spiketrack.integer.rules.node_checks import CHECKS, require
from spiketrack.integer.rules.ranges import Range, prove_headroom
from spiketrack.limits import MAX_STEPS


def check(graph: Graph, after: str) -> dict[str, Range]:
    """Check structure, shapes, bit widths and head-room; the error names the pass ``after``.

    Returns the proven ranges. Raises ``GraphError``.
    """
    try:
        seen: set[str] = set()
        for node in graph:
            require(node, node.name not in seen, "two nodes have this name")
            check_node(node, graph, seen, Stage.INTEGER)
            check_grid(node, graph)
            seen.add(node.name)
        return prove_headroom(graph)
    except GraphError as error:
        raise GraphError(f"after {after}: {error}") from None


def check_node(node: Node, graph: Graph, before: set[str], stage: Stage) -> None:
    """Check one node of a graph against those that stand ``before`` it."""
    if type(node) not in node_types(stage):
        known = ", ".join(kind.__name__ for kind in node_types(stage))
        raise GraphError(f"{node.name}: {type(node).__name__} is none of {known}")
    for name in node.inputs:
        require(node, name in before, f"reads {name}, which does not come before it")
    steps = f"shape {node.shape}; steps are 1 to {MAX_STEPS}"
    require(node, min(node.shape) >= 1 and node.shape[0] <= MAX_STEPS, steps)
    if stage is Stage.INTEGER:
        require(node, node.name in graph.fractions, "no fraction is recorded for it")
    CHECKS[node](node, graph)


def check_grid(node: Node, graph: Graph) -> None:
    """Whether the fraction of an integer node follows its grid rule."""
    own, rule = graph.fractions[node.name], node.grid
    if isinstance(rule, Fixed):
        require(node, own == rule.fraction, f"fraction {own}; that of its kind is {rule.fraction}")
    if isinstance(rule, Tied):
        for name in node.inputs:
            wanted = graph.fractions[name] + rule.offset
            require(node, own == wanted, f"lies on another grid than {name}: {own}, not {wanted}")
