"""Price tables: what one operation costs, each number with its source.

Tables are YAML or JSON, packaged in ``price_tables`` or the user's own. There is no official
price list for Loihi 2; none is invented here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from spiketrack.documents.prices import PriceTable
from spiketrack.documents.problems import problem
from spiketrack.documents.yaml_files import parse_yaml, read_yaml
from spiketrack.errors import ConfigError, printable
from spiketrack.packaged import PRICE_TABLES
from spiketrack.readable import readable

DEFAULT = "operations-45nm-fp32"
RENAMED = {  # they price operations, not chips: what they were called before
    "horowitz45": DEFAULT,
    "horowitz45-int": "operations-45nm-int",
    "loihi1": "operations-loihi1",
    "spinnaker2": "operations-spinnaker2",
    "gpu": "operations-gpu",
    "cpu": "operations-cpu",
}


def load_prices(name: str) -> PriceTable:
    """A packaged table by its name or former name, or the user's own file.

    ``ConfigError`` says what is wrong.
    """
    known = price_names()
    name = name if name in known or readable(Path(name)) else RENAMED.get(name, name)
    if name in known:
        return _named(name, _checked(parse_yaml(PRICE_TABLES.read(name), name), name))
    path = Path(name)
    if not readable(path):
        there = ", ".join(known)
        raise ConfigError(f"{printable(name)}: no such price table or file; there are {there}")
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
