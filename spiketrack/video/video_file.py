"""A video that grows frame by frame, in a codec that browsers play."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from spiketrack.errors import SpikeTrackError
from spiketrack.video.footage import Frame

if TYPE_CHECKING:
    from av import VideoFrame, VideoStream
    from av.container import OutputContainer

DEFAULT_FPS = 25.0
SMPTE170M = 6  # the matrix by which FFmpeg's scaler makes YUV, said so that players undo it


@dataclass(frozen=True)
class Encoding:
    """Encoders, the first that this FFmpeg has being taken, their and the container's options,
    whether sides must be even, and the most frames a second that its times can tell apart.
    """

    encoders: tuple[str, ...]
    options: Mapping[str, str]
    container: Mapping[str, str]
    even: bool
    most_fps: float


ENCODINGS = {
    ".mp4": Encoding(
        ("libx264", "libopenh264", "h264_videotoolbox"),
        {"preset": "veryfast", "tune": "zerolatency", "crf": "20", "g": "25"},
        {"movflags": "hybrid_fragmented", "flush_packets": "1"},  # it plays before it is finished
        even=True,
        most_fps=1e5,
    ),
    ".webm": Encoding(
        ("libvpx-vp9",),
        {"deadline": "realtime", "cpu-used": "8", "crf": "30", "b": "0", "g": "25"},
        {"cluster_time_limit": "1000", "flush_packets": "1"},
        even=False,
        most_fps=1000,  # its times are milliseconds
    ),
}


@dataclass
class VideoFile:
    """H.264 in ``.mp4``, VP9 in ``.webm``; the file is there from the first frame on.

    ``fps``: frames a second, None if unknown. Where the encoder takes even sides alone, the last
    row or column is repeated. ``SpikeTrackError`` if this FFmpeg lacks the encoder or wrote fewer
    frames than it was given; ``OSError`` where the disk refuses.
    """

    path: Path
    fps: float | None
    count: int = 0
    _opened: tuple[OutputContainer, VideoStream] | None = field(default=None, repr=False)

    def add(self, frame: Frame) -> None:
        """Append an RGB frame."""
        from av import VideoFrame

        encoding = ENCODINGS[self.path.suffix.lower()]
        if encoding.even:
            odd = (frame.shape[0] % 2, frame.shape[1] % 2)
            frame = cv2.copyMakeBorder(frame, 0, odd[0], 0, odd[1], cv2.BORDER_REPLICATE)
        if self._opened is None:
            self._opened = self._open(encoding, frame.shape[1], frame.shape[0])
        self._feed(VideoFrame.from_ndarray(frame, "rgb24"))
        self.count += 1

    def _feed(self, image: VideoFrame | None) -> None:
        """Encode and write a frame, or what is left; after a failure the file is closed."""
        from av.error import FFmpegError

        assert self._opened is not None
        container, stream = self._opened
        try:
            container.mux(stream.encode(image))
        except (OSError, FFmpegError) as error:
            self._opened = None
            with suppress(OSError, FFmpegError):  # the same again
                container.close()
            if isinstance(error, OSError):
                raise OSError(error.errno, error.strerror, str(self.path)) from error
            raise SpikeTrackError(f"{self.path}: no video can be written: {error}") from error

    def _open(
        self, encoding: Encoding, width: int, height: int
    ) -> tuple[OutputContainer, VideoStream]:
        import av

        name = next((n for n in encoding.encoders if n in av.codecs_available), None)
        if name is None:
            raise SpikeTrackError(
                f"{self.path}: this FFmpeg has none of {', '.join(encoding.encoders)}; give "
                "another suffix, .mp4 or .webm"
            )
        path = f"file:{self.path.absolute()}"
        try:
            container = av.open(path, "w", container_options=dict(encoding.container))
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from error
        rate = Fraction(min(self.fps or DEFAULT_FPS, encoding.most_fps)).limit_denominator(1001)
        stream = container.add_stream(name, rate=rate, options=dict(encoding.options))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.colorspace = SMPTE170M
        return container, stream

    def close(self) -> None:
        """Write what the encoder still holds, and check that every frame is there."""
        if self._opened is None:
            return
        self._feed(None)
        container, _ = self._opened
        self._opened = None
        container.close()
        if (written := packets(self.path)) != self.count:
            raise SpikeTrackError(
                f"{self.path}: holds {written} of {self.count} frames; is the disk full?"
            )


def packets(path: Path) -> int:
    """Frames that a video holds, counted without decoding them; 0 if it is none."""
    import av

    try:
        with av.open(f"file:{path.absolute()}") as container:
            return sum(packet.size > 0 for packet in container.demux(video=0))
    except (av.error.FFmpegError, OSError, IndexError):
        return 0
