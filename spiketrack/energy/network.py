"""What messages cost on the network-on-chip of a placement.

    E = messages · e_tile + hops east-west · e_ew + hops north-south · e_ns

``spiketrack map --run RUN --json FILE`` gives messages and hops of each layer, one message for
each non-zero count. In spike-driven execution a population's message of count k is k spikes, so
its traffic grows by its mean count; relays of membranes send one graded message either way.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spiketrack.documents.energy import EnergyDocument, NetworkCost
from spiketrack.documents.placement import BranchPlacement, MapDocument, TrafficPart
from spiketrack.documents.prices import ON_NETWORK, PriceTable
from spiketrack.errors import ConfigError, DocumentError
from spiketrack.inference import SEARCH


def read_network_cost(path: Path, table: PriceTable, priced: EnergyDocument) -> NetworkCost:
    """Cost of the search branch's messages on a placement of the network that ran.

    ``DocumentError`` for a placement of another network, or with the messages of another run.
    """
    return network_cost(path, MapDocument.read(path), table, priced)


def network_cost(
    path: Path, placement: MapDocument, table: PriceTable, priced: EnergyDocument
) -> NetworkCost:
    """The same for a placement that is read; ``path`` is for messages."""
    require_same_run(path, placement, priced)
    branch = next((b for b in placement.branches if b.name == SEARCH), None)
    if branch is None:
        raise ConfigError(f"{path}: places no search branch")
    return NetworkCost(
        map=str(path),
        board=placement.board,
        counted=branch.counted,
        **_cost(_sums(branch, priced), table),
    )


def require_same_run(path: Path, placement: MapDocument, priced: EnergyDocument) -> None:
    """A placement must be of the network that ran; counted messages must be of this run."""
    if placement.network_digest != priced.network_digest:
        raise DocumentError(
            f"{path}: places network {placement.network_digest[:12]}, {priced.run} ran "
            f"{priced.network_digest[:12]}; place that network with spiketrack map"
        )
    if placement.run_digest not in (None, priced.run_digest):
        raise DocumentError(
            f"{path}: its messages were counted in another run than {priced.run}; "
            f"write it with spiketrack map --run {priced.run} --json"
        )


def _sums(branch: BranchPlacement, priced: EnergyDocument) -> dict[str, float]:
    factors = _spikes_a_message(priced) if priced.execution == "spike" else {}
    return {
        name: sum(
            getattr(layer.traffic, name) * factors.get(layer.name, 1.0) for layer in branch.layers
        )
        for name in TrafficPart.model_fields
    }


def _spikes_a_message(priced: EnergyDocument) -> dict[str, float]:
    """Population → mean count of the messages it sends."""
    return {row.name: row.spikes / row.events for row in priced.layers if row.events}


def _cost(sums: Mapping[str, float], table: PriceTable) -> dict[str, Any]:
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
