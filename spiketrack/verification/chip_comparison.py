"""A chip's measurements against a run of the network in the chip's time."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.chip.layers import Layer
from spiketrack.documents.chip.kit import MeasuredDocument, MeasuredLayer
from spiketrack.errors import SpikeTrackError, printable
from spiketrack.runs.folder import RunFolder, open_counts
from spiketrack.verification.chip_kit import Expected

FIELDS = ("updates", "operations", "messages")
Arrays = Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True)
class LayerComparison:
    """One layer, in the order of time: counts compared, how many differ, and profiler fields.

    ``compared`` is 0 where no counts were measured; sums of counts where there is no array.
    ``fields``: name → (expected, measured) where both are known.
    """

    name: str
    compared: int
    different: int
    where: str
    fields: Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class ChipComparison:
    """All layers; ``first``: the first whose counts differ; names that the network has not."""

    layers: tuple[LayerComparison, ...]
    unknown: tuple[str, ...]

    @property
    def first(self) -> LayerComparison | None:
        """The first layer, by the time step in which it fires, that differs."""
        return next((layer for layer in self.layers if layer.different), None)

    @property
    def measured(self) -> int:
        """Layers whose counts were measured."""
        return sum(layer.compared > 0 for layer in self.layers)


def compare_chip(
    run: RunFolder, expected: Expected, measured: MeasuredDocument, where: Path
) -> ChipComparison:
    """``SpikeTrackError`` where the measurements are of another network, or of no layer of it."""
    if measured.network_digest != run.about.network_digest:
        raise SpikeTrackError(
            f"{where}: measured with another network ({measured.network_digest[:12]}) than the run "
            f"({run.about.network_digest[:12]})"
        )
    arrays = {} if measured.counts is None else read_arrays(where.parent / measured.counts)
    rows = {layer.name: layer for layer in measured.layers}
    known = {layer.name for layer in expected.layers}
    unknown = tuple(sorted({*rows, *arrays} - known))
    if known.isdisjoint({*rows, *arrays}):
        raise SpikeTrackError(
            f"{where}: names no layer of the {measured.branch} branch; fill in layers or counts, "
            "with the names in the kit's kit.json"
        )
    layers = tuple(_layers(run, expected, measured.branch, rows, arrays))
    return ChipComparison(layers, unknown)


def read_arrays(path: Path) -> dict[str, NDArray[np.int64]]:
    """Arrays of a ``.npz`` file; ``SpikeTrackError`` for anything else than integers in it."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except OSError as error:
        raise SpikeTrackError(f"{path}: no .npz file ({error.strerror or error})") from None
    except (ValueError, zipfile.BadZipFile, AttributeError, EOFError):
        # NumPy's own words recommend to load pickled objects
        raise SpikeTrackError(
            f"{path}: no .npz file of integer arrays; write it with numpy.savez"
        ) from None
    for name, values in arrays.items():
        if not np.issubdtype(values.dtype, np.integer):
            raise SpikeTrackError(f"{path}: {printable(name)} holds {values.dtype}, not integers")
    return {name: values.astype(np.int64) for name, values in arrays.items()}


def _layers(
    run: RunFolder,
    expected: Expected,
    branch: str,
    rows: Mapping[str, MeasuredLayer],
    arrays: Arrays,
) -> Iterator[LayerComparison]:
    with open_counts(run.path, branch) as counts:
        for layer in expected.layers:
            row = rows.get(layer.name)
            spikes = expected.spikes.get(layer.name)
            compared, different, where = 0, 0, ""
            if spikes is not None and layer.name in arrays:
                wanted = counts[layer.name][0].astype(np.int64)
                compared, different, where = _arrays(wanted, arrays[layer.name], layer)
            elif spikes is not None and row is not None and row.spikes is not None:
                compared, different, where = _sums(spikes, row.spikes, layer)
            fields = {
                name: (expected.activity[layer.name][name], value)
                for name in FIELDS
                if row is not None and (value := getattr(row, name)) is not None
            }
            yield LayerComparison(layer.name, compared, different, where, fields)


def _arrays(
    wanted: NDArray[np.int64], measured: NDArray[np.int64], layer: Layer
) -> tuple[int, int, str]:
    if wanted.shape != measured.shape:
        return wanted.size, wanted.size, f"shape {measured.shape}, expected {wanted.shape}"
    wrong = np.argwhere(wanted != measured)
    if not len(wrong):
        return wanted.size, 0, ""
    step, *index = (int(i) for i in wrong[0])
    at = (step, *index)
    return (
        wanted.size,
        len(wrong),
        (
            f"network step {step} (time step {_time_step(layer, step)}), neuron {tuple(index)}: "
            f"expected {wanted[at]}, measured {measured[at]}"
        ),
    )


def _sums(wanted: tuple[int, ...], measured: tuple[int, ...], layer: Layer) -> tuple[int, int, str]:
    if len(wanted) != len(measured):
        return len(wanted), len(wanted), f"{len(measured)} network steps, expected {len(wanted)}"
    wrong = [t for t, pair in enumerate(zip(wanted, measured, strict=True)) if pair[0] != pair[1]]
    if not wrong:
        return len(wanted), 0, ""
    t = wrong[0]
    return (
        len(wanted),
        len(wrong),
        (
            f"network step {t} (time step {_time_step(layer, t)}): {wanted[t]} spikes expected, "
            f"{measured[t]} measured"
        ),
    )


def _time_step(layer: Layer, step: int) -> int:
    return layer.first + layer.stride * step
