"""Configurations, folders, views, cut-outs and samples."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from support.sequences import find_sequences
from support.synthetic_clips import moving_patch, write_images, write_otb
from support.training_data import tiny_collection, tiny_config, write_config, write_root

from spiketrack.errors import ClipError, ConfigError
from spiketrack.tracking.otb import OTB_RANGES
from spiketrack.training import pasting, pixels
from spiketrack.training.folders import Pixels, data_root, decode, load_collection
from spiketrack.training.pairs import Sampler
from spiketrack.training.schema import AugmentSection, load_config
from spiketrack.training.views import Drift, View, lost_drift, search_drift
from spiketrack.video.boxes import Box
from spiketrack.video.crop import crop_square, cut


@pytest.mark.parametrize("name", ["nano", "nano-quantised", "nano-t3"])
def test_packaged_configuration_is_read(name: str) -> None:
    config = load_config(name)
    assert config.name == name
    assert config.network.build().resolution == 128


def test_wrong_key_is_named(tmp_path: Path) -> None:
    path = write_config(tmp_path / "c.yaml", augment={"scael": 0.3})
    with pytest.raises(ConfigError, match=r"c\.yaml: augment\.scael: unknown key"):
        load_config(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimiser": {"steps": 0}}, r"optimiser\.steps: .*greater than or equal to 1, found 0"),
        ({"optimiser": {"steps": 1, "batch": 5}}, r"batch 5 is no multiple of 2"),
        ({"data": {"video_share": 0.9}}, r"data: video_share \+ pasted_share exceed 1"),
        ({"network": {}}, r"network\.embed_dims: Field required.*and 2 more"),
    ],
)
def test_wrong_value_is_one_line(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(write_config(tmp_path / "c.yaml", **changes))
    assert "\n" not in str(caught.value)


def test_unreadable_configurations(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("name: [")
    with pytest.raises(ConfigError, match="neither YAML nor JSON"):
        load_config(tmp_path / "bad.yaml")


def test_collection_keeps_validation_out(tmp_path: Path) -> None:
    collection = tiny_collection(tmp_path, tiny_config())
    assert [clip.name for clip in collection.clips] == ["first", "second"]
    assert [clip.name for clip in collection.validation] == ["kept"]
    assert sorted(len(still.boxes) for still in collection.stills) == [0, 0, 1]


def test_got10k_layout_and_shrinking(tmp_path: Path) -> None:
    frames, boxes = moving_patch(3)
    write_images(tmp_path, frames, "{:08d}.jpg")
    rows = [f"{b.x + 1},{b.y + 1},{b.w},{b.h}\n" for b in boxes[:2]] + ["nan,nan,nan,nan\n"]
    (tmp_path / "groundtruth.txt").write_text("".join(rows))
    (sequence,) = find_sequences(tmp_path)
    clip = decode(sequence, 48, [])
    assert [frame.shape for frame in clip.frames] == [(36, 48, 3)] * 2
    np.testing.assert_allclose(clip.boxes[0], [5, 10, 10, 8])


@pytest.mark.parametrize(
    "oddity", ["plain", "mark", "semicolons", "targets", "hidden", "unpadded", "late", "deep"]
)
def test_training_labels_what_evaluation_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, oddity: str
) -> None:
    """The patch lies where the label says, whatever the folder looks like."""
    frames, boxes = moving_patch(12)
    name = "{}.png" if oddity == "unpadded" else "{:04d}.png"
    folder = write_otb(tmp_path / "Patch", frames, boxes)
    label = folder / "groundtruth_rect.txt"
    if oddity == "unpadded":
        for file in (folder / "img").iterdir():
            file.rename(file.with_name(name.format(int(file.stem))))
    elif oddity == "mark":
        label.write_bytes(b"\xef\xbb\xbf" + label.read_bytes())
    elif oddity == "semicolons":
        label.write_text(label.read_text().replace(",", ";"))
    elif oddity == "targets":
        label.rename(folder / "groundtruth_rect.1.txt")
    elif oddity == "hidden":
        (folder / "img" / "._0001.png").write_bytes(b"x" * 100)
    elif oddity == "late":
        monkeypatch.setitem(OTB_RANGES, "Patch", (3, 12))
        label.write_text("".join(label.read_text().splitlines(keepends=True)[2:]))
    elif oddity == "deep":
        for file in (folder / "img").iterdir():
            cv2.imwrite(str(file), cv2.imread(str(file)).astype(np.uint16) * 16)
    (sequence,) = find_sequences(folder)
    clip = decode(sequence, 480, [])
    np.testing.assert_array_equal(clip.boxes, sequence.boxes)
    assert len(clip.frames) == (10 if oddity == "late" else 12)
    for frame, box in zip(clip.frames, clip.boxes, strict=True):
        bright = np.argwhere(frame.min(axis=2) >= 140)
        assert bright.min(axis=0).tolist() == [box[1], box[0]]
        assert (np.ptp(bright, axis=0) + 1).tolist() == [box[3], box[2]]


def test_what_is_left_out_of_training_is_said(tmp_path: Path) -> None:
    root = write_root(tmp_path)
    write_images(root / "videos" / "unlabelled", moving_patch(2)[0])
    folder = write_otb(root / "videos" / "start", *moving_patch(3))
    label = folder / "groundtruth_rect.txt"
    label.write_text(label.read_text().partition("\n")[0])
    notes = load_collection(root, tiny_config().data).notes
    assert f"{root}/videos/unlabelled: skipped, frames without a label file" in notes[0]
    assert f"{label}: holds the first frame's box alone: tracked, not scored" in notes[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "the whole file: Invalid JSON"),
        ('{"a.png": 5}', "a.png: Input should be a valid array"),
        ('{"a.png": [[1, 2, 3]]}', "a.png.0: List should have at least 4 items"),
        ('{"a.png": [[1, 2, 3, NaN]]}', "a.png.0.3: Input should be a finite number"),
    ],
)
def test_objects_of_stills_are_checked(tmp_path: Path, text: str, message: str) -> None:
    root = write_root(tmp_path)
    (root / "images" / "boxes.json").write_text(text)
    with pytest.raises(ConfigError, match=rf"boxes\.json: {message}"):
        load_collection(root, tiny_config().data)


def test_data_errors_name_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKETRACK_SHARED", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="nowhere"):
        data_root(None)
    root = write_root(tmp_path)
    assert data_root(root) == root
    with pytest.raises(ConfigError, match="absent: no such video"):
        load_collection(root, tiny_config(data={"validation": ["absent"]}).data)
    with pytest.raises(ConfigError, match="movies: no such folder"):
        load_collection(root, tiny_config(data={"videos": ["movies"]}).data)
    (root / "videos" / "first" / "img" / "0001.png").unlink()
    with pytest.raises(ClipError, match="6 boxes for 5 frames"):
        load_collection(root, tiny_config().data)


def test_view_samples_what_the_tracker_crops() -> None:
    frames, _ = moving_patch(1)
    box = Box(30, 24, 16, 16)
    square = crop_square(box, 2.0)
    crop = cut(frames[0], square)
    view = Drift(0, 0, 1, 0, 1).view(np.array([30.0, 24, 16, 16]), 2.0)
    np.testing.assert_array_equal(view.render(frames[0], square.side), crop)
    assert view.locate(np.array([30.0, 24, 16, 16])) == pytest.approx((0.5, 0.5, 0.5, 0.5))


def test_drifted_view_finds_the_box() -> None:
    image = np.zeros((200, 240, 3), np.uint8)
    image[80:110, 100:140] = 255
    box = np.array([100.0, 80, 40, 30])
    rng = np.random.default_rng(3)
    for _ in range(10):
        view = search_drift(rng, AugmentSection(angle=0)).view(box, 4.0)
        seen = view.render(image, 256)[..., 0] > 127
        x, y, w, h = (256 * v for v in view.locate(box))
        assert np.flatnonzero(seen.any(0))[[0, -1]] == pytest.approx([x - w / 2, x + w / 2], abs=2)
        assert np.flatnonzero(seen.any(1))[[0, -1]] == pytest.approx([y - h / 2, y + h / 2], abs=2)


def test_rotated_view_turns_the_ellipse() -> None:
    view = View(50, 50, 100, np.pi / 2)
    assert view.locate(np.array([40.0, 45, 20, 10])) == pytest.approx((0.5, 0.5, 0.1, 0.2))


def test_pasted_box_is_exact() -> None:
    rng = np.random.default_rng(5)
    bright = np.full((40, 60, 3), 255, np.uint8)
    for _ in range(10):
        piece = pasting.cut(bright, np.array([0.0, 0, 60, 40]), pasting.outline(rng))
        wide, high = rng.uniform(0.5, 1.2, 2)
        place = pasting.Placement(70, 60, wide, high, rng.uniform(-0.3, 0.3))
        image, box = pasting.paste(np.zeros((128, 128, 3), np.uint8), piece, place)
        columns, rows = (np.flatnonzero((image[..., 0] > 100).any(axis)) for axis in (0, 1))
        x, y, w, h = (128 * v for v in box)
        assert (columns[0], columns[-1] + 1) == pytest.approx((x - w / 2, x + w / 2), abs=2.5)
        assert (rows[0], rows[-1] + 1) == pytest.approx((y - h / 2, y + h / 2), abs=2.5)


@pytest.mark.parametrize("templates", [1, 3])
def test_samples_depend_on_seed_and_number_alone(tmp_path: Path, templates: int) -> None:
    config = tiny_config(network={"templates": templates}, data={"searches": 2})
    collection = tiny_collection(tmp_path, config)
    first, second = Sampler(config, collection), Sampler(config, collection)
    for index in range(12):
        a, b = first.draw(index), second.draw(index)
        np.testing.assert_array_equal(a.searches, b.searches)
        np.testing.assert_array_equal(a.boxes, b.boxes)
        assert a.templates.shape == (templates, 32, 32, 3)
        assert a.boxes.shape == (2, 4)
        assert ((a.boxes[:, :2] > 0) & (a.boxes[:, :2] < 1)).all()
    other = Sampler(tiny_config(seed=1, network={"templates": templates}), collection)
    assert not np.array_equal(first.draw(0).templates, other.draw(0).templates)


def test_gray_and_flip_reach_all_crops(tmp_path: Path) -> None:
    config = tiny_config(augment={"gray": 1.0, "flip": 0.0})
    collection = tiny_collection(tmp_path, config)
    sample = Sampler(config, collection).draw(0)
    assert (sample.searches == sample.searches[..., :1]).all()
    flipped = Sampler(tiny_config(augment={"gray": 1.0, "flip": 1.0}), collection).draw(0)
    np.testing.assert_array_equal(flipped.searches, sample.searches[:, :, ::-1])
    np.testing.assert_allclose(flipped.boxes[:, 0], 1 - sample.boxes[:, 0], rtol=1e-6)


def test_pixel_faults_keep_the_shape() -> None:
    rng = np.random.default_rng(0)
    image: Pixels = rng.integers(0, 255, (64, 64, 3), np.uint8)
    for _ in range(12):
        for spoilt in (pixels.blur(rng, image), pixels.noise(rng, image)):
            assert spoilt.shape == image.shape
            assert spoilt.dtype == np.uint8
    covered = pixels.occlude(rng, image, (0.5, 0.5, 0.5, 0.5), np.zeros_like(image))
    share = (covered == 0).all(-1)[16:48, 16:48].mean()
    assert 0.1 < share < 0.5


@pytest.mark.parametrize(("spoiled", "lost"), [(0.0, 0), (1.0, 2)])
def test_later_templates_may_show_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoiled: float, lost: int
) -> None:
    drifts: list[Drift] = []

    def watched(rng: np.random.Generator, augment: AugmentSection) -> Drift:
        drifts.append(lost_drift(rng, augment))
        return drifts[-1]

    monkeypatch.setattr("spiketrack.training.pairs.lost_drift", watched)
    sections = {"network": {"templates": 3}, "data": {"video_share": 1.0, "pasted_share": 0.0}}
    config = tiny_config(**sections, augment={"spoiled": spoiled})
    sampler = Sampler(config, tiny_collection(tmp_path, config))
    for index in range(20):
        sampler.draw(index)
    assert len(drifts) == 20 * lost
    if lost:
        far = [max(abs(d.x), abs(d.y)) for d in drifts]
        assert 0.6 < max(far) <= 0.8
