"""Exact arithmetic holds for the duration of a run, and leaves nothing behind."""

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from steering_core.errors import UsageProblem
from steering_core.exact import arithmetic, exact_arithmetic
from steering_core.exact.cpu import CpuRecipes
from steering_core.places import ROOT
from steering_core.tests.random_models import random_model

pytestmark = pytest.mark.usefixtures("one_thread")

Calls = Callable[[], int]


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """How many exact products were computed so far."""
    seen: list[Tensor] = []
    own = CpuRecipes.product

    def product(recipes: CpuRecipes, left: Tensor, right: Tensor, bias: Tensor | None) -> Tensor:
        seen.append(left)
        return own(recipes, left, right, bias)

    monkeypatch.setattr(CpuRecipes, "product", product)
    return lambda: len(seen)


def multiply() -> None:
    torch.mm(torch.ones(2, 3), torch.ones(3, 2))


def flags() -> list[object]:
    """What else of the process it sets."""
    backends = torch.backends.cuda
    return [
        *(torch.get_num_threads(), backends.math_sdp_enabled(), backends.flash_sdp_enabled()),
        *(backends.mem_efficient_sdp_enabled(), backends.cudnn_sdp_enabled()),
    ]


def test_it_ends_with_its_block(products: Calls) -> None:
    torch.set_num_threads(2)
    before = flags()
    with exact_arithmetic(random_model("qwen2")):
        multiply()
        assert torch.get_num_threads() == 1
    assert products() == 1
    multiply()
    assert products() == 1
    assert flags() == before
    assert not arithmetic.ACTIVE


def test_it_ends_after_an_error(products: Calls) -> None:
    before = flags()
    with pytest.raises(ZeroDivisionError), exact_arithmetic(random_model("qwen2")):
        raise ZeroDivisionError
    multiply()
    assert (products(), flags()) == (0, before)


def test_nested_uses_are_one(products: Calls) -> None:
    model = random_model("qwen2")
    with exact_arithmetic(model):
        with exact_arithmetic(model):
            multiply()
        multiply()
    assert products() == 2
    multiply()
    assert products() == 2


def test_it_can_be_used_again(products: Calls) -> None:
    for count in (1, 2, 3):
        with exact_arithmetic(random_model("qwen2")):
            multiply()
        assert products() == count


def test_a_process_says_nothing_of_it() -> None:
    program = (
        "from steering_core.exact import exact_arithmetic; from steering_core.tests.random_models import random_model;"
        "import torch; block = exact_arithmetic(random_model('qwen2')); block.__enter__(); torch.ones(2, 2) @ torch.ones(2, 2);"
        "block.__exit__(None, None, None)"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("", "")


def test_a_gpu_without_triton_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "steering_core.exact.cuda", raising=False)
    with pytest.raises(UsageProblem, match="needs Triton"):
        arithmetic.implementations("cuda")
