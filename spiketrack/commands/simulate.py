"""``spiketrack simulate``: closed-loop tracking on a backend, with counts and operations."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from spiketrack.commands.inputs import (
    EXPORT_HELP,
    TERMINAL,
    FirstBox,
    Key,
    Video,
    end_with,
    open_exported,
)
from spiketrack.commands.options.backend import PROCESSES_HELP
from spiketrack.commands.targets import will_fill
from spiketrack.simulators.backends import either, find
from spiketrack.terminal.amounts import counted
from spiketrack.terminal.console import begin, say

BACKEND_HELP = f"{either()}; operations, which energy prices: {either(operations=True)}."
CHECKPOINT_HELP = f"Checkpoint, which the {either(needs='checkpoint')} backend needs."


def simulate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=EXPORT_HELP)],
    video: Video = None,
    box: FirstBox = None,
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("run"),
    frames: Annotated[int | None, typer.Option(help="Frames after the first.")] = None,
    backend: Annotated[str, typer.Option(help=BACKEND_HELP)] = "lava",
    checkpoint: Annotated[str | None, typer.Option(help=CHECKPOINT_HELP)] = None,
    key: Key = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda, for float.")] = "auto",
    update_every: Annotated[
        int | None, typer.Option(help="Frames between template updates; default: the network's.")
    ] = None,
    update_threshold: Annotated[
        float | None, typer.Option(help="Confidence that an update needs.")
    ] = None,
    counts: Annotated[
        str,
        typer.Option(
            help="totals: operations of every layer; full: also every count of every population."
        ),
    ] = "totals",
    threads: Annotated[int, typer.Option(help="Threads in each Lava process.")] = 1,
    processes: Annotated[str, typer.Option(help=PROCESSES_HELP)] = "block",
    timeout: Annotated[float, typer.Option(help="Seconds a Lava step may take.")] = 120.0,
    mode: Annotated[
        str,
        typer.Option(help="chip, lava-chip: fall-through, or pipelined between two other frames."),
    ] = "fall-through",
    spikes: Annotated[
        str, typer.Option(help="chip, lava-chip: graded, or binary: a count as up to four spikes.")
    ] = "graded",
    tiles: Annotated[
        str, typer.Option(help="chip, lava-chip: copies of products, as for map: 16, 8x2, auto.")
    ] = "1",
    map: Annotated[
        Path | None,
        typer.Option(
            help="chip, lava-chip: placement from map --json; records each core and link too."
        ),
    ] = None,
    chip: Annotated[
        Path | None,
        typer.Option(
            help="chip, lava-chip: run the programs of this chip.json as they are written."
        ),
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace an existing run.")] = False,
) -> None:
    """Track an object with the exported network and record what every layer did.

    Writes RUN/boxes.csv, RUN/counts.h5 and RUN/run.json (see spiketrack.runs.folder); the chip
    backend RUN/chip.json as well.
    """
    begin(f"{folder}: starting {backend}")
    from spiketrack.errors import ConfigError
    from spiketrack.export.nir.folder import read_manifest
    from spiketrack.ownership import RUN
    from spiketrack.steps.left import left
    from spiketrack.steps.simulate import Execution
    from spiketrack.steps.simulate import simulate as run

    if counts not in ("full", "totals"):
        raise ConfigError(f"--counts {counts}: choose full or totals")
    inputs = (folder, video, checkpoint, map, chip)
    will_fill(out, RUN, force, inputs)
    find(backend)
    there = left(folder)
    if checkpoint is None and key is None and find(backend).needs == "checkpoint":
        checkpoint, key = there.checkpoint, there.key
    if video is None and box is None:
        video, box = there.video, there.box
    read = open_exported(checkpoint, key, read_manifest(there.export))
    how = Execution(
        backend,
        device,
        update_every,
        update_threshold,
        "full" if counts == "full" else "totals",
        threads,
        timeout,
        mode,
        spikes,
        tiles,
        processes,
        str(map or ""),
        str(chip or ""),
    )
    made = run(there.export, out, video, box, frames, how, read, force, inputs, TERMINAL)
    tracked = counted(made.about.frames, "frame")
    say(f"{out}: {tracked} on {backend}, {made.about.seconds.median:.3f} s a frame (median)")
    say(f"  {', '.join(sorted(made.about.files))}, run.json; counts: {counts}")
    say(f"  the network was calibrated on {made.calibrated_on}")
    if "chip.json" in made.about.files:
        say_activity(out)
    if find(backend).operations:
        say(f"next: spiketrack energy {shlex.quote(str(out))}")
    end_with(made.warnings, made.problems)


def say_activity(run: Path) -> None:
    """What one run of the search program does, in the mean over the frames."""
    from spiketrack.inference import SEARCH
    from spiketrack.runs.activity import read_activity

    means = read_activity(run, SEARCH).means()
    say(
        f"  search on the chip: {means['step']:,.0f} time steps, {means['messages']:,.0f} messages "
        f"of {means['bits']:,.0f} bits together, {means['operations']:,.0f} synaptic operations, "
        f"{means['updates']:,.0f} updates of neurons"
    )
