"""Section on number formats and head-room, from the export's manifest."""

from __future__ import annotations

from spiketrack.limits import POTENTIAL_BITS
from spiketrack.pages.parts import Section, Table
from spiketrack.report.figures.network import headroom_figure
from spiketrack.report.names import file_name
from spiketrack.report.sources import Sources

FORMATS = (
    "branch", "name", "type", "signal", "shape", "weights", "weight_shape", "weight_bits", "shift",
    "fraction", "peak", "headroom_bits", "thresholds", "reset", "decay", "dense_mac",
)  # fmt: skip
FOLDED_FORMATS = ("weight_shape", "thresholds", "reset", "decay", "dense_mac")


def formats_section(sources: Sources) -> Section:
    """Number formats and head-room, from the export's manifest."""
    title = "Number formats"
    manifest = sources.run.manifest
    if manifest is None:
        export = file_name(sources.run.about.export)
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
