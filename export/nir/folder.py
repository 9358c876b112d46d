"""The exported network: two verified integer graphs and the folder they are kept in."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from spiketrack.config import NetworkConfig, TrackerConfig
from spiketrack.errors import NirError
from spiketrack.export.nir.reader import read_nir
from spiketrack.export.nir.writer import write_nir
from spiketrack.inference import BRANCHES, SEARCH, TEMPLATE
from spiketrack.integer.graph import MEMORY, Graph
from spiketrack.integer.rules.checks import check
from spiketrack.version import FORMAT_VERSION

FORMAT = "spiketrack-export"


@dataclass(frozen=True, eq=False)
class ExportedNetwork:
    """``graphs`` by branch, sizes, tracker settings, and the manifest that describes them."""

    graphs: Mapping[str, Graph]
    config: NetworkConfig
    tracker: TrackerConfig
    manifest: Mapping[str, Any]


def write_export(network: ExportedNetwork, folder: Path) -> None:
    """Write ``template.nir``, ``search.nir`` and ``manifest.json`` into an existing folder."""
    for branch in BRANCHES:
        write_nir(network.graphs[branch], folder / f"{branch}.nir")
    write_manifest(network, folder)


def write_manifest(network: ExportedNetwork, folder: Path) -> None:
    """Write ``manifest.json`` into an export folder."""
    text = json.dumps(network.manifest, indent=1, allow_nan=False) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def is_export(path: Path) -> bool:
    """Whether a path looks like an export folder."""
    return path.is_dir() and (path / "manifest.json").exists()


def read_export(folder: Path) -> ExportedNetwork:
    """Read and check an export folder; ``NirError`` or ``GraphError`` says what is wrong."""
    manifest = _read_manifest(folder)
    graphs = {}
    for branch in BRANCHES:
        path = folder / f"{branch}.nir"
        graphs[branch] = read_nir(path)
        if graphs[branch].name != branch:
            raise NirError(f"{path}: holds the {graphs[branch].name} branch")
        check(graphs[branch], f"reading {path}")
    try:
        config = _from_dict(NetworkConfig, manifest["network"])
        tracker = _from_dict(TrackerConfig, manifest["tracker"])
    except (KeyError, TypeError, ValueError) as error:
        raise NirError(f"{folder}/manifest.json: {error} is missing, unknown or wrong") from None
    _agree(folder, graphs, config)
    return ExportedNetwork(graphs, config, tracker, manifest)


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    if not folder.exists():
        raise NirError(f"{folder}: no such folder; export a checkpoint first")
    if not path.is_file():
        raise NirError(f"{folder}: no manifest.json; this is no export folder")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        kind, version = manifest["format"], manifest["version"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise NirError(f"{path}: unreadable ({type(error).__name__}: {error})") from None
    if kind != FORMAT:
        raise NirError(f"{path}: format {kind}, not {FORMAT}")
    if version != FORMAT_VERSION:
        raise NirError(
            f"{path}: written as version {version}, this program reads {FORMAT_VERSION}; "
            "export the checkpoint again"
        )
    return dict(manifest)


def _from_dict(kind: type[Any], values: Mapping[str, Any]) -> Any:
    if not isinstance(values, Mapping):
        raise TypeError(f"{kind.__name__} ({values})")
    known = {field.name for field in fields(kind)}
    chosen = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if k in known}
    for name, value in chosen.items():
        numbers = value if isinstance(value, tuple) else (value,)
        if not all(isinstance(n, (int, float)) and 0 <= n < math.inf for n in numbers):
            raise ValueError(f"{name} = {value}")
    return kind(**chosen)


def _agree(folder: Path, graphs: Mapping[str, Graph], config: NetworkConfig) -> None:
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
