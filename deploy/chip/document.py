"""A placement as plain data: the JSON that ``spiketrack map`` writes and the report reads.

Schema ``spiketrack.map`` version 1; every key is described in ``docs/placement.md``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from spiketrack.deploy.chip.board import Board, board_names, load_board
from spiketrack.deploy.chip.fans import fan_in, fan_out_cores
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.loads import (
    RESOURCES,
    Loads,
    Readers,
    limits,
    readers_of,
    synapse_bits,
)
from spiketrack.deploy.chip.placement import Branch, Placement, unrolled_least_bits
from spiketrack.deploy.chip.program import BINARY, GRADED
from spiketrack.deploy.chip.timeline import work_spans
from spiketrack.deploy.chip.work.traffic import Traffic
from spiketrack.documents.placement import (
    BranchPlacement,
    ChipRow,
    CoreMap,
    LayerPlacement,
    Limits,
    MapDocument,
    OtherBoard,
    SpikeCost,
    TrafficPart,
)


def document(
    placement: Placement,
    network_digest: str,
    run_digest: str | None = None,
    spike_costs: Mapping[str, tuple[SpikeCost, ...]] = MappingProxyType({}),
) -> MapDocument:
    """Everything about a placement; the digests of the network and of the run that was counted.

    ``spike_costs``: of each branch that the run counted (``spike_costs.py``).
    """
    board = placement.board
    return MapDocument(
        board=board.name,
        rules=placement.rules,
        limits=Limits(**{name: getattr(board, name) for name in Limits.model_fields}),
        fits=placement.fits,
        obstacle=placement.obstacle,
        cores=placement.cores,
        chips=placement.chips,
        board_cores=board.cores,
        lower_bound_cores=placement.lower_bound_cores,
        lower_bound_ratio=placement.cores / placement.lower_bound_cores,
        unrolled_lower_bound_cores=placement.unrolled_lower_bound_cores,
        neurons=placement.neurons,
        neurons_by_kind=_by_kind(placement.layers),
        boards=tuple(_other(placement, load_board(name)) for name in board_names()),
        branches=tuple(
            _branch(branch, board, spike_costs.get(branch.name, ()))
            for branch in placement.branches
        ),
        chip_table=_chips(placement),
        core_map=_core_map(placement),
        network_digest=network_digest,
        run_digest=run_digest,
    )


def _by_kind(layers: list[Layer]) -> dict[str, int]:
    neurons: dict[str, int] = {}
    for layer in layers:
        neurons[layer.kind] = neurons.get(layer.kind, 0) + layer.neurons
    return neurons


def _other(placement: Placement, board: Board) -> OtherBoard:
    """The same cores on another board, whose chips may have more of them."""
    fits = board.cores is None or placement.cores <= board.cores
    chips = -(-placement.cores // board.cores_per_chip.value)
    return OtherBoard(name=board.name, chips=board.chips.value, needed_chips=chips, fits=fits)


def _branch(branch: Branch, board: Board, costs: tuple[SpikeCost, ...]) -> BranchPlacement:
    times = branch.program
    total = sum(branch.traffic.values(), Traffic())
    readers = readers_of(branch.layers)
    return BranchPlacement(
        name=branch.name,
        mode=times.choices.mode,
        spikes=times.choices.spikes,
        tiles=times.choices.tiles,
        key_tiles=times.choices.key_tiles,
        cores=len(branch.used_cores),
        neurons=sum(layer.neurons for layer in branch.layers),
        neurons_by_kind=_by_kind(list(branch.layers)),
        latency_steps=times.latency,
        longest_chain=tuple(times.chain),
        interval_steps=times.interval,
        period_steps=times.period,
        slowest_layer=times.slowest,
        frames_in_flight=times.frames_in_flight,
        counted=branch.counted,
        traffic=TrafficPart(**dataclasses.asdict(total)),
        layers=tuple(_layer(branch, layer, readers, board) for layer in branch.layers),
        spike_costs=costs,
    )


def _layer(branch: Branch, layer: Layer, readers: Readers, board: Board) -> LayerPlacement:
    name = layer.name
    tiling, loads = branch.tilings[name], branch.loads[name]
    return LayerPlacement(
        name=name,
        kind=layer.kind,
        shape=layer.shape,
        steps=layer.steps,
        neurons=layer.neurons,
        ports=layer.ports,
        block=tiling.block,
        blocks=len(tiling),
        core_of_block=tuple(branch.cores[name].tolist()),
        cores=len(np.unique(branch.cores[name])),
        first_core=int(branch.cores[name].min()),
        last_core=int(branch.cores[name].max()),
        fullest=_fullest(loads, board),
        memory_bytes=_bytes(loads.memory.sum()),
        synapse_bytes=_bytes(synapse_bits(layer, tiling, board).sum()),
        unrolled_synapse_bytes=_bytes(unrolled_least_bits(layer)),
        state_bits_a_neuron=layer.state_bits,
        fan_in=fan_in(layer),
        fan_out_cores=fan_out_cores(layer, branch.tilings, readers),
        input_axons=int(loads.input_axons.max()),
        output_axons=int(loads.output_axons.max()),
        done_steps=tuple(branch.program.done[name]),
        work_steps=work_spans(layer),
        traffic=TrafficPart(**dataclasses.asdict(branch.traffic[name])),
    )


def _bytes(bits: int) -> int:
    return -(-int(bits) // 8)


def _fullest(loads: Loads, board: Board) -> str:
    """The resource that the layer's fullest block uses most of."""
    shares = loads.table / limits(board)
    return RESOURCES[int(shares.max(0).argmax())]


def _chips(placement: Placement) -> tuple[ChipRow, ...]:
    """Cores, neurons and mean use of each chip."""
    rows = []
    per_chip = placement.board.cores_per_chip.value
    for chip in range(placement.chips):
        part = slice(chip * per_chip, (chip + 1) * per_chip)
        shares = placement.fractions[part].mean(0)
        rows.append(
            ChipRow(
                cores=len(placement.used[part]),
                neurons=int(placement.used[part, 0].sum()),
                use={n: round(float(s), 4) for n, s in zip(RESOURCES, shares, strict=True)},
            )
        )
    return tuple(rows)


def _core_map(placement: Placement) -> CoreMap:
    """One entry a core in each list: where it is, how full, and which layers it holds."""
    per_chip = placement.board.cores_per_chip.value
    tiles = [placement.board.tile(core) for core in range(per_chip)]
    cores = range(placement.cores)
    shares = placement.fractions.max(1)
    names, held = _holders(placement)
    return CoreMap(
        resources=tuple(RESOURCES),
        layer_names=tuple(names),
        chip=tuple(core // per_chip for core in cores),
        tile_column=tuple(tiles[core % per_chip][0] for core in cores),
        tile_row=tuple(tiles[core % per_chip][1] for core in cores),
        neurons=tuple(placement.used[:, 0].tolist()),
        memory_bytes=tuple((-(-placement.used[:, 1] // 8)).tolist()),
        input_axons=tuple(placement.used[:, 2].tolist()),
        output_axons=tuple(placement.used[:, 3].tolist()),
        fullest=tuple(placement.fullest.tolist()),
        use=tuple(round(float(share), 4) for share in shares),
        layers=tuple(tuple(numbers) for numbers in held),
    )


def _holders(placement: Placement) -> tuple[list[str], list[list[int]]]:
    """Names ``branch/layer`` and, for each core, the numbers of those that it holds."""
    names: list[str] = []
    held: list[list[int]] = [[] for _ in range(placement.cores)]
    for branch in placement.branches:
        for layer in branch.layers:
            for core in np.unique(branch.cores[layer.name]):
                held[core].append(len(names))
            names.append(f"{branch.name}/{layer.name}")
    return names, held


def events_of(counts: Mapping[str, Any], spikes: str = GRADED) -> dict[str, dict[str, float]]:
    """Branch → population → mean messages of one inference, from ``operations.read_run``."""
    field = "spikes" if spikes == BINARY else "events"
    events = {}
    for branch, recorded in counts.items():
        if len(recorded.operations):
            means = recorded.field(field).mean(0)
            events[branch] = dict(zip(recorded.layers.names, map(float, means), strict=True))
    return events
