"""``spiketrack info``: what a checkpoint or an export folder holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spiketrack.commands.inputs import Key, is_export, open_checkpoint, refuse_key
from spiketrack.commands.tables import say, table
from spiketrack.commands.targets import will_write

if TYPE_CHECKING:
    from spiketrack.export.nir.folder import ExportedNetwork

COLUMNS = (
    "layer", "type", "shape", "weights", "weight shape", "dense MAC", "fraction", "head-room bits",
    "Lava process",
)  # fmt: skip


def info(
    source: Annotated[
        str, typer.Argument(help="Checkpoint, export folder, or bundled weights: nano, nano-t3.")
    ],
    key: Key = None,
    json: Annotated[Path | None, typer.Option(help="Write everything as JSON.")] = None,
) -> None:
    """Show variant, sizes, parameters and a row a layer: shapes, weights, MACs, number formats.

    The last column names the Lava process that executes the layer.
    A checkpoint is folded and quantised without calibration to show its formats.
    """
    from spiketrack.files import write_json

    will_write((source,), json=json)
    found = _describe(source, key)
    if json is not None:
        write_json(json, found)
    network = found["network"]
    say(f"variant {network['variant']}: T = {network['templates']}, grid {network['grid']}")
    say(f"embed dims {network['embed_dims']}, head {network['head_channels']} channels")
    if "parameters" in found:
        say(f"parameters {found['parameters']:,}")
    say(f"tracker {found['tracker']}")
    for branch, rows in found["layers"].items():
        table(f"{branch} branch", COLUMNS, (_row(row) for row in rows))
        dense = sum(row["dense_mac"] for row in rows)
        weights = sum(row.get("weights", 0) for row in rows)
        processes = len({row["process"] for row in rows if row["process"]})
        say(
            f"{branch}: {len(rows)} nodes, {weights:,} weights, {dense:,} dense MACs, "
            f"{processes} Lava processes"
        )


def _describe(source: str, key: str | None) -> dict[str, Any]:
    from spiketrack.export.nir.folder import read_export
    from spiketrack.pipeline import compile_network

    if is_export(source):
        refuse_key(key, source)
        return _placed(read_export(Path(source)))
    checkpoint = open_checkpoint(source, key)
    count = sum(value.numel() for value in checkpoint.state.values())
    return _placed(compile_network(checkpoint, None)) | {"parameters": count}


def _placed(network: ExportedNetwork) -> dict[str, Any]:
    """The manifest, and the Lava process of every layer (none for inputs and outputs)."""
    from spiketrack.deploy.process_graph.grouping import group

    layers = {}
    plain = network.manifest.to_json()
    for branch, rows in plain["layers"].items():
        parts = group(network.graphs[branch]).parts
        home = {node: part.name for part in parts for node in part.nodes}
        layers[branch] = [row | {"process": home.get(row["name"])} for row in rows]
    return plain | {"layers": layers}


def _row(row: Mapping[str, Any]) -> tuple[Any, ...]:
    keys = (
        "name", "type", "shape", "weights", "weight_shape", "dense_mac", "fraction",
        "headroom_bits", "process",
    )  # fmt: skip
    return tuple(row.get(key) for key in keys)
