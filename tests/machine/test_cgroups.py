"""Limits of control groups, from trees as both versions of them lay them out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spiketrack.machine import limits
from spiketrack.machine.cgroups import Cgroups


def groups(folder: Path, own: str, **files: str) -> Cgroups:
    """Control groups whose files are named ``a__b__file`` for ``a/b/file``."""
    for name, text in files.items():
        path = folder / "root" / name.replace("_dot_", ".").replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "own").write_text(own)
    return Cgroups(folder / "root", folder / "own")


def test_the_tightest_group_of_the_unified_tree_counts(tmp_path: Path) -> None:
    found = groups(
        tmp_path,
        "0::/outer/inner\n",
        outer__cpu_dot_max="150000 100000\n",
        outer__inner__cpu_dot_max="max 100000\n",
        outer__memory_dot_max="1000000\n",
        outer__memory_dot_current="400000\n",
        outer__memory_dot_stat="anon 5\ninactive_file 100000\n",
        outer__inner__memory_dot_max="2000000\n",
        outer__inner__memory_dot_current="300000\n",
        pids_dot_max="max\n",
        outer__pids_dot_max="77\n",
    )
    assert found.cores() == 1.5
    assert found.memory() == (700_000, 1_000_000)
    assert found.processes() == 77


def test_separate_trees_of_the_first_version(tmp_path: Path) -> None:
    found = groups(
        tmp_path,
        "4:memory:/job\n2:cpu,cpuacct:/job\n8:pids:/\n0::/\n",
        cpu__job__cpu_dot_cfs_quota_us="50000\n",
        cpu__job__cpu_dot_cfs_period_us="100000\n",
        memory__job__memory_dot_limit_in_bytes="9223372036854771712\n",
        memory__memory_dot_limit_in_bytes="500\n",
        memory__memory_dot_usage_in_bytes="120\n",
    )
    assert found.cores() == 0.5
    assert found.memory() == (380, 500)
    assert found.processes() is None


@pytest.mark.parametrize("own", ["", "0::/\n", "0::/gone\n"])
def test_no_limit_at_all(own: str, tmp_path: Path) -> None:
    found = groups(tmp_path, own, cpu_dot_max="max 100000\n", memory_dot_max="max\n")
    assert (found.cores(), found.memory(), found.processes()) == (None, None, None)


def test_what_limits_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2})
    half = groups(tmp_path, "0::/\n", cpu_dot_max="50000 100000\n")
    assert limits.cores(half) == (0.5, "0.5 of 8 (quota of the control group)")
    none = Cgroups(tmp_path / "none", tmp_path / "none")
    assert limits.cores(none) == (3, "3 of 8 (affinity)")
    small = groups(tmp_path, "0::/\n", memory_dot_max="9000\n", memory_dot_current="1000\n")
    assert limits.memory(small) == (8000, 9000, " (limit of the control group)")
