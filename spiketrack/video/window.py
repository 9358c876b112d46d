"""A window in which the user draws the first box, where OpenCV and the machine have one."""

from __future__ import annotations

import os
import sys

import cv2

from spiketrack.errors import ClipError
from spiketrack.video.boxes import Box
from spiketrack.video.footage import Frame


def draw_box(frame: Frame) -> Box:
    """Let the user draw a box; ``ClipError`` without a display or where OpenCV has no windows."""
    problem = no_window()
    if problem:
        raise ClipError(f"no --box given and none can be drawn: {problem}; give --box x,y,w,h")
    image = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    try:
        values = cv2.selectROI("Draw the box, then press Enter", image, showCrosshair=False)
        cv2.destroyAllWindows()
    except cv2.error as error:
        raise ClipError(
            "no --box given and OpenCV cannot open a window; give --box x,y,w,h"
        ) from error
    drawn = Box(*(float(v) for v in values))
    if not drawn.valid:
        raise ClipError("no box was drawn; draw one or give --box x,y,w,h")
    return drawn


WINDOWS = "pip install --force-reinstall --no-deps 'opencv-python>=4.9,<4.12'"


def no_window() -> str:
    """Why no window can be opened, empty if one can."""
    lines = (line.split() for line in cv2.getBuildInformation().splitlines())
    if any(words[:2] == ["GUI:", "NONE"] for words in lines):
        return f"this OpenCV is a headless build; `{WINDOWS}` brings windows"
    displays = ("DISPLAY", "WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in displays):
        return "there is no display"
    return ""
