"""What an earlier command left in a folder, so that clip and box need not be given again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spiketrack.runs.folder import RUN_FILE, RunFolder
from spiketrack.steps.results import Results, is_results


@dataclass(frozen=True)
class Left:
    """The export of a folder, and what was done with it; None: nothing that could be known.

    ``video`` None beside a box of None: the bundled clip. ``results``: of ``spiketrack run``.
    """

    export: Path
    run: Path | None = None
    video: Path | None = None
    box: str | None = None
    checkpoint: str | None = None
    key: str | None = None
    backend: str | None = None
    prices: str | None = None
    board: str | None = None
    results: Results | None = None


def left(folder: Path) -> Left:
    """Of a results folder, a run folder, or an export folder, which is itself and no more."""
    if is_results(folder):
        results = Results(folder)
        asked = results.asked()
        return Left(
            export=results.export,
            run=results.run,
            video=None if asked.video is None else Path(asked.video),
            box=_text(asked.box),
            checkpoint=asked.checkpoint,
            key=asked.key,
            backend=asked.backend,
            prices=asked.prices,
            board=asked.board,
            results=results,
        )
    if (folder / RUN_FILE).is_file():
        about = RunFolder.read(folder).about
        clip, box = Path(about.clip.path), _text(about.box)
        return Left(Path(about.export), folder, clip, box, backend=about.backend)
    return Left(folder)


def run_of(folder: Path) -> Path:
    """The run in a results folder; any other folder is taken for a run itself."""
    return Results(folder).run if is_results(folder) else folder


def _text(box: tuple[float, ...] | None) -> str | None:
    return None if box is None else ",".join(f"{value!r}" for value in box)
