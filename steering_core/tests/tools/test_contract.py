"""Clause P0 on wrong answers of every kind: what is said, what is kept, and that nothing raises."""

from collections import OrderedDict, UserDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.tests.random_models import prompts, random_model
from steering_core.tools.contract import Storages, checked_direction, checked_ids, checked_read

SITE, OTHER = Site("resid_post", 1), Site("resid_pre", 1)
BATCH, PADDING, END = prompts(3), 0, 2
SHAPE = (*BATCH.ids.shape, 48)
LIMIT = 5


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    model = random_model("llama")
    model.module.generation_config.eos_token_id = [END, 96]
    return model


def hidden(shape: tuple[int, ...] = SHAPE, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def read(model: LoadedModel, value: object, *sites: Site, storages: Storages | None = None) -> Any:
    return checked_read(value, model, BATCH, sites or (SITE,), storages or Storages())


class Labeled(Tensor):
    """A subclass that objects to every operation."""

    @classmethod
    def __torch_function__(cls, *arguments: Any, **named: Any) -> Any:
        raise SystemExit("no")


def refuse(*_: object) -> Any:
    raise RuntimeError("no")


class Hostile:
    """Nothing works on it."""

    __getattribute__ = __repr__ = __str__ = __eq__ = __hash__ = __iter__ = __len__ = __bool__ = refuse  # type: ignore


class Quits(UserDict[Any, Any]):
    """A mapping that ends the process when it is read."""

    def items(self) -> Any:
        raise SystemExit


class HostileMeta(type):
    """Not even its class has a name."""

    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError("no")


class Unnamed(metaclass=HostileMeta):
    """See `HostileMeta`."""


def inference() -> Tensor:
    with torch.inference_mode():
        return hidden().clone()


def forever() -> Iterator[int]:
    while True:
        yield 1


def objects() -> Any:
    array = np.empty(1, dtype=object)
    array[0] = Hostile()
    return array


def freed() -> Tensor:
    tensor = hidden()
    tensor.untyped_storage().resize_(0)
    return tensor


@dataclass(frozen=True)
class Wrong:
    """A value for one site, the sentence that it gets, and what is kept of it."""

    build: Callable[[], Any]
    sentence: str
    kept: Callable[[], Tensor | None] = hidden


WRONG = {
    "numpy": Wrong(
        lambda: hidden().numpy(), "read() returned a numpy array for resid_post@1; a torch.Tensor is needed"
    ),
    "list": Wrong(lambda: hidden().tolist(), "read() returned a list for resid_post@1; a torch.Tensor is needed"),
    "tuple": Wrong(lambda: (hidden(), None), "read() returned a tuple for resid_post@1; a torch.Tensor is needed"),
    "none": Wrong(lambda: None, "read() returned None for resid_post@1; a torch.Tensor is needed", lambda: None),
    "number": Wrong(lambda: 3.0, "read() returned a float for resid_post@1", lambda: None),
    "generator": Wrong(forever, "read() returned a generator for resid_post@1", lambda: None),
    "hostile": Wrong(Hostile, "read() returned a Hostile for resid_post@1", lambda: None),
    "unnamed": Wrong(Unnamed, "read() returned an Unnamed for resid_post@1", lambda: None),
    "objects": Wrong(objects, "read() returned a numpy array", lambda: None),
    "hostile list": Wrong(lambda: [Hostile()], "read() returned a list", lambda: None),
    "subclass": Wrong(lambda: hidden().as_subclass(Labeled), "read() returned a Labeled for resid_post@1; a torch."),
    "parameter": Wrong(lambda: torch.nn.Parameter(hidden()), "read() returned a Parameter for resid_post@1"),
    "gradient": Wrong(
        lambda: hidden().requires_grad_() * 1,
        "read() returned a tensor with gradient history (requires_grad) for resid_post@1; a detached one is needed",
    ),
    "inference": Wrong(inference, "read() returned an inference tensor for resid_post@1; a tensor made outside of"),
    "sparse": Wrong(lambda: hidden().to_sparse(), "read() returned a tensor that is sparse_coo for resid_post@1"),
    "quantized": Wrong(
        lambda: torch.quantize_per_tensor(torch.zeros(SHAPE), 0.1, 0, torch.qint8),
        "read() returned a tensor that is quantized for resid_post@1; a dense tensor is needed",
        lambda: torch.zeros(SHAPE),
    ),
    "meta": Wrong(lambda: hidden().to("meta"), "read() returned a tensor without values (meta", lambda: None),
    "freed": Wrong(freed, "read() returned a tensor without values (meta, or its memory was freed)", lambda: None),
    "shape": Wrong(
        lambda: hidden()[0].clone(),
        "read() returned shape [9, 48] for resid_post@1; [batch, seq, width] = [3, 9, 48] is needed",
        lambda: hidden()[0],
    ),
    "dtype": Wrong(
        lambda: hidden().double(),
        "read() returned float64 values for resid_post@1; the model's float32 is needed",
        lambda: hidden().double(),
    ),
    "view": Wrong(
        lambda: hidden((4, *SHAPE))[2],
        "read() returned a view that keeps 20736 bytes of memory alive for 5184 of its own for resid_post@1; a copy with",
        lambda: hidden((4, *SHAPE))[2],
    ),
    "expanded": Wrong(
        lambda: hidden((1, *SHAPE[1:])).expand(SHAPE),
        "read() returned a tensor whose entries share memory (expanded) for resid_post@1; a copy with memory of its own",
        lambda: hidden((1, *SHAPE[1:])).expand(SHAPE),
    ),
}


@pytest.mark.filterwarnings("ignore:torch.quantize:UserWarning")
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_one_sentence_and_what_can_be_measured_is_kept(model: LoadedModel, name: str) -> None:
    wrong = WRONG[name]

    kept, breaches = read(model, {SITE: wrong.build()})

    assert breaches[0].startswith(wrong.sentence)
    assert len(breaches) == 1 or name == "parameter", "one rule, one sentence"
    expected = wrong.kept()
    assert set(kept) == (set() if expected is None else {SITE})
    if expected is not None:
        value = kept[SITE]
        assert type(value) is Tensor
        assert value.equal(expected)
        assert value.dtype == expected.dtype
        assert not value.requires_grad
        assert not value.is_inference()
        value.zero_()  # the caller may write into it


def test_a_right_answer_breaches_nothing(model: LoadedModel) -> None:
    values = {SITE: hidden(), OTHER: hidden(seed=1).transpose(0, 1).contiguous().transpose(0, 1)}

    kept, breaches = read(model, OrderedDict(values), SITE, OTHER, SITE)

    assert breaches == []
    assert all(kept[site] is values[site] for site in values)


CONTAINERS = {
    "tensor": (hidden, "read() returned a Tensor; a dict {site: torch.Tensor} is needed"),
    "list of values": (lambda: [hidden()], "read() returned a list; a dict {site: torch.Tensor} is needed"),
    "other mapping": (lambda: UserDict({SITE: hidden()}), "read() returned an UserDict; a dict"),
    "text keys": (
        lambda: {"resid_post@1": hidden()},
        "read() returned 1 keys that are not a Site, first a str",
    ),
    "extra": (
        lambda: {SITE: hidden(), OTHER: None},
        "read() returned 1 sites that were not requested, first resid_pre@1",
    ),
    "hostile keys": (
        lambda: {SITE: hidden(), Unnamed(): None},
        "read() returned 1 keys that are not a Site, first an Unnamed",
    ),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_wrong_container_is_said_and_read_all_the_same(model: LoadedModel, name: str) -> None:
    build, sentence = CONTAINERS[name]

    kept, breaches = read(model, build())

    assert [breach.startswith(sentence) for breach in breaches] == [True]
    assert kept[SITE].equal(hidden())


EMPTY = {
    **{"none": lambda: None, "number": lambda: 3, "text": lambda: "text", "class": lambda: object, "dict": dict},
    **{"generator": forever, "hostile": Hostile, "quits": Quits, "list": list, "nones": lambda: [None, None]},
}


@pytest.mark.parametrize("name", EMPTY)
def test_an_answer_without_values_leaves_every_site_out(model: LoadedModel, name: str) -> None:
    kept, breaches = read(model, EMPTY[name](), SITE, OTHER)

    assert kept == {}
    missing = "read() returned nothing for resid_pre@1; every requested site is needed"
    assert missing in breaches or "read() returned None for resid_pre@1; a torch.Tensor is needed" in breaches


def test_a_value_on_another_device_is_said(model: LoadedModel) -> None:
    elsewhere = replace(model, device=torch.device("meta"))

    _, breaches = read(elsewhere, {SITE: hidden()})

    assert breaches == ["read() returned a tensor on cpu for resid_post@1; one on the model's meta is needed"]


def test_memory_shared_between_values_or_calls_is_said_once_per_value(model: LoadedModel) -> None:
    storages, value = Storages(), hidden()
    shared = "read() returned memory that it returned before for {}; a copy with memory of its own is needed"

    kept, breaches = read(model, {SITE: value, OTHER: value.detach()}, SITE, OTHER, storages=storages)
    assert breaches == [shared.format(OTHER)]
    assert kept[OTHER].data_ptr() != value.data_ptr()

    assert read(model, {SITE: value}, storages=storages)[1] == [shared.format(SITE)], "a later call"
    assert read(model, {SITE: hidden()}, storages=storages)[1] == []


def test_memory_that_was_freed_and_is_used_again_is_not_shared(model: LoadedModel) -> None:
    storages = Storages()

    assert [read(model, {SITE: hidden()}, storages=storages)[1] for _ in range(20)] == [[]] * 20
    buffer = np.zeros(SHAPE, dtype=np.float32)
    values = [torch.from_numpy(buffer) for _ in range(2)]
    assert [len(read(model, {SITE: value}, storages=storages)[1]) for value in values] == [0, 1], "one buffer"


def test_keys_and_values_are_as_wide_as_their_heads(model: LoadedModel) -> None:
    site = Site("k", 1)

    assert read(model, {site: hidden((*BATCH.ids.shape, 32))}, site)[1] == []
    assert "[3, 9, 32]" in read(model, {site: hidden()}, site)[1][0]


def test_left_on_modes_change_nothing(model: LoadedModel) -> None:
    with torch.inference_mode():
        kept, breaches = read(model, {SITE: hidden()})

    assert "an inference tensor" in breaches[0]
    assert not kept[SITE].is_inference()


IDS = torch.tensor([[5, 6, 7, 8], [9, END, PADDING, PADDING], [96, PADDING, PADDING, PADDING]])


def generated(model: LoadedModel, value: object) -> tuple[Tensor | None, list[str]]:
    return checked_ids(value, model, BATCH, LIMIT)


def with_prompt() -> Tensor:
    return torch.cat([BATCH.ids, IDS], 1)


WRONG_IDS = {
    "list": (IDS.tolist, "generate() returned a list; a torch.Tensor is needed", IDS),
    "int32": (IDS.int, "generate() returned int32 ids; int64 is needed", IDS),
    "float": (IDS.float, "generate() returned float32 ids; int64 is needed", IDS),
    "fractions": (lambda: IDS / 2, "generate() returned float32 ids; int64 is needed", None),
    "prompt": (with_prompt, "generate() returned ids of shape [3, 13]; [batch, new] = [3, at most 5] is needed", IDS),
    "too many": (lambda: IDS.repeat(1, 2), "generate() returned ids of shape [3, 8]; [batch, new]", None),
    "rows": (lambda: IDS[:2], "generate() returned ids of shape [2, 4]; [batch, new] = [3, at most 5]", None),
    "after the end": (
        lambda: torch.where(IDS == PADDING, 11, IDS),
        "generate() returned tokens after the end token of row 1; the padding id 0 is needed",
        IDS,
    ),
    "unknown": (lambda: IDS - 6, "generate() returned the id -1; one of the 97 ids of the vocabulary is needed", None),
    "none": (lambda: None, "generate() returned None; a torch.Tensor is needed", None),
    "hostile": (Hostile, "generate() returned a Hostile; a torch.Tensor is needed", None),
    "inference": (lambda: inference_ids(), "generate() returned an inference tensor; a tensor made outside", IDS),
}


def inference_ids() -> Tensor:
    with torch.inference_mode():
        return IDS.clone()


@pytest.mark.parametrize("name", WRONG_IDS)
def test_wrong_ids_are_one_sentence(model: LoadedModel, name: str) -> None:
    build, sentence, expected = WRONG_IDS[name]

    kept, breaches = generated(model, build())

    assert breaches[0].startswith(sentence)
    assert len(breaches) == 1 or name in {"too many", "unknown"}
    if expected is not None:
        assert kept is not None
        assert kept.equal(expected)
        assert kept.dtype == torch.int64
    elif kept is not None:
        assert kept.shape[0] == 3
        assert kept.shape[1] <= LIMIT
        assert int(kept.min()) >= 0


def test_right_ids_breach_nothing(model: LoadedModel) -> None:
    view = torch.cat([BATCH.ids, IDS], 1)[:, BATCH.ids.shape[1] :]

    kept, breaches = generated(model, view)

    assert breaches == []
    assert kept is not None
    assert kept.equal(IDS)


def test_a_direction_is_a_finite_vector(model: LoadedModel) -> None:
    vector = hidden((48,))
    wrong: list[tuple[Any, str, bool]] = [
        (vector.numpy(), "direction() returned a numpy array; a torch.Tensor is needed", True),
        (vector[None], "direction() returned shape [1, 48]; [hidden] = [48] is needed", True),
        (vector[:3], "direction() returned shape [3]; [hidden] = [48] is needed", False),
        (hidden((48,)).requires_grad_(), "direction() returned a tensor with gradient history", True),
        (torch.arange(48), "direction() returned int64 values; a floating dtype is needed", True),
        (torch.full((48,), torch.nan), "direction() returned entries that are not finite; a finite vector", False),
        (Hostile(), "direction() returned a Hostile; a torch.Tensor is needed", False),
    ]

    for value, sentence, kept in wrong:
        usable, breaches = checked_direction(value, model)
        assert [breach.startswith(sentence) for breach in breaches] == [True]
        assert (usable is not None) is kept
    usable, breaches = checked_direction(hidden((48,)).double(), model)
    assert breaches == []
    assert usable is not None
    assert usable.dtype == torch.float32
