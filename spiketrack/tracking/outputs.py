"""What ``track`` writes: boxes in three formats, an annotated video, a filmstrip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from spiketrack.errors import SpikeTrackError
from spiketrack.files import atomic_folder
from spiketrack.ownership import TRACK
from spiketrack.targets import Source, check_folder, check_target
from spiketrack.tracking.tracker import TrackResult
from spiketrack.video.boxes import BoxRow, write_csv, write_got10k, write_otb
from spiketrack.video.footage import Frame
from spiketrack.video.render import Filmstrip, VideoFile, annotate, label

FOLDER_FILES = ("boxes.csv", "otb.txt", "got10k.txt", "track.mp4", "filmstrip.png")
KINDS = {".csv": "CSV", ".txt": "OTB or GOT-10k text", ".mp4": "video", ".png": "filmstrip"}


class TrackOutputs:
    """Collects results frame by frame; files appear when the context ends without an error.

    ``out``: files, told apart by suffix (``.csv``; ``.txt``: OTB, or GOT-10k if the name contains
    "got10k"; ``.mp4``; ``.png``), or one folder for all of ``FOLDER_FILES``. ``SpikeTrackError``
    for an unknown suffix, a folder that exists (unless ``force``) or cannot be made.
    """

    def __init__(
        self,
        out: Sequence[Path],
        fps: float | None,
        force: bool = False,
        inputs: Iterable[Source] = (),
    ) -> None:
        self.out = list(out)
        self.fps = fps
        self.force = force
        self.inputs = tuple(inputs)
        self.rows: list[BoxRow] = []
        self.strip = Filmstrip()
        self.files: list[Path] = []
        self.videos: list[VideoFile] = []
        self.texts: list[Path] = []
        folders = [path for path in self.out if is_folder(path)]
        if folders and len(self.out) > 1:
            raise SpikeTrackError(f"--out {folders[0]}: a folder holds every format; give it alone")
        for path in self.out:
            if path in folders:
                check_folder("", path, TRACK, force, self.inputs)
            else:
                check_target("--out", path, self.inputs)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            targets = self.out
            if targets and is_folder(targets[0]):
                home = stack.enter_context(
                    atomic_folder(targets[0], TRACK, self.force, self.inputs)
                )
                self.files = [targets[0] / name for name in FOLDER_FILES]
                targets = [home / name for name in FOLDER_FILES]
            else:
                self.files = targets
            self.texts = [path for path in targets if path.suffix.lower() != ".mp4"]
            self.videos = [
                stack.enter_context(VideoFile(path, self.fps))
                for path in targets
                if path.suffix.lower() == ".mp4"
            ]
            stack.push(self._finish)
            self.stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stack.__exit__(kind, value, trace)

    def add(self, frame: Frame, result: TrackResult) -> None:
        """Take one frame and what the tracker found in it."""
        self.rows.append(result.row)
        picture = annotate(frame, result.box, label(result.frame, result.score))
        self.strip.add(picture)
        for video in self.videos:
            video.add(picture)

    def _finish(self, kind: object, *_: object) -> None:
        if kind is None:
            for path in self.texts:
                self._write(path)

    def _write(self, path: Path) -> None:
        suffix = path.suffix.lower()
        boxes = [row.box for row in self.rows]
        if suffix == ".csv":
            write_csv(path, self.rows)
        elif suffix == ".png":
            self.strip.write(path)
        elif "got10k" in path.name.lower():
            write_got10k(path, boxes)
        else:
            write_otb(path, boxes)


def is_folder(path: Path) -> bool:
    """Whether an ``--out`` means a folder: it is one or has no suffix (else a known one)."""
    if path.is_dir() or not path.suffix:
        return True
    if path.suffix.lower() not in KINDS:
        raise SpikeTrackError(
            f"--out {path}: {path.suffix} is none of {', '.join(KINDS)}; "
            "a name without suffix is a folder"
        )
    return False
