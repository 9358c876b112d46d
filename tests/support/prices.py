"""Price tables of a test's own."""

from __future__ import annotations

from collections.abc import Mapping

from spiketrack.documents.prices import PriceTable


def price_table(execution: str, prices: Mapping[str, float]) -> PriceTable:
    """A table called t with these picojoules."""
    listed = {name: {"pj": pj, "source": "test"} for name, pj in prices.items()}
    given = {"name": "t", "version": 1, "execution": execution, "prices": listed}
    return PriceTable.model_validate(given)
