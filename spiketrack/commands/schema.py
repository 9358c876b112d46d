"""``spiketrack schema``: the JSON Schema of every document that this program writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spiketrack.commands.targets import will_write
from spiketrack.terminal.console import say

if TYPE_CHECKING:
    from spiketrack.documents.base import Document


def published() -> dict[str, type[Document]]:
    """Every document by name; the chip's program is typed where its layers are."""
    from spiketrack.deploy.chip.program_document import ChipDocument
    from spiketrack.documents import SCHEMAS

    return {**SCHEMAS, "chip": ChipDocument}


def schema(
    name: Annotated[
        str | None, typer.Argument(help="Document; without it, all of them are listed.")
    ] = None,
    json: Annotated[Path, typer.Option(help="Where the schema goes; - is standard output.")] = Path(
        "-"
    ),
) -> None:
    """Print the JSON Schema of a document: manifest, run, verify, energy, map and others."""
    from spiketrack.errors import UnsupportedError, printable
    from spiketrack.files import write_json

    kinds = published()
    if name is None:
        for known, kind in kinds.items():
            key, identity, version = kind.identity()
            say(f"{known:<15} {key} {identity} {version}; {kind.REMEDY}")
        return
    if name not in kinds:
        raise UnsupportedError(f"schema {printable(name, 60)}: there are {', '.join(kinds)}")
    will_write(json=json)
    write_json(json, kinds[name].json_schema())
