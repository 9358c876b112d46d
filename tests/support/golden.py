"""A checkpoint on the golden crops in float64, where no order of sums moves a count.

The result has the keys of the golden files: ``memory/*``, ``out/*`` and, a row a call of every
counting module, [sum of counts, non-zero counts, size] in ``template/*`` and ``search/*``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spiketrack import load_checkpoint
from spiketrack.limits import MAX_COUNT
from spiketrack.preprocessing import MEAN, STD
from spiketrack.reference.model import SpikeTrack
from spiketrack.reference.neuron import Neuron

Results = dict[str, NDArray[Any]]
Rows = dict[str, list[list[int]]]


def _record(model: SpikeTrack) -> Rows:
    """Fills with a row for every call of every population."""
    rows: Rows = {}
    for name, module in model.named_modules():
        if isinstance(module, Neuron):

            def hook(_: Any, __: Any, output: Tensor, name: str = name) -> None:
                counts = output * MAX_COUNT
                numbers = [int(counts.sum()), int((counts > 0).sum()), counts.numel()]
                rows.setdefault(name, []).append(numbers)

            module.register_forward_hook(hook)
    return rows


@torch.no_grad()
def golden_run(checkpoint: Path, crops: NDArray[np.uint8]) -> Results:
    """Templates are the first T crops, the search image is crop 3; all is normalised in float64."""
    model = load_checkpoint(checkpoint).double()
    images = torch.from_numpy(((crops / 255 - MEAN) / STD).transpose(0, 3, 1, 2).copy())
    rows = _record(model)
    memory = model.encode_template(images[: model.config.templates])
    results = {f"memory/cross_block_{i}": value.numpy() for i, value in enumerate(memory)}
    results |= {
        f"template/{name.removeprefix('encoder.')}": np.array(calls) for name, calls in rows.items()
    }
    rows.clear()
    maps = model(images[3][None], memory)
    results |= {f"out/{name}": value.numpy() for name, value in maps.items()}
    return results | {f"search/{name}": np.array(calls) for name, calls in rows.items()}
