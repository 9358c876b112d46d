"""``info --graph``: processes, ports and connections of both branches, for other tool chains."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from spiketrack.documents.base import Count, Digest, Document, Part


class PortPart(Part):
    """A message of one time step: NumPy type and shape, channels last for counts and membranes.

    ``carries``: a node of the ``.nir`` file, or ``rewritten`` (whether memories follow), ``host``
    messages and records. ``host``: the other end is the host's.
    """

    name: str
    shape: tuple[Count, ...]
    dtype: Annotated[str, Field(pattern="^int(8|16|32|64)$")]
    carries: str
    host: bool


class ProcessPart(Part):
    """``nodes``: of the ``.nir`` file, executed in one time step in this order."""

    name: str
    kind: str
    inputs: tuple[PortPart, ...]
    outputs: tuple[PortPart, ...]
    nodes: tuple[str, ...]


class ConnectionPart(Part):
    """A channel: process and port that send, process and port that receive."""

    sender: tuple[str, str]
    receiver: tuple[str, str]


class BranchPart(Part):
    """One branch; each process stands behind those that it receives from."""

    processes: tuple[ProcessPart, ...]
    connections: tuple[ConnectionPart, ...]


class ProcessGraphDocument(Document):
    """Both branches. ``memories``: nodes that the template branch's outputs carry to the host,
    which rewrites with them what the search branch's process ``memory`` sends.
    """

    REMEDY: ClassVar[str] = "write it with spiketrack info EXPORT --graph FILE.json"

    schema_id: Literal["spiketrack.process-graph"] = Field(
        default="spiketrack.process-graph", alias="schema"
    )
    version: Literal[1] = 1
    network_digest: Digest
    branches: Annotated[dict[str, BranchPart], Field(min_length=1)]
    memories: tuple[str, ...]
