"""How the published data sets lay out their sequences, and what is odd in people's copies."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from support.sequences import find_sequences
from support.synthetic_clips import moving_patch, write_images, write_otb

from spiketrack.errors import ClipError
from spiketrack.evaluation.results import find_trackers
from spiketrack.tracking.names import published
from spiketrack.tracking.otb import OTB_RANGES, omitted, ranged
from spiketrack.tracking.sequences import survey
from spiketrack.tracking.starts import expand
from spiketrack.video.boxes import Box, write_got10k

FRAMES, BOXES = moving_patch(8)


def rows(boxes: list[Box], separator: str = ",") -> str:
    """Label rows, counted from 1."""
    lines = (separator.join(f"{v:g}" for v in b.moved(1, 1).as_tuple()) for b in boxes)
    return "".join(f"{line}\n" for line in lines)


def polygons(boxes: list[Box]) -> str:
    """VOT's rows of corners, counted from 1."""
    corners = ((b.x + 1, b.y + 1, b.x + b.w + 1, b.y + b.h + 1) for b in boxes)
    return "".join(f"{x},{y},{u},{y},{u},{v},{x},{v}\n" for x, y, u, v in corners)


def nfs(boxes: list[Box]) -> str:
    """Need for Speed's rows."""
    return "".join(
        f'0 {b.x + 1} {b.y + 1} {b.x + b.w + 1} {b.y + b.h + 1} {i} 0 0 0 "ball"\n'
        for i, b in enumerate(boxes)
    )


@pytest.mark.parametrize(
    ("layout", "name", "frames", "label", "text"),
    [
        ("OTB", "A", "A/img", "A/groundtruth_rect.txt", rows(BOXES)),
        ("OTB", "A", "A/img", "A/groundtruth_rect.2.txt", rows(BOXES, "\t")),
        ("OTB", "A", "A/img", "A/Groundtruth_Rect.TXT", rows(BOXES, ";")),
        ("LaSOT", "A", "class/A/img", "class/A/groundtruth.txt", rows(BOXES)),
        ("TNL2K", "A", "A/imgs", "A/groundtruth.txt", rows(BOXES)),
        ("VOT", "A", "A/color", "A/groundtruth.txt", polygons(BOXES)),
        ("GOT-10k", "A", "A", "A/groundtruth.txt", rows(BOXES)),
        ("TrackingNet", "A", "frames/A", "anno/A.txt", rows(BOXES)),
        ("UAV123", "A", "data_seq/UAV123/A", "anno/UAV123/A.txt", rows(BOXES)),
        ("NfS", "A_30", "A/30/A", "A/30/A.txt", nfs(BOXES)),
        ("NfS", "A_240", "A/240/A", "A/240/A.txt", nfs(BOXES)),
        ("NfS", "nfs_A", "sequences/A", "anno/nfs_A.txt", rows(BOXES, "\t")),
        ("VOT", "A", "A", "A/groundtruth.txt", polygons(BOXES)),
        ("other", "A", "sequences/A", "anno/A.txt", rows(BOXES)),
        ("UAV123", "A", "data_seq/UAV123/A", "anno/UAV20L/A.txt", rows(BOXES)),
        ("other", "A", "A", "A/A_gt.txt", rows(BOXES)),
        ("other", "A", "A/img", "A/my boxes.txt", rows(BOXES)),
        ("other", "A", "A/images", "A/gt.csv", "x,y,w,h\n" + rows(BOXES)),
    ],
)
def test_layouts(
    tmp_path: Path, layout: str, name: str, frames: str, label: str, text: str
) -> None:
    write_images(tmp_path / frames, FRAMES, "{}.png")
    (tmp_path / label).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / label).write_text(text)
    (only,) = find_sequences(tmp_path)
    assert (only.name, only.layout, len(only.images)) == (name, layout, 8)
    np.testing.assert_allclose(only.boxes, [b.as_tuple() for b in BOXES])
    assert only.visible.all()
    assert only.labelled


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("BlurCar1", 247, 988),
        ("BlurCar3", 3, 359),
        ("BlurCar4", 18, 397),
        ("David", 300, 770),
        ("Diving", 1, 215),
        ("Football1", 1, 74),
        ("Freeman3", 1, 460),
        ("Freeman4", 1, 283),
    ],
)
def test_otb_ranges(name: str, first: int, last: int) -> None:
    """The frames that OTB's own lists label, whether a copy starts at 1 or at the first label."""
    images = tuple(Path(f"{number:04d}.jpg") for number in range(1, last + 31))
    boxes = last - first + 1
    chosen = ranged(name, images, boxes)
    assert (chosen[0].name, chosen[-1].name) == (f"{first:04d}.jpg", f"{last:04d}.jpg")
    assert ranged(name, images[first - 1 : last], boxes) == images[first - 1 : last]
    assert ranged(name, images[max(0, first - 3) :], boxes) == chosen
    assert ranged("Other", images, boxes) == images
    assert len(OTB_RANGES) == 8


def test_tiger1_starts_at_its_sixth_frame(tmp_path: Path) -> None:
    assert (omitted("Tiger1", 354), omitted("Tiger1", 349), omitted("Tiger2", 354)) == (5, 0, 0)
    frames, boxes = moving_patch(354, 80, 60)
    write_otb(tmp_path / "Tiger1", frames, boxes)
    (only,) = find_sequences(tmp_path)
    assert (len(only.images), only.images[0].name, only.start) == (349, "0006.png", boxes[5])
    assert only.notes == ("Tiger1: starts at frame 6, as OTB's lists have it",)


@pytest.mark.parametrize(("home", "first"), [("UAV123_10fps", 259), ("UAV123", 775)])
def test_uav123_labels_segments_of_a_video(tmp_path: Path, home: str, first: int) -> None:
    """bird1_2 begins at frame 259 of 10 a second, at 775 of 30 (configSeqs of its toolkit)."""
    video = tmp_path / "data_seq" / home / "bird1"
    video.mkdir(parents=True)
    image = write_images(tmp_path / "one", FRAMES[:1]) / "0001.png"
    for number in range(first - 2, first + 10):
        shutil.copy(image, video / f"{number:06d}.png")
    (tmp_path / "anno" / home).mkdir(parents=True)
    (tmp_path / "anno" / home / "bird1_2.txt").write_text(rows(BOXES))
    (only,) = find_sequences(tmp_path)
    assert (only.name, only.layout, len(only.images)) == ("bird1_2", "UAV123", 8)
    assert only.images[0].name == f"{first:06d}.png"


def test_both_sets_of_uav123_in_one_folder(tmp_path: Path) -> None:
    for home in ("UAV123", "UAV123_10fps"):
        write_images(tmp_path / "data_seq" / home / "bike1", FRAMES)
        (tmp_path / "anno" / home).mkdir(parents=True)
        (tmp_path / "anno" / home / "bike1.txt").write_text(rows(BOXES))
    assert [s.name for s in find_sequences(tmp_path)] == ["bike1_UAV123", "bike1_UAV123_10fps"]


def test_tc128_labels_a_part(tmp_path: Path) -> None:
    folder = tmp_path / "Ball_ce1"
    write_images(folder / "img", FRAMES)
    (folder / "Ball_ce1_gt.txt").write_text(rows(BOXES[2:6]))
    (folder / "Ball_ce1_frames.txt").write_text("3,6\n")
    (only,) = find_sequences(tmp_path)
    assert (only.layout, [p.name for p in only.images]) == (
        "TC128",
        ["0003.png", "0004.png", "0005.png", "0006.png"],
    )
    assert only.start == BOXES[2]


def test_tc128_writes_a_name_otherwise(tmp_path: Path) -> None:
    """Its labels of Yo_yos_ce1 are Yo-yos_ce1_gt.txt."""
    folder = tmp_path / "Yo_yos_ce1"
    write_images(folder / "img", FRAMES)
    (folder / "Yo-yos_ce1_gt.txt").write_text(rows(BOXES))
    (folder / "Yo-yos_ce1_frames.txt").write_text("1,8\n")
    (only,) = find_sequences(tmp_path)
    assert (only.name, only.layout, only.start) == ("Yo_yos_ce1", "TC128", BOXES[0])


@pytest.mark.parametrize("more", [0, 3])
def test_nfs_labels_thirty_frames_at_240(tmp_path: Path, more: int) -> None:
    """Rows 0, 8, 16 … belong to the frames; one label more than these is left out and said."""
    home = tmp_path / "A" / "30"
    write_images(home / "A", FRAMES)
    each = [box for box in BOXES for _ in range(8)] + BOXES[:1] * more
    (home / "A.txt").write_text(nfs(each))
    (only,) = find_sequences(tmp_path)
    np.testing.assert_allclose(only.boxes, [b.as_tuple() for b in BOXES])
    said = f"{home}/A: one label more than the others: left out"
    assert only.notes == ((said,) if more else ())
    (home / "A.txt").write_text(nfs(BOXES[:5]))
    with pytest.raises(ClipError, match="5 boxes for 8 frames"):
        find_sequences(tmp_path)


def test_vot_until_2017_is_no_got10k(tmp_path: Path) -> None:
    """Images beside upright boxes: VOT has a file of camera_motion; a GOT-10k lacks its flags."""
    for name in ("vot", "got"):
        (write_images(tmp_path / name, FRAMES) / "groundtruth.txt").write_text(rows(BOXES))
    (tmp_path / "vot" / "camera_motion.tag").write_text("0\n" * 8)
    got, vot = find_sequences(tmp_path)
    assert (got.layout, vot.layout, vot.notes) == ("GOT-10k", "VOT", ())
    assert got.notes == (
        f"{tmp_path}/got: GOT-10k layout without absence.label and cover.label: every frame with "
        "a box counts as visible",
    )


def test_flags_that_are_not_read_are_named(tmp_path: Path) -> None:
    write_images(tmp_path / "sequences" / "A", FRAMES)
    for name in ("anno/A.txt", "full_occlusion/A_full_occlusion.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(rows(BOXES))
    assert survey(tmp_path).notes == [
        f"{tmp_path}/full_occlusion: not read: every frame with a box counts as visible"
    ]


@pytest.mark.parametrize(
    ("name", "layout", "others"),
    [
        ("Jogging.2", "OTB", {"Jogging-2", "Jogging_2"}),
        ("Human4", "OTB", {"Human4.2", "Human4-2", "Human4_2"}),
        ("bike1", "UAV123", {"uav_bike1"}),
        ("bowl_30", "NfS", {"nfs_bowl", "bowl"}),
        ("nfs_bowl", "NfS", {"bowl"}),
        ("Ball_ce1", "TC128", {"tpl_Ball_ce1"}),
        ("airplane-1", "LaSOT", set()),
    ],
)
def test_published_names(name: str, layout: str, others: set[str]) -> None:
    names = published(name, layout)
    assert (names[0], set(names[1:])) == (name, others)


def test_half_a_lasot_is_named(tmp_path: Path) -> None:
    write_images(tmp_path / "A" / "img", FRAMES)
    (tmp_path / "A" / "groundtruth.txt").write_text(rows(BOXES))
    (tmp_path / "A" / "full_occlusion.txt").write_text(",".join("0" * 8))
    (only,) = find_sequences(tmp_path)
    assert only.notes == (
        f"{tmp_path}/A: LaSOT layout without out_of_view.txt: every frame with a box counts as "
        "visible",
    )


def test_attributes(tmp_path: Path) -> None:
    write_otb(tmp_path / "A", FRAMES, BOXES)
    (tmp_path / "att").mkdir()
    (tmp_path / "att" / "A.txt").write_text("0,0,1,0,0,0,0,0,0,0,1\n")
    (only,) = find_sequences(tmp_path / "A")
    assert only.attributes == ("scale variation", "low resolution")
    (tmp_path / "att" / "A.txt").write_text("0,0,1\n")
    with pytest.raises(ClipError, match="3 entries, OTB has 11 attributes of 0 or 1"):
        find_sequences(tmp_path)


def test_first_box_alone(tmp_path: Path) -> None:
    """The test parts of GOT-10k and TrackingNet."""
    folder = write_images(tmp_path / "GOT-10k_Test_000001", FRAMES)
    (folder / "groundtruth.txt").write_text(rows(BOXES[:1]))
    (only,) = find_sequences(tmp_path)
    assert not only.labelled
    assert (only.start, len(only.images), only.visible.sum()) == (BOXES[0], 8, 1)
    assert "holds the first frame's box alone: tracked, not scored" in only.notes[0]


def test_one_bad_sequence_leaves_the_others(tmp_path: Path) -> None:
    write_otb(tmp_path / "A", FRAMES, BOXES)
    write_otb(tmp_path / "B", FRAMES, BOXES[:5])
    write_otb(tmp_path / "C", FRAMES, BOXES)
    (tmp_path / "C" / "img" / "0003.png").unlink()
    write_otb(tmp_path / "D", FRAMES, BOXES)
    (tmp_path / "D" / "groundtruth_rect.txt").write_text("m0,1,2,3\n" * 8)
    write_otb(tmp_path / "E" / "A", FRAMES, BOXES)
    found = survey(tmp_path)
    assert [s.name for s in found.sequences] == ["A"]
    reasons = {r.name: r.reason.replace(str(tmp_path), "T") for r in found.refused}
    assert reasons["B"] == "T/B/groundtruth_rect.txt: 5 boxes for 8 frames"
    assert reasons["C"] == (
        "T/C/groundtruth_rect.txt: 8 boxes for 7 frames (T/C/img: frame numbers jump, taken as "
        "neighbours: 0002.png to 0004.png)"
    )
    assert reasons["D"] == (
        "T/D/groundtruth_rect.txt: line 1: 'm0 1 2 3' is not 4 numbers; VOT's masks (since 2020) "
        "are not read, boxes and polygons are"
    )
    assert reasons["A"] == "T/E/A: several sequences are named A; rename one"
    with pytest.raises(ClipError, match="5 boxes for 8 frames"):
        find_sequences(tmp_path)


def test_a_folder_is_named_by_itself_however_it_is_spelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_otb(tmp_path / "A", FRAMES, BOXES)
    (tmp_path / "link").symlink_to("A", target_is_directory=True)
    monkeypatch.chdir(tmp_path / "A" / "img")
    spellings = (Path(".."), tmp_path / "A" / "img" / "..", Path("../../link"))
    assert [survey(one).sequences[0].name for one in spellings] == ["A", "A", "A"]
    assert survey(tmp_path / "link").sequences[0].name == "link"
    assert find_trackers([".."])[0].name == "A"


@pytest.mark.parametrize("name", ["x" * 221, "x" * 255, "\U0001f600" * 56])
def test_a_name_that_leaves_no_room_for_results_is_refused(tmp_path: Path, name: str) -> None:
    for one in ("good", name):
        write_otb(tmp_path / one, FRAMES, BOXES)
    surveyed = survey(tmp_path)
    assert [sequence.name for sequence in surveyed.sequences] == ["good"]
    (refused,) = surveyed.refused
    assert refused.reason.startswith(f"{tmp_path / name}/groundtruth_rect.txt: the sequence's name")
    assert refused.reason.endswith("bytes, files of results take 220; rename it")


@pytest.mark.parametrize("name", ["x" * 220, "\U0001f600" * 55])
def test_a_long_name_has_room_for_results(tmp_path: Path, name: str) -> None:
    write_otb(tmp_path / "otb" / name, FRAMES, BOXES)
    (sequence,) = survey(tmp_path / "otb").sequences
    for run in expand(sequence, "sre"):
        for suffix in (".txt", ".json", "_time.txt"):
            write_got10k(tmp_path / f"{run.name}{suffix}", BOXES)
    write_got10k(tmp_path / ("\U0001f600" * 62 + ".txt"), BOXES)


def test_what_is_skipped_is_said(tmp_path: Path) -> None:
    write_otb(tmp_path / "A", FRAMES, BOXES)
    shutil.copytree(tmp_path / "A", tmp_path / "__MACOSX" / "A")
    shutil.copytree(tmp_path / "A", tmp_path / "._A")
    write_images(tmp_path / "plain", FRAMES)
    (tmp_path / "A" / "img" / "._0001.png").write_bytes(b"x")
    found = survey(tmp_path)
    assert [s.name for s in found.sequences] == ["A"]
    assert found.refused == []
    assert sorted(note.removeprefix(f"{tmp_path}/") for note in found.notes) == [
        "._A: skipped, a hidden folder",
        "__MACOSX: skipped, a hidden folder",
        "plain: skipped, frames without a label file such as groundtruth.txt",
    ]
    assert found.sequences[0].notes == (
        f"{tmp_path}/A/img: hidden files are no frames: ._0001.png",
    )


def test_labels_that_cannot_be_told(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "A", FRAMES)
    for name in ("first.txt", "second.txt"):
        (folder / name).write_text(rows(BOXES))
    with pytest.raises(ClipError, match=r"first\.txt, second\.txt may all be its labels; name one"):
        find_sequences(tmp_path)


def test_frames_that_are_missing_name_the_layout(tmp_path: Path) -> None:
    write_images(tmp_path / "data_seq" / "UAV123" / "bird1", FRAMES)
    (tmp_path / "anno" / "UAV123").mkdir(parents=True)
    (tmp_path / "anno" / "UAV123" / "bird1_9.txt").write_text(rows(BOXES))
    with pytest.raises(ClipError, match=r"UAV123 layout: no folder of frames at .*UAV123/bird1_9"):
        find_sequences(tmp_path)


@pytest.mark.parametrize("text", ["0\n1\n", "0 0 0 0 0 0 0 ²", "a " * 8])
def test_flags_are_checked(tmp_path: Path, text: str) -> None:
    folder = write_images(tmp_path / "A", FRAMES)
    (folder / "groundtruth.txt").write_text(rows(BOXES))
    (folder / "absence.label").write_text(text)
    with pytest.raises(ClipError, match=r"absence\.label: holds \d entries, expected 8 whole"):
        find_sequences(tmp_path)
