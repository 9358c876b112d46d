"""Training samples: T templates and K search crops of one object.

Sample n of a run is a function of the seed and n alone, so that a resumed run, and any number of
workers, see the same samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiketrack.training import pasting, pixels
from spiketrack.training.folders import Clip, Collection, Pixels, Still
from spiketrack.training.pasting import CutOut, Placement
from spiketrack.training.schema import AugmentSection, TrainingConfig
from spiketrack.training.views import (
    Box,
    Drift,
    lost_drift,
    normal,
    search_drift,
    start_drift,
    template_drift,
)

Drawn = tuple[list[Pixels], list[Pixels], list[Box]]
VALIDATION_STREAM = 2**31
REPEATED = 0.5  # share of samples with T > 1 whose first template fills more than one place
PLAIN = AugmentSection(
    scale=0.25, shift=0.25, far_share=0.0, template_shift=0.0, template_scale=0.0, angle=0.0,
    stretch=0.0, flip=0.0, gray=0.0, colour=0.0, blur=0.0, noise=0.0, occlusion=0.0,
)  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """templates (T, S, S, 3), searches (K, S, S, 3), boxes (K, 4) cx, cy, w, h in crops."""

    templates: Pixels
    searches: Pixels
    boxes: NDArray[np.float32]


class Sampler:
    """Draws samples from a collection as a configuration says."""

    def __init__(self, config: TrainingConfig, collection: Collection) -> None:
        self.config = config
        self.collection = collection
        self.size = config.network.build().resolution
        self.templates = config.network.templates
        self.search_factor = config.augment.search_factor or config.tracker.search_factor

    def draw(self, index: int) -> Sample:
        """Training sample ``index``."""
        rng = np.random.default_rng((self.config.seed, index))
        data, augment = self.config.data, self.config.augment
        kind = rng.random()
        if kind < data.video_share:
            drawn = self._from_video(rng, self._clip(rng), augment)
        elif kind < data.video_share + data.pasted_share:
            drawn = self._pasted(rng)
        else:
            drawn = self._from_still(rng)
        return self._finish(rng, drawn)

    def validation(self, index: int) -> Sample:
        """Validation sample ``index``: kept-out videos in turn, nothing done to the pixels."""
        rng = np.random.default_rng((VALIDATION_STREAM, index))
        clips = self.collection.validation
        templates, searches, boxes = self._from_video(rng, clips[index % len(clips)], PLAIN, 1)
        return _stack(templates, searches, boxes)

    def _clip(self, rng: np.random.Generator) -> Clip:
        return self.collection.clips[int(rng.integers(len(self.collection.clips)))]

    def _frames(self, rng: np.random.Generator, clip: Clip, searches: int) -> list[int]:
        """T template frames in order of time, then the search frames.

        As in tracking, the first template may still fill the places of later ones.
        """
        drawn = rng.integers(len(clip.frames), size=self.templates + searches)
        frames = [int(v) for v in drawn]
        templates = sorted(frames[:-searches])
        if self.templates > 1 and rng.random() < REPEATED:
            filled = int(rng.integers(2, self.templates + 1))
            templates[:filled] = templates[:1] * filled
        return templates + frames[-searches:]

    def _from_video(
        self, rng: np.random.Generator, clip: Clip, augment: AugmentSection, count: int = 0
    ) -> Drawn:
        count = count or self.config.data.searches
        frames = self._frames(rng, clip, count)
        pictures = [(clip.frames[i], clip.boxes[i]) for i in frames]
        return self._crops(rng, pictures[:-count], pictures[-count:], augment)

    def _crops(
        self,
        rng: np.random.Generator,
        templates: list[tuple[Pixels, NDArray[np.float64]]],
        searches: list[tuple[Pixels, NDArray[np.float64]]],
        augment: AugmentSection,
    ) -> Drawn:
        tracker = self.config.tracker
        crops: Drawn = ([], [], [])
        for step, (image, box) in enumerate(templates):
            if step and augment.spoiled and rng.random() < augment.spoiled:
                drift = lost_drift(rng, augment)
            else:
                drift = self._template_drift(rng, augment, step)
            crops[0].append(drift.view(box, tracker.template_factor).render(image, self.size))
        for image, box in searches:
            view = search_drift(rng, augment).view(box, self.search_factor)
            crops[1].append(view.render(image, self.size))
            crops[2].append(view.locate(box))
        return crops

    def _template_drift(
        self, rng: np.random.Generator, augment: AugmentSection, step: int
    ) -> Drift:
        """Of a template; the first may be that of a start that is off, in training."""
        share = 0.0 if augment is PLAIN or step else self.config.robust.template_starts
        if share and rng.random() < share:
            return start_drift(rng, self.config.tracker.template_factor)
        return template_drift(rng, augment, 3.0 if step else 1.0)

    def _still(self, rng: np.random.Generator) -> tuple[Still, NDArray[np.float64]]:
        """A still and one object of it, or a box somewhere round its middle."""
        stills = self.collection.stills
        still = stills[int(rng.integers(len(stills)))]
        if len(still.boxes) and rng.random() < 0.8:
            return still, still.boxes[int(rng.integers(len(still.boxes)))]
        height, width = still.image.shape[:2]
        side = min(height, width) * rng.uniform(0.15, 0.8)
        aspect = math.exp(normal(rng, 0.35))
        w, h = min(side * aspect, 0.95 * width), min(side / aspect, 0.95 * height)
        x = (width - w) * np.clip(rng.normal(0.5, 0.2), 0, 1)
        y = (height - h) * np.clip(rng.normal(0.5, 0.2), 0, 1)
        return still, np.array([x, y, w, h])

    def _from_still(self, rng: np.random.Generator) -> Drawn:
        still, box = self._still(rng)
        picture = (still.image, box)
        wide = self.config.augment.model_copy(
            update={"angle": 2 * self.config.augment.angle, "stretch": 0.12}
        )
        return self._crops(
            rng, [picture] * self.templates, [picture] * self.config.data.searches, wide
        )

    def _background(self, rng: np.random.Generator) -> Pixels:
        """A random square of a random still or frame."""
        stills = self.collection.stills
        if not stills or rng.random() < 0.3:
            clip = self._clip(rng)
            image = clip.frames[int(rng.integers(len(clip.frames)))]
        else:
            image = stills[int(rng.integers(len(stills)))].image
        height, width = image.shape[:2]
        side = min(height, width) * rng.uniform(0.3, 1.0)
        centre = np.array([rng.uniform(side / 2, v - side / 2) for v in (width, height)])
        box = np.array([*(centre - side / 2), side, side])
        return Drift(0, 0, 1, 0, 1).view(box, 1.0).render(image, self.size)

    def _cut_outs(self, rng: np.random.Generator, count: int) -> list[CutOut]:
        """``count`` views of one object: frames of a track, or one still again and again."""
        shape = pasting.outline(rng)
        if rng.random() < 0.35:
            clip = self._clip(rng)
            return [
                pasting.cut(clip.frames[i], clip.boxes[i], shape)
                for i in rng.integers(len(clip.frames), size=count)
            ]
        still, box = self._still(rng)
        return [pasting.cut(still.image, box, shape)] * count

    def _place(self, piece: CutOut, drift: Drift, factor: float) -> Placement:
        height, width = piece.image.shape[:2]
        scale = self.size / factor / math.sqrt(width * height) / drift.scale
        x, y = (self.size * (0.5 + v) for v in (drift.x, drift.y))
        return Placement(x, y, scale * drift.stretch, scale / drift.stretch, drift.angle)

    def _pasted(self, rng: np.random.Generator) -> Drawn:
        augment, tracker = self.config.augment, self.config.tracker
        searches = self.config.data.searches
        pieces = self._cut_outs(rng, self.templates + searches)
        crops: Drawn = ([], [], [])
        for piece in pieces[: self.templates]:
            drift = self._template_drift(rng, augment, 0)
            place = self._place(piece, drift, tracker.template_factor)
            crops[0].append(pasting.paste(self._background(rng), piece, place)[0])
        for piece in pieces[self.templates :]:
            image = self._distract(rng, self._background(rng))
            place = self._place(piece, search_drift(rng, augment), self.search_factor)
            image, box = pasting.paste(image, piece, place)
            crops[1].append(image)
            crops[2].append(box)
        return crops

    def _distract(self, rng: np.random.Generator, image: Pixels) -> Pixels:
        """Other objects before the target is laid over them."""
        while rng.random() < self.config.augment.distractors:
            wide = self.config.augment.model_copy(update={"far_share": 1.0, "far_shift": 0.5})
            piece = self._cut_outs(rng, 1)[0]
            place = self._place(piece, search_drift(rng, wide), self.search_factor)
            image, _ = pasting.paste(image, piece, place)
        return image

    def _finish(self, rng: np.random.Generator, drawn: Drawn) -> Sample:
        """Light, colour, flips and faults: some common to all crops, some of each alone."""
        templates, searches, boxes = drawn
        augment = self.config.augment
        searches = [
            pixels.occlude(rng, image, box, self._background(rng))
            if rng.random() < augment.occlusion else image
            for image, box in zip(searches, boxes, strict=True)
        ]  # fmt: skip
        table = pixels.light_table(rng, augment.colour)
        monochrome, flipped = rng.random() < augment.gray, rng.random() < augment.flip
        crops = []
        for image in templates + searches:
            image = pixels.spoil(rng, pixels.apply_table(image, table), augment)
            image = pixels.gray(image) if monochrome else image
            crops.append(image[:, ::-1] if flipped else image)
        if flipped:
            boxes = [(1 - x, y, w, h) for x, y, w, h in boxes]
        return _stack(crops[: len(templates)], crops[len(templates) :], boxes)


def _stack(templates: list[Pixels], searches: list[Pixels], boxes: list[Box]) -> Sample:
    return Sample(np.stack(templates), np.stack(searches), np.array(boxes, np.float32))
