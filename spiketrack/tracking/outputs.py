"""What ``track`` writes: boxes in three formats, an annotated video, a filmstrip."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from typing_extensions import Self

from spiketrack.errors import SpikeTrackError
from spiketrack.files import atomic_folder, atomic_path
from spiketrack.ownership import TRACK
from spiketrack.targets import Source, check_apart, check_folder, check_target, is_stream
from spiketrack.tracking.tracker import TrackResult
from spiketrack.video.boxes import CSV_HEADER, BoxRow, csv_line, got10k_line, otb_line
from spiketrack.video.footage import Frame
from spiketrack.video.render import Filmstrip, annotate, label
from spiketrack.video.video_file import ENCODINGS, VideoFile

FOLDER_FILES = ("boxes.csv", "otb.txt", "got10k.txt", "track.mp4", "filmstrip.png")
KINDS = {
    ".csv": "CSV",
    ".txt": "OTB or GOT-10k text",
    ".mp4": "video",
    ".webm": "video",
    ".png": "filmstrip",
}
HEADING = f"{','.join(CSV_HEADER)}\n"


class RowFile:
    """A text in its place from the start, which grows by a whole line for each frame."""

    def __init__(self, path: Path, heading: str, line: Callable[[BoxRow], str]) -> None:
        self.path = path
        self.line = line
        if not is_stream(path):
            with atomic_path(path):  # what was there is replaced, or nothing is lost
                pass
        self.file = path.open("a", encoding="utf-8", newline="\n")
        self._write(heading)

    def add(self, row: BoxRow) -> None:
        """Append a frame's line."""
        self._write(f"{self.line(row)}\n")

    def _write(self, text: str) -> None:
        self.file.write(text)
        self.file.flush()

    def close(self) -> None:
        """``SpikeTrackError`` where the file is no longer in its place."""
        with self.file:
            if os.fstat(self.file.fileno()).st_nlink == 0:
                raise SpikeTrackError(f"{self.path}: was removed or replaced while it was written")


def row_file(path: Path) -> RowFile:
    """CSV; GOT-10k text if the name says so, else OTB text."""
    if path.suffix.lower() == ".csv":
        return RowFile(path, HEADING, csv_line)
    if "got10k" in path.name.lower():
        return RowFile(path, "", lambda row: got10k_line(row.box))
    return RowFile(path, "", lambda row: otb_line(row.box))


class TrackOutputs:
    """Writes results as they are won: the files are there from the first tracked frame on.

    ``out``: files, told apart by suffix (``.csv``; ``.txt``: OTB, or GOT-10k if the name contains
    "got10k"; ``.mp4``, ``.webm``; ``.png``), or one folder for all of ``FOLDER_FILES``. Whatever
    ends the tracking, they hold what was won by then. ``SpikeTrackError`` for an unknown suffix,
    a folder that exists (unless ``force``) or cannot be made.
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
        self.texts: list[RowFile] = []
        self.videos: list[VideoFile] = []
        self.waiting: list[tuple[BoxRow, Frame]] = []
        folders = [path for path in self.out if is_folder(path)]
        if folders and len(self.out) > 1:
            raise SpikeTrackError(f"--out {folders[0]}: a folder holds every format; give it alone")
        for path in self.out:
            if path in folders:
                check_folder("", path, TRACK, force, self.inputs)
            else:
                check_target("--out", path, self.inputs)
        check_apart(("--out", path) for path in self.out)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            if self.waiting:
                self._start()
            self._close()
        else:
            with suppress(OSError, SpikeTrackError):  # the first error is the one to tell
                self._close()

    def add(self, frame: Frame, result: TrackResult) -> None:
        """Take one frame and what the tracker found in it."""
        self.rows.append(result.row)
        picture = annotate(frame, result.box, label(result.frame, result.score))
        self.strip.add(picture)
        if self.files:
            self._write(result.row, picture)
            return
        self.waiting.append((result.row, picture))
        if len(self.waiting) > 1:
            self._start()

    def _start(self) -> None:
        """Make the files, and write what has waited for them."""
        if self.out and is_folder(self.out[0]):
            with atomic_folder(self.out[0], TRACK, self.force, self.inputs) as folder:
                (folder / FOLDER_FILES[0]).write_text(HEADING, encoding="utf-8")
            self.files = [self.out[0] / name for name in FOLDER_FILES]
        else:
            self.files = self.out
        for path in self.files:
            if path.suffix.lower() in ENCODINGS:
                self.videos.append(VideoFile(path, self.fps))
            elif path.suffix.lower() != ".png":
                self.texts.append(row_file(path))
        for row, picture in self.waiting:
            self._write(row, picture)
        self.waiting = []

    def _write(self, row: BoxRow, picture: Frame) -> None:
        for text in self.texts:
            text.add(row)
        for video in self.videos:
            video.add(picture)

    def _close(self) -> None:
        for text in self.texts:
            text.close()
        for video in self.videos:
            video.close()
        for path in self.files:
            if path.suffix.lower() == ".png":
                self.strip.write(path)


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
