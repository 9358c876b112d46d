"""A small network as the job of workers, and sequences for it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch

from spiketrack.config import NetworkConfig, TrackerConfig
from spiketrack.evaluation.work import Job
from spiketrack.export.nir.folder import ExportedNetwork
from spiketrack.pipeline import calibration, compile_network
from spiketrack.reference.checkpoint import read_checkpoint, save_checkpoint
from spiketrack.reference.model import SpikeTrack
from spiketrack.simulators.backends import Options
from spiketrack.tracking.sequences import Sequence
from support.sequences import find_sequences
from support.synthetic_clips import moving_patch, write_otb

SIZES = NetworkConfig((8, 8, 8, 8), 4, 3, 8, blocks3=1, blocks4=1)


def write_small(path: Path) -> Path:
    """An untrained network with three templates, renewed on every third frame."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = SpikeTrack(SIZES)
    save_checkpoint(path, model, TrackerConfig(update_every=3, update_threshold=0.0))
    return path


@lru_cache(maxsize=1)
def _network(folder: Path) -> ExportedNetwork:
    read = read_checkpoint(str(write_small(folder / "small.safetensors")), None)
    return compile_network(read, calibration(read))


def small_job(folder: Path, baselines: tuple[str, ...] = ()) -> Job:
    """The integer network of ``write_small``."""
    network = _network(folder)
    options = Options(operations=True)
    return Job("small", "integer", network, None, network.tracker, options, baselines)


def write_sequences(folder: Path, count: int, frames: int = 6) -> list[Sequence]:
    """Sequences 0 … of moving patches, each begun at another frame."""
    images, boxes = moving_patch(frames + count, 64, 48)
    for index in range(count):
        part = slice(index, index + frames)
        write_otb(folder / f"s{index:04d}", images[part], boxes[part])
    return find_sequences(folder)
