"""Where canonical directions live."""

from pathlib import Path

from parity.matrix import ROOT

SNAPSHOTS = ROOT / "snapshots"


def location(key: str, machine: str) -> Path:
    """Where the canonical direction of a model lives."""
    return SNAPSHOTS / "test_canonical" / machine / f"test_reference_direction[{key}].safetensors"
