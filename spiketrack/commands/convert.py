"""``spiketrack convert``: any checkpoint → clean ``.safetensors`` with metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spiketrack.commands.inputs import Key, open_checkpoint
from spiketrack.terminal.console import say


def convert(
    checkpoint: Annotated[
        str, typer.Argument(help="Checkpoint file, or bundled weights: nano, nano-t3.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="File to write: NAME.safetensors.")],
    key: Key = None,
    strip: Annotated[
        bool,
        typer.Option(
            "--strip", help="Take the tensors of a file that is refused; its code is never run."
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a checkpoint as .safetensors: SpikeTrack's keys alone, in float32, checked.

    Its metadata holds the tracker's settings, the source's own texts, its name and SHA-256.
    """
    from spiketrack.reference.checkpoint import resolve_checkpoint, save_state

    check_file(out, resolve_checkpoint(checkpoint), force)
    read = open_checkpoint(checkpoint, key, strip)
    source = {"source": read.path.name, "source_sha256": read.sha256}
    chosen = {"source_key": read.key} if read.key else {}
    about = dict(read.metadata) | source | chosen | {"variant": read.network.variant}
    state = {name: value.clone() for name, value in read.state.items()}  # views no more
    save_state(out, state, read.tracker, about)
    count = sum(value.numel() for value in read.state.values())
    say(f"{out}: {read.network.variant}, {len(read.state):,} tensors, {count:,} numbers in float32")
    say(f"  {out.stat().st_size / 1e6:.1f} MB; metadata: {', '.join(sorted(about))}, spiketrack")


def check_file(out: Path, source: Path, force: bool) -> None:
    """Refuse another format, the source itself, and an existing file without ``force``."""
    from spiketrack.errors import ConfigError
    from spiketrack.targets import check_target

    if out.suffix != ".safetensors":
        raise ConfigError(f"{out}: convert writes .safetensors; give such a name")
    check_target("OUT", out, [source])
    if out.exists() and not force:
        raise ConfigError(f"{out}: exists already; choose another name or give --force")
