"""Lava's channels without their helper threads.

Both ends of a Lava channel start a thread that turns the channel's semaphores into a queue, so
that a port can be polled. Our processes never poll: they wait for one message after the other. So
they wait for the semaphore itself, which saves two thread switches a message, and read a message
where it lies in shared memory: its slot is given back when the time step is over.
"""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spiketrack.deploy.lava.names import (
    CPU,
    MGMT_COMMAND,
    MGMT_RESPONSE,
    CspRecvPort,
    CspSendPort,
    LoihiProtocol,
    PyLoihiProcessModel,
)
from spiketrack.errors import LavaError
from spiketrack.machine.interrupts import follow

LAVA_INT32 = 4  # how Lava's C types name it
# M_MMAP_THRESHOLD, M_TRIM_THRESHOLD: without them glibc gives every large tensor back to the
# kernel and takes it anew, page by page, in the next frame
_KEEP_FREED = ((-3, 2**30), (-1, 2**31 - 1))
_MADV_HUGEPAGE, _HUGE_PAGE, _HEAP = 14, 2**21, 2**26  # address space, not memory in use

_bound: set[int] = set()  # the process that has been bound


def bind(parent: int) -> None:
    """In a child process: leave Ctrl-C to the parent, end with it, and keep freed memory.

    Once a process, however many models it has.
    """
    if _bound == {os.getpid()}:
        return
    _bound.clear()
    _bound.add(os.getpid())
    gc.freeze()  # what the parent made is not looked through again, nor copied for that
    follow(parent)
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt") and hasattr(libc, "madvise"):  # glibc on Linux
        for option, value in _KEEP_FREED:
            libc.mallopt(option, value)
        _huge_pages(libc)


def _huge_pages(libc: ctypes.CDLL) -> None:
    """Ask for large pages for what this process will allocate: tensors and weights.

    Each process has page tables of its own, and none of them is warm when its turn comes.
    """
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    start = libc.malloc(_HEAP)
    if start:
        first = -(-start // _HUGE_PAGE) * _HUGE_PAGE
        libc.madvise(first, start + _HEAP - first, _MADV_HUGEPAGE)
        libc.free(start)


def _slots(port: Any) -> list[NDArray[Any]]:
    size = port._nbytes
    dtype = np.int32 if port._dtype == LAVA_INT32 else port._dtype
    return [
        np.ndarray(port._shape, dtype, port._shm.buf[size * i : size * (i + 1)])
        for i in range(port._size)
    ]


class Receiver:
    """The receiving end of one channel: ``take`` a message, ``give_back`` its slot."""

    def __init__(self, port: CspRecvPort) -> None:
        self.port = port
        self.slots = _slots(port)
        self.index = 0
        self.taken = 0

    def take(self) -> NDArray[Any]:
        """Wait for the next message; it is valid until ``give_back``."""
        self.port._req.acquire()
        message = self.slots[self.index]
        self.index = (self.index + 1) % len(self.slots)
        self.taken += 1
        return message

    def arrives(self, timeout: float) -> bool:
        """Whether a message comes within ``timeout`` seconds; ``copy`` then takes it."""
        return bool(self.port._req.acquire(True, timeout))

    def copy(self, into: NDArray[Any] | None = None) -> NDArray[Any]:
        """The message that has arrived, in ``into`` or a new array; its slot is given back."""
        slot = self.slots[self.index]
        message = np.empty_like(slot) if into is None else into
        np.copyto(message, slot)
        self.index = (self.index + 1) % len(self.slots)
        self.port._ack.release()
        return message

    def give_back(self) -> None:
        """Let the sender use the slots of all messages taken so far."""
        for _ in range(self.taken):
            self.port._ack.release()
        self.taken = 0

    def join(self) -> None:
        """Close the channel, as Lava asks for at the end."""
        self.port.join()


def receiver(port: CspRecvPort) -> Receiver:
    """The receiving end of a port that Lava has started: its helper thread ends here.

    To be called before the first message.
    """
    port._done = True
    port._req.release()
    port.thread.join()
    return Receiver(port)


class Sender:
    """The sending end of one channel."""

    def __init__(self, port: CspSendPort) -> None:
        self.port = port
        self.words = _slots(port)
        self.slots = [torch.from_numpy(slot) for slot in self.words]
        self.index = 0
        self.free = len(self.slots)

    def send(self, message: Tensor | NDArray[Any]) -> None:
        """Wait for a free slot and write the message, converted to the channel's type."""
        values, slot = torch.as_tensor(message), self._slot()
        counts = values.dtype == torch.uint8 and slot.dtype == torch.int8
        (slot.view(torch.uint8) if counts else slot).copy_(values)
        self._sent()

    def send_word(self, word: int) -> None:
        """Wait for a free slot and write its one number."""
        self._slot()
        self.words[self.index][0] = word
        self._sent()

    def send_bytes(self, tensors: Sequence[Tensor]) -> None:
        """Wait for a free slot and write tensors of bytes as they lie in memory, side by side."""
        slot = self._slot()
        if sum(x.numel() for x in tensors) != slot.nbytes:
            raise LavaError(f"{[tuple(x.shape) for x in tensors]} for a slot of {slot.nbytes} B")
        address = slot.data_ptr()
        for x in tensors:
            ctypes.memmove(address, x.data_ptr(), x.numel())
            address += x.numel()
        self._sent()

    def send_or_not(self, message: Tensor | None) -> None:
        """Wait for a free slot; write 1 and the flat message, or 0 alone for none."""
        slot = self._slot()
        slot[0] = message is not None
        if message is not None:
            values = slot[1:]
            counts = message.dtype == torch.uint8 and slot.dtype == torch.int8
            (values.view(torch.uint8) if counts else values).copy_(message.flatten())
        self._sent()

    def _slot(self) -> Tensor:
        if self.free:
            self.free -= 1
        else:
            self.port._ack.acquire()
        return self.slots[self.index]

    def _sent(self) -> None:
        self.index = (self.index + 1) % len(self.slots)
        self.port._req.release()

    def join(self) -> None:
        """Close the channel, as Lava asks for at the end."""
        self.port.join()


class DirectModel(PyLoihiProcessModel):
    """A process model that waits for its channels without helper threads.

    ``receive(name)`` and ``send(name, message)`` name ports; ``run_spk`` is the subclass's.
    """

    implements_protocol = LoihiProtocol
    required_resources = [CPU]  # noqa: RUF012  (Lava's own convention)
    tags: list[str] = []  # noqa: RUF012
    implements_process: Any = None

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params=proc_params)
        bind(proc_params["parent"])
        # before the first operator: the parent's threads are not in this process
        torch.set_num_threads(proc_params.get("threads", 1))
        torch.set_grad_enabled(False)
        self.params = proc_params
        self.receivers: dict[str, Receiver] = {}
        self.senders: dict[str, list[Sender]] = {}

    def start(self) -> None:
        """Open the ports and follow the runtime service's commands until it says stop."""
        self.open()
        self.run()

    def open(self) -> None:
        """Take hold of the channels' ends."""
        self._commands = Receiver(self.service_to_process)
        self.process_to_service: Any = Sender(self.process_to_service)
        for name, port in vars(self).items():
            for end in getattr(port, "csp_ports", ()):
                if isinstance(end, CspRecvPort):
                    self.receivers[name] = Receiver(end)
                else:
                    self.senders.setdefault(name, []).append(Sender(end))

    def run(self) -> None:
        """Lava's own command loop without its selector, as there is one port to wait for."""
        while not self._stopped:
            command = self.next_command()
            self.obey(command)
            if command == MGMT_COMMAND.STOP[0]:
                return

    def next_command(self) -> int:
        """Wait for the next command of the runtime service."""
        command = int(self._commands.take()[0])
        self._commands.give_back()
        return command

    def obey(self, command: int) -> None:
        """Follow a command; the service hears of an error."""
        try:
            self._cmd_handlers[command]()
        except Exception:
            self.process_to_service.send(MGMT_RESPONSE.ERROR)
            self.join()
            raise

    def receive(self, name: str) -> NDArray[Any]:
        """The next message of an InPort with one channel, where it lies in shared memory."""
        return self.receivers[name].take()

    def send(self, name: str, message: Tensor | NDArray[Any]) -> None:
        """Send values to every channel of an OutPort."""
        for sender in self.senders.get(name, ()):
            sender.send(message)

    def send_bytes(self, name: str, tensors: Sequence[Tensor]) -> None:
        """Send tensors (steps, C, H, W) of bytes, channels last in memory, as one message."""
        for sender in self.senders.get(name, ()):
            sender.send_bytes(tensors)

    def give_back(self) -> None:
        """Free all slots of this step's messages."""
        for receiver in self.receivers.values():
            receiver.give_back()
