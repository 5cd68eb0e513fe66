"""How much of a checkpoint has been read is counted in bytes while it is loaded."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers.utils import logging

from steering_core.activity import Activity, activity, under_way
from steering_core.models import loader
from steering_core.models.loader import Placement, read_weights
from steering_core.models.reading import BAR, counted, reading, weight_sizes
from steering_core.models.registry import read_registry
from steering_core.places import FIXTURES, REGISTRY

TINY = read_registry(REGISTRY)["tiny_qwen2"]
CHECKPOINT = FIXTURES / "checkpoints" / "tiny_qwen2"


def test_sizes_are_those_of_the_headers(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2, 3), "b": torch.zeros(4, dtype=torch.bfloat16)}, tmp_path / "1.safetensors")
    save_file({"c": torch.zeros(1, dtype=torch.int64)}, tmp_path / "2.safetensors")
    assert weight_sizes(tmp_path) == {"a": 24, "b": 8, "c": 8}


@pytest.mark.parametrize("content", [b"", b"\x02" + 7 * b"\0" + b"[]", 8 * b"\xff", b"\x09" + 7 * b"\0" + b'{"a": {}}'])
def test_a_broken_header_has_no_sizes(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    assert weight_sizes(tmp_path) == {}


def test_each_weight_counts_once_it_has_been_taken() -> None:
    with activity("loading x", 40) as current:
        seen = [
            (name, current.done) for name, _ in counted([("a", 0), ("b", 0), ("c", 0)], current, {"a": 30, "b": 10})
        ]
    assert seen == [("a", 0), ("b", 30), ("c", 40)], "c is in no file by this name"
    assert current.done == 60, "an average weight"


def test_other_progress_bars_stay_as_they_are(tmp_path: Path) -> None:
    with reading("x", tmp_path) as current:
        assert list(logging.tqdm([("a", 0)], desc="Other")) == [("a", 0)]
        assert current.done == 0
        assert list(logging.tqdm([("a", 0)], desc=BAR)) == [("a", 0)]


def test_loading_a_checkpoint_counts_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    seen: list[Activity] = []

    @contextmanager
    def watched(name: str, folder: Path) -> Iterator[Any]:
        with reading(name, folder) as current:
            told.append(under_way())
            yield seen.append(current)

    monkeypatch.setattr(loader, "reading", watched)
    read_weights(TINY, str(CHECKPOINT), Placement(torch.float32, "cpu"))

    total = sum(weight_sizes(CHECKPOINT).values())
    size = sum(file.stat().st_size for file in CHECKPOINT.glob("*.safetensors"))
    assert 0.9 * size < total < size, "all but the headers"
    assert told[0].startswith("loading tiny_qwen2: 0.0 of ")
    assert seen[0].done == seen[0].total == total
    assert logging.set_tqdm_hook(None) is None, "the hook is taken away"
