"""``map --json``: a placement on a board's neuro-cores; ``docs/placement.md`` has every key."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from spiketrack.documents.base import Amount, Count, Digest, Document, Part, Share

UNSOURCED = "given by the user, no source"

V = TypeVar("V")
Positive = Annotated[int, Field(ge=1, le=2**31)]
ChipCores = Annotated[int, Field(ge=1, le=2**16)]


class Quantity(BaseModel, Generic[V]):
    """A number and where it comes from; a bare number has no source."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    value: V
    source: str = UNSOURCED

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, given: Any) -> Any:
        return given if isinstance(given, Mapping) else {"value": given}


class Limits(BaseModel):
    """Limits of one core, cores of a chip, chips of a board. None: no such limit is published.

    ``memory_kib_per_core``: KiB for synapses, axon tables and neuron state together.
    ``axon_bits``: one table entry. ``accumulators_per_product``: neurons' worth of a core that
    one neuron with two multiplied inputs takes. ``cores_per_tile``, ``tiles_across``: the mesh
    on the chip, for hop counts.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    chips: Quantity[Positive | None]
    cores_per_chip: Quantity[ChipCores]
    neurons_per_core: Quantity[Positive]
    memory_kib_per_core: Quantity[Positive]
    weight_bits: Quantity[Positive]
    state_bits: Quantity[Positive]
    payload_bits: Quantity[Positive]
    axon_bits: Quantity[Annotated[int, Field(ge=0, le=2**31)]]
    input_axons_per_core: Quantity[Positive | None]
    output_axons_per_core: Quantity[Positive | None]
    fan_in: Quantity[Positive | None]
    fan_out_cores: Quantity[Positive | None]
    accumulators_per_product: Quantity[Positive]
    shared_kernels: Quantity[bool]
    cores_per_tile: Quantity[ChipCores]
    tiles_across: Quantity[ChipCores]


class TrafficPart(Part):
    """Messages of one inference, as ``spiketrack.deploy.chip.work.traffic`` counts them."""

    within_core: Amount
    between_cores: Amount
    between_chips: Amount
    hops_east_west: Amount
    hops_north_south: Amount
    with_host: Amount


class LayerPlacement(Part):
    """One layer on its cores.

    ``core_of_block``: the core of each block, channels outermost, then rows, then columns;
    ``done_steps``: of each network step; ``work_steps``: spans, first and last time step of each.
    """

    name: str
    kind: str
    shape: tuple[Count, Count, Count]
    steps: Count
    neurons: Count
    ports: Count
    block: tuple[Count, Count, Count]
    blocks: Count
    core_of_block: tuple[Count, ...]
    cores: Count
    first_core: Count
    last_core: Count
    fullest: str
    memory_bytes: Count
    synapse_bytes: Count
    unrolled_synapse_bytes: Count
    state_bits_a_neuron: Count
    fan_in: Count
    fan_out_cores: Count
    input_axons: Count
    output_axons: Count
    done_steps: tuple[Count, ...]
    work_steps: tuple[tuple[Count, Count], ...]
    traffic: TrafficPart

    @model_validator(mode="after")
    def _cut(self) -> Self:
        cut = zip(self.shape, self.block, strict=True)
        if 0 in self.block or self.blocks != math.prod(-(-n // size) for n, size in cut):
            raise ValueError(f"{self.name}: {self.blocks} blocks do not make up its map")
        if len(self.core_of_block) != self.blocks:
            raise ValueError(
                f"{self.name}: {len(self.core_of_block)} cores of {self.blocks} blocks"
            )
        return self


class SpikeCost(Part):
    """One inference with counts sent in one way, ``graded`` or ``binary``: mean of a run.

    ``bits``: payload of all messages; ``operations``: synaptic ones.
    """

    spikes: str
    steps: Count
    messages: Amount
    bits: Amount
    operations: Amount
    multiplications: Amount


class BranchPlacement(Part):
    """One branch: its cores, its times in time steps, its layers. ``counted``: traffic of a run.

    ``tiles``, ``key_tiles``: copies of products of k and v, and of q and kv. ``spike_costs``: what
    graded and binary spikes cost by that run, empty without one.
    """

    name: str
    mode: str
    spikes: str
    tiles: Count
    key_tiles: Count = 1
    cores: Count
    neurons: Count
    neurons_by_kind: dict[str, Count]
    latency_steps: Count
    longest_chain: tuple[str, ...]
    interval_steps: Count
    period_steps: Count
    slowest_layer: str
    frames_in_flight: Count
    counted: bool
    traffic: TrafficPart
    layers: tuple[LayerPlacement, ...]
    spike_costs: tuple[SpikeCost, ...] = ()


class OtherBoard(Part):
    """The same cores on another board."""

    name: str
    chips: Count | None
    needed_chips: Count
    fits: bool


class ChipRow(Part):
    """Cores, neurons and mean use of one chip."""

    cores: Count
    neurons: Count
    use: dict[str, Share]


class CoreMap(Part):
    """One entry a core in each list: where it is, how full, which layers it holds."""

    resources: tuple[str, ...]
    layer_names: tuple[str, ...]
    chip: tuple[Count, ...]
    tile_column: tuple[Count, ...]
    tile_row: tuple[Count, ...]
    neurons: tuple[Count, ...]
    memory_bytes: tuple[Count, ...]
    input_axons: tuple[Count, ...]
    output_axons: tuple[Count, ...]
    fullest: tuple[Count, ...]
    use: tuple[Share, ...]
    layers: tuple[tuple[Count, ...], ...]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        lists = (
            self.chip, self.tile_column, self.tile_row, self.neurons, self.memory_bytes,
            self.input_axons, self.output_axons, self.fullest, self.use, self.layers,
        )  # fmt: skip
        if len({len(entries) for entries in lists}) != 1 or not self.chip:
            raise ValueError("lists of different lengths, or no core at all")
        if max(self.fullest) >= len(self.resources):
            raise ValueError("fullest names a resource that is not listed")
        if max(max(held, default=0) for held in self.layers) >= len(self.layer_names):
            raise ValueError("layers names a layer that is not listed")
        return self


class MapDocument(Document):
    """A placement. ``run_digest``: of the run whose events it counts, null without one."""

    REMEDY: ClassVar[str] = "write it with spiketrack map --json"

    schema_id: Literal["spiketrack.map"] = Field(default="spiketrack.map", alias="schema")
    version: Literal[1] = 1
    board: str
    rules: str = "hardware"  # absent in files from before there was a choice
    limits: Limits
    fits: bool
    obstacle: str | None
    cores: Count
    chips: Count
    board_cores: Count | None
    lower_bound_cores: Count
    lower_bound_ratio: Annotated[float, Field(ge=0)]
    unrolled_lower_bound_cores: Count
    neurons: Count
    neurons_by_kind: dict[str, Count]
    boards: tuple[OtherBoard, ...]
    branches: tuple[BranchPlacement, ...]
    chip_table: tuple[ChipRow, ...]
    core_map: CoreMap
    network_digest: Digest
    run_digest: Digest | None

    @model_validator(mode="after")
    def _places(self) -> Self:
        """Every core lies on the mesh that the limits describe."""
        cores, limits = self.core_map, self.limits
        if len(cores.chip) != self.cores:
            raise ValueError(f"core_map holds {len(cores.chip)} cores, not {self.cores}")
        per_chip = limits.cores_per_chip.value
        if cores.chip != tuple(core // per_chip for core in range(self.cores)):
            raise ValueError(f"core_map.chip is not that of {per_chip} cores a chip")
        tiles = -(-per_chip // limits.cores_per_tile.value)
        across = limits.tiles_across.value
        if max(cores.tile_column) >= across or max(cores.tile_row) >= -(-tiles // across):
            raise ValueError("core_map has a tile outside the chip")
        rows = (row for branch in self.branches for row in branch.layers)
        if (most := max((max(row.core_of_block) for row in rows), default=0)) >= self.cores:
            raise ValueError(f"a block lies on core {most} of {self.cores}")
        return self
