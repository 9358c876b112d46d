"""A search for placements that take less time: balanced cores, finer cuts where they bind."""
