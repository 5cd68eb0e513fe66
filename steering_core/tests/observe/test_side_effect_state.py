"""What the snapshot sees beside the model's own modules, and what it leaves to a library."""

import gc
import random
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from steering_core.models.model import LoadedModel
from steering_core.observe.aspects import STATE_ASPECTS
from steering_core.observe.model_state import compare_states, state_of, watching
from steering_core.observe.user_state import with_user_state
from steering_core.tests.chat_checkpoint import word_tokenizer
from steering_core.tests.random_models import random_model

pytestmark = pytest.mark.usefixtures("one_thread")
IDS = torch.tensor([[1, 2, 3]])


@pytest.fixture
def model() -> LoadedModel:
    """A random model with a tokenizer."""
    return replace(random_model("qwen2"), tokenizer=word_tokenizer())


def left_by(model: LoadedModel, change: Callable[[], Any]) -> dict[str, str]:
    """What `change` leaves changed."""
    with watching(model, {}) as left:
        change()
    return left.changed


def ask_for_hidden_states(model: LoadedModel) -> Any:
    with torch.no_grad():
        return model.module(IDS, output_hidden_states=True).hidden_states


def test_what_transformers_adds_by_itself_is_attributed_to_it(model: LoadedModel) -> None:
    before = state_of(model)
    assert len(ask_for_hidden_states(model)) == model.spec.layers + 1
    left = compare_states(before, state_of(model))
    assert left.changed == {}
    # One hook per block for hidden states and one per attention; the first call of the model adds all of them.
    assert left.by_libraries == {"hooks": f"transformers added its capturing hooks in {2 * model.spec.layers} places"}


def test_a_tool_that_deletes_the_hooks_of_transformers_is_blamed(model: LoadedModel) -> None:
    ask_for_hidden_states(model)
    changed = left_by(model, lambda: model.blocks[0]._forward_hooks.clear())
    assert changed == {"hooks": "removed from 1 place, first model.layers.0"}


def test_a_hook_of_a_tool_beside_those_of_transformers_is_blamed(model: LoadedModel) -> None:
    def both() -> None:
        ask_for_hidden_states(model)
        model.blocks[0].register_forward_hook(lambda module, args, output: None)

    with watching(model, {}) as left:
        both()
    assert left.changed == {"hooks": "added to 1 place, first model.layers.0"}
    assert "transformers added" in left.by_libraries["hooks"]


def test_the_users_hooks_and_gradient_are_there_and_undone(model: LoadedModel) -> None:
    before = state_of(model)
    with with_user_state(model):
        inside = compare_states(before, state_of(model)).changed
    assert {"hooks", "weights", "flags", "rng"} == set(inside)
    assert "5 places" in inside["hooks"]
    assert set(compare_states(before, state_of(model)).changed) == {"rng"}


def test_a_forward_that_is_put_back_as_the_class_has_it_is_no_change(model: LoadedModel) -> None:
    def put_back() -> None:
        model.blocks[0].forward = model.blocks[0].forward

    assert left_by(model, put_back) == {}


def test_a_module_imported_in_between_and_a_name_that_it_gains_are_no_change(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.nn.modules.new", type(sys)("torch.nn.modules.new"))
    monkeypatch.delitem(sys.modules, "torch.nn.modules.new")

    def load() -> None:
        monkeypatch.setitem(sys.modules, "torch.nn.modules.new", type(sys)("torch.nn.modules.new"))
        monkeypatch.setattr(functional, "lazily_made", lambda: None, raising=False)

    assert left_by(model, load) == {}


@pytest.mark.parametrize(("owner", "name"), [(functional, "gelu"), (nn.Module, "__call__"), (torch.Tensor, "mul_")])
def test_a_patched_function_is_named(
    owner: Any, name: str, model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = getattr(owner, name)
    changed = left_by(model, lambda: monkeypatch.setattr(owner, name, lambda *args: original(*args)))
    assert set(changed) == {"functions"}
    assert changed["functions"].endswith(f".{name}")


def test_new_code_in_the_same_function_is_a_patch(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = left_by(
        model, lambda: monkeypatch.setattr(functional.silu, "__code__", functional.silu.__code__.replace())
    )
    assert changed == {"functions": "changed in 1 place, first torch.nn.functional.silu"}


def test_torchs_own_replacement_of_a_function_is_attributed_to_torch(model: LoadedModel) -> None:
    import torch._dynamo  # torch puts a wrapper of its own in place of manual_seed when this is first imported

    wrapped, torch.manual_seed = torch.manual_seed, torch.random.manual_seed
    try:
        before = state_of(model)
        torch.manual_seed = wrapped
        left = compare_states(before, state_of(model))
    finally:
        torch.manual_seed = wrapped
    assert left.changed == {}
    assert left.by_libraries == {"functions": "torch itself replaced torch.manual_seed when more of it was imported"}


def test_a_tools_wrapper_of_a_function_that_torch_replaces_is_blamed(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = left_by(model, lambda: monkeypatch.setattr(torch, "manual_seed", lambda seed: None))
    assert changed == {"functions": "changed in 1 place, first torch.manual_seed"}


def test_a_hook_on_saved_tensors_is_named(model: LoadedModel) -> None:
    hooks = torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor)
    changed = left_by(model, hooks.__enter__)
    hooks.__exit__()
    assert changed == {"hooks": "added to 1 place, first hooks on saved tensors"}


SETTINGS: list[tuple[Callable[[], Any], Callable[[], Any], str]] = [
    (lambda: torch.set_default_dtype(torch.float64), lambda: torch.set_default_dtype(torch.float32), "settings"),
    (lambda: torch.set_grad_enabled(False), lambda: torch.set_grad_enabled(True), "flags"),
    (gc.disable, gc.enable, "process"),
    (lambda: sys.settrace(print), lambda: sys.settrace(None), "process"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("change", "undo", "aspect"), SETTINGS, ids=["dtype", "grad", "gc", "trace"])
def test_a_setting_is_reported(
    change: Callable[[], Any], undo: Callable[[], Any], aspect: str, model: LoadedModel
) -> None:
    trace = sys.gettrace()
    before = state_of(model)
    change()
    after = state_of(model)
    undo()
    sys.settrace(trace)
    assert set(compare_states(before, after).changed) == {aspect}


def test_values_are_named_where_a_sentence_can(model: LoadedModel) -> None:
    before = state_of(model)
    torch.set_default_dtype(torch.float64)
    changed = compare_states(before, state_of(model)).changed
    torch.set_default_dtype(torch.float32)
    what = "changed in 1 place, first default dtype (torch.float32 before, torch.float64 after)"
    assert changed == {"settings": what}


def test_warnings_and_threads_are_allowed(model: LoadedModel) -> None:
    def warn() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.warn("deprecated", stacklevel=1)
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()

    assert left_by(model, warn) == {}


def test_printed_text_is_counted_and_still_printed(model: LoadedModel, capsys: pytest.CaptureFixture[str]) -> None:
    changed = left_by(model, lambda: print("four"))
    assert changed == {"process": "5 characters printed to the standard output"}
    assert capsys.readouterr().out == "four\n"
    assert left_by(model, lambda: None) == {}


def test_a_snapshot_is_plain_data_and_draws_nothing(model: LoadedModel) -> None:
    def leaves(value: Any) -> Iterator[type]:
        if isinstance(value, dict | list | tuple):
            for each in value.values() if isinstance(value, dict) else value:
                yield from leaves(each)
        else:
            yield type(value)

    torch.manual_seed(random.randrange(100))
    state = state_of(model)
    assert set(leaves(state)) <= {bool, int, float, str}
    assert tuple(state) == STATE_ASPECTS
    assert compare_states(state, state_of(model)).changed == {}
