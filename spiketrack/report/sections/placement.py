"""Section on the placement: core map, layers on cores, traffic, limits with sources."""

from __future__ import annotations

from spiketrack.documents.placement import BranchPlacement, MapDocument
from spiketrack.pages.parts import Section, Table
from spiketrack.report.commands import map_command
from spiketrack.report.figures.cores import core_figure
from spiketrack.report.figures.placement import resident_figure, timeline_figure, traffic_figure
from spiketrack.report.sections.spikes import spike_tables
from spiketrack.report.sources import Sources
from spiketrack.terminal.amounts import counted

LAYERS = (
    "branch", "name", "kind", "shape", "steps", "neurons", "block", "blocks", "cores",
    "first_core", "last_core", "fullest", "memory_bytes", "synapse_bytes", "unrolled_synapse_bytes",
    "fan_in", "fan_out_cores", "input_axons", "output_axons",
    "within_core", "between_cores", "between_chips", "with_host",
)  # fmt: skip
FOLDED_LAYERS = (
    "steps", "block", "first_core", "last_core", "unrolled_synapse_bytes", "input_axons",
    "output_axons", "with_host",
)  # fmt: skip


def placement_section(sources: Sources) -> Section:
    """Core map, layers on cores, traffic; or how to get them."""
    title = "Placement"
    placement = sources.placement
    if placement is None:
        missing = ("Not given: a placement. Make one and give it to the report with --map:",)
        return Section("placement", title, missing, commands=(map_command(sources.run),))
    fits = "fits" if placement.fits else f"does not fit: {placement.obstacle}"
    text = (
        f"Board {placement.board}: the network {fits}.",
        f"{placement.neurons:,} neurons on {counted(placement.cores, 'core')} of "
        f"{counted(placement.chips, 'chip')}; at least {placement.lower_bound_cores:,} cores are "
        f"needed (ratio {placement.lower_bound_ratio:.3f}), "
        f"{placement.unrolled_lower_bound_cores:,} with every synapse stored by itself.",
        *(_branch_text(branch) for branch in placement.branches),
    )
    figures = (
        core_figure(placement),
        timeline_figure(placement.branches),
        resident_figure(placement.branches),
        traffic_figure(placement.branches),
    )
    return Section("placement", title, text, figures, placement_tables(placement))


def _branch_text(branch: BranchPlacement) -> str:
    return (
        f"The {branch.name} branch takes {counted(branch.cores, 'core')}; its longest chain has "
        f"{len(branch.longest_chain)} layers, a result comes after "
        f"{branch.latency_steps:,} time steps, a new frame can enter every "
        f"{branch.interval_steps:,} steps: up to "
        f"{counted(branch.frames_in_flight, 'frame')} in flight, of independent objects."
    )


def placement_tables(placement: MapDocument) -> tuple[Table, ...]:
    """Layers, chips, limits and boards."""
    layers = [
        {"branch": branch.name, **dict(row), **dict(row.traffic)}
        for branch in placement.branches
        for row in branch.layers
    ]
    chips = [
        {"chip": number, "cores": row.cores, "neurons": row.neurons}
        | {f"{name} use": share for name, share in row.use.items()}
        for number, row in enumerate(placement.chip_table)
    ]
    limits = [{"limit": name, **dict(row)} for name, row in placement.limits]
    return (
        Table.of("placement_layers", "Layers on cores", layers, LAYERS, FOLDED_LAYERS),
        Table.of("chips", "Chips", chips),
        Table.of("limits", f"Limits of {placement.board}, with sources", limits),
        Table.of("boards", "The same cores on other boards", placement.boards),
        *spike_tables(placement.branches),
    )
