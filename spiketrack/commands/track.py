"""``spiketrack track``: follow an object through a clip or a camera's frames."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spiketrack.commands.inputs import Key
from spiketrack.commands.options.backend import BACKEND_HELP, Opened, open_backend
from spiketrack.commands.targets import then_show, will_write
from spiketrack.errors import ClipError
from spiketrack.terminal.console import note, say
from spiketrack.terminal.progress import frame_bar

if TYPE_CHECKING:
    from spiketrack.documents.tracking import TrackDocument
    from spiketrack.tracking.outputs import TrackOutputs
    from spiketrack.video.boxes import Box, BoxRow
    from spiketrack.video.clip import Clip


@dataclass(frozen=True)
class Run:
    """Boxes of all frames, the first as given; frames that renewed a template; seconds; why it
    ended before the clip did, empty if it did not.
    """

    rows: list[BoxRow]
    updates: list[int]
    seconds: float
    problem: str = ""

    @property
    def frames(self) -> int:
        """Tracked frames."""
        return len(self.rows) - 1

    @property
    def fps(self) -> float:
        """Tracked frames a second, reading and writing included."""
        return self.frames / self.seconds


def track(
    checkpoint: Annotated[
        str, typer.Argument(help="Checkpoint, export folder, or bundled weights: nano, nano-t3.")
    ],
    key: Key = None,
    video: Annotated[
        str | None,
        typer.Option(
            help="Video, folder of frames, address or camera number; default: bundled clip."
        ),
    ] = None,
    box: Annotated[
        str | None,
        typer.Option(help="x,y,w,h in the first frame, pixels from 0; without it draw one."),
    ] = None,
    frames: Annotated[int | None, typer.Option(help="Frames after the first.")] = None,
    backend: Annotated[str | None, typer.Option(help=BACKEND_HELP)] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda, for float.")] = "cpu",
    out: Annotated[
        list[Path] | None,
        typer.Option(
            help="FILE.csv, .txt (OTB; GOT-10k if so named), .mp4, .webm, .png, or a folder; "
            "may be repeated. Default: the clip's name with -track."
        ),
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace an existing folder.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write a summary with all boxes.")] = None,
) -> None:
    """Follow an object and write its boxes, an annotated video and a filmstrip.

    They grow as the clip is tracked; where it fails midway they keep what was won, exit code 1.
    """
    from spiketrack.tracking.outputs import TrackOutputs
    from spiketrack.video.clip import open_clip

    clip = open_clip(parse_source(video), frames)
    warn(clip.notes)
    inputs = (checkpoint, video)
    will_write(inputs, json=json)
    start = first_box(clip, box, bundled=video is None)
    targets = list(out) if out else [default_out(clip)]
    outputs = TrackOutputs(targets, clip.fps, force, inputs)
    opened = open_backend(checkpoint, backend, device, key=key)
    with opened.simulator, outputs:
        done = run(opened, clip, start, outputs)

    def show() -> None:
        warn(clip.late)
        say(f"{done.frames} frames, {done.fps:.1f} frames/s, {opened.simulator.name} backend")
        for path in outputs.files:
            say(str(path))
        if done.problem:
            say_kept(done.frames, done.problem)

    with then_show(show):
        if json is not None:
            describe(opened, clip, done, outputs.files).write(json)
    if done.problem:
        raise typer.Exit(1)


def warn(lines: Sequence[str]) -> None:
    """What is odd about a clip."""
    for line in lines:
        note(f"warning: {line}")


def say_kept(frames: int, problem: str) -> None:
    """That the files hold a part, and why."""
    note(f"error: {problem}; the {frames} frames tracked before are kept")


def default_out(clip: Clip) -> Path:
    """Folder named after the clip; whatever is no letter, digit, - or _ becomes -."""
    return Path(re.sub(r"[^\w-]+", "-", clip.name) + "-track")


def parse_source(video: str | None) -> str | Path | int:
    """A number that is no file's name is a camera; nothing is the bundled clip."""
    if video is None:
        from spiketrack.video.clip import bundled_clip

        return bundled_clip()
    return int(video) if video.isdecimal() and not Path(video).exists() else video


def first_box(clip: Clip, text: str | None, bundled: bool = False) -> Box:
    """The box given, the bundled clip's own, or one drawn with the mouse."""
    from spiketrack.video.clip import BUNDLED_BOX, check_box, parse_box
    from spiketrack.video.window import draw_box

    frame = clip.first() if text is None or clip.length is not None else None
    if text is None:
        box = BUNDLED_BOX if bundled or frame is None else draw_box(frame)
    else:
        box = parse_box(text)
    return box if frame is None else check_box(box, frame.shape[1], frame.shape[0])


def run(opened: Opened, clip: Clip, box: Box, outputs: TrackOutputs) -> Run:
    """Track all frames under a progress bar.

    A clip that fails after its first tracked frame, and Ctrl-C on a camera or an address, end it
    with what it gave.
    """
    from spiketrack.tracking.tracker import Tracker

    tracker = Tracker(opened.simulator, opened.settings)
    updates: list[int] = []
    problem = ""
    begin = time.perf_counter()
    try:
        with frame_bar(clip.name, clip.length) as step:
            for frame in clip:
                result = tracker.step(frame) if outputs.rows else tracker.start(frame, box)
                outputs.add(frame, result)
                updates += [result.frame] if result.updated else []
                step()
    except KeyboardInterrupt:
        if len(outputs.rows) < 2:
            raise
        if not clip.live:
            say_kept(len(outputs.rows) - 1, "interrupted")
            raise
    except ClipError as error:
        if len(outputs.rows) < 2:
            raise
        problem = str(error)
    return Run(outputs.rows, updates, time.perf_counter() - begin, problem)


def describe(opened: Opened, clip: Clip, done: Run, files: Sequence[Path]) -> TrackDocument:
    """The JSON summary."""
    from spiketrack.documents.network import TrackerPart
    from spiketrack.documents.tracking import TrackDocument, TrackedBox

    return TrackDocument(
        network=opened.name,
        backend=opened.simulator.name,
        clip=clip.name,
        frames=done.frames,
        seconds=done.seconds,
        fps=done.fps,
        updates=tuple(done.updates),
        settings=TrackerPart(**dataclasses.asdict(opened.settings)),
        boxes=tuple(
            TrackedBox(frame=row.frame, **dataclasses.asdict(row.box), score=row.score)
            for row in done.rows
        ),
        files=tuple(str(path) for path in files),
        notes=(*clip.notes, *clip.late),
        problem=done.problem or None,
        network_digest=opened.network_digest,
        checkpoint_sha256=opened.checkpoint_sha256,
    )
