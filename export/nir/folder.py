"""The exported network: two verified integer graphs and the folder they are kept in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from spiketrack import hdf5
from spiketrack.config import NetworkConfig, TrackerConfig
from spiketrack.documents.digests import folder_digests, require_digest
from spiketrack.documents.manifest import Manifest
from spiketrack.errors import DocumentError, NirError
from spiketrack.export.nir.reader import read_nir
from spiketrack.export.nir.writer import write_nir
from spiketrack.inference import BRANCHES, SEARCH, TEMPLATE
from spiketrack.integer.digest import network_digest
from spiketrack.integer.graph import MEMORY, Graph
from spiketrack.integer.rules.checks import check
from spiketrack.integer.rules.ranges import Range
from spiketrack.notebook.markup import table_html

MANIFEST = "manifest.json"
NOTE = "Proven when it was made and when it was read: no partial sum leaves 24 bits."


@dataclass(frozen=True, eq=False, repr=False)
class ExportedNetwork:
    """``graphs`` by branch, sizes, tracker settings, and the manifest that describes them."""

    graphs: Mapping[str, Graph]
    config: NetworkConfig
    tracker: TrackerConfig
    manifest: Manifest

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {len(graph)} nodes" for name, graph in self.graphs.items())
        digest = self.manifest.network_digest[:12]
        return f"ExportedNetwork({self.config.variant}: {sizes}, digest {digest})"

    def _repr_html_(self) -> str:
        """For notebooks: a row a branch."""
        rows = [
            (
                branch,
                len(graph),
                len(graph.populations),
                sum(math.prod(node.shape[1:]) for node in graph.populations),
                sum(row.dense_mac for row in self.manifest.layers[branch]),
                min(row.headroom_bits for row in self.manifest.layers[branch]),
            )
            for branch, graph in self.graphs.items()
        ]
        columns = ("branch", "nodes", "populations", "neurons", "dense MACs", "head-room, bits")
        return table_html(repr(self), columns, rows, note=NOTE)


def write_export(network: ExportedNetwork, folder: Path) -> ExportedNetwork:
    """Write ``template.nir``, ``search.nir`` and ``manifest.json`` into an existing folder."""
    for branch in BRANCHES:
        write_nir(network.graphs[branch], folder / f"{branch}.nir")
    return write_manifest(network, folder)


def write_manifest(network: ExportedNetwork, folder: Path) -> ExportedNetwork:
    """Write ``manifest.json`` with the digests of all other files; the network that says so."""
    files = folder_digests(folder, MANIFEST)
    for branch in BRANCHES:
        hdf5.remember(files[f"{branch}.nir"])
    manifest = network.manifest.model_copy(update={"files": files})
    (folder / MANIFEST).write_text(manifest.text(), encoding="utf-8")
    return replace(network, manifest=manifest)


def is_export(path: Path) -> bool:
    """Whether a path looks like an export folder."""
    return path.is_dir() and (path / MANIFEST).exists()


def read_export(folder: str | Path) -> ExportedNetwork:
    """Read and check an export folder; ``NirError`` or ``GraphError`` says what is wrong."""
    folder = Path(folder)
    manifest = read_manifest(folder)
    graphs = {branch: _read_branch(folder, branch, manifest) for branch in BRANCHES}
    proven = {branch: check(graphs[branch], f"reading {folder}/{branch}.nir") for branch in graphs}
    _bounds_hold(folder, graphs, proven[TEMPLATE])
    config = NetworkConfig(**manifest.network.model_dump(exclude={"variant"}))
    _agree(folder, graphs, config, manifest.network.variant)
    if network_digest(graphs) != manifest.network_digest:
        raise NirError(
            f"{folder}/{MANIFEST}: network_digest is not that of the graphs; {Manifest.REMEDY}"
        )
    return ExportedNetwork(graphs, config, TrackerConfig(**manifest.tracker.model_dump()), manifest)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an export folder by itself; ``NirError`` for whatever is none."""
    if not folder.exists():
        from spiketrack.reference.checkpoint import BUNDLED

        name = str(folder) if str(folder) in BUNDLED else f"CHECKPOINT --out {folder}"
        raise NirError(f"{folder}: no such folder; spiketrack export {name} writes it")
    if not (folder / MANIFEST).is_file():
        raise NirError(f"{folder}: no {MANIFEST}; this is no export folder")
    try:
        return Manifest.read(folder / MANIFEST)
    except DocumentError as error:
        raise NirError(str(error)) from None


def _read_branch(folder: Path, branch: str, manifest: Manifest) -> Graph:
    path = folder / f"{branch}.nir"
    try:
        require_digest(path, manifest.files, MANIFEST, Manifest.REMEDY)
    except DocumentError as error:
        raise NirError(str(error)) from None
    graph = read_nir(path)
    if graph.name != branch:
        raise NirError(f"{path}: holds the {graph.name} branch")
    return graph


def _bounds_hold(folder: Path, graphs: Mapping[str, Graph], written: Mapping[str, Range]) -> None:
    """The search branch's head-room rests on bounds of its memories: what is written keeps them."""
    for node in graphs[SEARCH].inputs:
        reach = written.get(node.name) if node.signal == MEMORY else None
        if reach is None:
            continue
        low, high = float(reach.low.min()), float(reach.high.max())
        if not node.low <= low <= high <= node.high:
            raise NirError(
                f"{folder}/search.nir: {node.name}: bounds {node.low:,}..{node.high:,}, but "
                f"template.nir writes {low:,.0f}..{high:,.0f}; export the checkpoint again"
            )


def _agree(folder: Path, graphs: Mapping[str, Graph], config: NetworkConfig, variant: str) -> None:
    """The graphs must have the sizes that the manifest claims, and the same memory."""
    side, steps = config.resolution, config.templates
    expected = {TEMPLATE: (steps, 3, side, side), SEARCH: (1, 3, side, side)}
    for branch, graph in graphs.items():
        if graph["image"].shape != expected[branch]:
            raise NirError(
                f"{folder}/{branch}.nir: crops of shape {graph['image'].shape}, "
                f"the manifest says {expected[branch]}"
            )
    written = {node.name: node.shape for node in graphs[TEMPLATE].outputs}
    read = {node.name: node.shape for node in graphs[SEARCH].inputs if node.signal == MEMORY}
    if written != read:
        raise NirError(
            f"{folder}: search.nir reads memories {list(read.values())}, "
            f"template.nir writes {list(written.values())}; export the checkpoint again"
        )
    if tuple(written.values()) != config.memory_shapes or variant != config.variant:
        raise NirError(
            f"{folder}/{MANIFEST}: network {variant}, embed_dims {config.embed_dims} is not that "
            f"of the graphs; {Manifest.REMEDY}"
        )
