"""``spiketrack schema``: the JSON Schema of every document that this program writes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spiketrack.commands.targets import will_write
from spiketrack.terminal.console import say


def schema(
    name: Annotated[
        str | None, typer.Argument(help="Document; without it, all of them are listed.")
    ] = None,
    json: Annotated[Path, typer.Option(help="Where the schema goes; - is standard output.")] = Path(
        "-"
    ),
) -> None:
    """Print the JSON Schema of a document: manifest, run, verify, energy, map and others."""
    from spiketrack.documents import SCHEMAS
    from spiketrack.errors import UnsupportedError, printable
    from spiketrack.files import write_json

    if name is None:
        for known, kind in SCHEMAS.items():
            key, identity, version = kind.identity()
            say(f"{known:<11} {key} {identity} {version}; {kind.REMEDY}")
        return
    if name not in SCHEMAS:
        raise UnsupportedError(f"schema {printable(name, 60)}: there are {', '.join(SCHEMAS)}")
    will_write(json=json)
    write_json(json, SCHEMAS[name].json_schema())
