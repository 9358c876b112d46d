"""One number for everything that a backend counted: SHA-256 over the counts of every population.

The same crops for every backend: the bundled clip's first frames around the bundled box, which
neither follows nor depends on what the network finds.

    cd tests; python -m support.count_digest nano S256_T3.pth.tar > data/count_digests.json
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spiketrack.export.nir.folder import ExportedNetwork
from spiketrack.inference import BRANCHES, SEARCH, TEMPLATE, Crop, Inference, Simulator
from spiketrack.pipeline import export_checkpoint
from spiketrack.simulators.backends import INTEGER, Options, open_simulator
from spiketrack.video.clip import BUNDLED_BOX, bundled_clip, open_clip
from spiketrack.video.crop import take_crop
from support.paths import DATA

STORED = DATA / "count_digests.json"
FRAMES = {"nano": 30, "spiketrack_s256_t3": 2}  # searched frames
FIRST = {"nano": 3, "spiketrack_s256_t3": 1}  # of them, for a backend of seconds a frame


class Crops(NamedTuple):
    """T templates (T, 3, S, S) and the searched frames, each (3, S, S)."""

    templates: Crop
    searches: tuple[Crop, ...]

    def first(self, frames: int) -> Crops:
        """The same templates, fewer searched frames."""
        return Crops(self.templates, self.searches[:frames])


def crops(network: ExportedNetwork, frames: int) -> Crops:
    """Templates from the first T frames, searches in those behind."""
    config, tracker = network.config, network.tracker
    shown = list(islice(open_clip(bundled_clip()), config.templates + frames))
    cut = [
        (
            take_crop(frame, BUNDLED_BOX, tracker.template_factor, config.resolution),
            take_crop(frame, BUNDLED_BOX, tracker.search_factor, config.resolution),
        )
        for frame in shown
    ]
    templates = np.stack([template for template, _ in cut[: config.templates]])
    return Crops(templates, tuple(search for _, search in cut[config.templates :]))


def digests(network: ExportedNetwork, backend: str, given: Crops) -> dict[str, str]:
    """Branch → digest of its counts in all inferences, populations by name."""
    sums = {branch: hashlib.sha256() for branch in BRANCHES}
    with open_simulator(backend, network, options=Options(counts=True)) as simulator:
        for branch, result in _inferences(simulator, given):
            for name in sorted(result.trace.counts):
                counts = result.trace.counts[name]
                sums[branch].update(f"{name} {counts.shape}\n".encode())
                sums[branch].update(np.ascontiguousarray(counts, np.int8).tobytes())
    return {branch: total.hexdigest() for branch, total in sums.items()}


def _inferences(simulator: Simulator, given: Crops) -> Iterator[tuple[str, Inference]]:
    yield TEMPLATE, simulator.encode_template(given.templates)
    for crop in given.searches:
        yield SEARCH, simulator.search(crop)


def described(network: ExportedNetwork, counts: Mapping[str, str]) -> dict[str, str]:
    """What is stored of a network: its own digest and those of its counts."""
    return {"network": network.manifest.network_digest, **counts}


def main() -> None:
    """Print the file as the integer backend gives it; arguments: a checkpoint for each name."""
    stored = {}
    for (name, frames), checkpoint in zip(FRAMES.items(), sys.argv[1:], strict=True):
        with tempfile.TemporaryDirectory() as folder:
            network = export_checkpoint(checkpoint, Path(folder) / name)
        whole = crops(network, frames)
        first = digests(network, INTEGER, whole.first(FIRST[name]))
        stored[name] = {
            **described(network, digests(network, INTEGER, whole)),
            f"search, first {FIRST[name]}": first[SEARCH],
        }
    sys.stdout.write(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
