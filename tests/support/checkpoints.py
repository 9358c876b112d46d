"""A small network and what tests of checkpoint files ask of them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from spiketrack.config import NetworkConfig
from spiketrack.errors import CheckpointError
from spiketrack.reference.checkpoint import read_checkpoint
from spiketrack.reference.model import SpikeTrack

State = dict[str, Tensor]
SMALL = NetworkConfig((8, 8, 8, 8), 2, 3, 8, (1, 0, 0, 1), 1, 1)


@lru_cache(maxsize=1)
def small_model() -> SpikeTrack:
    """The same network, and its weights, for every test; nobody may change it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return SpikeTrack(SMALL)


def small_state() -> State:
    """A mapping of its own with the small network's tensors."""
    return dict(small_model().state_dict())


def same(path: Path, state: State, key: str | None = None) -> bool:
    """Does the file hold this state?"""
    read = read_checkpoint(path, key).state
    return all(torch.equal(read[key], state[key].float()) for key in read) and len(read) > 400


def message(path: Path, key: str | None = None) -> str:
    """The error that reading gives: one printable line that starts with the file's name."""
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path, key)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert text.isprintable()
    assert len(text) < 2 * len(str(path)) + 900
    return text
