"""The memory that weights take, computed from the registry row, against models that were built."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from steering_core.models.memory import checkpoint_bytes, weights_bytes
from steering_core.models.registry import DTYPES, read_registry
from steering_core.models.shapes import random_config
from steering_core.places import REGISTRY
from steering_core.tests.random_models import FAMILIES, random_spec

MODELS = read_registry(REGISTRY)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tied", [True, False])
def test_counts_every_matrix_of_the_model(family: str, tied: bool) -> None:
    """Position embeddings are not counted: only GPT-2 has them."""
    spec = replace(random_spec(family), tied=tied)
    model = AutoModelForCausalLM.from_config(random_config(spec))
    matrices = [weight for name, weight in model.named_parameters() if weight.ndim == 2 and "wpe" not in name]

    assert weights_bytes(spec, "float32") == 4 * sum(weight.numel() for weight in matrices)


def test_the_dtype_and_the_quantization_of_the_blocks_change_the_size() -> None:
    spec = replace(random_spec("llama"), tied=False)
    full, half = weights_bytes(spec, "float32"), weights_bytes(spec, "bfloat16")
    embeddings = 2 * 2 * spec.vocab * spec.hidden

    assert (full, weights_bytes(spec, "float16")) == (2 * half, half)
    assert weights_bytes(spec, "bfloat16", "int8") == embeddings + (half - embeddings) // 2
    assert weights_bytes(spec, "bfloat16", "nf4") == embeddings + (half - embeddings) // 4
    assert all(weights_bytes(spec, dtype) for dtype in DTYPES)


@pytest.mark.parametrize(
    ("key", "gigabytes"),
    [("qwen7b", 15.2), ("gemma9b", 18.5), ("llama8b", 16.1), ("phi35mini", 7.6), ("qwen32b", 65.5)],
)
def test_the_real_models_are_as_large_as_their_files(key: str, gigabytes: float) -> None:
    """Sizes of the published safetensors files, in bfloat16."""
    assert weights_bytes(MODELS[key], "bfloat16") / 1e9 == pytest.approx(gigabytes, rel=0.01)


def test_the_headers_of_a_checkpoint_count_its_weights(tmp_path: Path) -> None:
    """Whatever dtype the files have, they are loaded in that of the run."""
    files = [tmp_path / "1.safetensors", tmp_path / "2.safetensors"]
    save_file({"a": torch.zeros(2, 3), "b": torch.zeros(4, dtype=torch.bfloat16)}, files[0])
    save_file({"c": torch.zeros(())}, files[1])

    assert (checkpoint_bytes(files, "float32"), checkpoint_bytes(files, "bfloat16")) == (44, 22)
    files[1].write_bytes(b"no header")
    assert checkpoint_bytes(files, "float32") == checkpoint_bytes([tmp_path / "none"], "float32") == 0
