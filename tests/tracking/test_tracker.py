"""Crops, decoding and the closed loop, against slow and plain oracles."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.synthetic_clips import moving_patch

from spiketrack.config import NetworkConfig, TrackerConfig
from spiketrack.errors import ClipError, ConfigError, SpikeTrackError
from spiketrack.inference import Crop, Inference, Maps, SimulatorBase, Trace
from spiketrack.preprocessing import normalise
from spiketrack.tracking.tracker import (
    Prediction,
    Tracker,
    clip_box,
    decode,
    follow,
    hann_window,
    to_frame,
)
from spiketrack.video.boxes import Box, BoxRow
from spiketrack.video.crop import Square, crop_square, cut, take_crop

GRID = 8


def slow_cut(frame: NDArray[np.uint8], square: Square) -> NDArray[np.uint8]:
    """Pixel by pixel: zero outside; the last column (row) too if the square reaches the border."""
    height, width = frame.shape[:2]
    last_column = width - 1 if square.x + square.side >= width else width
    last_row = height - 1 if square.y + square.side >= height else height
    out = np.zeros((square.side, square.side, 3), np.uint8)
    for row in range(square.side):
        for column in range(square.side):
            x, y = square.x + column, square.y + row
            if 0 <= x < last_column and 0 <= y < last_row:
                out[row, column] = frame[y, x]
    return out


@settings(deadline=None)
@given(st.integers(-30, 30), st.integers(-30, 30), st.integers(1, 40))
def test_cut_equals_the_pixel_loop(x: int, y: int, side: int) -> None:
    frame = np.random.default_rng(1).integers(1, 256, (17, 23, 3), np.uint8)
    square = Square(x, y, side)
    assert np.array_equal(cut(frame, square), slow_cut(frame, square))


def test_cut_at_the_border_drops_the_last_column() -> None:
    frame = np.full((10, 10, 3), 9, np.uint8)
    assert cut(frame, Square(4, 0, 5)).min() == 9
    touching = cut(frame, Square(5, 0, 5))
    assert touching[:, :4].min() == 9
    assert touching[:, 4].max() == 0


sides = st.floats(0.5, 300)


@settings(deadline=None)
@given(st.floats(-50, 500), st.floats(-50, 500), sides, sides, st.floats(1, 6))
def test_crop_square(x: float, y: float, w: float, h: float, factor: float) -> None:
    square = crop_square(Box(x, y, w, h), factor)
    assert square.side - 1 < math.sqrt(w * h) * factor <= square.side
    assert abs(square.x + square.side / 2 - (x + w / 2)) <= 0.5 + 1e-9
    assert abs(square.y + square.side / 2 - (y + h / 2)) <= 0.5 + 1e-9


def test_crop_square_rounds_half_to_even() -> None:
    assert crop_square(Box(0, 1, 1, 1), 4) == Square(-2, 0, 4)  # -1.5 and -0.5


@pytest.mark.parametrize("box", [Box(0, 0, 0, 5), Box(0, 0, 1e-200, 1e-200), Box(0, 0, 1e9, 1e9)])
def test_crop_without_a_side(box: Box) -> None:
    with pytest.raises(ClipError, match="its crop would have a side of"):
        crop_square(box, 4.0)


def test_normalise_one_pixel() -> None:
    pixel = normalise(np.array([[[0, 128, 255]]], np.uint8))
    want = [(0 - 0.485) / 0.229, (128 / 255 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    assert pixel.shape == (3, 1, 1)
    assert pixel.dtype == np.float32
    assert pixel.ravel() == pytest.approx(want, abs=1e-6)


def test_take_crop_is_cut_resize_normalise() -> None:
    frame = moving_patch(1)[0][0]
    box = Box(60, 40, 20, 30)
    pixels = slow_cut(frame, crop_square(box, 4.0))
    want = cv2.resize(pixels, (32, 32), interpolation=cv2.INTER_LINEAR)
    got = take_crop(frame, box, 4.0, 32)
    assert got.shape == (3, 32, 32)
    assert got.flags.c_contiguous
    assert np.array_equal(got, normalise(want))


def test_hann_window() -> None:
    window = hann_window(16)
    want = [
        [
            0.25 * (1 - math.cos(2 * math.pi * i / 17)) * (1 - math.cos(2 * math.pi * j / 17))
            for j in range(1, 17)
        ]
        for i in range(1, 17)
    ]
    assert window == pytest.approx(np.array(want), abs=1e-7)
    assert not window.flags.writeable


def random_maps(seed: int, grid: int = GRID) -> Maps:
    rng = np.random.default_rng(seed)
    score, size, offset = (rng.random((c, grid, grid), np.float32) for c in (1, 2, 2))
    return Maps(score[0], size, offset)


@pytest.mark.parametrize("window", [True, False])
@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_decode_against_a_search_of_all_cells(window: bool, seed: int) -> None:
    maps = random_maps(seed)
    hann = [0.5 * (1 - math.cos(2 * math.pi * i / (GRID + 1))) for i in range(1, GRID + 1)]
    cells = [
        (maps.score[r, c] * (hann[r] * hann[c] if window else 1), r, c)
        for r in range(GRID)
        for c in range(GRID)
    ]
    best, row, column = max(cells)
    found = decode(maps, window)
    assert found.score == pytest.approx(best, rel=1e-6)
    assert found.cx == pytest.approx((column + maps.offset[0, row, column]) / GRID)
    assert found.cy == pytest.approx((row + maps.offset[1, row, column]) / GRID)
    assert (found.w, found.h) == (maps.size[0, row, column], maps.size[1, row, column])


@pytest.mark.parametrize("seed", range(8))
def test_the_window_is_on_unless_it_is_switched_off(seed: int) -> None:
    assert decode(random_maps(seed)) == decode(random_maps(seed), True)


def test_decode_takes_the_first_of_equal_maxima() -> None:
    maps = Maps(*(np.full((*c, 4, 4), 0.5, np.float32) for c in ((), (2,), (2,))))
    assert decode(maps, window=False).cx == pytest.approx(0.5 / 4)
    assert decode(maps, window=True).cy == pytest.approx(1.5 / 4)


@pytest.mark.parametrize("variant", ["spiketrack_s256_t1", "spiketrack_s256_t3"])
def test_decode_golden_maps(variant: str, shared_data: Path) -> None:
    """The official decoding of the official maps, without the window."""
    golden = np.load(shared_data / "golden" / f"{variant}.npz")
    score, size, offset = (golden[f"out/{k}_map"].squeeze(0) for k in ("score", "size", "offset"))
    found = decode(Maps(score.squeeze(), size, offset), window=False)
    want = golden["out/pred_boxes"].ravel()[:4]
    assert (found.cx, found.cy, found.w, found.h) == pytest.approx(tuple(want), abs=1e-6)


@settings(deadline=None)
@given(st.floats(0, 100), st.floats(0, 80), st.floats(4, 60), st.floats(4, 60))
def test_a_box_seen_in_its_own_crop_maps_back(x: float, y: float, w: float, h: float) -> None:
    """Centre 0.5 and size w/side are the last box itself."""
    last = Box(x, y, w, h)
    side = crop_square(last, 4.0).side
    back = to_frame(Prediction(0.5, 0.5, w / side, h / side, 1), last, 4.0)
    assert back.as_tuple() == pytest.approx(last.as_tuple(), abs=1e-9)


wild = st.floats(-500, 500)


@settings(deadline=None)
@given(wild, wild, st.floats(0, 500), st.floats(0, 500))
def test_clipped_boxes_keep_the_margin(x: float, y: float, w: float, h: float) -> None:
    got = clip_box(Box(x, y, w, h), 120, 90, 10)
    assert 0 <= got.x <= 110
    assert 0 <= got.y <= 80
    assert got.w >= 10
    assert got.h >= 10
    if x >= 0 and y >= 0 and x + w <= 120 and y + h <= 90 and w >= 10 and h >= 10:
        assert got.as_tuple() == pytest.approx((x, y, w, h))


def test_clip_box_worked_example() -> None:
    assert clip_box(Box(-5, 85, 40, 30), 120, 90, 10) == Box(0, 80, 35, 10)
    assert clip_box(Box(-50, 10, 20, 20), 120, 90, 10) == Box(0, 10, 10, 20)


class Scripted(SimulatorBase):
    """Answers with a fixed score at the centre cell; remembers what it was given."""

    name = "scripted"

    def __init__(self, templates: int, scores: list[float], grid: int = 9) -> None:
        self.config = NetworkConfig((8, 8, 8, 8), grid, templates, 8)
        self.scores = scores
        self.encoded: list[Crop] = []
        self.searched: list[Crop] = []

    def encode_template(self, crops: Crop) -> Inference:
        self.encoded.append(crops)
        return Inference(None, Trace())

    def search(self, crop: Crop) -> Inference:
        grid = self.config.grid
        score = np.full((grid, grid), 0.001, np.float32)
        score[grid // 2, grid // 2] = self.scores[len(self.searched)]
        self.searched.append(crop)
        offset = np.full((2, grid, grid), 0.55, np.float32)  # drifts by a twentieth of a cell
        return Inference(Maps(score, np.full((2, grid, grid), 0.36, np.float32), offset), Trace())


def test_single_template_is_never_renewed() -> None:
    frames, boxes = moving_patch(6)
    simulator = Scripted(1, [0.9] * 5)
    settings = TrackerConfig(update_every=1, update_threshold=0.0)
    results = list(follow(Tracker(simulator, settings), frames, boxes[0]))
    assert [r.frame for r in results] == list(range(6))
    assert len(simulator.encoded) == 1
    assert not any(r.updated for r in results)
    assert results[0].row == BoxRow(0, boxes[0], 1.0)
    assert results[0].templates is not None
    assert results[0].templates.shape == (1, 3, 144, 144)


def test_of_two_templates_the_second_is_renewed() -> None:
    frames, boxes = moving_patch(3)
    simulator = Scripted(2, [0.9] * 2)
    settings = TrackerConfig(update_every=2, update_threshold=0.0)
    results = list(follow(Tracker(simulator, settings), frames, boxes[0]))
    assert [r.updated for r in results] == [False, False, True]
    a = take_crop(frames[0], boxes[0], 4.0, 144)
    b = take_crop(frames[2], results[2].box, 4.0, 144)
    assert np.array_equal(simulator.encoded[1], np.stack([a, b]))


def test_templates_drop_the_second_and_append() -> None:
    frames, boxes = moving_patch(8)
    scores = [0.9, 0.8, 0.9, 0.3, 0.9, 0.9, 0.9]
    simulator = Scripted(3, scores)
    settings = TrackerConfig(update_every=2, update_threshold=0.7)
    results = list(follow(Tracker(simulator, settings), frames, boxes[0]))
    assert [r.frame for r in results if r.updated] == [2, 6]  # frame 4 is not sure enough
    first, second, third = simulator.encoded
    a = take_crop(frames[0], boxes[0], 4.0, 144)
    b = take_crop(frames[2], results[2].box, 4.0, 144)
    c = take_crop(frames[6], results[6].box, 4.0, 144)
    assert np.array_equal(first, np.stack([a, a, a]))
    assert np.array_equal(second, np.stack([a, a, b]))
    assert np.array_equal(third, np.stack([a, b, c]))
    assert results[6].templates is third


def test_the_first_template_stays_for_good() -> None:
    """Four updates: the first crop outlives them all, the oldest of the others goes each time."""
    frames, boxes = moving_patch(5)
    simulator = Scripted(3, [0.9] * 4)
    settings = TrackerConfig(update_every=1, update_threshold=0.0)
    results = list(follow(Tracker(simulator, settings), frames, boxes[0]))
    a, b, c, d, e = (
        take_crop(frame, result.box, 4.0, 144)
        for frame, result in zip(frames, results, strict=True)
    )
    assert len({crop.tobytes() for crop in (a, b, c, d, e)}) == 5
    expected = [(a, a, a), (a, a, b), (a, b, c), (a, c, d), (a, d, e)]
    for encoded, crops in zip(simulator.encoded, expected, strict=True):
        assert np.array_equal(encoded, np.stack(crops))


def test_published_settings_are_the_defaults() -> None:
    assert TrackerConfig() == TrackerConfig(4.0, 4.0, 25, 0.7, 10, True)
    frames, boxes = moving_patch(26)
    for score, updates in ((0.69, []), (0.71, [25])):
        simulator = Scripted(3, [score] * 25)
        results = follow(Tracker(simulator, TrackerConfig()), frames, boxes[0])
        assert [result.frame for result in results if result.updated] == updates


def test_threshold_must_be_exceeded() -> None:
    frames, boxes = moving_patch(3)
    simulator = Scripted(3, [0.5, 0.5])
    settings = TrackerConfig(update_every=1, update_threshold=0.5, window=False)
    assert not any(r.updated for r in follow(Tracker(simulator, settings), frames, boxes[0]))


def test_each_search_is_around_the_last_box() -> None:
    frames, boxes = moving_patch(5)
    simulator = Scripted(1, [0.9] * 4)
    settings = TrackerConfig(search_factor=3.0, template_factor=2.0)
    results = list(follow(Tracker(simulator, settings), frames, boxes[0]))
    assert np.array_equal(simulator.encoded[0][0], take_crop(frames[0], boxes[0], 2.0, 144))
    for before, after, frame in zip(results, results[1:], frames[1:], strict=False):
        assert after.crop is not None
        assert np.array_equal(after.crop, take_crop(frame, before.box, 3.0, 144))
        side = crop_square(before.box, 3.0).side
        assert after.box.centre[0] == pytest.approx(
            before.box.centre[0] + side * 0.05 / 9, rel=1e-5
        )
        assert after.score == pytest.approx(0.9)


@pytest.mark.parametrize("size", [(160, 60), (60, 160)])
def test_boxes_are_clipped_to_the_width_and_height_of_the_frame(size: tuple[int, int]) -> None:
    """A box in the corner that wants to grow beyond both borders."""
    width, height = size
    frame = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    start = Box(width - 30, height - 24, 30, 24)
    settings = TrackerConfig(margin=7)
    tracker = Tracker(Scripted(1, [0.9]), settings)
    tracker.start(frame, start)
    moved = to_frame(Prediction(4.55 / 9, 4.55 / 9, 0.36, 0.36, 1), start, settings.search_factor)
    right, bottom = (round(moved.x + moved.w), round(moved.y + moved.h))
    assert (right > width, bottom > height) == (True, True)
    box = tracker.step(frame).box
    assert (box.x, box.y) == pytest.approx((moved.x, moved.y), rel=1e-6)
    assert (box.x + box.w, box.y + box.h) == pytest.approx((width, height))


def test_misuse() -> None:
    frames, _ = moving_patch(1)
    tracker = Tracker(Scripted(1, [0.9]), TrackerConfig())
    with pytest.raises(SpikeTrackError, match="step before start"):
        tracker.step(frames[0])
    with pytest.raises(ClipError, match="lies outside the frame of 96x72"):
        tracker.start(frames[0], Box(500, 5, 10, 10))
    with pytest.raises(ConfigError, match="update_every 0: must be at least 1"):
        Tracker(Scripted(1, []), TrackerConfig(update_every=0))
