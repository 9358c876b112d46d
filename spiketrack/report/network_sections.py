"""Sections on the network: agreement of backends, placement on cores, number formats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spiketrack.documents.placement import BranchPlacement, MapDocument
from spiketrack.documents.verification import FirstDivergence, PopulationRow, VerifyDocument
from spiketrack.limits import POTENTIAL_BITS
from spiketrack.report.commands import map_command, verify_command
from spiketrack.report.document import Figure, Overlay, Section, Table
from spiketrack.report.figures import overlap_figure, scores_figure
from spiketrack.report.network_figures import (
    core_figure,
    headroom_figure,
    mismatch_figure,
    timeline_figure,
    traffic_figure,
)
from spiketrack.report.sources import Sources

FORMATS = (
    "branch", "name", "type", "signal", "shape", "weights", "weight_shape", "weight_bits", "shift",
    "fraction", "peak", "headroom_bits", "thresholds", "reset", "decay", "dense_mac",
)  # fmt: skip
FOLDED_FORMATS = ("weight_shape", "thresholds", "reset", "decay", "dense_mac")
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


def agreement_section(sources: Sources, overlays: Sequence[Overlay]) -> Section:
    """Float, integer and Lava: counts compared, what quantisation changed, boxes."""
    title = "Float, integer and Lava"
    figures: list[Figure] = [scores_figure(overlays)] if overlays else []
    if len(overlays) > 1:
        figures.insert(0, overlap_figure(overlays))
    if sources.verify is None:
        missing = (
            "Not given: a comparison of the backends count by count. Make one and give it to "
            "the report with --verify:",
        )
        command = (verify_command(sources.run),)
        return Section("agreement", title, missing, tuple(figures), commands=command)
    verify = sources.verify
    text = (_verdict(verify), *_quantisation(verify))
    tables = [
        _backends(verify),
        Table.of(
            "counts_compared",
            "Counts compared by population",
            [_flat(row) for row in verify.by_population],
        ),
    ]
    if verify.float_:
        rows = verify.float_.teacher_forced
        figures.insert(0, mismatch_figure(rows))
        note = "Each population gets the integer network's input; gates are apart in the summary."
        name = "Float against integer by population, teacher-forced"
        tables.append(Table.of("teacher_forced", name, rows, note=note))
    return Section("agreement", title, text, tuple(figures), tuple(tables))


def _verdict(verify: VerifyDocument) -> str:
    names = " and ".join(verify.backends)
    if verify.exact is None:
        return "No exact backend was compared with integer: what follows is float against integer."
    if verify.exact:
        return (
            f"Exact: integer and {names} agree in all {verify.counts_compared:,} counts of "
            f"{verify.populations} populations over {verify.frames} frames of "
            f"{verify.clip}."
        )
    maps = sum(backend.maps_differ for backend in verify.backends.values())
    first = f"; first: {_first(verify.first_divergence)}" if verify.first_divergence else ""
    return (
        f"Not exact: {verify.mismatches:,} of {verify.counts_compared:,} counts and the maps of "
        f"{maps:,} frames differ between integer and {names}{first}."
    )


def _quantisation(verify: VerifyDocument) -> tuple[str, ...]:
    if not verify.float_:
        return ("The float network was not compared (verify needs --checkpoint for it).",)
    loss, free = verify.float_.summary, verify.float_.free_running
    lines = [
        f"Quantisation: {loss.mean_mismatch_rate:.3%} of the counts of a population differ "
        f"from the float network (mean of {loss.populations}), "
        f"{loss.worst_mismatch_rate:.3%} in the worst "
        f"({loss.worst_population.branch} {loss.worst_population.population})."
    ]
    if free.median_iou is not None:
        lines.append(
            f"Each on its own road, float and integer boxes overlap with a median IoU of "
            f"{free.median_iou:.3f}; the score differs by {free.mean_score_difference:+.4f} "
            "in the mean."
        )
    return tuple(lines)


def _backends(verify: VerifyDocument) -> Table:
    rows = [{"backend": name, **dict(entry)} for name, entry in verify.backends.items()]
    return Table.of("backends", "Backends against integer", rows)


def _flat(row: PopulationRow) -> dict[str, Any]:
    """``backends`` spread over columns of their own."""
    plain = {key: value for key, value in row if key != "backends"}
    return plain | {f"mismatches {name}": number for name, number in row.backends.items()}


def _first(divergence: FirstDivergence) -> str:
    return ", ".join(f"{key} {value}" for key, value in divergence)


def placement_section(sources: Sources) -> Section:
    """Core map, layers on cores, traffic; or how to get them."""
    title = "Placement on Loihi 2"
    placement = sources.placement
    if placement is None:
        missing = ("Not given: a placement. Make one and give it to the report with --map:",)
        return Section("placement", title, missing, commands=(map_command(sources.run),))
    fits = "fits" if placement.fits else f"does not fit: {placement.obstacle}"
    text = (
        f"Board {placement.board}: the network {fits}.",
        f"{placement.neurons:,} neurons on {placement.cores:,} cores of "
        f"{placement.chips:,} chips; at least {placement.lower_bound_cores:,} cores are "
        f"needed (ratio {placement.lower_bound_ratio:.3f}), "
        f"{placement.unrolled_lower_bound_cores:,} with every synapse stored by itself.",
        *(_branch_text(branch) for branch in placement.branches),
    )
    figures = (
        core_figure(placement),
        timeline_figure(placement.branches),
        traffic_figure(placement.branches),
    )
    return Section("placement", title, text, figures, placement_tables(placement))


def _branch_text(branch: BranchPlacement) -> str:
    return (
        f"The {branch.name} branch takes {branch.cores:,} cores; its longest chain has "
        f"{len(branch.longest_chain)} layers, a result comes after "
        f"{branch.latency_steps:,} time steps, a new frame can enter every "
        f"{branch.interval_steps:,} steps: up to {branch.frames_in_flight} frames in flight, "
        "of independent objects."
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
    )


def formats_section(sources: Sources) -> Section:
    """Number formats and head-room, from the export's manifest."""
    title = "Number formats and head-room"
    manifest = sources.run.manifest
    if manifest is None:
        export = sources.run.about.export
        gone = f"Not available: {export} holds no export of this network any more; export it again."
        return Section("formats", title, (gone,))
    layers = manifest.layers
    rows = [{"branch": b} | dict(row) for b, formats in layers.items() for row in formats]
    least, branch = min(
        ((row, b) for b, formats in layers.items() for row in formats),
        key=lambda pair: pair[0].headroom_bits,
    )
    text = (
        f"Every value is an integer times 2^-fraction; weights have 8 bits, potentials "
        f"{POTENTIAL_BITS}. Proven at export: no potential can overflow. Least head-room: "
        f"{least.headroom_bits:.2f} bits in {least.name} ({branch} branch).",
    )
    table = Table.of("formats", title, rows, FORMATS, FOLDED_FORMATS)
    return Section("formats", title, text, (headroom_figure(layers),), (table,))
