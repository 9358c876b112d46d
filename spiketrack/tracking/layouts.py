"""How data sets lay out their sequences: which label file goes with which folder of frames.

    OTB          NAME/img, NAME/groundtruth_rect.txt (.1.txt, .2.txt: several targets)
    LaSOT        NAME/img, NAME/groundtruth.txt, full_occlusion.txt, out_of_view.txt (LaSOText too)
    TNL2K        NAME/imgs, NAME/groundtruth.txt
    VOT          NAME/color, NAME/groundtruth.txt, polygons of eight numbers among it; until 2017
                 images beside it, told by polygons or camera_motion.tag
    GOT-10k      images beside groundtruth.txt, absence.label, cover.label
    TrackingNet  frames/NAME, anno/NAME.txt
    UAV123       data_seq/SET/VIDEO, anno/SET/NAME.txt; SET: UAV123, UAV123_10fps, UAV20L; NAME is
                 the video or a segment of it (bird1_2)
    NfS          NAME/30/NAME, NAME/30/NAME.txt with corners; 240 likewise; pytracking's copy:
                 sequences/NAME, anno/nfs_NAME.txt
    TC128        NAME/img, NAME/*_gt.txt, NAME/*_frames.txt: first and last frame
    other        images in a folder with one label file of another name; anno/NAME.txt beside other
                 folders than those above

All count pixels from 1 (their toolkits are, or follow, Matlab's).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spiketrack.errors import ClipError
from spiketrack.tracking.flags import HIDDEN_FLAGS
from spiketrack.tracking.nfs import read_corners
from spiketrack.tracking.uav123 import segment
from spiketrack.video.boxes import Box, read_rectangles, read_text
from spiketrack.video.footage import absolute, has_images, image_home, natural_key

_OTB = re.compile(r"ground_?truth_rect(?:[._ -]?(\w+))?\.(txt|csv)", re.IGNORECASE)
_PLAIN = re.compile(r"ground_?truth\.(txt|csv)", re.IGNORECASE)
_FRAMES = ("frames", "data_seq", "sequences", "data", "images")
_NFS = "nfs_"
_BY_HOME = {"img": "LaSOT", "imgs": "TNL2K", "color": "VOT"}


@dataclass(frozen=True)
class Source:
    """A sequence's name, its label file, the folder of its frames, and how labels are read.

    ``first``: the number of the frame that the first label belongs to, where it is no matter of
    course.
    """

    name: str
    layout: str
    label: Path
    frames: Path
    notes: tuple[str, ...] = ()
    read: Callable[[Path], list[Box]] | None = None
    first: int | None = None


def find_sources(folder: Path, notes: list[str]) -> list[Source]:
    """The sequences that a folder itself holds; ``notes`` is told of frames without labels.

    ``ClipError`` where several files may be the labels.
    """
    texts = _texts(folder)
    if source := _tc128(folder, texts):
        return [source]
    if otb := [(path, match[1]) for path in texts if (match := _OTB.fullmatch(path.name))]:
        return [_otb(folder, label, target, len(otb) > 1) for label, target in otb]
    if plain := [path for path in texts if _PLAIN.fullmatch(path.name)]:
        layout = _BY_HOME.get(image_home(folder).name) or _beside_images(folder, plain[0])
        return [Source(absolute(folder).name, layout, plain[0], folder)]
    annotations = next((p for p in (folder / "anno", folder / "annos") if p.is_dir()), None)
    if annotations is not None:
        return _annotated(folder, annotations, notes)
    if beside := [path for path in texts if has_images(folder / path.stem)]:
        return [_beside(path) for path in beside]
    return _other(folder, texts, notes) if has_images(folder) else []


def _texts(folder: Path) -> list[Path]:
    files = (p for p in folder.iterdir() if p.suffix.lower() in (".txt", ".csv") and p.is_file())
    return sorted((p for p in files if not p.name.startswith(".")), key=natural_key)


def _beside_images(folder: Path, label: Path) -> str:
    """Whose labels stand beside the frames themselves: VOT's until 2017, else GOT-10k's."""
    try:
        corners = len(re.split(r"[\s,;]+", read_text(label).partition("\n")[0].strip())) == 8
    except ClipError:
        corners = False
    return "VOT" if corners or any(folder.glob("camera_motion.*")) else "GOT-10k"


def _tc128(folder: Path, texts: list[Path]) -> Source | None:
    """A label file beside one that says which frames it labels; Yo_yos_ce1's are Yo-yos_ce1_*."""
    by_name = {path.name: path for path in texts}
    stems = [path.name.removesuffix("_gt.txt") for path in texts if path.name.endswith("_gt.txt")]
    pairs = [stem for stem in stems if f"{stem}_frames.txt" in by_name]
    if len(pairs) != 1:
        return None
    label, frames = (by_name[f"{pairs[0]}_{kind}.txt"] for kind in ("gt", "frames"))
    fields = read_text(frames).replace(",", " ").split()
    if not (fields and fields[0].isdecimal()):
        raise ClipError(f"{frames}: holds no first and last frame")
    return Source(absolute(folder).name, "TC128", label, folder, first=int(fields[0]))


def _otb(folder: Path, label: Path, target: str | None, several: bool) -> Source:
    name = absolute(folder).name
    return Source(f"{name}.{target or 1}" if several else name, "OTB", label, folder)


def _annotated(folder: Path, annotations: Path, notes: list[str]) -> list[Source]:
    """Labels and frames in two trees."""
    homes = [folder / name for name in _FRAMES if (folder / name).is_dir()]
    labels = sorted(annotations.rglob("*.txt"), key=natural_key)
    visible = [p for p in labels if p.name[0] != "." and p.parent.name != "att"]
    layout = _of_two_trees(folder, visible)
    twins = {p.stem for p in visible if sum(p.stem == other.stem for other in visible) > 1}
    unread = [p for name in HIDDEN_FLAGS if (p := folder / Path(name).stem).is_dir()]
    notes += [f"{path}: not read: every frame with a box counts as visible" for path in unread]
    sources = []
    for label in visible:
        inner = label.parent.relative_to(annotations)
        name = f"{label.stem}_{label.parent.name}" if label.stem in twins else label.stem
        frames, first = _video(homes, inner, label.stem, layout)
        missing = (homes[0] if homes else folder / "frames") / inner / label.stem
        sources.append(Source(name, layout, label, frames or missing, first=first))
    return sources


def _of_two_trees(folder: Path, labels: list[Path]) -> str:
    if (folder / "data_seq").is_dir():
        return "UAV123"
    if (folder / "sequences").is_dir() and any(p.name.startswith(_NFS) for p in labels):
        return "NfS"
    others = any((folder / name).is_dir() for name in _FRAMES[2:])
    return "other" if others and not (folder / "frames").is_dir() else "TrackingNet"


def _video(
    homes: list[Path], inner: Path, stem: str, layout: str
) -> tuple[Path | None, int | None]:
    """The folder of frames of a label file; of a segment, that of its video and its first frame."""
    cut = segment(stem, "10fps" in inner.name) if layout == "UAV123" else None
    plain = stem.removeprefix(_NFS) if layout == "NfS" else stem
    for name, first in ((stem, None), (plain, None), cut or (stem, None)):
        for home in homes:
            sets = sorted(p for p in home.iterdir() if p.is_dir()) if layout == "UAV123" else []
            places = (home / inner / name, home / name, *(one / name for one in sets))
            if frames := next((place for place in places if place.is_dir()), None):
                return frames, first
    return None, None


def _beside(label: Path) -> Source:
    """A label file beside the folder of frames that bears its name."""
    home = label.parent.name
    name = f"{label.stem}_{home}" if home.isdecimal() else label.stem
    try:
        wide = len(read_text(label).partition("\n")[0].split()) >= 9
    except ClipError:
        wide = False
    frames = label.with_suffix("")
    if wide:
        return Source(name, "NfS", label, frames, read=read_corners)
    return Source(name, "other", label, frames)


def _other(folder: Path, texts: list[Path], notes: list[str]) -> list[Source]:
    """Frames with one label file of another name."""
    name = absolute(folder).name
    named = (f"{name}.txt", f"{name}_gt.txt", "gt.txt", "boxes.txt", "labels.txt")
    likely = [p for p in texts if p.name.lower() in {n.lower() for n in named}]
    fitting = likely or [p for p in texts if _holds_boxes(p)]
    if len(fitting) > 1:
        names = ", ".join(p.name for p in fitting)
        raise ClipError(f"{folder}: {names} may all be its labels; name one groundtruth.txt")
    if not fitting:
        notes.append(f"{folder}: skipped, frames without a label file such as groundtruth.txt")
        return []
    note = f"{name}: its labels are taken from {fitting[0].name}"
    return [Source(name, "other", fitting[0], folder, (note,))]


def _holds_boxes(path: Path) -> bool:
    try:
        return bool(read_rectangles(path))
    except ClipError:
        return False
