"""The command lines that make runs, verifications and placements, ready to paste."""

from __future__ import annotations

import shlex

from spiketrack.documents.run import RunDocument
from spiketrack.report.sources import Run
from spiketrack.simulators.backends import backends


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
        words += ["--checkpoint", "CHECKPOINT"]
    return shlex.join([*words, "--out", str(run.path)])


def verify_command(run: Run) -> str:
    """A verification of the run's network on the run's clip."""
    clip = _clip(run.about)
    words = ["spiketrack", "verify", run.about.export, "--checkpoint", "CHECKPOINT", *clip]
    return shlex.join([*words, "--json", "verify.json"])


def map_command(run: Run) -> str:
    """A placement with the traffic of the run."""
    words = ["spiketrack", "map", run.about.export, "--run", str(run.path)]
    return shlex.join([*words, "--json", "map.json"])


def energy_command(run: Run) -> str:
    """The energy document by itself."""
    table = run.priced.prices.name
    return shlex.join(
        ["spiketrack", "energy", str(run.path), "--prices", table, "--json", "energy.json"]
    )


def _clip(about: RunDocument) -> list[str]:
    box = ",".join(f"{value:g}" for value in about.box)
    return ["--video", about.clip.path, "--box", box]
