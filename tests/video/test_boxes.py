"""Boxes and the files they are kept in."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spiketrack.errors import ClipError
from spiketrack.video.boxes import (
    Box,
    BoxRow,
    intersection,
    iou,
    read_csv,
    read_rectangles,
    write_csv,
    write_got10k,
    write_otb,
)

numbers = st.floats(-1e6, 1e6)
sizes = st.floats(0.01, 1e6)
boxes = st.builds(Box, numbers, numbers, sizes, sizes)
small = st.integers(0, 12)
cells = st.builds(Box, small, small, st.integers(1, 9), st.integers(1, 9))


def pixels(box: Box) -> set[tuple[int, int]]:
    columns = range(int(box.x), int(box.x + box.w))
    return {(x, y) for x in columns for y in range(int(box.y), int(box.y + box.h))}


@settings(deadline=None)
@given(cells, cells)
def test_overlap_counts_pixels(a: Box, b: Box) -> None:
    shared, union = len(pixels(a) & pixels(b)), len(pixels(a) | pixels(b))
    assert intersection(a, b) == shared
    assert iou(a, b) == pytest.approx(shared / union)


def test_iou_of_nothing_is_zero() -> None:
    assert iou(Box(0, 0, 0, 0), Box(0, 0, 0, 0)) == 0


@settings(deadline=None)
@given(st.lists(st.tuples(boxes, st.floats(0, 1)), max_size=8))
def test_csv_round_trip_is_exact(
    tmp_path_factory: pytest.TempPathFactory, found: list[tuple[Box, float]]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "boxes.csv"
    rows = [BoxRow(index, box, score) for index, (box, score) in enumerate(found)]
    write_csv(path, rows)
    assert read_csv(path) == rows


def test_csv_text(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    write_csv(path, [BoxRow(0, Box(1, 2, 3, 4), 1.0), BoxRow(1, Box(1.5, 2, 3, 4), 0.25)])
    assert path.read_text() == "frame,x,y,w,h,score\n0,1,2,3,4,1\n1,1.5,2,3,4,0.25\n"


def test_otb_and_got10k_count_from_one(tmp_path: Path) -> None:
    box = Box(0, 9.5, 3, 4.125)
    write_otb(tmp_path / "otb.txt", [box])
    write_got10k(tmp_path / "got.txt", [box])
    assert (tmp_path / "otb.txt").read_text() == "1,10.5,3,4.125\n"
    assert (tmp_path / "got.txt").read_text() == "1.0000,10.5000,3.0000,4.1250\n"
    assert read_rectangles(tmp_path / "otb.txt") == [box]
    assert read_rectangles(tmp_path / "got.txt") == [box]


@pytest.mark.parametrize("line", ["5,6,7,8", "5\t6\t7\t8", "5 6 7 8", "5;6;7;8", " 5, 6, 7, 8\r"])
def test_separators(tmp_path: Path, line: str) -> None:
    path = tmp_path / "groundtruth_rect.txt"
    path.write_text(line + "\n\n")
    assert read_rectangles(path) == [Box(4, 5, 7, 8)]


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf5,6,7,8\n",
        "5,6,7,8\r\n".encode("utf-16"),
        b"x,y,w,h\n5,6,7,8\n",
        b"5,0;6,0;7,0;8\n",
        b"5,6,12,6,12,14,5,14\r",
        b"12 14 5 14 5 6 12 6\n",
    ],
)
def test_what_spreadsheets_and_vot_write(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "groundtruth.txt"
    path.write_bytes(data)
    assert read_rectangles(path) == [Box(4, 5, 7, 8)]


def test_a_turned_polygon_gives_its_upright_box(tmp_path: Path) -> None:
    path = tmp_path / "groundtruth.txt"
    path.write_text("11,1,21,11,11,21,1,11\n")
    assert read_rectangles(path) == [Box(0, 0, 20, 20)]


def test_decimal_commas_between_blanks_are_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "groundtruth.txt"
    path.write_text("5,6\t6,6\t7,5\t8,5\n")
    with pytest.raises(ClipError, match="may be four numbers with decimal commas or four points"):
        read_rectangles(path)


def test_absent_targets_are_not_valid(tmp_path: Path) -> None:
    path = tmp_path / "groundtruth.txt"
    path.write_text("NaN,NaN,NaN,NaN\n1,1,0,0\n1,1,2,2\n")
    assert [box.valid for box in read_rectangles(path)] == [False, False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no boxes"),
        ("1,2,3,4\n1,2,3\n", "line 2: '1 2 3' is not 4 numbers"),
        ("1,2,3,four\n", "line 1: '1 2 3 four' is not 4 numbers"),
        ("1,2,3,4_0\n", "line 1: '1 2 3 4_0' is not 4 numbers"),
        ("x,y,w,h\n", "holds no boxes"),
        ("a" * 500 + "\n", "line 1: 'a{80}' is not 4 numbers"),
        ("\n1,2,3,4\n", "line 1: '' is not 4 numbers"),
    ],
)
def test_bad_rectangles(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "groundtruth.txt"
    path.write_text(text)
    with pytest.raises(ClipError, match=message):
        read_rectangles(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3\n", "no box file"),
        ("", "no box file"),
        ("frame,x,y,w,h,score\n1.5,1,1,1,1,1\n", "line 2: frame 1.5 is no frame number"),
        ("frame,x,y,w,h,score\n1,1,1,1\n", "line 2: '1 1 1 1' is not 6 numbers"),
        ("frame,x,y,w,h,score\n1,nan,1,1,1,1\n", "line 2: '1,nan,1,1,1,1' is not finite"),
    ],
)
def test_bad_csv(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text(text)
    with pytest.raises(ClipError, match=message):
        read_csv(path)


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match=r"absent.txt: no such file"):
        read_rectangles(tmp_path / "absent.txt")
    (tmp_path / "binary.txt").write_bytes(b"\x89PNG\x00\x81")
    with pytest.raises(ClipError, match="cannot be read as text"):
        read_rectangles(tmp_path / "binary.txt")
