"""OpenCV's own trackers on the same frames, as a yardstick."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import cv2

from spiketrack.errors import ClipError, ConfigError, MissingDependency
from spiketrack.video.boxes import Box
from spiketrack.video.footage import Frame

BASELINES = {"csrt": "TrackerCSRT", "kcf": "TrackerKCF", "mil": "TrackerMIL"}


class Baseline:
    """One of OpenCV's trackers with its default settings.

    OpenCV takes whole pixels, so the first box is rounded; a lost target keeps its last box.
    MIL draws its samples by the clock: its figures differ by some hundredths from run to run.
    ``MissingDependency`` where the installed OpenCV lacks the tracker (CSRT and KCF are in its
    contrib build), ``ConfigError`` for an unknown name.
    """

    def __init__(self, name: str) -> None:
        if name not in BASELINES:
            raise ConfigError(f"--baseline {name}: unknown; choose from {', '.join(BASELINES)}")
        self.name = name
        self.create = getattr(cv2, f"{BASELINES[name]}_create", None)
        if self.create is None:
            raise MissingDependency(
                f"--baseline {name}: this OpenCV ({cv2.__version__}) has no {name.upper()}; it is "
                "in the contrib build: install opencv-contrib-python-headless last, in the same "
                "version"
            )

    def follow(self, frames: Iterable[Frame], box: Box) -> Iterator[Box]:
        """Boxes of all frames, the first as given."""
        tracker: Any = None
        for frame in frames:
            image = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
            if tracker is None:
                tracker = self._start(image, box)
            else:
                success, values = tracker.update(image)
                box = Box(*(float(v) for v in values)) if success else box
            yield box

    def _start(self, image: Frame, box: Box) -> Any:
        assert self.create is not None
        tracker = self.create()
        whole = tuple(round(value) for value in box.as_tuple())
        try:
            tracker.init(image, whole)
        except cv2.error as error:
            raise ClipError(f"{self.name}: OpenCV refuses the first box {whole}") from error
        return tracker


def parse_baselines(text: str) -> list[Baseline]:
    """``csrt,kcf,mil`` → baselines, each once."""
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    return [Baseline(name) for name in dict.fromkeys(names)]
