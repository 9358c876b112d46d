"""What a count costs as one graded message, and as up to four binary spikes."""

from __future__ import annotations

from spiketrack.documents.placement import BranchPlacement
from spiketrack.energy.spikes import operation_prices
from spiketrack.terminal.table import Column, Table

MICRO = 1e6  # picojoules in a microjoule


def spike_table(branch: BranchPlacement) -> Table:
    """A row each; µJ are those of operations and MACs alone, at every table that prices both."""
    prices = [operation_prices(cost) for cost in branch.spike_costs]
    columns = (
        Column("spikes", kind="name"),
        Column("time steps", kind="number"),
        Column("messages", kind="number"),
        Column("payload bits", rank=2, kind="number"),
        Column("operations", "synaptic", kind="number"),
        Column("MACs", "of pixels and the gate", 3, "number"),
        *(Column(f"µJ {name}", rank=4, kind="number") for name in prices[0]),
    )
    rows = [
        (
            cost.spikes, cost.steps, round(cost.messages), round(cost.bits),
            round(cost.operations), round(cost.multiplications),
            *(value / MICRO for value in priced.values()),
        )
        for cost, priced in zip(branch.spike_costs, prices, strict=True)
    ]  # fmt: skip
    title = f"{branch.name} branch: a count as one graded message, or as up to four binary spikes"
    return Table.of(title, columns, rows)
