"""Tables of rates: packaged ones by name, a user's own from a YAML or JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydantic_core
from pydantic import ValidationError

from spiketrack.documents.problems import problem
from spiketrack.documents.rates import RateTable
from spiketrack.documents.yaml_files import parse_yaml, read_yaml
from spiketrack.errors import ConfigError, printable
from spiketrack.packaged import RATE_TABLES
from spiketrack.readable import readable

DEFAULT = "loihi2-scaled"


def load_rates(name: str) -> RateTable:
    """A packaged table by its name, or the user's own file; ``ConfigError`` says what is wrong."""
    if name in rate_names():
        return _checked(parse_yaml(RATE_TABLES.read(name), name), name)
    path = Path(name)
    if not readable(path):
        known = ", ".join(rate_names())
        raise ConfigError(f"{printable(name)}: no such table of rates or file; there are {known}")
    return _checked(read_yaml(path), str(path))


def rate_names() -> list[str]:
    """Names of the packaged tables, the default one first."""
    return RATE_TABLES.names(DEFAULT)


def _checked(values: Any, where: str) -> RateTable:
    key, identity, version = RateTable.identity()
    if not isinstance(values, dict) or values.get(key) != identity:
        raise ConfigError(f"{where}: no table of rates; needs {key}: {identity}, name, chip, rates")
    if values.get("version") != version:
        raise ConfigError(f"{where}: this program reads version {version} of {identity}")
    try:
        return RateTable.model_validate_json(pydantic_core.to_json(values))
    except ValidationError as error:
        raise ConfigError(f"{where}: {problem(error)}; {RateTable.REMEDY}") from None
