"""Onto Lava and onto the chip: process graphs on Lava's runtime, placement on neuro-cores.

Importing Lava sets how Python starts processes, so it waits until a name that needs it is used.
"""

from typing import TYPE_CHECKING

from spiketrack.lazy import attributes

if TYPE_CHECKING:
    from spiketrack.deploy.chip.board import Board, load_board
    from spiketrack.deploy.chip.mapping import map_network
    from spiketrack.deploy.chip.placement import Placement
    from spiketrack.deploy.lava.network import LavaNetwork
    from spiketrack.deploy.lava.smoke import smoke_run
    from spiketrack.deploy.process_graph.grouping import Grouping, Part, group
    from spiketrack.deploy.process_graph.inline import InlineNetwork
    from spiketrack.deploy.process_graph.processes import Recording
    from spiketrack.deploy.process_graph.results import StepResult

__all__ = [
    "Board",
    "Grouping",
    "InlineNetwork",
    "LavaNetwork",
    "Part",
    "Placement",
    "Recording",
    "StepResult",
    "group",
    "load_board",
    "map_network",
    "smoke_run",
]

_HOMES = {
    "Board": "spiketrack.deploy.chip.board",
    "Grouping": "spiketrack.deploy.process_graph.grouping",
    "InlineNetwork": "spiketrack.deploy.process_graph.inline",
    "LavaNetwork": "spiketrack.deploy.lava.network",
    "Part": "spiketrack.deploy.process_graph.grouping",
    "Placement": "spiketrack.deploy.chip.placement",
    "Recording": "spiketrack.deploy.process_graph.processes",
    "StepResult": "spiketrack.deploy.process_graph.results",
    "group": "spiketrack.deploy.process_graph.grouping",
    "load_board": "spiketrack.deploy.chip.board",
    "map_network": "spiketrack.deploy.chip.mapping",
    "smoke_run": "spiketrack.deploy.lava.smoke",
}

__getattr__ = attributes(__name__, _HOMES)
