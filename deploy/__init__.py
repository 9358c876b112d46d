"""Onto Lava and onto the chip: process graphs on Lava's runtime, placement on neuro-cores.

Importing Lava sets how Python starts processes, so it waits until a name that needs it is used.
"""

from typing import TYPE_CHECKING

from spiketrack.lazy import attributes

if TYPE_CHECKING:
    from spiketrack.deploy.board import Board, load_board
    from spiketrack.deploy.grouping import Grouping, Part, group
    from spiketrack.deploy.inline import InlineNetwork
    from spiketrack.deploy.mapping import map_network
    from spiketrack.deploy.network import LavaNetwork
    from spiketrack.deploy.placement import Placement
    from spiketrack.deploy.processes.blocks import Recording
    from spiketrack.deploy.results import StepResult
    from spiketrack.deploy.smoke import smoke_run

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
    "Board": "spiketrack.deploy.board",
    "Grouping": "spiketrack.deploy.grouping",
    "InlineNetwork": "spiketrack.deploy.inline",
    "LavaNetwork": "spiketrack.deploy.network",
    "Part": "spiketrack.deploy.grouping",
    "Placement": "spiketrack.deploy.placement",
    "Recording": "spiketrack.deploy.processes.blocks",
    "StepResult": "spiketrack.deploy.results",
    "group": "spiketrack.deploy.grouping",
    "load_board": "spiketrack.deploy.board",
    "map_network": "spiketrack.deploy.mapping",
    "smoke_run": "spiketrack.deploy.smoke",
}

__getattr__ = attributes(__name__, _HOMES)
