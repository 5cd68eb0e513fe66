"""Adapters of libraries that cannot be installed beside the suite's own: named by their file, run in another Python."""
