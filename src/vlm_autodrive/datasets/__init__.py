"""Data sets in: one file per format, typed loading of their tables, and the import stage."""
