"""What others measured on Loihi 2, beside the model: ``python benchmarks/measured_times.py``."""

from __future__ import annotations

import sys

from spiketrack.terminal.amounts import seconds
from spiketrack.terminal.table import Column, table
from spiketrack.timing.printed import ACTIVITY, measured
from spiketrack.timing.rates import DEFAULT, load_rates

HEAD = (
    Column("system", kind="name"), Column("figure"), Column("measured", kind="number"),
    Column("low", kind="number"), Column("central", kind="number"), Column("high", kind="number"),
    Column("inside"), Column("source", rank=1, kind="text"),
)  # fmt: skip


def shown(value: float, unit: str) -> str:
    """Seconds with a unit, rates as they are."""
    return seconds(value) if unit == "s" else f"{value:,.4g} {unit}"


def main(rates: str = DEFAULT) -> None:
    """The table, at a table of rates."""
    rows = []
    for row in measured(load_rates(rates)):
        model = row.modelled
        values = (shown(v, row.unit) for v in (row.value, model.low, model.central, model.high))
        rows.append((row.system, row.figure, *values, row.inside, row.source))
    low, central, high = ACTIVITY
    title = f"measured by others, modelled at {rates}; activity assumed {low}, {central}, {high}"
    table(title, HEAD, rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
