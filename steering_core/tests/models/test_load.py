"""Loading in one call: what the row or the config says, unless the caller says otherwise."""

from pathlib import Path

import pytest
import torch

from steering_core.errors import UsageProblem
from steering_core.models.load import load
from steering_core.places import ROOT
from steering_core.tests.random_models import LAYERS

pytestmark = pytest.mark.usefixtures("one_thread")
TINY = ROOT / "fixtures" / "checkpoints" / "tiny_qwen2"


def test_a_directory_tests_its_middle_block_at_strength_1(checkpoint: Path) -> None:
    model = load(checkpoint)

    assert (model.spec.layer, model.spec.layers, model.spec.multiplier) == (LAYERS // 2, LAYERS, 1.0)
    assert model.origin == str(checkpoint)


def test_the_middle_of_eight_blocks_is_the_fifth() -> None:
    assert load(TINY).spec.layer == 4


def test_a_key_is_its_row_of_the_registry() -> None:
    model = load("tiny_qwen2")

    assert (model.spec.key, model.origin) == ("tiny_qwen2", str(TINY))


def test_the_dtype_is_that_of_the_row_unless_given() -> None:
    assert load("tiny_qwen2").dtype == torch.float32
    assert load("tiny_qwen2", dtype="bfloat16").dtype == torch.bfloat16


def test_random_weights_need_no_checkpoint() -> None:
    """They get the tokenizer of a checkpoint that is in the repository."""
    model = load("tiny_gemma2", random_weights=True)

    assert (model.spec.key, model.origin, model.tokenizer_origin) == ("tiny_gemma2", "random weights", str(TINY))


def test_a_directory_without_a_config_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=r"no config\.json there"):
        load(tmp_path)
