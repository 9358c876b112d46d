"""The tracker's settings: published defaults, and what plain values may say."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from spiketrack.config import NetworkConfig, TrackerConfig, tracker_settings
from spiketrack.errors import ConfigError


def test_defaults_are_the_published_values() -> None:
    assert TrackerConfig() == TrackerConfig(4.0, 4.0, 25, 0.7, 10, True)
    assert TrackerConfig().as_dict() == {
        "search_factor": 4.0,
        "template_factor": 4.0,
        "update_every": 25,
        "update_threshold": 0.7,
        "margin": 10,
        "window": True,
    }


def test_sizes_that_follow_from_others() -> None:
    config = NetworkConfig((8, 16, 24, 32), 5, 2, 40)
    assert config.resolution == 80
    assert config.memory_dims == (8, 16, 24, 24, 32, 32)
    assert config.memory_shapes[5] == (2, 8, 4, 16)
    assert config.variant == "custom"


@pytest.mark.parametrize(
    ("changed", "variant"),
    [
        ({}, "spiketrack_s256_t1"),
        ({"templates": 3}, "spiketrack_s256_t3"),
        ({"templates": 2}, "custom"),
        ({"grid": 24}, "custom"),
        ({"head_channels": 256}, "custom"),
        ({"conv_blocks": (1, 1, 2, 1)}, "custom"),
        ({"blocks3": 5}, "custom"),
        ({"blocks4": 3}, "custom"),
    ],
)
def test_a_published_name_needs_all_published_sizes(changed: dict[str, Any], variant: str) -> None:
    sizes: dict[str, Any] = {
        "embed_dims": (32, 64, 128, 192),
        "grid": 16,
        "templates": 1,
        "head_channels": 192,
    }
    assert NetworkConfig(**(sizes | changed)).variant == variant


def test_the_bundled_weights_have_a_name() -> None:
    sizes = NetworkConfig((16, 32, 64, 96), 8, 1, 128)
    assert sizes.variant == "nano"
    assert dataclasses.replace(sizes, templates=3).variant == "nano-t3"
    assert dataclasses.replace(sizes, templates=2).variant == "custom"


@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [
        ("search_factor", 1e-3, 100),
        ("template_factor", 1e-3, 100),
        ("update_every", 1, 2**31 - 1),
        ("update_threshold", 0, 1),
        ("margin", 0, 2**31 - 1),
    ],
)
def test_settings_have_limits(name: str, lowest: float, highest: float) -> None:
    for right in (lowest, highest):
        assert getattr(tracker_settings({name: right}), name) == right
    below = lowest - 1e-3 if isinstance(lowest, float) else lowest - 1
    wrong: list[Any] = [highest + 1, below, True, "4", None, [4], {}, math.nan, math.inf, 10**400]
    for value in wrong:
        with pytest.raises(ConfigError, match=f"^tracker setting {name} = .*, not "):
            tracker_settings({name: value})


def test_whole_numbers_and_flags_are_of_their_kind() -> None:
    with pytest.raises(ConfigError, match=r"tracker setting margin = 2\.0"):
        tracker_settings({"margin": 2.0})
    with pytest.raises(ConfigError, match="tracker setting window = 1"):
        tracker_settings({"window": 1})
    assert tracker_settings({"window": False, "of a later version": 1}).window is False
    assert tracker_settings({}) == TrackerConfig()


@pytest.mark.parametrize("values", [None, [], "text", 1])
def test_settings_are_a_mapping(values: Any) -> None:
    with pytest.raises(ConfigError, match="unreadable tracker settings, no mapping"):
        tracker_settings(values)
