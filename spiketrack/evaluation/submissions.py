"""The archives that evaluation servers take.

- ``got10k``: ``NAME/NAME_001.txt`` (four decimals) and ``NAME/NAME_time.txt`` (seconds a frame) at
  the archive's top, what its toolkit packs for the test part;
- ``trackingnet``: ``NAME.txt`` at the top, a row ``x,y,w,h`` for every frame.

Both count pixels as the labels that they give do.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from spiketrack.errors import ConfigError, SpikeTrackError
from spiketrack.files import atomic_path
from spiketrack.tracking.sequences import Refused, Sequence
from spiketrack.video.boxes import got10k_line, read_rectangles

SERVERS = ("got10k", "trackingnet")
LAYOUTS = {"got10k": "GOT-10k", "trackingnet": "TrackingNet"}
EPOCH = (1980, 1, 1, 0, 0, 0)  # equal results give equal archives


def names_for(server: str, footage: Iterable[Sequence]) -> list[str]:
    """The sequences that a server takes; ``ConfigError`` where there is none."""
    names = [s.name for s in footage if s.layout == LAYOUTS[server]]
    if not names:
        raise ConfigError(f"--submit {server}: no sequence in the layout of {LAYOUTS[server]}")
    return names


def write_submission(
    server: str,
    out: Path,
    method: str,
    footage: Iterable[Sequence],
    refused: Iterable[Refused] = (),
) -> Path:
    """Pack what an evaluation folder holds; the archive.

    ``SpikeTrackError`` where a sequence of the server's layout has no result, or one is refused:
    servers refuse parts.
    """
    names = names_for(server, footage)
    if unread := [one.name for one in refused]:
        raise SpikeTrackError(
            f"--submit {server}: {len(unread)} of {len(names) + len(unread)} sequences could not "
            f"be read, {unread[0]} first; mend what is named and call again"
        )
    absent = [n for n in names if not (out / "boxes" / method / f"{n}.txt").is_file()]
    if absent:
        raise SpikeTrackError(
            f"--submit {server}: {len(absent)} of {len(names)} sequences have no result, "
            f"{absent[0]} first; call again to go on"
        )
    archive = out / f"{server}.zip"
    with (
        atomic_path(archive) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as file,
    ):
        for name, text in _entries(server, out, method, names):
            file.writestr(zipfile.ZipInfo(name, EPOCH), text, zipfile.ZIP_DEFLATED)
    return archive


def _entries(server: str, out: Path, method: str, names: list[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        boxes = read_rectangles(out / "boxes" / method / f"{name}.txt")
        text = "".join(f"{got10k_line(box)}\n" for box in boxes)
        if server == "trackingnet":
            yield f"{name}.txt", text
        else:
            yield f"{name}/{name}_001.txt", text
            times = out / "times" / method / f"{name}.txt"
            yield f"{name}/{name}_time.txt", times.read_text(encoding="utf-8")
