"""Table of what graded and binary spikes cost, for the section on the placement."""

from __future__ import annotations

from collections.abc import Sequence

from spiketrack.documents.placement import BranchPlacement
from spiketrack.energy.spikes import operation_prices
from spiketrack.pages.parts import Table


def spike_tables(branches: Sequence[BranchPlacement]) -> tuple[Table, ...]:
    """One table, or none where the placement counted no run."""
    rows = [
        {"branch": branch.name, **dict(cost)}
        | {f"pj_{name}": value for name, value in operation_prices(cost).items()}
        for branch in branches
        for cost in branch.spike_costs
    ]
    if not rows:
        return ()
    note = (
        "Counted in the run, in the chip's own time: steps until the last layer has fired, "
        "messages with relays and pixels; picojoules of operations and MACs alone, modelled."
    )
    return (
        Table.of("spike_costs", "Graded against binary spikes, one inference", rows, note=note),
    )
