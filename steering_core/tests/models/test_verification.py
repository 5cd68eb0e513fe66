"""Whether weights are known to be the named model's."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from steering_core.models import verification
from steering_core.models.registry import read_registry
from steering_core.models.verification import are_verified, place_of_tokenizer
from steering_core.places import FIXTURES, REGISTRY, ROOT

MODELS = read_registry(REGISTRY)
TINY = MODELS["tiny_qwen2"]


@pytest.fixture(autouse=True)
def _forget() -> None:
    are_verified.cache_clear()


def folder_with(folder: Path, value: float) -> Path:
    folder.mkdir()
    save_file({"a": torch.full((4,), value)}, folder / "model.safetensors")
    return folder


def test_a_checkpoint_of_the_project_is_verified_by_its_manifest(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / TINY.source, copy)

    assert are_verified(TINY, str(ROOT / TINY.source)) is True
    assert are_verified(TINY, TINY.source) is True
    assert are_verified(TINY, str(copy)) is True
    assert are_verified(TINY, str(ROOT / MODELS["tiny_llama"].source)) is False


def test_altered_weights_are_not_verified(tmp_path: Path) -> None:
    assert are_verified(TINY, str(folder_with(tmp_path / "altered", 1.0))) is False
    assert are_verified(TINY, str(tmp_path)) is False, "no weights at all"


def test_random_weights_are_called_random() -> None:
    assert are_verified(MODELS["qwen7b"], "random weights") == "random"


def test_a_directory_is_verified_if_it_is_the_registered_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = MODELS["qwen7b"]
    cached, same = folder_with(tmp_path / "cached", 1.0), folder_with(tmp_path / "same", 1.0)
    other = folder_with(tmp_path / "other", 2.0)
    monkeypatch.setattr(
        verification, "cached_folder", lambda source, revision: cached if source == spec.source else None
    )

    assert [are_verified(spec, str(folder)) for folder in (cached, same, other)] == [True, True, False]
    assert are_verified(replace(spec, source="owner/unknown"), str(same)) is False, "no registered weights here"
    assert are_verified(spec, spec.source) is True


def test_a_foreign_tokenizer_is_named() -> None:
    tiny = str(FIXTURES / "checkpoints" / "tiny_qwen2")

    assert place_of_tokenizer("", "/some/where") == "/some/where", "that of the weights"
    assert place_of_tokenizer(tiny, "random weights") == "fixtures/checkpoints/tiny_qwen2"
    assert place_of_tokenizer("owner/name", "/some/where") == "owner/name"
