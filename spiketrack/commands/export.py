"""``spiketrack export`` (also ``spiketrack-export``): checkpoint → NIR files and manifest."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spiketrack.commands.inputs import TERMINAL, Key, open_checkpoint
from spiketrack.commands.targets import then_show, will_fill, will_write
from spiketrack.terminal.console import begin, say

if TYPE_CHECKING:
    from spiketrack.calibration import CalibrationData


def export(
    checkpoint: Annotated[
        str, typer.Argument(help="Checkpoint file, or bundled weights: nano, nano-t3.")
    ],
    key: Key = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; default: the checkpoint's stem.")
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(help="Clip to calibrate on (with --box); default: the bundled clip."),
    ] = None,
    box: Annotated[
        str | None, typer.Option(help="x,y,w,h of the object in its first frame, pixels from 0.")
    ] = None,
    also: Annotated[
        str, typer.Option(help="Further formats, comma separated: onnx, standard-nir, netx.")
    ] = "",
    force: Annotated[bool, typer.Option(help="Replace an existing folder.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write the manifest here as well.")] = None,
) -> None:
    """Quantise a checkpoint and write template.nir, search.nir and manifest.json.

    The folder appears complete or not at all; the same input gives the same bytes.
    """
    from spiketrack.ownership import EXPORT

    folder = out or Path(stem(checkpoint))
    will_write((checkpoint, calibrate), json=json)
    will_fill(folder, EXPORT, force, (checkpoint, calibrate))
    begin(f"{checkpoint}: reading, calibrating, quantising, writing {folder}")
    from spiketrack.inference import BRANCHES
    from spiketrack.steps.export import export as run

    read = open_checkpoint(checkpoint, key)
    formats = tuple(name.strip() for name in also.split(",") if name.strip())
    made = run(read, folder, calibrate, box, force, formats, TERMINAL)
    manifest = made.network.manifest

    def show() -> None:
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        graphs = made.network.graphs
        nodes = ", ".join(f"{name}.nir ({len(graphs[name])} nodes)" for name in BRANCHES)
        margin = min(row.headroom_bits for rows in manifest.layers.values() for row in rows)
        say(f"{folder}: {nodes}")
        say(f"  variant {manifest.network.variant}, {size / 1e6:.1f} MB in all")
        say(f"  least static head-room of 24 bits: {margin:.2f} bits; see manifest.json")
        say(f"  calibrated on {made.data.frames} frames of {_clip(made.data, calibrate)}")
        say(
            f"  quantised: {made.loss.mean_mismatch_rate:.2%} of counts differ from float on those "
            f"crops, teacher-forced (worst population {made.loss.worst_mismatch_rate:.2%})"
        )
        say(f"next: {_next(folder, calibrate, box)}")

    with then_show(show):
        if json is not None:
            manifest.write(json)


def _clip(data: CalibrationData, given: Path | None) -> str:
    where = ",".join(f"{value:g}" for value in data.box.as_tuple())
    return f"{data.source}, box {where}" + ("" if given else " (the bundled clip)")


def _next(folder: Path, clip: Path | None, box: str | None) -> str:
    words = ["spiketrack", "simulate", str(folder)]
    return shlex.join(words if clip is None else [*words, "--video", str(clip), "--box", box or ""])


def stem(checkpoint: str) -> str:
    """File name without folders and suffixes: ``a/model.pth.tar`` → ``model``."""
    return Path(checkpoint).name.split(".")[0] or "export"
