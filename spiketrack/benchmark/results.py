"""What a benchmark finds: one row a measure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True)
class Result:
    """One measure of one branch: a ratio of two medians, or a value with its unit.

    ``low`` and ``high``: quartiles of what was measured, in the same unit, where it was repeated.
    """

    variant: str
    branch: str
    measure: str
    ratio: float | None = None
    value: float | None = None
    unit: str = ""
    low: float | None = None
    high: float | None = None

    def as_dict(self) -> Document:
        """Plain values for JSON, without what was not measured."""
        return {key: value for key, value in asdict(self).items() if value not in (None, "")}


@dataclass(frozen=True)
class Detail:
    """What explains the rows of one variant: shares of a frame, slowest processes and layers.

    ``shares``: arithmetic, messages and waiting as parts of a frame; times in milliseconds.
    """

    variant: str
    giga_macs: float
    processes: int
    shares: dict[str, float]
    slowest_processes: list[tuple[str, float]]
    slowest_layers: list[tuple[str, float]]
    network_digest: str


@dataclass
class Findings:
    """Rows and details of all variants that were measured, in order."""

    results: list[Result] = field(default_factory=list)
    details: list[Detail] = field(default_factory=list)


def timed(variant: str, branch: str, measure: str, seconds: Sequence[float]) -> Result:
    """The median time in milliseconds, with quartiles."""
    low, middle, high = quartiles([1e3 * s for s in seconds])
    return Result(variant, branch, measure, value=middle, unit="ms", low=low, high=high)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """25 %, 50 % and 75 % of at least one value."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def line_fit(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Slope and R² of the straight line y = slope · x + offset through (x, y)."""
    xs, ys = zip(*points, strict=True)
    slope, _ = statistics.linear_regression(xs, ys)
    return slope, statistics.correlation(xs, ys) ** 2
