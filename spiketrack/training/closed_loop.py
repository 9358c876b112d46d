"""Success AUC in closed loop on the kept-out videos: what a checkpoint is chosen by.

Each video is followed from several starts: frames spread over it (temporal robustness), the given
box in the first, in the others a box moved by a tenth of its size to one side (spatial). All runs
go side by side as one batch; each is cropped, decoded and moved as the tracker does it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spiketrack.config import TrackerConfig
from spiketrack.inference import Maps
from spiketrack.reference.model import SpikeTrack
from spiketrack.tracking.figures import interval
from spiketrack.tracking.metrics import overlaps, success_curve
from spiketrack.tracking.tracker import CropArray, clip_box, decode, to_frame
from spiketrack.training.folders import Clip
from spiketrack.video.boxes import Box
from spiketrack.video.crop import take_crop

BATCH = 32  # runs side by side
SIDES = ((0.0, 0.0), (-0.1, 0.0), (0.1, 0.0), (0.0, -0.1), (0.0, 0.1))  # of the box, by start


@dataclass(frozen=True, eq=False)
class Start:
    """A run: frames ``first`` to ``last`` of a clip, begun from ``box``."""

    clip: Clip
    first: int
    last: int
    box: Box


def begin_at(clip: Clip, starts: int, frames: int) -> list[Start]:
    """At most ``starts`` runs of at most ``frames`` tracked frames, each of one at least."""
    most = max(0, len(clip.frames) - 1 - frames)
    places = dict.fromkeys(round(float(v)) for v in np.linspace(0, most, starts))
    firsts = [*places, *([0] * (starts - len(places)))]  # short clips: the first frame again
    runs = []
    for number, first in enumerate(firsts):
        x, y, w, h = (float(v) for v in clip.boxes[first])
        dx, dy = SIDES[number % len(SIDES)]
        last = min(first + frames, len(clip.frames) - 1)
        if last > first:
            runs.append(Start(clip, first, last, Box(x + dx * w, y + dy * h, w, h)))
    return runs


@torch.no_grad()
def follow_all(
    model: SpikeTrack, settings: TrackerConfig, runs: Sequence[Start]
) -> list[list[Box]]:
    """Boxes of each run's frames, the first as begun; ``model`` in evaluation mode."""
    side = model.config.resolution
    boxes = [[run.box] for run in runs]
    crops = [_crop(run, run.first, run.box, settings.template_factor, side) for run in runs]
    templates = [[crop] * model.config.templates for crop in crops]
    memory = _encode(model, templates)
    for step in range(1, max(run.last - run.first for run in runs) + 1):
        active = [i for i, run in enumerate(runs) if run.first + step <= run.last]
        x = [
            _crop(runs[i], runs[i].first + step, boxes[i][-1], settings.search_factor, side)
            for i in active
        ]
        found = model(torch.from_numpy(np.stack(x)), [m[:, active] for m in memory])
        due = False
        for i, maps in zip(active, _each(found), strict=True):
            prediction = decode(maps, settings.window)
            frame = runs[i].clip.frames[runs[i].first + step]
            moved = to_frame(prediction, boxes[i][-1], settings.search_factor)
            box = clip_box(moved, frame.shape[1], frame.shape[0], settings.margin)
            boxes[i].append(box)
            renewed = model.config.templates > 1 and step % settings.update_every == 0
            if renewed and prediction.score > settings.update_threshold:
                place = runs[i].first + step
                newest = _crop(runs[i], place, box, settings.template_factor, side)
                templates[i] = [templates[i][0], *templates[i][2:], newest]
                due = True
        memory = _encode(model, templates) if due else memory
    return boxes


def closed_loop(
    model: SpikeTrack, settings: TrackerConfig, clips: Sequence[Clip], starts: int, frames: int
) -> dict[str, float]:
    """``auc``: mean over the videos of the mean over their starts; ``auc_low``, ``auc_high``: 95 %.

    Without a video of two frames there is nothing to say.
    """
    runs = [run for clip in clips for run in begin_at(clip, starts, frames)]
    by_clip: dict[str, list[float]] = {}
    for i in range(0, len(runs), BATCH):
        some = runs[i : i + BATCH]
        for run, boxes in zip(some, follow_all(model, settings, some), strict=True):
            found = np.array([box.as_tuple() for box in boxes[1:]])
            ious = overlaps(found, run.clip.boxes[run.first + 1 : run.last + 1])
            auc = float(success_curve(ious).mean())
            by_clip.setdefault(run.clip.name, []).append(auc)
    if not by_clip:
        return {}
    means = np.array([np.mean(values) for values in by_clip.values()])
    low, high = interval(means)
    return {"auc": float(means.mean()), "auc_low": low, "auc_high": high}


def _crop(run: Start, place: int, box: Box, factor: float, side: int) -> CropArray:
    return take_crop(run.clip.frames[place], box, factor, side)


def _encode(model: SpikeTrack, templates: list[list[CropArray]]) -> tuple[Tensor, ...]:
    return model.encode_template(torch.from_numpy(np.stack(templates)).transpose(0, 1))


def _each(found: dict[str, Tensor]) -> Iterator[Maps]:
    parts = (found[key].numpy() for key in ("score_map", "size_map", "offset_map"))
    for score, size, offset in zip(*parts, strict=True):
        yield Maps(score[0], size, offset)
