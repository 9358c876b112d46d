"""``spiketrack verify``: the same crops through every backend, compared count by count."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from spiketrack.commands.targets import then_show, will_write
from spiketrack.errors import ConfigError
from spiketrack.simulators.backends import FLOAT, INTEGER
from spiketrack.simulators.backends import names as backend_names
from spiketrack.terminal.amounts import counted
from spiketrack.terminal.console import begin, say
from spiketrack.terminal.table import Column, table
from spiketrack.verification import YARDSTICK_FRAMES

if TYPE_CHECKING:
    from spiketrack.documents.verification import FloatPart, FrameRow, VerifyDocument
    from spiketrack.documents.yardstick import Compared, Yardstick

WORST = 4  # populations shown of the float comparison
BACKENDS_HELP = (
    f"Comma separated: {', '.join(backend_names())}; integer is always among them. "
    "Default: float,integer,lava."
)
LAST = 2  # frames whose boxes are shown


def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=EXPORT_HELP)],
    checkpoint: Annotated[
        str | None, typer.Option(help="The checkpoint that was exported; float needs it.")
    ] = None,
    key: Key = None,
    video: Video = None,
    box: FirstBox = None,
    frames: Annotated[int, typer.Option(help="Frames after the first.")] = 10,
    backends: Annotated[str | None, typer.Option(help=BACKENDS_HELP)] = None,
    update_every: Annotated[
        int | None, typer.Option(help="Frames between template updates; default: the network's.")
    ] = None,
    update_threshold: Annotated[
        float | None, typer.Option(help="Confidence that an update needs.")
    ] = None,
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
    yardstick: Annotated[
        int,
        typer.Option(min=1, help="Frames on which float runs in float64 too: what it is worth."),
    ] = YARDSTICK_FRAMES,
    amplification: Annotated[
        int,
        typer.Option(
            min=0,
            help="Searches, with float: the share of counts that differ after one count is changed "
            "by one, and after the crop is shifted by a pixel.",
        ),
    ] = 0,
    chip: Annotated[
        Path | None,
        typer.Option(
            help="chip, lava-chip: run the programs of this chip.json as they are written."
        ),
    ] = None,
    layers: Annotated[bool, typer.Option("--layers", help="Show every population.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write all findings as JSON.")] = None,
) -> None:
    """Prove that the integer backends agree, and measure what quantisation changed.

    Crops follow the integer backend's boxes. Exit code 1 if an exact backend differs in a count
    or map, with the first population, step and index. The loss against float ends no run: it is
    measured, and judged by what float64 of the same network differs from float32. A clip that
    fails midway is compared up to there, exit code 1.
    """
    begin(f"{folder}: the same crops through every backend")
    from spiketrack.export.nir.folder import read_manifest
    from spiketrack.steps.left import left
    from spiketrack.steps.simulate import Execution
    from spiketrack.steps.verify import chosen_backends
    from spiketrack.steps.verify import verify as run

    will_write((folder, checkpoint, video, chip), json=json)
    there = left(folder)
    names = chosen_backends(backends or _default(there.backend))
    if amplification and FLOAT not in names:
        raise ConfigError("--amplification: is of the float network; give --backends float")
    if checkpoint is None and key is None:
        checkpoint, key = there.checkpoint, there.key
    if video is None and box is None:
        video, box = there.video, there.box
    read = open_exported(checkpoint, key, read_manifest(there.export))
    how = Execution(
        update_every=update_every,
        update_threshold=update_threshold,
        threads=threads,
        timeout=timeout,
        mode=mode,
        spikes=spikes,
        tiles=tiles,
        processes=processes,
        chip=str(chip or ""),
    )
    verified = run(
        there.export, names, video, box, frames, how, read, TERMINAL, yardstick, amplification
    )
    report = verified.document
    with then_show(lambda: _show(report, layers)):
        if json is not None:
            report.write(json)
    if report.exact is False:
        for line in verified.divergences:
            say(f"spiketrack: {line}")
    end_with(verified.warnings, verified.problems)
    if report.exact is False:
        raise typer.Exit(1)


def _default(backend: str | None) -> str:
    """Float, integer, and the backend of the run that is there, else Lava."""
    return f"float,integer,{backend if backend not in (None, FLOAT, INTEGER) else 'lava'}"


def _show(report: VerifyDocument, layers: bool) -> None:
    """What quantisation changed, boxes, then the backends and the verdict."""
    if report.float_ is not None:
        _show_float(report.float_, layers)
    _show_boxes(report.boxes)
    if report.backends:
        _show_backends(report)
    if report.exact is None:
        say("no exact backend was compared with integer: float alone", "bold")
    elif report.exact:
        say(
            f"exact: {' and '.join(['integer', *report.backends])} agree in all "
            f"{report.counts_compared:,} counts and in every map",
            "bold green",
        )
    else:
        say(
            f"not exact: {report.mismatches:,} of {report.counts_compared:,} counts differ",
            "bold red",
        )


def _show_backends(report: VerifyDocument) -> None:
    rows = [
        (name, entry.exact, entry.counts_compared, entry.mismatches, entry.maps_differ)
        for name, entry in report.backends.items()
    ]
    columns = ("backend", "exact", "counts compared", "mismatches", "maps that differ")
    title = f"against integer, {counted(report.frames, 'frame')}, {report.populations} populations"
    table(title, columns, rows)


def _show_boxes(boxes: Sequence[FrameRow]) -> None:
    """Boxes side by side, each backend's own; those of exact backends are the integer ones."""
    shown = boxes[-LAST:]
    names = list(shown[-1].boxes)
    columns = (
        Column("frame"),
        *(Column(name, kind="number", rank=i) for i, name in enumerate(names)),
    )
    rows = ([entry.frame, *(_box(entry.boxes[name]) for name in names)] for entry in shown)
    table(f"boxes x,y,w,h, the last {len(shown)} frames", columns, rows)


def _box(values: Sequence[float]) -> str:
    return ",".join(f"{value:.1f}" for value in values)


def _show_float(loss: FloatPart, layers: bool) -> None:
    ordered = sorted(loss.teacher_forced, key=lambda row: -row.mismatch_rate)
    shown = ordered if layers else ordered[:WORST]
    keys = ("population", "branch", "mismatch_rate", "mean_difference", "sqnr_db", "ties")
    columns = (
        Column("population", kind="name"),
        Column("branch", rank=1),
        Column("differ", "share of the counts"),
        Column("mean diff", "of the counts", 2),
        Column("SQNR dB", "signal to quantisation noise"),
        Column("ties", "counts on a threshold", 3),
    )
    title = f"float against integer, teacher-forced: the {len(shown)} worst populations"
    table(title, columns, ([getattr(row, key) for key in keys] for row in shown))
    summary, free = loss.summary, loss.free_running
    say(
        f"mismatch over {summary.populations} populations: mean "
        f"{summary.mean_mismatch_rate:.2%}, worst {summary.worst_mismatch_rate:.2%}"
    )
    if free.median_iou is not None:
        say(
            f"free-running: median box IoU {free.median_iou:.3f}, mean score difference "
            f"{free.mean_score_difference:+.4f}"
        )
    _show_yardstick(loss.yardstick)
    if (pushes := loss.amplification) is not None:
        say(
            f"amplification, {counted(pushes.searches, 'frame')}: "
            f"{pushes.flipped_rate:.3%} of the counts differ after one was changed by one, "
            f"{pushes.shifted_rate:.3%} after the crop was shifted by a pixel"
        )


def _show_yardstick(yardstick: Yardstick) -> None:
    """Float32 against float64 and against integer, and what follows."""
    columns = (
        Column("same crops, each its own counts", kind="text"),
        Column("counts", rank=2),
        Column("differ", "counts that differ", 1),
        Column("share"),
        Column("box IoU", "median over the frames"),
    )
    rows = (
        _compared("float32 against float64", yardstick.float64),
        _compared("float32 against integer", yardstick.integer),
    )
    table(f"what float itself is worth, {counted(yardstick.frames, 'frame')}", columns, rows)
    say(f"judged by float itself: {yardstick.judgement}: {yardstick.meaning}")


def _compared(name: str, part: Compared) -> tuple[object, ...]:
    overlap = None if part.median_iou is None else f"{part.median_iou:.3f}"
    return name, part.counts, part.mismatches, f"{part.mismatch_rate:.3%}", overlap
