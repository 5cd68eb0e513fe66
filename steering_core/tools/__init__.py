"""The Tool protocol, edits and token positions, known deviations, and one adapter per file."""
