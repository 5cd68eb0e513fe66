"""The steering core: reading and editing activations, directions, records and verdicts. Knows nothing of pytest."""
