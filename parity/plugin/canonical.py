"""Canonical directions: the only file that knows `snapshots/`. One check per model writes, the others read.

A snapshot is one safetensors file with its metadata in the header, per machine class (device and dtype): placement
alone moves a direction by 1e-4 of its norm, so each class has a canon and a tolerance of its own.
"""

import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save
from syrupy.extensions.single_file import SingleFileSnapshotExtension

from parity.plugin.gate import preflight_holds
from steering_core.errors import UsageProblem
from steering_core.places import ROOT, SNAPSHOTS, snapshot_path
from steering_core.records.thresholds import is_canonical


class CanonicalDirection(SingleFileSnapshotExtension):  # type: ignore[misc]  # syrupy has no types for mypy here
    """Syrupy extension: safetensors bytes, compared by direction and norm within a tolerance."""

    file_extension = "safetensors"
    machine = "cpu-float32"

    @classmethod
    def dirname(cls, *, test_location: Any) -> str:
        """Top-level snapshots/, one folder per machine class."""
        return str(SNAPSHOTS / test_location.basename / cls.machine)

    @classmethod
    def matches_test_location(cls, *, test_location: Any, snapshot_location: str) -> bool:
        """Snapshots live away from the test file, on purpose."""
        return True

    def matches(self, *, serialized_data: Any, snapshot_data: Any) -> bool:
        """Within tolerance: an agreeing file is left as it is, byte for byte."""
        gap, ratio = distance(load(serialized_data)["direction"], load(snapshot_data)["direction"])
        return is_canonical(gap, ratio, self.machine.split("-")[1])

    def diff_lines(self, serialized_data: Any, snapshot_data: Any) -> Iterator[str]:
        """Cosine, norm ratio and the components that moved most."""
        now, canon = load(serialized_data)["direction"], load(snapshot_data)["direction"]
        gap, ratio = distance(now, canon)
        yield f"1 - cos = {gap:.3g}, norm ratio = {ratio:.6f}"
        if now.shape == canon.shape:
            for index in np.argsort(-np.abs(now - canon))[:5]:
                yield f"[{index}] canonical {canon[index]:+.6f}  now {now[index]:+.6f}"


def distance(now: Any, canon: Any) -> tuple[float, float]:
    """(1 - cos, norm ratio) in float64; directions of different width are infinitely apart."""
    if now.shape != canon.shape:
        return float("inf"), float("inf")
    left, right = np.linalg.norm(now.astype(np.float64)), np.linalg.norm(canon.astype(np.float64))
    return float(np.square(now / left - canon / right).sum() / 2), float(left / right)


def machine_class(experiment: Any) -> str:
    """`cpu-float32`, `cuda-bfloat16`, `cuda-bfloat16-nf4`: what a canonical direction is valid for."""
    parts = (
        experiment.model.device.type,
        str(experiment.model.dtype).removeprefix("torch."),
        experiment.model.quantize,
    )
    return "-".join(filter(None, parts))


def to_bytes(experiment: Any, direction: Any) -> bytes:
    """A direction with its metadata: float32 [hidden], site, operation, norm, preset, versions, commit."""
    where = experiment.provenance()
    said = (
        "model_id",
        "weights",
        "site",
        "position",
        "preset",
        "torch",
        "transformers",
        "commit",
        "prompts",
        "token_ids",
    )
    metadata = {name: str(where[name]) for name in said}
    metadata |= {"method": "difference of means", "norm": f"{float(direction.norm()):.9g}", "schema": "1"}
    return sorted_header(save({"direction": direction.numpy()}, metadata=metadata))


def sorted_header(raw: bytes) -> bytes:
    """The same file with a sorted header: the writer orders metadata at random; equal content must be equal bytes."""
    found, tensors = split_header(raw)
    header = json.dumps(found, sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + tensors


def split_header(raw: bytes) -> tuple[dict[str, Any], bytes]:
    """The header of a safetensors file, and the bytes of its tensors."""
    end = 8 + struct.unpack("<Q", raw[:8])[0]
    return json.loads(raw[8:end]), raw[end:]


def read_canonical(experiment: Any) -> Any:
    """The locked direction, [hidden] float32; UsageProblem if there is none, or none of this site and these prompts."""
    path = snapshot_path(experiment.model.spec.key, machine_class(experiment))
    if not path.exists():
        raise UsageProblem(
            "no-canonical", f"no canonical direction at {path.relative_to(ROOT)}", "lock one with --snapshot-update"
        )
    raw = path.read_bytes()
    locked, here = metadata_of(raw), experiment.provenance()
    for name in ("site", "token_ids"):
        if (said := locked.get(name, "unsaid")) != here[name]:
            raise UsageProblem(
                "other-canonical",
                f"the canonical direction of {experiment.model.spec.key} is for {name} {said[:20]}, not {here[name][:20]}",
                "run with the registry's layer and the project's prompts, or leave D5 out (-k 'not canonical')",
            )
    return load(raw)["direction"]


def metadata_of(raw: bytes) -> dict[str, str]:
    """What the header of a snapshot says."""
    found: dict[str, str] = split_header(raw)[0].get("__metadata__", {})
    return found


def may_write(config: pytest.Config, experiment: Any) -> None:
    """Refuse to lock a direction of another block, without a preflight that holds, or from source that is dirty."""
    if not preflight_holds(config, experiment.model.spec.key):
        raise UsageProblem(
            "snapshot-preflight",
            f"preflight of {experiment.model.spec.key} did not run whole and hold",
            "run it in the same session",
        )
    if experiment.settings.layer != experiment.model.spec.layer:
        raise UsageProblem(
            "snapshot-layer",
            f"a canonical direction is of block {experiment.model.spec.layer}, not {experiment.settings.layer}",
            "run without --layer",
        )
    if experiment.provenance()["dirty"] and not config.getoption("force_snapshot"):
        raise UsageProblem(
            "snapshot-dirty", "the suite's source is not a clean commit", "commit first, or give --force-snapshot"
        )


@pytest.fixture
def canonical(request: pytest.FixtureRequest, snapshot: Any) -> Any:
    """The snapshot assertion; its check is collected for every model, so that none is deleted as unused."""
    return snapshot
