"""A canonical direction is compared by cosine and norm, and equal directions make equal files."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from parity.plugin.canonical import CanonicalDirection, distance, metadata_of, read_canonical, sorted_header
from steering_core.errors import UsageProblem
from steering_core.places import snapshot_path

CANON = np.array([3.0, 4.0, 0.0], dtype=np.float32)


def stored(direction: Any) -> bytes:
    return sorted_header(save({"direction": np.asarray(direction, dtype=np.float32)}))


def matches(now: Any, canon: Any = CANON, machine: str = "cpu-float32") -> bool:
    extension = type("Extension", (CanonicalDirection,), {"machine": machine})
    return bool(extension().matches(serialized_data=stored(now), snapshot_data=stored(canon)))


def test_distance_is_one_minus_cosine_and_ratio_of_norms() -> None:
    assert distance(CANON, CANON) == (0.0, 1.0)
    assert distance(np.array([4.0, 3.0, 0.0]), CANON) == pytest.approx((1 - 24 / 25, 1.0))
    assert distance(2 * CANON, CANON) == pytest.approx((0.0, 2.0))
    assert distance(-CANON, CANON)[0] == pytest.approx(2.0)
    assert distance(CANON[:2], CANON) == (float("inf"), float("inf"))


def rotated(gap: float) -> Any:
    """CANON, rotated until 1 - cos is `gap`."""
    across = np.array([0.0, 0.0, 5.0])
    return (1 - gap) * CANON.astype(np.float64) + np.sqrt(1 - (1 - gap) ** 2) * across


@pytest.mark.parametrize(("machine", "gap"), [("cpu-float32", 1e-6), ("cuda-float16", 1e-4), ("cuda-bfloat16", 2e-3)])
def test_each_dtype_has_its_tolerance(machine: str, gap: float) -> None:
    assert matches(rotated(0.8 * gap), machine=machine)
    assert not matches(rotated(1.3 * gap), machine=machine)


@pytest.mark.parametrize(
    ("factor", "same"), [(1.0009, True), (0.9991, True), (1.0011, False), (0.9989, False), (-1, False)]
)
def test_a_norm_within_one_per_mille_matches(factor: float, same: bool) -> None:
    assert matches(factor * CANON) is same


def test_a_difference_is_described_by_its_largest_components() -> None:
    lines = list(CanonicalDirection().diff_lines(stored([3.0, 3.0, 0.5]), stored(CANON)))

    assert lines[0].startswith("1 - cos = 0.0")
    assert lines[1:3] == ["[1] canonical +4.000000  now +3.000000", "[2] canonical +0.000000  now +0.500000"]


def test_equal_content_gives_equal_bytes_that_load_as_safetensors() -> None:
    tensors = {"direction": CANON}
    first = save(tensors, metadata={"a": "1", "b": "2", "c": "3"})
    second = save(tensors, metadata={"c": "3", "b": "2", "a": "1"})

    assert sorted_header(first) == sorted_header(second)
    assert np.array_equal(load(sorted_header(first))["direction"], CANON)
    length = int.from_bytes(sorted_header(first)[:8], "little")
    assert length % 8 == 0
    assert json.loads(sorted_header(first)[8 : 8 + length])["__metadata__"] == {"a": "1", "b": "2", "c": "3"}


@pytest.mark.parametrize("name", ["site", "token_ids"])
def test_a_direction_of_another_site_or_other_prompts_is_refused(name: str) -> None:
    provenance = metadata_of(snapshot_path("tiny_qwen2", "cpu-float32").read_bytes())
    model = SimpleNamespace(
        spec=SimpleNamespace(key="tiny_qwen2"), device=SimpleNamespace(type="cpu"), dtype="torch.float32", quantize=""
    )
    assert read_canonical(SimpleNamespace(model=model, provenance=lambda: provenance)).shape == (64,)

    other = SimpleNamespace(model=model, provenance=lambda: {**provenance, name: "another"})
    with pytest.raises(UsageProblem, match=f"is for {name} .*, not another"):
        read_canonical(other)
