"""Place the integer network on the neuro-cores of a board: the whole way on one page."""

from __future__ import annotations

from collections.abc import Mapping

from spiketrack.deploy.board import Board, CapacityError
from spiketrack.deploy.layers import build_layers
from spiketrack.deploy.loads import readers_of
from spiketrack.deploy.packing import Packer, order, pack
from spiketrack.deploy.partition import partition
from spiketrack.deploy.placement import Branch, Placement
from spiketrack.deploy.schedule import schedule
from spiketrack.deploy.traffic import traffic
from spiketrack.export.graph import Graph

Events = Mapping[str, Mapping[str, float]]

__all__ = ["CapacityError", "Events", "map_network"]


def map_network(
    graphs: Mapping[str, Graph], board: Board, events: Events | None = None
) -> Placement:
    """Layers of neurons → blocks → cores → traffic, for all branches on one board.

    ``events``: branch → population → messages it sends in one inference, averaged over a run; a
    branch without them is charged for every neuron in every step. A network larger than the
    board is placed all the same (``Placement.fits``, ``Placement.obstacle``); a layer that no
    core can hold is a ``CapacityError``.
    """
    packer = Packer(board)
    branches = []
    for name, graph in graphs.items():
        layers = build_layers(graph)
        tilings, loads = partition(layers, board)
        cores = pack(packer, order(layers, tilings, loads, board), loads)
        counted = (events or {}).get(name)
        sent = traffic(layers, tilings, readers_of(layers), cores, board, counted)
        times = schedule(layers)
        branches.append(
            Branch(name, layers, tilings, loads, cores, times, sent, counted is not None)
        )
    return Placement(board, tuple(branches), packer.table)
