"""Where the project's files are."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "fixtures"
REGISTRY = FIXTURES / "models.toml"
PRESETS = FIXTURES / "presets.toml"
PROMPTS = FIXTURES / "prompts" / "default.json"
PROGRAMS = FIXTURES / "programs"
SNAPSHOTS = ROOT / "snapshots"
RUNS = ROOT / "reports" / "runs"


def snapshot_path(key: str, machine: str) -> Path:
    """Where the canonical direction of a model lives; machine: `cpu-float32`, `cuda-bfloat16`, ..."""
    return SNAPSHOTS / "test_canonical" / machine / f"test_reference_direction[{key}].safetensors"
