"""A kit for whoever has a chip: golden vectors of every layer of one frame, and what to measure.

``vectors.h5``, all integers:

    image                      (T, 3, S, S), the pixels that the host sends
    memory/<name>              (T, 8, d, 4d), the templates' memory, search branch alone
    layers/<layer>/values      (T, C, H, W), what its neurons hold when they fire: counts 0..4 of a
                               population, membranes of 24 bits of a relay or product
    layers/<layer>/<node>/…    weight (int8), shift and bias of the convolutions that end in it,
                               with stride, padding, groups and source as attributes

Attributes of a layer: thresholds, reset and decay of a population, ``sources`` (layers that it
reads). A layer that only repeats another has no values of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.program import ChipProgram
from spiketrack.deploy.chip.program_document import CHIP_FILE, read_programs
from spiketrack.documents.chip.kit import ExpectedLayer, KitDocument, MeasuredDocument
from spiketrack.documents.digests import folder_digests
from spiketrack.errors import SpikeTrackError
from spiketrack.export.nir.folder import ExportedNetwork
from spiketrack.files import atomic_folder
from spiketrack.inference import SEARCH, TEMPLATE, Inference
from spiketrack.integer.graph import Conv, Graph, Neuron
from spiketrack.integer.kernels import Program
from spiketrack.integer.readout import quantise_image
from spiketrack.ownership import CHIP_KIT
from spiketrack.runs.activity import RunActivity, read_activity
from spiketrack.runs.folder import RunFolder, open_counts
from spiketrack.simulators.integer import IntegerSimulator
from spiketrack.tracking.tracker import Tracker
from spiketrack.video.boxes import Box
from spiketrack.video.clip import open_clip

KIT_FILE, VECTORS, SCHEMA, FORM = "kit.json", "vectors.h5", "measured-schema.json", "measured.json"
PROFILED = ("updates", "operations", "multiplications", "messages")


@dataclass(frozen=True, eq=False)
class Expected:
    """What one branch of a run of the chip did in its first inference.

    ``layers`` in the order of their first firing; ``spikes``: sum of counts in each network step.
    """

    program: ChipProgram
    layers: tuple[Layer, ...]
    spikes: Mapping[str, tuple[int, ...]]
    activity: Mapping[str, Mapping[str, int]]


def expected_of(run: RunFolder, graphs: Mapping[str, Graph], branch: str) -> Expected:
    """``SpikeTrackError`` where the run is none of the chip with all its counts."""
    if run.about.counts != "full":
        raise SpikeTrackError(f"{run.path}: without counts; simulate with --counts full")
    activity = read_activity(run.path, branch).inference(0)
    program = read_programs(run.path / CHIP_FILE, graphs)[branch]
    layers = tuple(sorted(program.layers, key=lambda layer: layer.first))
    with open_counts(run.path, branch) as counts:
        spikes = {
            name: tuple(int(total) for total in counts[name][0].sum((1, 2, 3), dtype=np.int64))
            for name in counts
        }
    return Expected(program, layers, spikes, _by_layer(activity))


def write_kit(
    folder: Path, run: RunFolder, network: ExportedNetwork, branch: str, force: bool
) -> KitDocument:
    """Write the kit of a run's first frame; ``SpikeTrackError`` where its clip is another one."""
    expected = expected_of(run, network.graphs, branch)
    image, memory, traced = _frame(run, network, branch)
    graph = network.graphs[branch]
    with open_counts(run.path, branch) as counts:
        for name, values in traced.trace.counts.items():
            if not np.array_equal(counts[name][0], values):
                raise SpikeTrackError(
                    f"{run.about.clip.path}: gives other counts of {name} than {run.path} holds; "
                    "it is not the clip that the run was made of"
                )
    pixels = torch.from_numpy(image.astype(np.float32))
    computed = Program(graph).run({"image": pixels, **memory})
    with atomic_folder(folder, CHIP_KIT, force, (run.path,)) as temporary:
        with h5py.File(temporary / VECTORS, "w") as file:
            _store(file, "image", image)
            for name, entries in memory.items():
                _store(file, f"memory/{name}", entries.numpy().astype(np.int32))
            for layer in expected.layers:
                _layer(file.create_group(f"layers/{layer.name}"), layer, graph, computed)
        schema = json.dumps(MeasuredDocument.json_schema(), indent=2)
        (temporary / SCHEMA).write_text(schema + "\n", encoding="utf-8")
        digest = network.manifest.network_digest
        empty = MeasuredDocument(
            device="name the chip and how it was measured", branch=branch, network_digest=digest
        )
        (temporary / FORM).write_text(empty.text(), encoding="utf-8")
        document = KitDocument(
            branch=branch,
            mode=expected.program.choices.mode,
            time_steps=expected.program.latency + 1,
            layers=tuple(_row(expected, layer) for layer in expected.layers),
            files=folder_digests(temporary, KIT_FILE),
            network_digest=digest,
            run_digest=run.digest,
        )
        document.write(temporary / KIT_FILE)
    return document


def _frame(
    run: RunFolder, network: ExportedNetwork, branch: str
) -> tuple[Any, dict[str, torch.Tensor], Inference]:
    """Pixels, memory and counts of the first frame, from the clip that the run names."""
    first, second = list(open_clip(run.about.clip.path, 1))[:2]
    simulator = IntegerSimulator(network.graphs, network.config, counts=True)
    tracker = Tracker(simulator, network.tracker)
    started = tracker.start(first, Box(*run.about.box))
    step = tracker.step(second)
    if branch == TEMPLATE:
        traced, crops = started.encoding, started.templates
    else:
        traced, crops = step.inference, None if step.crop is None else step.crop[None]
    if traced is None or crops is None:
        raise SpikeTrackError(f"{run.path}: its first frame gave no {branch} inference")
    image = quantise_image(crops, network.graphs[branch])
    memory = dict(simulator.memory) if branch == SEARCH else {}
    return image.astype(np.int32), memory, traced


def _by_layer(activity: RunActivity) -> dict[str, dict[str, int]]:
    totals: dict[str, dict[str, int]] = {}
    at = activity.column("layer")
    for name in PROFILED:
        sums = np.zeros(len(activity.layers), np.int64)
        np.add.at(sums, at, activity.column(name))
        for layer, total in zip(activity.layers, sums.tolist(), strict=True):
            totals.setdefault(layer, {})[name] = total
    return totals


def _row(expected: Expected, layer: Layer) -> ExpectedLayer:
    fires = tuple(layer.first + layer.stride * t for t in range(layer.steps))
    return ExpectedLayer(
        name=layer.name,
        kind=layer.kind,
        rule=layer.rule,
        shape=layer.shape,
        fires=fires,
        spikes=expected.spikes.get(layer.name, ()),
        vectors=f"layers/{layer.name}",
        **expected.activity[layer.name],
    )


def _layer(group: Any, layer: Layer, graph: Graph, values: Mapping[str, Any]) -> None:
    text = h5py.string_dtype()
    group.attrs.create("sources", [link.source for link in layer.synapses], dtype=text)
    if layer.nodes:
        fired = values[layer.nodes[0]].numpy()
        _store(group, "values", fired.astype(np.int8 if layer.signal == "count" else np.int32))
    for name in layer.nodes:
        node = graph[name]
        if isinstance(node, Neuron):
            group.attrs["thresholds"] = np.array(node.thresholds, np.int64)
            group.attrs["reset"] = node.reset
            group.attrs["decay"] = np.array(node.decay, np.int64)
        if isinstance(node, Conv):
            inner = group.create_group(name)
            for key in ("weight", "shift", "bias"):
                _store(inner, key, getattr(node, key))
            for key in ("stride", "padding", "groups"):
                inner.attrs[key] = getattr(node, key)
            inner.attrs["source"] = node.inputs[0]


def _store(file: Any, name: str, values: Any) -> None:
    file.create_dataset(name, data=values, compression="gzip", shuffle=True, track_times=False)
