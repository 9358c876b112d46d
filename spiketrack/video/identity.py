"""Which clip it was: a digest of its bytes, whatever it is called and wherever it lies."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from spiketrack.errors import ClipError
from spiketrack.files import file_digest
from spiketrack.video.footage import survey_images
from spiketrack.video.streams import address


def clip_digest(source: str | Path | None) -> str | None:
    """SHA-256 of a video file, or over the SHA-256 of a folder's images in their order.

    None for what has no bytes to come back to: a camera, an address, a clip that is gone.
    """
    if source is None or address(source) is not None:
        return None
    path = Path(source)
    with suppress(OSError, ClipError):
        if not path.is_dir():
            return file_digest(path) if path.is_file() else None
        whole = hashlib.sha256()
        for image in survey_images(path).images:
            whole.update(bytes.fromhex(file_digest(image)))
        return whole.hexdigest()
    return None
