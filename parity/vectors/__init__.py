"""Programs as vectors: what an engine in another process or language must give on the tiny checkpoints (docs/vectors.md)."""
