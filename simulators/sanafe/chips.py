"""The chips that are described to SANA-FE: a mesh of tiles with the units that a network needs.

Prices and times are those of SANA-FE's own ``loihi.yaml``, read from the installed package.
Synapse units of n operations stand for n synapses that a message meets in a core.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from spiketrack.simulators.sanafe.engine import sanafe, silent, stock_architecture

SINK, SINK_SUMS = "sink", "sink_sums"  # units of what messages end in
UNIT = 1024  # neurons that one soma unit of SANA-FE holds
DIRECTIONS = ("north", "east", "south", "west")
KINDS = ("energy", "latency")


@dataclass(frozen=True)
class Prices:
    """Joules and seconds of one event, and of a barrier."""

    operation: tuple[float, float]
    message_out: tuple[float, float]
    message_in: tuple[float, float]
    spike: tuple[float, float]
    east_west: tuple[float, float]
    north_south: tuple[float, float]
    barrier: float

    def only(self, *names: str) -> Prices:
        """The same with all times of nothing but these."""
        changed = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name not in names:
                value = 0.0 if field.name == "barrier" else (value[0], 0.0)
            changed[field.name] = value
        return Prices(**changed)


@dataclass(frozen=True)
class Units:
    """Units of a core: neurons that fire, and numbers of operations of its synapses."""

    neurons: int = 0
    operations: tuple[int, ...] = (1,)


@cache
def loihi1(barrier: float = 1.8e-6) -> Prices:
    """Those of the stock file, its convolutional synapse; the barrier of its largest mesh."""
    stock = stock_architecture()
    tile = stock["tile"][0]
    core = tile["core"][0]
    hop = tile["attributes"]
    neuron = _unit(core["soma"], "loihi_lif")
    synapse = _unit(core["synapse"], "loihi_conv_synapse")
    out, entering = core["axon_out"][0]["attributes"], core["axon_in"][0]["attributes"]
    return Prices(
        operation=(synapse["energy_process_spike"], synapse["latency_process_spike"]),
        message_out=(out["energy_message_out"], out["latency_message_out"]),
        message_in=(entering["energy_message_in"], entering["latency_message_in"]),
        spike=(neuron["energy_spike_out"], neuron["latency_spike_out"]),
        east_west=(hop["energy_east_hop"], hop["latency_east_hop"]),
        north_south=(hop["energy_north_hop"], hop["latency_north_hop"]),
        barrier=barrier,
    )


def architecture(
    size: tuple[int, int], cores_a_tile: int, units: Mapping[int, Units], prices: Prices
) -> Any:
    """A mesh of (columns, rows) tiles; ``units``: core → what it needs.

    Tiles are numbered column by column, as SANA-FE lays them out; core i of the mesh is core
    i mod ``cores_a_tile`` of tile i ÷ ``cores_a_tile``.
    """
    columns, rows = size
    hops = {
        f"{kind}_{way}_hop": (
            prices.north_south if way in ("north", "south") else prices.east_west
        )[kind == "latency"]
        for kind in KINDS
        for way in DIRECTIONS
    }
    tiles = [
        {
            "name": f"tile{number}",
            "attributes": hops,
            "core": [
                _core(inside, units.get(number * cores_a_tile + inside, Units()), prices)
                for inside in range(cores_a_tile)
            ],
        }
        for number in range(columns * rows)
    ]
    mesh = {
        "topology": "mesh",
        "width": columns,
        "height": rows,
        "link_buffer_size": 16,
        "sync_model": "fixed",
        "latency_sync": prices.barrier,
    }
    text = json.dumps({"architecture": {"name": "mesh", "attributes": mesh, "tile": tiles}})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "architecture.yaml"
        path.write_text(text, encoding="utf-8")
        with silent():
            return sanafe().load_arch(str(path))


def synapse_unit(operations: int) -> str:
    """Name of the unit whose synapses stand for so many."""
    return f"synapse{operations}"


def soma_unit(neuron: int) -> str:
    """Name of the unit that holds a core's neuron of this number."""
    return f"neurons{neuron // UNIT}"


def dendrite_unit(neuron: int) -> str:
    """The same of its dendrite; units of both kinds hold as many."""
    return f"sums{neuron // UNIT}"


def _core(number: int, units: Units, prices: Prices) -> dict[str, Any]:
    firsts = range(0, units.neurons, UNIT)
    somas = [_soma(soma_unit(first), prices.spike) for first in firsts]
    return {
        "name": f"core{number}",
        "attributes": {
            "buffer_position": "soma",
            "buffer_inside_unit": False,
            "max_neurons_supported": units.neurons + UNIT,  # room is taken for all of them
        },
        "axon_in": [_priced("in", "message_in", prices.message_in)],
        "soma": [*somas, _soma(SINK, (0.0, 0.0))],
        "dendrite": [_dendrite(name) for name in [*map(dendrite_unit, firsts), SINK_SUMS]],
        "synapse": [_synapse(number, prices.operation) for number in units.operations],
        "axon_out": [_priced("out", "message_out", prices.message_out)],
    }


def _synapse(operations: int, price: tuple[float, float]) -> dict[str, Any]:
    cost = (operations * price[0], operations * price[1])
    return _priced(synapse_unit(operations), "process_spike", cost, model="current_based")


def _priced(name: str, event: str, cost: tuple[float, float], **more: Any) -> dict[str, Any]:
    return _named(name, **more, **{f"energy_{event}": cost[0], f"latency_{event}": cost[1]})


def _soma(name: str, spike: tuple[float, float]) -> dict[str, Any]:
    """Neurons whose updates cost nothing: they are counted and priced apart."""
    free = {f"{kind}_{what}_neuron": 0.0 for kind in KINDS for what in ("access", "update")}
    cost = {"energy_spike_out": spike[0], "latency_spike_out": spike[1]}
    return _named(name, model="leaky_integrate_fire", **free, **cost)


def _dendrite(name: str) -> dict[str, Any]:
    return _named(name, model="accumulator", energy_update=0.0, latency_update=0.0)


def _named(name: str, **attributes: Any) -> dict[str, Any]:
    return {"name": name, "attributes": attributes}


def _unit(units: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    attributes: Mapping[str, Any] = next(u["attributes"] for u in units if u["name"] == name)
    return attributes
