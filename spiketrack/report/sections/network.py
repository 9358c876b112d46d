"""Section on the network's structure: blocks of both branches and the memory between them."""

from __future__ import annotations

from spiketrack.pages.parts import Drawing, Section
from spiketrack.report.figures.graph import network_svg
from spiketrack.report.names import file_name
from spiketrack.report.sources import Sources


def network_section(sources: Sources) -> Section:
    """The drawing, whose blocks lead to their rows; needs the export's manifest."""
    title = "Network"
    manifest = sources.run.manifest
    if manifest is None:
        export = file_name(sources.run.about.export)
        gone = f"Not available: {export} holds no export of this network any more; export it again."
        return Section("network", title, (gone,))
    energy = sources.run.priced
    energies = {
        (row.branch, row.name): (row.energy_pj, row.energy_share)
        for row in (*energy.layers, *energy.template.layers)
    }
    layers = ", ".join(
        f"{len(rows):,} in the {branch} branch" for branch, rows in manifest.layers.items()
    )
    text = (
        f"Layers: {layers}. The template branch writes a memory, which the search branch reads in "
        "every frame.",
    )
    note = (
        "A box is a block of layers, its bar the share of the energy of its branch; it leads to "
        "its rows of the energy table. Dashed lines are memories."
    )
    drawing = Drawing(
        "network", "Blocks of the network", network_svg(manifest.layers, energies), note
    )
    return Section("network", title, text, drawings=(drawing,))
