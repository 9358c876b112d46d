"""Where ``info --graph`` writes the process graphs, by the suffix of the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from spiketrack.errors import UnsupportedError

if TYPE_CHECKING:
    from spiketrack.export.nir.folder import ExportedNetwork

GRAPH_HELP = (
    "Write processes, ports and connections of both branches: .json for other tool chains, "
    ".svg or .dot to look at."
)


def graph_writer(path: Path) -> Callable[[ExportedNetwork], None]:
    """What writes ``path``; ``UnsupportedError`` for another suffix."""
    if path.suffix not in _TEXTS:
        raise UnsupportedError(f"--graph {path}: ends in none of {', '.join(_TEXTS)}")

    def write(network: ExportedNetwork) -> None:
        from spiketrack.files import atomic_path

        text = _TEXTS[path.suffix](network)
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")

    return write


def _json(network: ExportedNetwork) -> str:
    from spiketrack.deploy.process_graph.document import document

    return document(network.graphs).text()


def _svg(network: ExportedNetwork) -> str:
    from spiketrack.deploy.process_graph.document import branches, document
    from spiketrack.deploy.process_graph.drawing import svg

    return svg(branches(document(network.graphs)))


def _dot(network: ExportedNetwork) -> str:
    from spiketrack.deploy.process_graph.document import branches, document
    from spiketrack.deploy.process_graph.drawing import dot

    return dot(branches(document(network.graphs)))


_TEXTS = {".json": _json, ".svg": _svg, ".dot": _dot}
