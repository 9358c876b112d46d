"""``spiketrack info``: what a checkpoint or an export folder holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spiketrack.commands.inputs import Key, is_export, open_checkpoint, refuse_key
from spiketrack.commands.targets import then_show, will_write
from spiketrack.commands.views import LAYERS_HELP
from spiketrack.commands.views.processes import GRAPH_HELP, graph_writer

if TYPE_CHECKING:
    from spiketrack.documents.manifest import InfoDocument
    from spiketrack.export.nir.folder import ExportedNetwork


def info(
    source: Annotated[
        str, typer.Argument(help="Checkpoint, export folder, or bundled weights: nano, nano-t3.")
    ],
    key: Key = None,
    layers: Annotated[bool, typer.Option("--layers", help=LAYERS_HELP)] = False,
    json: Annotated[Path | None, typer.Option(help="Write everything as JSON.")] = None,
    graph: Annotated[Path | None, typer.Option(help=GRAPH_HELP)] = None,
) -> None:
    """Show variant, sizes and parameters by stage; with --layers shapes and formats of all layers.

    A checkpoint is folded and quantised without calibration to show its formats.
    """
    from spiketrack.commands.views.network import show_network

    will_write((source,), json=json, graph=graph)
    write_graph = graph_writer(graph) if graph is not None else None
    network, parameters = _open(source, key)
    document = _document(network, parameters)
    with then_show(lambda: show_network(document.to_json(), layers)):
        if json is not None:
            document.write(json)
        if write_graph is not None:
            write_graph(network)


def _open(source: str, key: str | None) -> tuple[ExportedNetwork, int | None]:
    """The network, and the parameters of a checkpoint."""
    from spiketrack.export.nir.folder import read_export
    from spiketrack.pipeline import compile_network
    from spiketrack.steps.left import left

    if is_export(source):
        refuse_key(key, source)
        return read_export(left(Path(source)).export), None
    checkpoint = open_checkpoint(source, key)
    count = sum(value.numel() for value in checkpoint.state.values())
    return compile_network(checkpoint, None), count


def _document(network: ExportedNetwork, parameters: int | None) -> InfoDocument:
    """The manifest, and the Lava process of every layer."""
    from spiketrack.deploy.process_graph.grouping import group
    from spiketrack.documents.manifest import InfoDocument, PlacedLayer

    layers = {}
    for branch, rows in network.manifest.layers.items():
        parts = group(network.graphs[branch]).parts
        home = {node: part.name for part in parts for node in part.nodes}
        layers[branch] = tuple(PlacedLayer(**dict(row), process=home.get(row.name)) for row in rows)
    given = dict(network.manifest)
    del given["schema_id"], given["version"]
    return InfoDocument(**given | {"layers": layers, "parameters": parameters})
