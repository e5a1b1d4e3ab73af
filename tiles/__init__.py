"""Pictures larger than memory: a generator over tiles, with the statistics of the whole picture."""
