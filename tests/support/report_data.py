"""Run folders, verifications and placements of any size, generated, for tests of the report."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np

from spiketrack.files import write_json
from spiketrack.inference import SEARCH, TEMPLATE
from spiketrack.integer.costs.formulas import FIELDS
from spiketrack.integer.counting import Layers
from spiketrack.runs.operations import write_operations
from spiketrack.video.boxes import Box, BoxRow, write_csv

START = Box(200, 120, 80, 100)
STAGES = ("encoder.ConvBlock1_1.0", "encoder.mrm.1.retriever", "encoder.block3.2", "decoder.ctr")
KINDS = ("conv", "neuron", "sum")
CHECKPOINT = {"sha256": "ab" * 32}


@dataclass(frozen=True)
class Size:
    """Populations of the search and the template branch, frames, cores of the placement."""

    search: int = 8
    template: int = 5
    frames: int = 6
    cores: int = 70
    width: int = 320
    height: int = 240


B384_T3 = Size(183, 122, 100, 14_000, 1280, 720)


def layer_names(populations: int) -> tuple[list[str], list[str]]:
    """(names, kinds): a convolution, a population and a sum for each population."""
    names, kinds = [], []
    for number in range(populations):
        stage = STAGES[number * len(STAGES) // populations]
        for kind in KINDS:
            names.append(f"{stage}.part{number}.{kind}")
            kinds.append(kind)
    kinds[0] = "image_conv"
    return names, kinds


def operations(populations: int, inferences: int, seed: int) -> tuple[Layers, Any]:
    """Rows that obey the counting rules: populations send, synapses operate."""
    rng = np.random.default_rng(seed)
    names, kinds = layer_names(populations)
    table = np.zeros((inferences, len(names), len(FIELDS)), np.int64)
    neurons = rng.integers(10_000, 500_000, populations)
    share = rng.uniform(0.05, 0.6, (inferences, populations))
    at = {name: index for index, name in enumerate(FIELDS)}
    events = (share * neurons).astype(np.int64)
    table[:, 1::3, at["events"]] = events
    table[:, 1::3, at["spikes"]] = events + events // 3
    table[:, 1::3, at["neuron_updates"]] = neurons
    table[:, 0::3, at["ac_graded"]] = events * 90
    table[:, 0::3, at["ac_spike"]] = events * 120
    table[:, 0::3, at["events_in"]] = events
    table[:, 0::3, at["spikes_in"]] = events + events // 3
    table[:, 2::3, at["ac_graded"]] = table[:, 2::3, at["ac_spike"]] = neurons
    table[:, 0, at["mac"]] = 4_000_000
    dense = tuple(
        int(n) * 150 if k.endswith("conv") else 0
        for n, k in zip(np.repeat(neurons, len(KINDS)), kinds, strict=True)
    )
    inputs = tuple(int(n) for n in np.repeat(neurons, len(KINDS)))
    return Layers(tuple(names), tuple(kinds), dense, inputs), table


def write_clip(folder: Path, size: Size) -> Path:
    """A folder of frames: smooth noise that drifts, as detailed as a natural picture."""
    folder.mkdir()
    rng = np.random.default_rng(5)
    small = rng.integers(0, 255, (size.height // 8, size.width // 4, 3), np.uint8)
    wide = cv2.resize(small, (size.width * 2, size.height), interpolation=cv2.INTER_CUBIC)
    for number in range(size.frames + 1):
        frame = wide[:, 3 * number : 3 * number + size.width]
        cv2.imwrite(str(folder / f"{number:04}.jpg"), frame)
    return folder


def boxes(frames: int, drift: float = 2.0) -> list[BoxRow]:
    """The first box and one a frame, moving to the right."""
    return [
        BoxRow(i, START.moved(drift * i, 0.5 * i), 1.0 if i == 0 else 0.9 - 0.5 * i / frames)
        for i in range(frames + 1)
    ]


def write_export(folder: Path, size: Size) -> Path:
    """An export folder with a manifest alone."""
    folder.mkdir()
    layers = {
        branch: [
            _format(name, kind, number)
            for number, (name, kind) in enumerate(zip(*layer_names(count), strict=True))
        ]
        for branch, count in ((TEMPLATE, size.template), (SEARCH, size.search))
    }
    manifest = {
        "checkpoint": CHECKPOINT,
        "versions": {"spiketrack": "0.1.0", "nir": "1.0.8"},
        "layers": layers,
        "not_standard_nir": {"operations": {"memory_read": "NIR has no product of signals"}},
        "also": {"netx": [{"path": "netx/a.net", "left_out": {"no branches": 4}}]},
    }
    write_json(folder / "manifest.json", manifest)
    return folder


def _format(name: str, kind: str, number: int) -> dict[str, Any]:
    row = {
        "name": name,
        "type": kind.capitalize(),
        "signal": "membrane",
        "inputs": ["x"],
        "shape": [1, 8, 16, 16],
        "dense_mac": 100,
        "fraction": 8,
        "peak": 1000 + number,
        "headroom_bits": 2 + number % 9 / 4,
    }
    return row | ({"weights": 64, "weight_shape": [1, 8, 8, 1, 1]} if kind == "conv" else {})


def write_run(folder: Path, footage: Path, export: Path, size: Size, **changes: Any) -> Path:
    """A run folder; ``changes`` replace keys of ``run.json``, ``drift`` moves the boxes."""
    folder.mkdir()
    seed = changes.pop("seed", 1)
    write_csv(folder / "boxes.csv", boxes(size.frames, changes.pop("drift", 2.0)))
    with h5py.File(folder / "counts.h5", "w") as file:
        for branch, count, inferences in (
            (SEARCH, size.search, size.frames),
            (TEMPLATE, size.template, 2),
        ):
            write_operations(file, branch, *operations(count, inferences, seed))
    about = {
        "format": "spiketrack-run",
        "version": 1,
        "network": {"variant": "b384_t3", "templates": 3, "embed_dims": [64, 128, 256, 360]},
        "checkpoint": CHECKPOINT,
        "export": str(export),
        "clip": {"name": footage.name, "path": str(footage), "fps": 25.0},
        "box": list(START.as_tuple()),
        "frames": size.frames,
        "backend": "lava",
        "counts": "full",
        "tracker": {"update_every": 25, "update_threshold": 0.7, "margin": 10},
        "seconds": {"first": 1.0, "frames": [0.5] * size.frames},
        "placement": None,
        "updates": [],
        "versions": {"spiketrack": "0.1.0", "lava-nc": "0.10.0"},
    }
    write_json(folder / "run.json", about | changes)
    return folder


def verification(clip: Path, size: Size) -> dict[str, Any]:
    """A document as ``spiketrack verify --json`` writes it."""
    names = [
        (branch, name)
        for branch, count in ((TEMPLATE, size.template), (SEARCH, size.search))
        for name, kind in zip(*layer_names(count), strict=True)
        if kind == "neuron"
    ]
    compared = [
        {"branch": b, "population": n, "compared": 1000, "mismatches": 0, "backends": {"lava": 0}}
        for b, n in names
    ]
    losses = [
        {
            "branch": b,
            "population": n,
            "counts": 1000,
            "mismatches": i % 7,
            "mismatch_rate": i % 7 / 1000,
            "mean_count_float": 0.5,
            "mean_difference": 1e-4,
            "sqnr_db": 40.0,
            "ties": 0,
        }
        for i, (b, n) in enumerate(names)
    ]
    rows = boxes(3)
    return {
        "schema": "spiketrack.verify",
        "version": 1,
        "spiketrack": "0.1.0",
        "exact": True,
        "counts_compared": 1000 * len(names),
        "mismatches": 0,
        "populations": len(names),
        "frames": 3,
        "updates": [],
        "backends": {
            "lava": {
                "exact": True,
                "counts_compared": 1000 * len(names),
                "mismatches": 0,
                "maps_differ": 0,
            }
        },
        "first_divergence": None,
        "by_population": compared,
        "float": {
            "teacher_forced": losses,
            "summary": {
                "populations": len(names),
                "mean_mismatch_rate": 0.003,
                "worst_mismatch_rate": 0.006,
                "worst_population": {"branch": names[6][0], "population": names[6][1]},
                "gates": 0,
                "worst_gate_mismatch_rate": None,
            },
            "free_running": {
                "iou": [1.0],
                "score_difference": [0.0],
                "median_iou": 0.9,
                "mean_score_difference": 0.01,
            },
        },
        "boxes": [
            {
                "frame": row.frame,
                "updated": False,
                "boxes": {"integer": row.box.as_tuple(), "float": row.box.moved(4, 4).as_tuple()},
                "scores": {"integer": row.score, "float": row.score},
            }
            for row in rows
        ],
        "clip": clip.name,
        "box": list(START.as_tuple()),
    }


def placement(size: Size, per_chip: int = 120) -> dict[str, Any]:
    """A document as ``spiketrack map --json`` writes it, so far as the report reads it."""
    rng = np.random.default_rng(3)
    chips = -(-size.cores // per_chip)
    traffic = {
        "within_core": 10.0,
        "between_cores": 200.0,
        "between_chips": 3.0,
        "hops_east_west": 50.0,
        "hops_north_south": 40.0,
        "with_host": 1.0,
    }
    branches, held = [], []
    for branch, count in ((TEMPLATE, size.template), (SEARCH, size.search)):
        names = layer_names(count)[0]
        held += [f"{branch}/{name}" for name in names]
        layers = [
            {
                "name": name,
                "kind": "population",
                "shape": [8, 16, 16],
                "steps": 1,
                "neurons": 2048,
                "block": [8, 4, 16],
                "blocks": 4,
                "cores": 4,
                "first_core": 0,
                "last_core": 3,
                "fullest": "neurons",
                "memory_bytes": 5000,
                "synapse_bytes": 100,
                "unrolled_synapse_bytes": 9000,
                "fan_in": 72,
                "fan_out_cores": 3,
                "input_axons": 10,
                "output_axons": 12,
                "traffic": traffic,
            }
            for name in names
        ]
        branches.append(
            {
                "name": branch,
                "cores": size.cores // 2,
                "latency_steps": 700,
                "interval_steps": 64,
                "frames_in_flight": 11,
                "longest_chain": names[:5],
                "counted": True,
                "layers": layers,
            }
        )
    cores = np.arange(size.cores)
    tile = cores % per_chip // 4
    limits = {
        "cores_per_chip": per_chip,
        "neurons_per_core": 8192,
        "memory_kib_per_core": 128,
        "cores_per_tile": 4,
        "tiles_across": 8,
    }
    return {
        "schema": "spiketrack.map",
        "version": 1,
        "board": "hala-point",
        "fits": True,
        "obstacle": None,
        "cores": size.cores,
        "chips": chips,
        "neurons": size.cores * 8000,
        "lower_bound_cores": size.cores - 1,
        "lower_bound_ratio": 1.0,
        "unrolled_lower_bound_cores": size.cores * 9,
        "limits": {name: {"value": value, "source": "a test"} for name, value in limits.items()},
        "boards": [{"name": "hala-point", "chips": 1152, "needed_chips": chips, "fits": True}],
        "branches": branches,
        "chip_table": [
            {"cores": per_chip, "neurons": 900, "use": {"neurons": 0.9, "memory": 0.2}}
            for _ in range(chips)
        ],
        "core_map": {
            "resources": ["neurons", "memory", "input axons", "output axons"],
            "layer_names": held,
            "chip": (cores // per_chip).tolist(),
            "tile_column": (tile % 8).tolist(),
            "tile_row": (tile // 8).tolist(),
            "neurons": rng.integers(4000, 8193, size.cores).tolist(),
            "memory_bytes": rng.integers(10_000, 131_072, size.cores).tolist(),
            "input_axons": rng.integers(1, 4096, size.cores).tolist(),
            "output_axons": rng.integers(1, 4096, size.cores).tolist(),
            "fullest": rng.integers(0, 4, size.cores).tolist(),
            "use": rng.uniform(0.5, 1, size.cores).round(4).tolist(),
            "layers": [[int(i) % len(held), (int(i) + 1) % len(held)] for i in cores],
        },
    }


@dataclass(frozen=True)
class Files:
    """Everything a report is made from."""

    run: Path
    other: Path
    verify: Path
    placement: Path


def write_all(folder: Path, size: Size) -> Files:
    """Two runs of one clip, a verification and a placement."""
    clip = write_clip(folder / "clip", size)
    export = write_export(folder / "export", size)
    run = write_run(folder / "run", clip, export, size)
    other = write_run(folder / "other", clip, export, size, backend="integer", seed=2, drift=2.5)
    paths = folder / "verify.json", folder / "map.json"
    for path, value in zip(paths, (verification(clip, size), placement(size)), strict=True):
        path.write_text(json.dumps(value), encoding="utf-8")
    return Files(run, other, *paths)
