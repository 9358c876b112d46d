"""The proof of an exported network on a clip, as its document."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spiketrack.documents.verification import VerifyDocument
from spiketrack.errors import UnsupportedError
from spiketrack.export.nir.folder import read_export
from spiketrack.reference.checkpoint import Checkpoint
from spiketrack.simulators.backends import INTEGER, find, names
from spiketrack.steps.footage import choose_clip, clip_source, settings_with, until_it_fails
from spiketrack.steps.simulate import DEFAULT, Execution
from spiketrack.steps.watch import SILENT, Watch
from spiketrack.verification import YARDSTICK_FRAMES
from spiketrack.verification.document import document
from spiketrack.verification.verify import verify as compare
from spiketrack.video.identity import clip_digest


@dataclass(frozen=True)
class Verified:
    """What was found, a line about the first count of each backend that differs, and what was
    odd about the clip or ended it early.
    """

    document: VerifyDocument
    divergences: tuple[str, ...]
    warnings: tuple[str, ...]
    problems: tuple[str, ...]


def chosen_backends(text: str) -> tuple[str, ...]:
    """``float,integer,lava`` → names, each once; ``UnsupportedError`` without one to compare."""
    chosen = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in chosen:
        find(name, "--backends")
    if not set(chosen) - {INTEGER}:
        others = ", ".join(name for name in names() if name != INTEGER)
        raise UnsupportedError(
            f"--backends {text}: nothing to compare with integer; choose among {others}"
        )
    return chosen


def verify(
    folder: Path,
    backends: tuple[str, ...],
    video: Path | None = None,
    box: str | None = None,
    frames: int | None = 10,
    how: Execution = DEFAULT,
    checkpoint: Checkpoint | None = None,
    watch: Watch = SILENT,
    yardstick: int = YARDSTICK_FRAMES,
    pushes: int = 0,
) -> Verified:
    """The same crops of ``video`` through every backend, compared with integer count by count.

    Crops follow the integer backend's boxes. A difference is a finding of the document, not an
    error; ``SpikeTrackError`` for a bad input. ``yardstick``: frames on which float64 runs too;
    ``pushes``: searches whose amplification is measured, with ``float``.
    """
    clip, start = choose_clip(video, box, frames, watch.note)
    network = read_export(folder)
    settings = settings_with(network.tracker, how.update_every, how.update_threshold)
    options = how.options(operations=False, counts=True)
    problems: list[str] = []
    whole = until_it_fails(clip, problems)
    with watch.frames("verify", clip.length) as tick:
        comparison = compare(
            network, checkpoint, whole, start, backends, settings, options, tick,
            yardstick=yardstick, pushes=pushes,
        )  # fmt: skip
    digest = clip_digest(clip_source(video))
    report = document(comparison, network.manifest, clip.name, start, digest)
    firsts = [agreement.first for agreement in comparison.agreements.values()]
    told = tuple(str(first) for first in firsts if first is not None)
    return Verified(report, told, tuple(clip.late), tuple(problems))
