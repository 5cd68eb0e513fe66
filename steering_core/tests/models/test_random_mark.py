"""Only the exact mark is one; whatever else a checkpoint says about itself is passed over without an error."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from steering_core.models.random_mark import is_marked_random, random_mark

MARK = {"weights_origin": "random", "weights_seed": "0"}


def checkpoint(folder: Path, config: str, *metadata: dict[str, str]) -> Path:
    """A config, and a file of weights for each metadata."""
    (folder / "config.json").write_text(config)
    for number, content in enumerate(metadata):
        save_file({"a": torch.zeros(2)}, folder / f"model-{number}.safetensors", content)
    return folder


@pytest.mark.parametrize(
    ("config", "metadata"),
    [
        (json.dumps(MARK), [{}]),
        ("{}", [MARK]),
        ("{}", [{}, {"format": "pt"}, MARK]),
        (json.dumps({"weights_origin": "random"}), []),
    ],
)
def test_the_mark_is_found_in_the_config_or_in_any_part(
    tmp_path: Path, config: str, metadata: list[dict[str, str]]
) -> None:
    assert is_marked_random(checkpoint(tmp_path, config, *metadata))


def test_the_mark_that_is_written_is_the_one_that_is_found(tmp_path: Path) -> None:
    assert random_mark() == MARK
    assert is_marked_random(checkpoint(tmp_path, "{}", random_mark()))


ODD: list[Any] = [None, "", "Random", "random\n", "trained", 1, True, ["random"], {"random": "random"}, "r" * 100_000]


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_an_odd_value_is_no_mark(tmp_path: Path, value: Any) -> None:
    config = json.dumps({"weights_origin": value, "weights_seed": value})

    assert not is_marked_random(checkpoint(tmp_path, config, {"weights_origin": str(value)}))


@pytest.mark.parametrize("config", ["", "{", "[]", "null", "[" * 100_000, '"weights_origin"'], ids=range(6))
def test_an_unreadable_checkpoint_is_left_to_the_loader(tmp_path: Path, config: str) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"torn")

    assert not is_marked_random(checkpoint(tmp_path, config))
    assert not is_marked_random(tmp_path / "absent")
    (tmp_path / "config.json").write_bytes(b"\xff\xfe{}")
    assert not is_marked_random(tmp_path)
