"""What a report is made from: files of the real commands, and the same in the largest size."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np

from spiketrack.commands.map import map as place
from spiketrack.commands.simulate import simulate
from spiketrack.commands.verify import verify
from spiketrack.config import TrackerConfig
from spiketrack.documents.placement import BranchPlacement, CoreMap, MapDocument, Quantity
from spiketrack.documents.run import RunDocument, SecondsPart
from spiketrack.pipeline import export_checkpoint
from spiketrack.reference.checkpoint import save_checkpoint
from spiketrack.report import build_report, read_sources, write_html
from spiketrack.runs.folder import BOXES_FILE, RunFolder
from spiketrack.runs.operations import COUNTS_FILE, write_operations
from spiketrack.video.boxes import BoxRow, read_csv, write_csv
from support.random_graphs import tiny_model
from support.runs import sign_run

BOX = "200,120,80,100"
TEMPLATES = 3  # the published networks with most populations
FRAMES = 6
SIDE = (320, 240)


@dataclass(frozen=True)
class Files:
    """Everything a report is made from: one network, one object in one clip, three backends."""

    run: Path
    other: Path
    floating: Path
    verify: Path
    placement: Path
    clip: Path
    export: Path

    @property
    def boxes(self) -> list[BoxRow]:
        return read_csv(self.run / BOXES_FILE)


def write_clip(folder: Path, frames: int = FRAMES, side: tuple[int, int] = SIDE) -> Path:
    """A folder of frames: smooth noise that drifts, as detailed as a natural picture."""
    folder.mkdir()
    width, height = side
    rng = np.random.default_rng(5)
    small = rng.integers(0, 255, (height // 8, width // 4, 3), np.uint8)
    wide = cv2.resize(small, (width * 2, height), interpolation=cv2.INTER_CUBIC)
    for number in range(frames + 1):
        cv2.imwrite(str(folder / f"{number:04}.jpg"), wide[:, 3 * number : 3 * number + width])
    return folder


def write_all(folder: Path) -> Files:
    """An export, three runs, a verification and a placement, by the commands themselves."""
    clip, checkpoint = write_clip(folder / "clip"), str(folder / "tiny.safetensors")
    save_checkpoint(Path(checkpoint), tiny_model(TEMPLATES), TRACKER)
    export_checkpoint(checkpoint, folder / "export", clip, BOX, also="netx")
    for run, backend, every in (
        ("run", "inline", TRACKER.update_every),
        ("other", "integer", 100),  # other templates, so other counts and boxes
        ("floating", "float", TRACKER.update_every),
    ):
        simulate(
            folder / "export",
            video=clip,
            box=BOX,
            out=folder / run,
            frames=FRAMES,
            backend=backend,
            checkpoint=checkpoint if backend == "float" else None,
            update_every=every,
            counts="full" if run == "run" else "totals",
        )
    verify(
        folder / "export",
        checkpoint=checkpoint,
        video=clip,
        box=BOX,
        frames=3,
        backends="float,integer,inline",
        json=folder / "verify.json",
    )
    place(folder / "export", run=folder / "run", json=folder / "map.json")
    return Files(
        run=folder / "run",
        other=folder / "other",
        floating=folder / "floating",
        verify=folder / "verify.json",
        placement=folder / "map.json",
        clip=clip,
        export=folder / "export",
    )


def write_page(folder: Path, files: Files) -> Path:
    """The report with both runs, the verification and the placement."""
    sources = read_sources(files.run, (files.other,), files.verify, files.placement)
    write_html(build_report(sources), folder / "report.html")
    return folder / "report.html"


TRACKER = TrackerConfig(update_every=2, update_threshold=0.0)


def changed_run(folder: Path, source: Path, **changes: Any) -> Path:
    """A copy of a run with other keys in ``run.json``."""
    shutil.copytree(source, folder)
    sign_run(folder, RunFolder.read(source).about.model_copy(update=changes))
    return folder


def resized(found: MapDocument, cores: int, per_chip: int = 120) -> MapDocument:
    """The placement with another number of cores, their rows repeated."""
    old, board = found.core_map, found.limits
    tile = np.arange(cores) % per_chip // board.cores_per_tile.value
    across = board.tiles_across.value
    lists = {
        name: tuple(getattr(old, name)[core % found.cores] for core in range(cores))
        for name in (
            "neurons",
            "memory_bytes",
            "input_axons",
            "output_axons",
            "fullest",
            "use",
            "layers",
        )
    }
    chips = -(-cores // per_chip)
    core_map = CoreMap(
        resources=old.resources,
        layer_names=old.layer_names,
        chip=tuple(core // per_chip for core in range(cores)),
        tile_column=tuple((tile % across).tolist()),
        tile_row=tuple((tile // across).tolist()),
        **lists,
    )
    limits = board.model_copy(update={"cores_per_chip": Quantity[int](value=per_chip)})
    update = {"cores": cores, "chips": chips, "limits": limits, "core_map": core_map}
    update["branches"] = tuple(_on_cores(branch, cores) for branch in found.branches)
    update["chip_table"] = (found.chip_table[0],) * chips
    larger = found.model_copy(update=update)
    return MapDocument.parse(larger.text().encode(), "the larger placement")


def _on_cores(branch: BranchPlacement, cores: int) -> BranchPlacement:
    """The branch with its blocks on the first so many cores."""
    rows = tuple(
        row.model_copy(update={"core_of_block": tuple(core % cores for core in row.core_of_block)})
        for row in branch.layers
    )
    return branch.model_copy(update={"layers": rows})


def enlarge(folder: Path, files: Files, frames: int, cores: int, side: tuple[int, int]) -> Files:
    """The same network over so many frames of that size, on so many cores."""
    clip = write_clip(folder / "clip", frames, side)
    runs = [_longer(folder / run.name, run, frames, clip) for run in (files.run, files.other)]
    for run in runs[1:]:
        sign_run(run, _as(RunFolder.read(runs[0]).about, RunFolder.read(run).about))
    resized(MapDocument.read(files.placement), cores).model_copy(
        update={"run_digest": RunFolder.read(runs[0]).digest}
    ).write(folder / "map.json")
    run, other = runs
    changes = {"run": run, "other": other, "placement": folder / "map.json", "clip": clip}
    return replace(files, **changes)


def _as(first: RunDocument, other: RunDocument) -> RunDocument:
    return other.model_copy(update={"clip": first.clip, "box": first.box})


def _longer(folder: Path, run: Path, frames: int, clip: Path) -> Path:
    folder.mkdir()
    found = RunFolder.read(run)
    rows = found.boxes()
    with h5py.File(folder / COUNTS_FILE, "w") as file:
        for branch, counts in found.counts().items():
            number = frames if branch == "search" else len(counts.operations)
            picks = np.arange(number) % len(counts.operations)
            write_operations(file, branch, counts.layers, counts.operations[picks])
    picked = [rows[min(i, 1 + i % (len(rows) - 1))] for i in range(frames + 1)]
    write_csv(folder / BOXES_FILE, [BoxRow(i, r.box, r.score) for i, r in enumerate(picked)])
    seconds = SecondsPart(first=1.0, frames=(0.5,) * frames)
    about = found.about.clip.model_copy(update={"path": str(clip), "name": clip.name})
    changes = {"clip": about, "frames": frames, "seconds": seconds}
    sign_run(folder, found.about.model_copy(update=changes))
    return folder
