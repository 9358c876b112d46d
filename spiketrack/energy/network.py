"""What messages cost on the network-on-chip of a placement.

    E = messages · e_tile + hops east-west · e_ew + hops north-south · e_ns

``spiketrack map --run RUN --json FILE`` gives messages and hops of each layer, one message for
each non-zero count. In spike-driven execution a population's message of count k is k spikes, so
its traffic grows by its mean count; relays of membranes send one graded message either way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spiketrack.energy.document import Document
from spiketrack.energy.prices import ON_NETWORK, PriceTable
from spiketrack.errors import ConfigError
from spiketrack.inference import SEARCH


class _Given(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Messages(_Given):
    """Messages of a layer in one inference, as ``deploy/chip/traffic.py`` counts them."""

    within_core: float = Field(ge=0)
    between_cores: float = Field(ge=0)
    between_chips: float = Field(ge=0)
    hops_east_west: float = Field(ge=0)
    hops_north_south: float = Field(ge=0)


class _Layer(_Given):
    name: str
    traffic: Messages


class _Branch(_Given):
    name: str
    counted: bool
    layers: list[_Layer]


class _Placement(_Given):
    board: str
    branches: list[_Branch]


def read_network_cost(path: Path, table: PriceTable, found: Document) -> Document:
    """Cost of the search branch's messages.

    Returns {map, board, counted, messages, between_chips, hops_east_west, hops_north_south,
    energy_pj, by_operation, unpriced}; messages between chips have no published price.
    """
    placement = _read(path)
    branch = next((b for b in placement.branches if b.name == SEARCH), None)
    if branch is None:
        raise ConfigError(f"{path}: places no search branch")
    factors = _spikes_a_message(found) if found["execution"] == "spike" else {}
    sums = dict.fromkeys(Messages.model_fields, 0.0)
    for layer in branch.layers:
        for name, number in layer.traffic.model_dump().items():
            sums[name] += number * factors.get(layer.name, 1.0)
    return {
        "map": str(path),
        "board": placement.board,
        "counted": branch.counted,
        **_cost(sums, table),
    }


def _read(path: Path) -> _Placement:
    try:
        return _Placement.model_validate(json.loads(path.read_text("utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: no placement: {place}: {first['msg']}") from error
    except ValueError as error:
        raise ConfigError(
            f"{path}: no JSON ({error}); write it with spiketrack map --json"
        ) from error


def _spikes_a_message(found: Document) -> dict[str, float]:
    """Population → mean count of the messages it sends."""
    return {row["name"]: row["spikes"] / row["events"] for row in found["layers"] if row["events"]}


def _cost(sums: Mapping[str, float], table: PriceTable) -> Document:
    on_chip = sums["within_core"] + sums["between_cores"]
    numbers = {
        "spike_in_tile": on_chip,
        "hop_east_west": sums["hops_east_west"],
        "hop_north_south": sums["hops_north_south"],
    }
    priced = {n: numbers[n] * p for n in ON_NETWORK if (p := table.pj(n)) is not None}
    return {
        "messages": on_chip,
        "between_chips": sums["between_chips"],
        "hops_east_west": sums["hops_east_west"],
        "hops_north_south": sums["hops_north_south"],
        "energy_pj": sum(priced.values()) if priced else None,
        "by_operation": priced,
        "unpriced": {n: number for n, number in numbers.items() if n not in priced},
    }
