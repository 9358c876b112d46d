"""The network as a picture: its processes and what they send to each other, for a notebook."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from spiketrack.deploy.process_graph.document import branches, document
from spiketrack.deploy.process_graph.drawing import svg
from spiketrack.export.nir.folder import ExportedNetwork, read_export
from spiketrack.files import atomic_path
from spiketrack.steps.left import left
from spiketrack.targets import check_target


@dataclass(frozen=True, eq=False, repr=False)
class NetworkDrawing:
    """Both branches side by side, a box a process, as ``svg``; a notebook shows the picture."""

    title: str
    svg: str

    def save(self, path: str | Path) -> Path:
        """Write the SVG; the path of the file."""
        place = Path(path)
        check_target("path", place, [])
        with atomic_path(place) as temporary:
            temporary.write_text(self.svg, encoding="utf-8")
        return place

    def __repr__(self) -> str:
        return f"NetworkDrawing({self.title})"

    def _repr_html_(self) -> str:
        """As a picture of its own, whose style reaches nothing else of the page."""
        data = base64.b64encode(self.svg.encode()).decode()
        look = "max-width: 100%; background: white"
        return f'<img alt="{self.title}" style="{look}" src="data:image/svg+xml;base64,{data}">'


def draw_network(export: str | Path | ExportedNetwork) -> NetworkDrawing:
    """The picture of an exported network, as ``spiketrack info --graph`` writes it.

    ``export``: an export folder, a folder that ``spiketrack run`` or ``simulate`` left, or what
    ``export_checkpoint`` returned. ``NirError`` where a folder holds no export.
    """
    if isinstance(export, ExportedNetwork):
        network = export
    else:
        network = read_export(left(Path(export)).export)
    graphs = branches(document(network.graphs))
    sizes = ", ".join(f"{name} {len(graph.processes)}" for name, graph in graphs.items())
    return NetworkDrawing(f"{network.config.variant}, processes: {sizes}", svg(graphs))
