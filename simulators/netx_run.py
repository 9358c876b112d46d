"""A ``.net`` file loaded by lava-dl's netx and run by Lava's stock models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.lava.loading import load_lava
from spiketrack.errors import SpikeTrackError
from spiketrack.inference import Counts
from spiketrack.limits import MAX_COUNT
from spiketrack.optional import load

LEVELS = np.arange(1, MAX_COUNT + 1)


def run_netx(path: Path, counts: Counts) -> Counts:
    """Counts (N, C, H, W) of the source population → those of the chain's last population.

    N frames pass as a pipeline, one Lava step each; every layer delays by one step.
    """
    with h5py.File(path, "r") as file:
        always, layers = int(file.attrs["always_on"]), len(file["layer"]) - 1
        shape = tuple(int(n) for n in file["layer/0/shape"][()])
    spikes = thermometer(counts, always)
    if spikes.shape[1:] != shape:
        raise SpikeTrackError(f"{path}: takes {shape} binary channels, not {spikes.shape[1:]}")
    padded = np.concatenate([spikes, np.zeros((layers, *shape), np.int32)])
    output = _run(path, padded.transpose(3, 2, 1, 0))  # lava: W, H, C, time
    binary = output.transpose(3, 2, 1, 0)[layers:]
    frames, channels, height, width = binary.shape
    total = binary.reshape(frames, channels // MAX_COUNT, MAX_COUNT, height, width).sum(2)
    return np.asarray(total, np.int8)


def thermometer(counts: Counts, always: int) -> NDArray[np.int32]:
    """k → four binary channels [k >= 1] .. [k >= 4], and ``always`` channels of ones behind."""
    frames, channels, height, width = counts.shape
    binary = counts[:, :, None] >= LEVELS[:, None, None]
    spikes = binary.reshape(frames, channels * MAX_COUNT, height, width).astype(np.int32)
    ones = np.ones((frames, always, height, width), np.int32)
    return np.concatenate([spikes, ones], 1)


def _run(path: Path, spikes: NDArray[np.int32]) -> NDArray[Any]:
    from spiketrack.deploy.lava.names import Loihi2SimCfg, RunSteps

    netx = load("lava.lib.dl.netx.hdf5", "lava-dl")
    io = {end: load_lava(f"lava.proc.io.{end}") for end in ("source", "sink")}
    network = netx.Network(net_config=str(path))
    source = io["source"].RingBuffer(data=spikes)
    sink = io["sink"].RingBuffer(shape=network.out.shape, buffer=spikes.shape[-1])
    source.s_out.connect(network.inp)
    network.out.connect(sink.a_in)
    try:
        network.run(
            RunSteps(num_steps=spikes.shape[-1]),
            Loihi2SimCfg(select_tag="fixed_pt"),
            compile_config={"pypy_channel_size": 2},
        )
        return np.asarray(sink.data.get())
    finally:
        network.stop()
