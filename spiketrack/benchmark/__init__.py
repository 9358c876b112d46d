"""Times of the backends, measured in one run and compared as ratios."""
