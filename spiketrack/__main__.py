"""``python -m spiketrack`` is ``spiketrack``."""

from spiketrack.cli import main

if __name__ == "__main__":
    main()
