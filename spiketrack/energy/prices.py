"""Price tables: what one operation costs, each number with its source.

    energy = Σ operations · price        pJ

Tables are YAML or JSON, packaged in ``price_tables`` or the user's own. There is no official
price list for Loihi 2; none is invented here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spiketrack.documents.problems import problem
from spiketrack.documents.yaml_files import is_file, parse_yaml, read_yaml
from spiketrack.errors import ConfigError, printable
from spiketrack.packaged import PRICE_TABLES

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

DEFAULT = "horowitz45"

Text = Annotated[str, Field(min_length=1)]


class Price(BaseModel):
    """``pj``: picojoules for one operation. ``source``: where the number is published."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    pj: Annotated[float, Field(ge=0, allow_inf_nan=False)]
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


def load_prices(name: str) -> PriceTable:
    """A packaged table by its name, or the user's own file; ``ConfigError`` says what is wrong."""
    if name in price_names():
        return _named(name, _checked(parse_yaml(PRICE_TABLES.read(name), name), name))
    path = Path(name)
    if not is_file(path):
        known = ", ".join(price_names())
        raise ConfigError(f"{printable(name)}: no such price table or file; there are {known}")
    return _checked(read_yaml(path), str(path))


def price_names() -> list[str]:
    """Names of the packaged tables, the default one first."""
    return PRICE_TABLES.names(DEFAULT)


def packaged_tables() -> list[PriceTable]:
    """All tables that come with this package: spiking ones, then dense; the default first."""
    tables = [load_prices(name) for name in price_names()]
    return sorted(tables, key=lambda table: table.execution == "dense")


def _named(name: str, table: PriceTable) -> PriceTable:
    if table.name != name:
        raise ConfigError(f"{name}: its file names it {table.name}; both must agree")
    return table


def _checked(values: Any, where: str) -> PriceTable:
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: no price table; needs name, version, execution and prices")
    try:
        return PriceTable.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{where}: {problem(error)}") from None
