"""One paper per module: a core function of arrays, and `discover` for a generator."""
