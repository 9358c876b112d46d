"""Chains of layers as ``.net`` files in lava-dl's HDF5 description, loaded by ``netx``.

Each file starts with an input of binary channels (4 a count channel, then always-on ones) and has
a ``conv`` block for every layer. HDF5 attributes, which netx ignores, name the populations.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from spiketrack.export.outlets.netx_layers import Layer, Wide
from spiketrack.files import HDF5_VERSIONS
from spiketrack.integer.graph import Graph
from spiketrack.limits import DECAY_ONE, MAX_COUNT


def write_netx(graph: Graph, chain: tuple[Layer, ...], path: Path) -> None:
    """Write one chain."""
    source = graph[chain[0].conv.inputs[0]]
    always = [part.lifts.shape[1] for part in chain] + [0]
    content = io.BytesIO()  # HDF5 itself crashes on a full disk
    with h5py.File(content, "w", libver=HDF5_VERSIONS) as file:
        file.attrs["source"] = source.name
        file.attrs["always_on"] = always[0]
        channels = MAX_COUNT * source.shape[1] + always[0]
        _entries(file, "layer/0", {"type": "input", "shape": (channels, *source.shape[2:])})
        for index, part in enumerate(chain, 1):
            _entries(file, f"layer/{index}", _block(graph, part, always[index]))
            file[f"layer/{index}"].attrs["population"] = part.population
    path.write_bytes(content.getvalue())


def _block(graph: Graph, part: Layer, always: int) -> dict[str, Any]:
    """A ``conv`` block whose last ``always`` channels fire at every step."""
    shape = graph[part.population].shape
    bias = np.concatenate([part.bias, np.full(always, part.vth + 1)])
    return {
        "type": "conv",
        "shape": (len(bias), *shape[2:]),
        "weight": _kernels(part, always).astype(np.int32),
        "bias": bias.astype(np.int32),
        "stride": part.conv.stride,
        "padding": part.conv.padding,
        "dilation": 1,
        "groups": part.conv.groups,
        "neuron/type": "CUBA",
        "neuron/vThMant": part.vth,
        "neuron/iDecay": DECAY_ONE,  # no memory of the current
        "neuron/vDecay": DECAY_ONE,  # nor of the voltage
        "neuron/refDelay": 1,
        "neuron/gradedSpike": False,
    }


def _kernels(part: Layer, always: int) -> Wide:
    """Weights with the always-on inputs, at the kernel's centre, and silent rows for outputs."""
    out, _, rows, columns = part.weight.shape
    lifts = np.zeros((out, part.lifts.shape[1], rows, columns), np.int64)
    lifts[:, :, rows // 2, columns // 2] = part.lifts
    weight = np.concatenate([part.weight, lifts], 1)
    silent = np.zeros((always, *weight.shape[1:]), np.int64)
    return np.concatenate([weight, silent])


def _entries(file: h5py.File, name: str, values: dict[str, Any]) -> None:
    group = file.create_group(name)
    for key, value in values.items():
        packed = {"compression": "gzip"} if isinstance(value, np.ndarray) else {}
        group.create_dataset(key, data=value, **packed)
