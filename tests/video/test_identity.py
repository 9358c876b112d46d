"""Which clip it was: its bytes tell, not its name or place."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from support.synthetic_clips import moving_patch, write_images

from spiketrack.video.clip import open_clip
from spiketrack.video.identity import clip_digest

FRAMES, _ = moving_patch(3)


def test_a_file_is_its_bytes(tmp_path: Path) -> None:
    for name in ("a.avi", "b.mp4"):
        (tmp_path / name).write_bytes(b"the same bytes")
    expected = hashlib.sha256(b"the same bytes").hexdigest()
    assert clip_digest(tmp_path / "a.avi") == clip_digest(str(tmp_path / "b.mp4")) == expected


def test_a_folder_is_its_images_in_their_order(tmp_path: Path) -> None:
    write_images(tmp_path / "one", FRAMES)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    (tmp_path / "two" / "notes.txt").write_text("no image")
    assert clip_digest(tmp_path / "one") == clip_digest(tmp_path / "two")
    images = sorted((tmp_path / "two").glob("*.png")) or sorted((tmp_path / "two").glob("*.jpg"))
    whole = hashlib.sha256(b"".join(hashlib.sha256(p.read_bytes()).digest() for p in images))
    assert clip_digest(tmp_path / "two") == whole.hexdigest()
    images[0].rename(images[0].with_stem("9999"))
    assert clip_digest(tmp_path / "one") != clip_digest(tmp_path / "two")


def test_what_cannot_be_read_again_has_none(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source in (None, "http://host/a.mp4", tmp_path / "gone.mp4", tmp_path / "empty"):
        assert clip_digest(source) is None


def test_a_folder_of_frames_is_named_by_the_folder_round_it(tmp_path: Path) -> None:
    (tmp_path / "David").mkdir()
    write_images(tmp_path / "David" / "img", FRAMES)
    for folder in (tmp_path / "David", tmp_path / "David" / "img"):
        assert open_clip(folder).name == "David"
