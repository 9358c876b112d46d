"""Lists of sequences."""

from __future__ import annotations

from pathlib import Path

import pytest

from spiketrack.errors import ConfigError
from spiketrack.tracking.lists import read_list


def test_a_list(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("# remark\nA\n\n  B # another\n")
    assert read_list(str(path)) == ("A", "B")
    for text, said in (("# none\n", "names no sequence"), ("A\nA\n", "names A twice")):
        path.write_text(text)
        with pytest.raises(ConfigError, match=said):
            read_list(str(path))
    with pytest.raises(ConfigError, match="nowhere: no such list"):
        read_list("nowhere")


def test_the_kept_out_videos() -> None:
    names = read_list("kept-out")
    assert len(names) == 26
    assert {"davis_dog", "otb_Jogging1", "ytobj_aeroplane1"} <= set(names)
