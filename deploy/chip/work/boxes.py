"""Unions of boxes as boxes that do not overlap, and what lies in a box."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.chip.reach import Index
from spiketrack.deploy.chip.work.needs import Boxes

Box = tuple[int, ...]  # from and to on each axis


def disjoint(owners: Index, boxes: Boxes) -> tuple[Index, Boxes]:
    """The union of each owner's boxes as boxes of which no two overlap, by owner ascending."""
    rows = np.unique(np.column_stack([owners, boxes]), axis=0)
    owners, boxes = rows[:, 0], rows[:, 1:]
    _, first, number = np.unique(owners, return_index=True, return_counts=True)
    alone = np.repeat(number == 1, number)
    pieces = [rows[alone]]
    for start, count in zip(first[number > 1], number[number > 1], strict=True):
        parts = union(tuple(box) for box in boxes[start : start + count].tolist())
        pieces.append(np.array([(owners[start], *part) for part in parts], np.int64))
    joined = np.concatenate(pieces)
    joined = joined[np.argsort(joined[:, 0], kind="stable")]
    return joined[:, 0], joined[:, 1:]


def union(boxes: Iterable[Box]) -> list[Box]:
    """The same elements in boxes that do not overlap; large boxes first, so that few are cut."""
    apart: list[Box] = []
    for box in sorted(boxes, key=volume, reverse=True):
        parts = [box]
        for other in apart:
            parts = [piece for part in parts for piece in without(part, other)]
        apart += parts
    return apart


def volume(box: Box) -> int:
    """Elements in a box."""
    c0, c1, y0, y1, x0, x1 = box
    return (c1 - c0) * (y1 - y0) * (x1 - x0)


def without(box: Box, other: Box) -> Iterator[Box]:
    """What of ``box`` lies outside ``other``, in at most six boxes."""
    if any(box[i] >= other[i + 1] or other[i] >= box[i + 1] for i in (0, 2, 4)):
        yield box
        return
    rest = list(box)
    for i in (0, 2, 4):
        if rest[i] < other[i]:
            yield (*rest[: i + 1], other[i], *rest[i + 2 :])
            rest[i] = other[i]
        if rest[i + 1] > other[i + 1]:
            yield (*rest[:i], other[i + 1], *rest[i + 1 :])
            rest[i + 1] = other[i + 1]


class Sums:
    """Sums of a map (C, H, W) over boxes, by its integral."""

    def __init__(self, values: NDArray[np.generic]) -> None:
        kind = np.float64 if values.dtype.kind == "f" else np.int64
        self.integral = np.zeros([n + 1 for n in values.shape], kind)
        inner = self.integral[1:, 1:, 1:]
        np.cumsum(values, 0, kind, out=inner)
        np.cumsum(inner, 1, out=inner)
        np.cumsum(inner, 2, out=inner)

    def over(self, boxes: Boxes) -> NDArray[np.generic]:
        """One sum a box."""
        c, y, x = (boxes[:, i : i + 2].T for i in (0, 2, 4))
        at = self.integral
        total = sum(
            (-1) ** (i + j + k + 1) * at[c[i], y[j], x[k]]
            for i in (0, 1)
            for j in (0, 1)
            for k in (0, 1)
        )
        return np.asarray(total)
