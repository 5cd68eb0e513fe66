"""Clause P0 on wrong answers of every kind: what is said, what is kept, and that nothing raises."""

from collections import OrderedDict, UserDict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.tests.random_models import random_model
from steering_core.tests.wrong_answers import BATCH, SHAPE, WRONG, Hostile, Quits, Unnamed, forever, hidden
from steering_core.tools.contract import Storages, checked_direction, checked_ids, checked_read

SITE, OTHER = Site("resid_post", 1), Site("resid_pre", 1)
PADDING, END = 0, 2
LIMIT = 5


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    model = random_model("llama")
    model.module.generation_config.eos_token_id = [END, 96]
    return model


def read(model: LoadedModel, value: object, *sites: Site, storages: Storages | None = None) -> Any:
    return checked_read(value, model, BATCH, sites or (SITE,), storages or Storages())


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
    **{"object": object},
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


def test_the_first_row_with_tokens_after_its_end_is_named(model: LoadedModel) -> None:
    ids = IDS.clone()
    ids[2, 3] = 11

    kept, breaches = generated(model, ids)

    sentence = "generate() returned tokens after the end token of row 2; the padding id 0 is needed"
    assert (breaches, kept is not None and kept.equal(IDS)) == ([sentence], True)


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
