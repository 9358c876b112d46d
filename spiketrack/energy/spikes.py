"""The operations of graded and of binary spikes at the prices of the tables that are not dense.

    E = operations · e_ac + multiplications · e_mac

Updates, messages and idle time have no price in this sum; ``spiketrack energy`` has the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from spiketrack.documents.placement import SpikeCost
from spiketrack.documents.prices import PriceTable
from spiketrack.energy.prices import packaged_tables


def operation_prices(
    cost: SpikeCost, tables: Iterable[PriceTable] | None = None
) -> Mapping[str, float]:
    """Price table → picojoules of one inference; tables without both prices are left out."""
    prices = {}
    for table in packaged_tables() if tables is None else tables:
        ac, mac = table.pj("ac"), table.pj("mac")
        if table.execution != "dense" and ac is not None and mac is not None:
            prices[table.name] = cost.operations * ac + cost.multiplications * mac
    return prices
