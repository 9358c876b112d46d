"""The training loop: one function names the stages of a run in order."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from spiketrack.inference import Crop
from spiketrack.reference.checkpoint import read_checkpoint
from spiketrack.reference.model import SpikeTrack
from spiketrack.training import state
from spiketrack.training.closed_loop import closed_loop
from spiketrack.training.folders import Clip, Collection
from spiketrack.training.initial import adopt, initialise, leave_grid
from spiketrack.training.journal import Journal
from spiketrack.training.losses import decode, overlap
from spiketrack.training.pairs import Sampler
from spiketrack.training.place import BEST, PUBLISHED, WEIGHTS, check_place, training_place
from spiketrack.training.replica import Batch, Crew, collate
from spiketrack.training.schema import TrainingConfig
from spiketrack.training.snapping import on_grid
from spiketrack.training.state import Run
from spiketrack.verification.amplification import amplification
from spiketrack.verification.equality import differences

FLOOR = 0.01  # of the learning rate, where the cosine ends
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Progress:
    """What a display shows after each step; ``validation`` is of the latest check."""

    step: int
    share: float
    figures: dict[str, float]
    validation: dict[str, float]
    pairs_per_second: float
    seconds_left: float


def train(
    config: TrainingConfig,
    collection: Collection,
    folder: Path,
    resume: bool = False,
    tell: Tell = print,
    force: bool = False,
) -> Iterator[Progress]:
    """Train as configured and leave state, weights, log and curves in ``folder``.

    ``tell`` hears how much of ``config.init`` was taken. A folder that holds a training is an
    error unless ``resume`` goes on with it or ``force`` begins anew. ``TrainingError`` at the
    first loss or weights that are not finite; the state saved last is the last good one.
    """
    check_place(folder, resume, force, config.init)
    run = state.begin(config, build(config, tell))
    sampler = Sampler(config, collection)
    batches = validation_batches(sampler)
    with training_place(folder, resume, force, config.init) as said, one_thread():
        if said:
            tell(said)
        if resume:
            state.restore(run, folder)
        yield from _train(run, sampler, batches, folder, tell)


def _train(
    run: Run, sampler: Sampler, batches: list[Batch], folder: Path, tell: Tell
) -> Iterator[Progress]:
    clips = sampler.collection.validation
    with Journal(folder, run.step) as journal:
        with Crew(run.model, sampler, run.config) as crew:
            yield from _steps(run, crew, batches, clips, journal, folder)
        _finish(run, batches, clips, journal, folder, tell)


def build(config: TrainingConfig, tell: Tell = print) -> SpikeTrack:
    """The network with its first weights: drawn from the seed, then from ``config.init``."""
    torch.manual_seed(config.seed)
    model = SpikeTrack(config.network.build())
    initialise(model)
    if config.init is not None:
        read = read_checkpoint(config.init, config.init_key)
        for note in read.notes:
            tell(f"note: {config.init}: {note}")
        taken = adopt(model, dict(read.state))
        total = len(model.state_dict())
        tell(f"{config.init}: {taken} of {total} tensors have a place in this network")
    leave_grid(model)
    for parameter in model.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return model


@contextmanager
def one_thread() -> Iterator[None]:
    """Each worker computes on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def learning_rate(run: Run) -> float:
    """lr · warm-up · (1 + cos(π · progress)) / 2, at least ``FLOOR`` of lr."""
    section = run.config.optimiser
    warm = min(1.0, (run.step + 1) / (section.warmup + 1))
    cosine = (1 + math.cos(math.pi * run.progress())) / 2
    return section.learning_rate * warm * (FLOOR + (1 - FLOOR) * cosine)


def _steps(
    run: Run,
    crew: Crew,
    batches: list[Batch],
    clips: Sequence[Clip],
    journal: Journal,
    folder: Path,
) -> Iterator[Progress]:
    section = run.config.optimiser
    validation: dict[str, float] = {}
    speed = 0.0
    while run.progress() < 1:
        started = time.monotonic()
        figures = _step(run, crew, folder)
        seconds = time.monotonic() - started
        run.minutes += seconds / 60
        now = section.batch / seconds
        speed = speed + 0.02 * (now - speed) if speed else now
        if run.step % section.log_every == 0:
            journal.write("step", run, {**figures, "pairs_per_second": speed})
        if run.step % section.validate_every == 0:
            started = time.monotonic()
            validation = _check(run, finished(run), batches, clips, journal, folder)
            run.minutes += (time.monotonic() - started) / 60
        if run.step % section.save_every == 0:
            state.save(run, folder)
        yield Progress(run.step, run.progress(), figures, validation, speed, _left(run))


def _left(run: Run) -> float:
    """Seconds left at the speed so far."""
    share = max(run.progress(), 1e-9)
    return run.minutes * 60 * (1 - share) / share


def _step(run: Run, crew: Crew, folder: Path) -> dict[str, float]:
    rate = learning_rate(run)
    for group in run.optimiser.param_groups:
        group["lr"] = rate
    figures = crew.gradients(run.step)
    norm = torch.nn.utils.clip_grad_norm_(crew.parameters, run.config.optimiser.clip)
    for what, value in (("the loss", figures["loss"]), ("the gradient's norm", float(norm))):
        if not math.isfinite(value):  # the weights are as they were before this step
            raise state.diverged(run, folder, run.step + 1, f"{what} is {value}")
    run.optimiser.step()
    run.step += 1
    _follow(run)
    return {**figures, "gradient": float(norm), "rate": rate}


@torch.no_grad()
def _follow(run: Run) -> None:
    """average += (1 - decay) · (weights - average); the decay grows to its value."""
    decay = min(run.config.optimiser.average, (1 + run.step) / (10 + run.step))
    pairs = zip(run.average.state_dict().values(), run.model.state_dict().values(), strict=True)
    old: list[Tensor] = []
    new: list[Tensor] = []
    for mean, value in pairs:
        if mean.is_floating_point():
            old.append(mean)
            new.append(value)
        else:
            mean.copy_(value)
    torch._foreach_lerp_(old, new, 1 - decay)


def validation_batches(sampler: Sampler, size: int = 32) -> list[Batch]:
    """The fixed samples of the kept-out videos."""
    if not sampler.collection.validation:
        return []
    count = sampler.config.data.validation_pairs
    samples = [sampler.validation(i) for i in range(count)]
    return [collate(samples[i : i + size]) for i in range(0, count, size)]


@torch.no_grad()
def validate(model: SpikeTrack, batches: list[Batch]) -> dict[str, float]:
    """Mean IoU, and the share of predicted centres inside the true box."""
    ious, hits = [], []
    for z, x, truth in batches:
        predicted = decode(model.joint(z, x))
        ious.append(overlap(predicted, truth)[0])
        hits.append(((predicted[:, :2] - truth[:, :2]).abs() <= truth[:, 2:] / 2).all(1))
    if not ious:
        return {}
    return {
        "iou": float(torch.cat(ious).mean()),
        "hit": float(torch.cat(hits).float().mean()),
    }


def finished(run: Run) -> SpikeTrack:
    """The averaged weights, those of a quantised run on the integer network's grid."""
    return on_grid(run.average) if run.config.quantised else run.average


def _check(
    run: Run,
    model: SpikeTrack,
    batches: list[Batch],
    clips: Sequence[Clip],
    journal: Journal,
    folder: Path,
) -> dict[str, float]:
    """Validate and write ``model``, what the run has reached; keep the best beside the last.

    The best is that of the highest success AUC in closed loop on ``clips``, of the highest IoU of
    ``batches`` where nothing is followed.
    """
    result = validate(model, batches)
    section = run.config.data
    if clips and section.validation_starts:
        settings, frames = run.config.tracker.build(), section.validation_frames
        result |= closed_loop(model, settings, clips, section.validation_starts, frames)
    pushes = amplification(model, _crops(batches, section.amplification_samples))
    if pushes is not None:
        result |= {"flipped": pushes.flipped_rate, "shifted": pushes.shifted_rate}
    journal.write("validation", run, result)
    journal.plot()
    for name in (WEIGHTS, PUBLISHED):
        state.export_weights(run, model, folder / name, result)
    measure = "auc" if "auc" in result else "iou"
    if measure != run.measure:
        run.best, run.measure = 0.0, measure
    if result.get(measure, 0.0) > run.best:
        run.best = result[measure]
        state.export_weights(run, model, folder / BEST, result)
    return result


def _crops(batches: list[Batch], count: int) -> Iterator[tuple[Crop, Crop]]:
    """Templates (T, 3, S, S) and a search crop (3, S, S) of the first kept-out samples."""
    pairs = ((z[:, i], x[i]) for z, x, _ in batches for i in range(len(x)))
    for z, x in islice(pairs, count):
        yield z.contiguous().numpy(), x.contiguous().numpy()


def _finish(
    run: Run,
    batches: list[Batch],
    clips: Sequence[Clip],
    journal: Journal,
    folder: Path,
    tell: Tell,
) -> None:
    model = finished(run)
    _check(run, model, batches, clips, journal, folder)
    state.save(run, folder)
    if run.config.quantised and batches:
        crops = [(z[:, 0].numpy(), x[0].numpy()) for z, x, _ in batches]
        counts = differences(model, crops)
        journal.write("grid", run, counts)
        tell(
            f"float against integer network on {len(crops)} kept-out samples: "
            f"{counts['differ']:,} of {counts['compared']:,} counts differ"
        )
