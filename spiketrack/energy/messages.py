"""What a frame's messages cost on a placement, from the operations that a tracker counted.

    E = Σ share sent · (messages · e_tile + hops east-west · e_ew + hops north-south · e_ns)

``spiketrack map DIR --json FILE`` gives messages and hops of each layer if every neuron sent in
every step; a population's share is its events (in spike-driven execution its spikes) by neurons and
steps. Relays and products send every step. Messages between chips have no price and are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spiketrack.deploy.chip.requirements import POPULATION
from spiketrack.documents.placement import LayerPlacement, MapDocument
from spiketrack.documents.prices import ON_NETWORK, Execution, PriceTable
from spiketrack.energy.joules import Operations
from spiketrack.errors import ConfigError, DocumentError
from spiketrack.inference import SEARCH
from spiketrack.integer.costs.formulas import FIELDS

EVENTS, SPIKES = FIELDS.index("events"), FIELDS.index("spikes")


def price_messages(
    path: Path, network_digest: str | None, table: PriceTable, execution: Execution
) -> Callable[[Operations, int], float]:
    """A function: operations summed over so many searches → picojoules of a frame's messages.

    ``DocumentError`` for a placement of another network or with a run's messages, ``ConfigError``
    where the table prices no messages.
    """
    placement = MapDocument.read(path)
    if placement.network_digest != network_digest:
        ran = (network_digest or "no integer network")[:12]
        raise DocumentError(
            f"{path}: places network {placement.network_digest[:12]}, not {ran}; place that "
            "network with spiketrack map"
        )
    branch = next((b for b in placement.branches if b.name == SEARCH), None)
    if branch is None or branch.counted or branch.spikes != "graded":
        raise DocumentError(
            f"{path}: needs a search branch of graded spikes without a run's messages; write it "
            "with spiketrack map --json, without --run"
        )
    if all(table.pj(name) is None for name in ON_NETWORK):
        raise ConfigError(f"--map: {table.name} has no price of a message; choose --prices loihi1")
    units = [(layer, _unit(layer, table)) for layer in branch.layers]
    return lambda counts, frames: sum(
        unit * _share(layer, counts, frames, execution) for layer, unit in units
    )


def _unit(layer: LayerPlacement, table: PriceTable) -> float:
    """Picojoules if every neuron sends in every step."""
    traffic = layer.traffic
    numbers = {
        "spike_in_tile": traffic.within_core + traffic.between_cores,
        "hop_east_west": traffic.hops_east_west,
        "hop_north_south": traffic.hops_north_south,
    }
    return sum(numbers[name] * (table.pj(name) or 0.0) for name in ON_NETWORK)


def _share(layer: LayerPlacement, counts: Operations, frames: int, execution: Execution) -> float:
    """What a layer sends of what it could, a frame."""
    if layer.kind != POPULATION or layer.name not in counts:
        return 1.0
    sent = counts[layer.name][SPIKES if execution == "spike" else EVENTS]
    return float(sent) / frames / (layer.neurons * layer.steps)
