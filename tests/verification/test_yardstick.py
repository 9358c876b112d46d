"""What float itself is worth: float32 against float64 and integer, recomputed by brute force."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.grid import on_the_grid, rounding_visibly
from support.program import Program
from support.synthetic_clips import moving_patch, write_images

from spiketrack.config import TrackerConfig
from spiketrack.documents.verification import VerifyDocument
from spiketrack.documents.yardstick import Compared, Judgement, Yardstick, judge
from spiketrack.errors import DocumentError
from spiketrack.export.nir.folder import ExportedNetwork
from spiketrack.inference import Maps
from spiketrack.pipeline import compile_network, export_checkpoint
from spiketrack.reference.checkpoint import Checkpoint, read_checkpoint, save_checkpoint
from spiketrack.reference.model import SpikeTrack
from spiketrack.reference.neuron import Neuron
from spiketrack.simulators.backends import Options
from spiketrack.simulators.integer import IntegerSimulator
from spiketrack.tracking.tracker import clip_box, decode, to_frame
from spiketrack.verification.document import document
from spiketrack.verification.verify import Verification, verify
from spiketrack.video.boxes import Box, iou
from spiketrack.video.crop import take_crop

pytestmark = pytest.mark.slow

BOX = Box(10, 20, 20, 16)
FRAMES, _ = moving_patch(6)
TEXT = "10,20,20,16"
SETTINGS = TrackerConfig(update_every=2, update_threshold=0.0)
Counts = dict[str, list[NDArray[Any]]]


def exported(model: SpikeTrack, folder: Path) -> tuple[Checkpoint, ExportedNetwork]:
    save_checkpoint(folder / "weights.safetensors", model, SETTINGS)
    checkpoint = read_checkpoint(folder / "weights.safetensors")
    return checkpoint, compile_network(checkpoint, None)


def verified(
    checkpoint: Checkpoint, network: ExportedNetwork, yardstick: int
) -> tuple[Verification, Yardstick]:
    found = verify(
        network,
        checkpoint,
        FRAMES,
        BOX,
        ("float", "integer"),
        SETTINGS,
        Options(),
        yardstick=yardstick,
    )
    part = document(found, network.manifest, "clip", BOX).float_
    assert part is not None
    return found, part.yardstick


class Plain:
    """A float network whose populations' outputs are caught, by module in order of calls."""

    def __init__(self, model: SpikeTrack, dtype: torch.dtype) -> None:
        self.model, self.dtype = model.to(dtype), dtype
        self.caught: Counts = {}
        for name, module in self.model.named_modules():
            if isinstance(module, Neuron):
                module.register_forward_hook(functools.partial(self.catch, name))

    def catch(self, name: str, module: Any, inputs: Any, output: torch.Tensor) -> None:
        self.caught.setdefault(name, []).append(output.numpy() * 4)

    def encode(self, crops: NDArray[Any]) -> Counts:
        self.caught = {}
        self.memory = self.model.encode_template(torch.tensor(crops, dtype=self.dtype))
        return self.caught

    def search(self, crop: NDArray[Any]) -> tuple[Counts, Maps]:
        self.caught = {}
        maps = self.model(torch.tensor(crop[None], dtype=self.dtype), self.memory)
        names = ("score_map", "size_map", "offset_map")
        score, size, offset = (maps[name][0].numpy() for name in names)
        return self.caught, Maps(score[0], size, offset)


def by_calls(trace: Mapping[str, NDArray[Any]]) -> Counts:
    """``a`` and ``a:2`` are the two calls of one module."""
    return {
        name: [trace[key] for key in (name, f"{name}:2") if key in trace]
        for name in trace
        if not name.endswith(":2")
    }


def differing(a: Counts, b: Counts) -> int:
    assert a.keys() == b.keys()
    return sum(
        int((x.ravel() != y.ravel()).sum())
        for name in a
        for x, y in zip(a[name], b[name], strict=True)
    )


def crops_of(found: Verification, size: int, templates: int) -> Iterator[tuple[int, Any, Any]]:
    """Frame, search crop or None, templates or None, from the integer backend's boxes alone."""
    boxes = [row.boxes["integer"] for row in found.frames]
    first = take_crop(FRAMES[0], BOX, SETTINGS.template_factor, size)
    stack = [first] * templates
    yield 0, None, np.stack(stack)
    for row in found.frames[1:]:
        crop = take_crop(FRAMES[row.frame], boxes[row.frame - 1], SETTINGS.search_factor, size)
        yield row.frame, crop, None
        if row.updated:
            place = boxes[row.frame]
            newest = take_crop(FRAMES[row.frame], place, SETTINGS.template_factor, size)
            stack = [stack[0], *stack[2:], newest]
            yield row.frame, None, np.stack(stack)


def box_of(maps: Maps, last: Box) -> Box:
    moved = to_frame(decode(maps, SETTINGS.window), last, SETTINGS.search_factor)
    return clip_box(moved, 96, 72, SETTINGS.margin)


@pytest.mark.parametrize(("templates", "frames"), [(1, 2), (3, 3), (3, 2)])
def test_both_floats_and_integer_again_by_hand(templates: int, frames: int, tmp_path: Path) -> None:
    """Every count of both branches, from crops cut anew, through hooks of the test's own."""
    checkpoint, network = exported(rounding_visibly(templates), tmp_path)
    found, yardstick = verified(checkpoint, network, frames)
    single = Plain(checkpoint.build(), torch.float32)
    double = Plain(checkpoint.build(), torch.float64)
    whole = IntegerSimulator(network.graphs, network.config, counts=True)
    compared, wrong, overlaps = 0, {"float64": 0, "integer": 0}, []
    for frame, crop, stack in crops_of(found, network.config.resolution, templates):
        if frame > frames or (frame == frames and stack is not None):
            continue  # beyond the yardstick, or read by nothing in it
        with torch.no_grad():
            if crop is None:
                counts, other = single.encode(stack), double.encode(stack)
                integer = whole.encode_template(stack)
            else:
                last = found.frames[frame - 1].boxes["integer"]
                (counts, maps), (other, maps64) = single.search(crop), double.search(crop)
                integer = whole.search(crop)
                overlaps.append(iou(box_of(maps64, last), box_of(maps, last)))
        compared += sum(c.size for calls in counts.values() for c in calls)
        wrong["float64"] += differing(counts, other)
        wrong["integer"] += differing(counts, by_calls(integer.trace.counts))
    assert wrong["float64"] > 0
    for name, part in (("float64", yardstick.float64), ("integer", yardstick.integer)):
        assert (part.counts, part.mismatches) == (compared, wrong[name])
        assert part.mismatch_rate == pytest.approx(wrong[name] / compared)
    assert yardstick.float64.iou == pytest.approx(overlaps)
    assert yardstick.frames == frames


def test_on_the_grid_nothing_differs(tmp_path: Path) -> None:
    checkpoint, network = exported(on_the_grid(1), tmp_path)
    _, yardstick = verified(checkpoint, network, 3)
    assert yardstick.judgement == "equal"
    for part in (yardstick.float64, yardstick.integer):
        assert part.mismatches == 0
        assert part.median_iou == pytest.approx(1.0, abs=1e-5)


# the judgement


def compared(mismatches: int, *overlaps: float) -> Compared:
    middle = float(np.median(overlaps)) if overlaps else None
    return Compared(
        counts=1000,
        mismatches=mismatches,
        mismatch_rate=mismatches / 1000,
        iou=overlaps,
        median_iou=middle,
    )


@pytest.mark.parametrize(
    ("float64", "integer", "word"),
    [
        (compared(0, 1.0), compared(0, 1.0), "equal"),
        (compared(9, 0.8), compared(0, 1.0), "equal"),
        (compared(84, 0.83), compared(80, 0.82), "within"),
        (compared(84, 0.83), compared(84, 0.81), "within"),
        (compared(84, 0.83), compared(112, 0.82), "close"),
        (compared(84, 0.83), compared(112, 0.95), "close"),
        (compared(0, 1.0), compared(1, 0.98), "close"),
        (compared(0, 1.0), compared(1, 0.97), "beyond"),
        (compared(84, 0.83), compared(12, 0.80), "beyond"),
        (compared(84, 0.1, 0.9, 0.9), compared(84, 0.9, 0.2, 0.2), "beyond"),
        (compared(3), compared(2), "within"),
        (compared(3), compared(4), "close"),
    ],
)
def test_integer_is_judged_by_float_itself(
    float64: Compared, integer: Compared, word: Judgement
) -> None:
    assert judge(float64, integer) == word


# the document and the program


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose float32 rounds visibly, its export and a clip; to be read alone."""
    folder = tmp_path_factory.mktemp("home")
    save_checkpoint(folder / "tiny.safetensors", rounding_visibly(1), SETTINGS)
    write_images(folder / "frames", FRAMES)
    export_checkpoint(folder / "tiny.safetensors", folder / "export", folder / "frames", TEXT)
    return folder


def options(home: Path) -> list[object]:
    checkpoint = ["--checkpoint", home / "tiny.safetensors", "--backends", "float,integer"]
    return [home / "export", "--video", home / "frames", "--box", TEXT, "--frames", 3, *checkpoint]


def test_the_program_prints_writes_and_checks_it(
    home: Path, tmp_path: Path, program: Program
) -> None:
    path = tmp_path / "v.json"
    out = program("verify", *options(home), "--yardstick", 2, "--json", path)
    part = json.loads(path.read_text())["float"]["yardstick"]
    assert part["frames"] == 2
    assert "what float itself is worth, 2 frames" in out
    for key in ("float64", "integer"):
        row = next(x for x in out.splitlines() if x.startswith(f"float32 against {key}")).split()
        share, overlap = f"{part[key]['mismatch_rate']:.3%}", f"{part[key]['median_iou']:.3f}"
        assert row[-3:] == [f"{part[key]['mismatches']:,}", share, overlap]
    assert f"judged by float itself: {part['judgement']}: integer" in out
    refuse(path, {"judgement": "equal"}, "judgement contradicts its figures")
    refuse(path, {"judgement": "good"}, "judgement: ")
    refuse(path, {"frames": 9}, "frames is not the number of boxes")
    refuse(path, {"float64": part["float64"] | {"mismatches": 0}}, "mismatch_rate is not")


def refuse(path: Path, changes: dict[str, object], message: str) -> None:
    """A judgement must follow from its figures."""
    found = json.loads(path.read_text())
    found["float"]["yardstick"] |= changes
    changed = path.with_name("changed.json")
    changed.write_text(json.dumps(found))
    with pytest.raises(DocumentError, match=f"changed.json: .*{message}"):
        VerifyDocument.read(changed)


def test_a_yardstick_is_never_left_out(home: Path, program: Program) -> None:
    assert "--yardstick" in program.refuses("verify", *options(home), "--yardstick", 0)


def test_a_verification_of_the_older_version_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "v.json"
    path.write_text(json.dumps({"schema": "spiketrack.verify", "version": 1}))
    with pytest.raises(DocumentError) as refused:
        VerifyDocument.read(path)
    assert str(refused.value) == (
        f"{path}: spiketrack.verify written as version 1, this program reads 2; "
        "write it with spiketrack verify --json"
    )
