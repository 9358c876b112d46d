"""A price table: what one operation costs, each number with its source.

energy = Σ operations · price        pJ
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Execution = Literal["spike", "graded", "dense"]
Operation = Literal[
    "ac",  # accumulation; which ones depends on the execution
    "mac",  # multiplication and addition
    "neuron_update_active",  # of a neuron that sends in this time step
    "neuron_update_inactive",
    "spike_in_tile",  # on the network-on-chip; needs a placement
    "hop_east_west",
    "hop_north_south",
]
ON_CHIP: tuple[Operation, ...] = (
    "ac", "mac", "neuron_update_active", "neuron_update_inactive",
)  # fmt: skip
ON_NETWORK: tuple[Operation, ...] = ("spike_in_tile", "hop_east_west", "hop_north_south")

Picojoules = Annotated[float, Field(ge=0)]
Text = Annotated[str, Field(min_length=1)]


class Price(BaseModel):
    """``pj``: picojoules for one operation. ``source``: where the number is published."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    pj: Annotated[float, Field(ge=0, le=1e30, allow_inf_nan=False)]
    source: Text


class PriceTable(BaseModel):
    """A named, versioned list of prices.

    ``execution`` tells which operations the machine performs: ``spike`` (a count k is k binary
    spikes), ``graded`` (one message whatever its count) or ``dense`` (every MAC of the same
    network as an ANN). Operations without a price are reported as such, never taken as free.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Text
    version: Annotated[int, Field(ge=1)]
    title: str = ""
    execution: Execution
    prices: Annotated[dict[Operation, Price], Field(min_length=1)]
    notes: list[str] = []

    def pj(self, operation: Operation) -> float | None:
        """Price of one operation in picojoules, None where the table has none."""
        price = self.prices.get(operation)
        return None if price is None else price.pj
