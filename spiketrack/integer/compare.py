"""Whether two integer graphs are the same, array by array."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from spiketrack.integer.graph import Graph


def difference(a: Graph, b: Graph) -> str | None:
    """None when both graphs are equal bit for bit, else the first node and field that differ."""
    if a.name != b.name or [n.name for n in a] != [n.name for n in b]:
        return f"graphs {a.name} and {b.name} have different nodes"
    for left, right in zip(a, b, strict=True):
        if type(left) is not type(right):
            return f"{left.name}: {type(left).__name__} and {type(right).__name__}"
        for field in fields(left):
            one, two = getattr(left, field.name), getattr(right, field.name)
            if isinstance(one, np.ndarray) or isinstance(two, np.ndarray):
                same = np.array_equal(one, two) and one.dtype == two.dtype
            else:
                same = one == two
            if not same:
                return f"{left.name}: {field.name} differs"
    if dict(a.fractions) != dict(b.fractions):
        return f"graphs {a.name}: fractions differ"
    return None
