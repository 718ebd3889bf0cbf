"""Generator families: one architecture per file, all with the same names inside."""
