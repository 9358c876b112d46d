"""Place the integer network on the neuro-cores of a board: the whole way on one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spiketrack.deploy.chip.board import Board, CapacityError
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.loads import readers_of
from spiketrack.deploy.chip.packing import order, pack
from spiketrack.deploy.chip.placement import Branch, Placement, least_cores
from spiketrack.deploy.chip.program import ChipProgram, Choices, build_program
from spiketrack.deploy.chip.rules.strategy import HARDWARE, Rules
from spiketrack.deploy.chip.work.traffic import Sent, traffic
from spiketrack.integer.graph import Graph

Events = Mapping[str, Mapping[str, Sent]]

MOST_CORES = 2_000_000  # fourteen Hala Points; beyond, a placement would only cost time

__all__ = ["CapacityError", "Events", "map_network"]


def map_network(
    graphs: Mapping[str, Graph],
    board: Board,
    events: Events | None = None,
    choices: Choices = Choices(),  # noqa: B008  (frozen)
    rules: Rules = HARDWARE,
) -> Placement:
    """Layers of neurons in their times → blocks → cores → traffic, all branches on one board.

    ``events``: branch → population → messages it sends in one inference, averaged over a run,
    in all or neuron by neuron; a branch without them is charged for every neuron in every step. A
    network larger than the board is placed all the same (``Placement.fits``,
    ``Placement.obstacle``); a layer that no core can hold is a ``CapacityError``. ``rules``: how
    layers are cut and cores shared.
    """
    programs = {name: build_program(graph, choices) for name, graph in graphs.items()}
    return place(programs, board, events, rules)


def place(
    programs: Mapping[str, ChipProgram],
    board: Board,
    events: Events | None = None,
    rules: Rules = HARDWARE,
) -> Placement:
    """``map_network`` from programs; cores are filled branch by branch in the order of names."""
    board = rules.board(board)
    packer = rules.packer(board)
    branches = {}
    _check_size([layer for program in programs.values() for layer in program.layers], board)
    for name, program in sorted(programs.items()):
        layers = program.layers
        tilings, loads = rules.partition(layers, board)
        cores = pack(packer, order(layers, tilings, loads, board), loads)
        counted = (events or {}).get(name)
        sent = traffic(layers, tilings, readers_of(layers), cores, board, counted)
        branches[name] = Branch(
            name, layers, tilings, loads, cores, program, sent, counted is not None
        )
    return Placement(board, tuple(branches[name] for name in programs), packer.table, rules.name)


def _check_size(layers: Sequence[Layer], board: Board) -> None:
    bound = least_cores(layers, board)
    if bound > MOST_CORES:
        raise CapacityError(
            f"the network takes at least {bound:,} cores of board {board.name}, more than the "
            f"{MOST_CORES:,} that are ever placed; use shared kernels or a smaller variant"
        )
