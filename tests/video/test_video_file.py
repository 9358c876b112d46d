"""Annotated videos: what is written reads back, in codecs that browsers play."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from support.synthetic_clips import moving_patch

from spiketrack.errors import SpikeTrackError
from spiketrack.video import video_file
from spiketrack.video.clip import open_clip
from spiketrack.video.footage import Frame
from spiketrack.video.video_file import VideoFile, packets


def smooth(count: int, width: int, height: int) -> list[Frame]:
    """Frames of slow colours, which lossy coding keeps, with a bright last row and column."""
    y, x = np.mgrid[0:height, 0:width]
    frames = []
    for index in range(count):
        frame = np.stack([x, y, np.full_like(x, 10 * index)], axis=-1).astype(np.uint8)
        frame[-2:] = frame[:, -2:] = 230
        frames.append(frame)
    return frames


def write(path: Path, frames: list[Frame], fps: float | None) -> None:
    video = VideoFile(path, fps)
    for frame in frames:
        video.add(frame)
    video.close()


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "h264"), (".webm", "vp9")])
@pytest.mark.parametrize("size", [(96, 72), (97, 73)])
def test_what_is_written_reads_back(
    tmp_path: Path, suffix: str, codec: str, size: tuple[int, int]
) -> None:
    frames = smooth(9, *size)
    path = tmp_path / f"track{suffix}"
    write(path, frames, 25.0)
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == codec
        assert container.streams.video[0].pix_fmt == "yuv420p"
    read = list(open_clip(path))
    assert len(read) == 9
    odd = (1, 1, 0) if suffix == ".mp4" and size == (97, 73) else (0, 0, 0)
    assert read[0].shape == tuple(np.add(frames[0].shape, odd))
    for got, want in zip(read, frames, strict=True):
        difference = np.abs(got[: size[1], : size[0]].astype(int) - want)
        assert difference.mean() < 8
        assert difference[-1].mean() < 16  # the last row is there
        assert difference[:, -1].mean() < 16


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
@pytest.mark.parametrize(
    ("fps", "exact"),
    [
        (29.97, 29.97),
        (30000 / 1001, 30000 / 1001),
        (1000.0, 1000),
        (240, 240),
        (0.5, 0.5),
        (12.345678, 12.3457),
        (None, 25),
    ],
)
def test_rates(tmp_path: Path, suffix: str, fps: float | None, exact: float) -> None:
    path = tmp_path / f"track{suffix}"
    write(path, smooth(12, 64, 48), fps)
    clip = open_clip(path)
    assert clip.fps == pytest.approx(exact, rel=1e-3)
    assert clip.length == 12


def test_a_rate_that_webm_cannot_hold(tmp_path: Path) -> None:
    for suffix, rate in ((".webm", 1000), (".mp4", 4000)):
        write(tmp_path / f"t{suffix}", smooth(12, 64, 48), 4000.0)
        clip = open_clip(tmp_path / f"t{suffix}")
        assert clip.length == 12
        assert clip.fps == pytest.approx(rate, rel=1e-3)


def test_what_is_there_before_the_end_plays(tmp_path: Path) -> None:
    """As a killed program leaves it: whole up to the last fragment."""
    for suffix in (".mp4", ".webm"):
        path = tmp_path / f"track{suffix}"
        video = VideoFile(path, 25.0)
        for frame in moving_patch(120)[0]:
            video.add(frame)
        part = tmp_path / f"killed{suffix}"
        shutil.copyfile(path, part)
        video.close()
        assert packets(path) == 120
        assert 70 <= len(list(open_clip(part))) <= 120


def test_a_video_that_was_not_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_file, "packets", lambda path: 1)
    with pytest.raises(SpikeTrackError, match=r"v\.mp4: holds 1 of 2 frames; is the disk full\?"):
        write(tmp_path / "v.mp4", smooth(2, 64, 48), 25.0)


def test_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "v.webm").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device") as caught:
        write(tmp_path / "v.webm", smooth(200, 640, 480), 25.0)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(tmp_path / "v.webm")


def test_what_the_encoder_refuses(tmp_path: Path) -> None:
    with pytest.raises(SpikeTrackError, match=r"v\.mp4: no video can be written: "):
        write(tmp_path / "v.mp4", [np.zeros((2, 40000, 3), np.uint8)], 25.0)


def test_errors_name_what_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file or directory") as caught:
        write(tmp_path / "absent" / "v.mp4", smooth(1, 64, 48), 25.0)
    assert caught.value.filename == str(tmp_path / "absent" / "v.mp4")


def test_no_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", set())
    with pytest.raises(SpikeTrackError, match="this FFmpeg has none of libx264"):
        write(tmp_path / "v.mp4", smooth(1, 64, 48), 25.0)
    assert packets(tmp_path / "v.mp4") == 0


@pytest.mark.browser
def test_a_browser_plays_it(browser: Any, tmp_path: Path) -> None:
    for suffix, size in ((".mp4", [98, 74]), (".webm", [97, 73])):
        write(tmp_path / f"track{suffix}", smooth(12, 97, 73), 29.97)
        page = browser.new_page()
        page.goto((tmp_path / f"track{suffix}").as_uri())
        ended = page.evaluate(
            """() => new Promise((found, failed) => {
                const v = document.querySelector("video");
                v.muted = true;
                v.onerror = () => failed(new Error(v.error.message));
                v.onended = () => found([v.videoWidth, v.videoHeight]);
                v.currentTime = 0;
                v.play().catch(failed);
            })"""
        )
        page.close()
        assert ended == size
