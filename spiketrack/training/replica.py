"""One worker's share of a step, and the crew of worker processes that share a batch.

Small convolutions gain little from a second thread, and lose all of it when another program wants
the core. So each worker is a process with one thread and a copy of the network whose parameters
are shared memory; the first worker is the trainer itself and adds up the gradients.
"""

from __future__ import annotations

import copy
import mmap
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from multiprocessing.synchronize import Barrier

import numpy as np
import torch
from torch import Tensor, nn

from spiketrack.errors import SpikeTrackError, TrainingError
from spiketrack.machine import room
from spiketrack.machine.interrupts import follow
from spiketrack.preprocessing import MEAN, STD
from spiketrack.reference.model import SpikeTrack
from spiketrack.reference.retrieval import Retriever
from spiketrack.training.initial import freeze_statistics
from spiketrack.training.losses import total_loss
from spiketrack.training.pairs import Sample, Sampler
from spiketrack.training.robust import MembraneNoise, agreement
from spiketrack.training.rounding import GATE_SCALE, Joint, rounded_pass, running_variances
from spiketrack.training.schema import TrainingConfig

SHARED = 2**16  # bytes; a page for each semaphore
PATIENCE = 900.0  # seconds that one worker waits for the others
FIGURES = ("loss", "focal", "giou", "l1", "size")
Batch = tuple[Tensor, Tensor, Tensor]


def normalise(crops: Sequence[np.ndarray]) -> Tensor:  # type: ignore[type-arg]
    """uint8 (N, ..., S, S, 3) → float32 (N, ..., 3, S, S), as the tracker normalises."""
    x = torch.from_numpy(np.stack(crops)).to(torch.float32).div_(255)
    x = (x - torch.tensor(MEAN)) / torch.tensor(STD)
    return x.movedim(-1, -3)


def collate(samples: Sequence[Sample]) -> Batch:
    """templates (T, B, 3, S, S), searches (B·K, 3, S, S), boxes (B·K, 4)."""
    z = normalise([s.templates for s in samples]).transpose(0, 1)
    x = normalise([s.searches for s in samples]).flatten(0, 1)
    boxes = torch.from_numpy(np.concatenate([s.boxes for s in samples]))
    layout = torch.channels_last
    steps = z.shape[:2]
    z = z.flatten(0, 1).contiguous(memory_format=layout).view(*steps, *z.shape[2:])
    return z, x.contiguous(memory_format=layout), boxes


def soften_gates(model: SpikeTrack) -> None:
    """Gradients of a gate's shares as if its logits were ``GATE_SCALE`` times smaller.

    On the grid the largest logit takes all, which has no gradient (straight-through estimator).
    """
    for module in model.modules():
        if isinstance(module, Retriever):
            module.softmax.register_forward_hook(_soft)


def _soft(module: nn.Module, inputs: tuple[Tensor], shares: Tensor) -> Tensor:
    soft = (inputs[0] / GATE_SCALE).softmax(-1)
    return shares.detach() + (soft - soft.detach())


def share(tensor: Tensor) -> Tensor:
    """A copy in anonymous memory that forked processes share, with the same strides."""
    storage = tensor.untyped_storage()
    memory = mmap.mmap(-1, max(storage.nbytes(), tensor.element_size()))
    flat = torch.frombuffer(memory, dtype=tensor.dtype)
    copy = flat.as_strided(tensor.size(), tensor.stride(), tensor.storage_offset())
    return copy.copy_(tensor)


class Replica:
    """A network in training mode and its share of every batch."""

    def __init__(
        self,
        model: SpikeTrack,
        sampler: Sampler,
        config: TrainingConfig,
        rank: int,
        variances: Mapping[str, Tensor],
    ) -> None:
        self.model, self.sampler, self.config, self.rank = model, sampler, config, rank
        self.joint = Joint(model, variances)
        self._ready: tuple[int, Batch] | None = None
        noise = config.robust.membrane_noise
        self.noise = MembraneNoise(model, noise) if noise else None
        model.train()
        if config.statistics == "frozen":
            freeze_statistics(model)
        if config.quantised:
            soften_gates(model)

    def prepare(self, step: int) -> Batch:
        """Draw this worker's samples of a step, once."""
        if self._ready is None or self._ready[0] != step:
            optimiser = self.config.optimiser
            every = optimiser.batch // self.config.data.searches
            own = every // optimiser.workers
            first = step * every + self.rank * own
            batch = collate([self.sampler.draw(i) for i in range(first, first + own)])
            self._ready = (step, batch)
        return self._ready[1]

    def work(self, step: int) -> list[float]:
        """Leave the gradients of this share in the parameters; returns ``FIGURES``."""
        z, x, boxes = self.prepare(step)
        self.model.zero_grad()
        weights, robust = self.config.optimiser, self.config.robust
        if self.noise is not None:
            self.noise.seed(self.config.seed, step, self.rank)
        maps = self._maps(z, x)
        losses = total_loss(maps, boxes, weights)
        total = losses.total
        if robust.agreement:
            total = total + robust.agreement * agreement(
                maps, lambda other: self._maps(z, other), x
            )
        total.backward()  # type: ignore[no-untyped-call]
        parts = (total, losses.focal, losses.giou, losses.l1, losses.size)
        return [float(part.detach()) for part in parts]

    def _maps(self, z: Tensor, x: Tensor) -> dict[str, Tensor]:
        half = self.config.optimiser.precision == "bfloat16"
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            maps = rounded_pass(self.joint, z, x) if self.config.quantised else self.joint(z, x)
        return {name: value.float() for name, value in maps.items()}


class Crew:
    """The trainer's replica and ``workers - 1`` processes; a context manager."""

    def __init__(self, model: SpikeTrack, sampler: Sampler, config: TrainingConfig) -> None:
        # buffers are each worker's own, but all round with the first one's as they were before
        self.variances = {n: share(v.clone()) for n, v in running_variances(model).items()}
        self.own = Replica(model, sampler, config, 0, self.variances)
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.context = multiprocessing.get_context("fork")
        if (why := room.closed()) is not None:
            raise TrainingError(f"the workers' semaphores need shared memory; {why}, or workers: 1")
        left = room.shared_memory()
        if left is not None and left < SHARED:
            raise TrainingError(
                f"the workers' semaphores need {SHARED:,} B of /dev/shm and {left:,} are left: "
                "docker run --shm-size=64m"
            )
        self.parent = os.getpid()
        count = config.optimiser.workers
        self.gate: Barrier = self.context.Barrier(count, timeout=PATIENCE)
        self.step = self.context.Value("q", 0)
        size = sum(p.numel() for p in self.parameters) + len(FIGURES)
        self.shares = [share(torch.zeros(size)) for _ in range(count - 1)]
        self.helpers = [
            self.context.Process(target=self._serve, args=(rank,), daemon=True)
            for rank in range(1, count)
        ]

    def __enter__(self) -> Crew:
        for parameter in self.own.model.parameters():
            parameter.data = share(parameter.data)
        try:
            for helper in self.helpers:
                helper.start()
        except OSError as error:
            self.__exit__()
            raise TrainingError(
                f"no process for a worker ({error.strerror}): set fewer optimiser.workers, or "
                "raise the limit of processes (ulimit -u)"
            ) from None
        return self

    def __exit__(self, *_: object) -> None:
        for helper in self.helpers:
            if helper.pid is not None:
                helper.terminate()
                helper.join()

    def gradients(self, step: int) -> dict[str, float]:
        """Leave the mean gradient of the whole batch in the parameters; mean ``FIGURES``."""
        self.step.value = step
        for name, value in running_variances(self.own.model).items():
            self.variances[name].copy_(value)
        self._meet()
        own = torch.tensor(self.own.work(step))
        self._meet()
        for parameter, pieces in zip(self.parameters, self._pieces(), strict=True):
            if parameter.grad is not None:
                for piece in pieces:
                    parameter.grad += piece.view_as(parameter)
                parameter.grad /= len(self.shares) + 1
        figures = torch.stack([own, *(part[-len(FIGURES) :] for part in self.shares)]).mean(0)
        return dict(zip(FIGURES, figures.tolist(), strict=True))

    def _pieces(self) -> list[tuple[Tensor, ...]]:
        sizes = [p.numel() for p in self.parameters]
        parts = [torch.split(part[: -len(FIGURES)], sizes) for part in self.shares]
        return list(zip(*parts, strict=True)) if parts else [() for _ in sizes]

    def _meet(self) -> None:
        if not self.helpers:
            return
        try:
            self.gate.wait()
        except Exception as error:
            raise SpikeTrackError(
                f"training: a worker stopped or did not answer for {PATIENCE:g} s; "
                "its error is above; go on with --resume"
            ) from error

    def _serve(self, rank: int) -> None:
        follow(self.parent)
        torch.set_num_threads(1)
        replica = copy.copy(self.own)
        replica.rank = rank
        mine = self.shares[rank - 1]
        while True:
            self.gate.wait()
            step = self.step.value
            figures = replica.work(step)
            grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
            mine.copy_(torch.cat([*(g.flatten() for g in grads), torch.tensor(figures)]))
            self.gate.wait()
            replica.prepare(step + 1)
