"""Runs one checkpoint on the golden crops under the golden conditions; started as a process.

    python golden.py CHECKPOINT GOLDEN.npz OUT.npz

The conditions are torch on two threads and oneDNN's AVX2 kernels: the order of float32 sums
follows both, and with AVX-512 kernels one count of 15 million falls on the other side of a
threshold on some processors. Both must be chosen before torch's first operation; a process of its
own also leaves the test process free to fork. OUT holds the memories, the maps, and for each
branch and population [sum of counts, non-zero counts, size] of every call.
"""

from __future__ import annotations

import os
import sys
from typing import Any

os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX2"

import numpy as np
import torch
from torch import Tensor

from spiketrack import load_checkpoint
from spiketrack.preprocessing import normalise
from spiketrack.reference.model import SpikeTrack
from spiketrack.reference.neuron import Neuron

Record = dict[str, list[list[int]]]


def record(model: SpikeTrack) -> Record:
    """Fills with [sum of counts, non-zero, size] of every call of every population."""
    found: Record = {}
    for name, module in model.named_modules():
        if isinstance(module, Neuron):

            def hook(_: Any, __: Any, output: Tensor, name: str = name) -> None:
                counts = (output * 4).double()
                numbers = [int(counts.sum()), int((counts > 0).sum()), counts.numel()]
                found.setdefault(name, []).append(numbers)

            module.register_forward_hook(hook)
    return found


def main(checkpoint: str, golden: str, out: str) -> None:
    torch.set_num_threads(2)
    model = load_checkpoint(checkpoint)
    crops = [torch.from_numpy(normalise(crop)) for crop in np.load(golden)["crops"]]
    found = record(model)
    memory = model.encode_template(torch.stack(crops[: model.config.templates]))
    results = {f"memory/{index}": value.numpy() for index, value in enumerate(memory)}
    results |= {f"template/{name}": np.array(rows) for name, rows in found.items()}
    found.clear()
    maps = model(crops[3][None], memory)
    results |= {f"out/{name}": value.numpy() for name, value in maps.items()}
    results |= {f"search/{name}": np.array(rows) for name, rows in found.items()}
    np.savez(out, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
