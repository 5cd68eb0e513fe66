"""What travels to and from a tool's process: data comes back equal, and nothing but data is read."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from steering_core.hosts import wire
from steering_core.hosts.wire import LARGEST, LENGTHS, Nonsense, decode, encode, lengths
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.observe.aspects import LeftChanged
from steering_core.tests.counting_waits import counted_waits
from steering_core.tests.edit_cases import CASES, SITE, TOKEN
from steering_core.tools.edits import Add, Edit, Span


def there_and_back(value: Any) -> Any:
    frame = encode(value)
    text, blob = lengths(frame[: LENGTHS.size])
    body = frame[LENGTHS.size :]
    assert len(body) == text + blob
    return decode(body[:text], body[text:])


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        -0.5,
        float("inf"),
        "text\x00\u202e",
        [1, [2]],
        (1, "a"),
        {"a": [None]},
        {Site("k", 2): (1.5,)},
        [],
    ],
    ids=repr,
)
def test_plain_values_come_back_equal(value: Any) -> None:
    assert there_and_back(value) == value
    assert type(there_and_back(value)) is type(value)


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.bool]
)
def test_tensors_come_back_bit_by_bit(dtype: torch.dtype) -> None:
    tensor = torch.randn(3, 1, 4).to(dtype)[:, :, ::2]

    assert there_and_back({"a": [tensor, tensor]})["a"][1].equal(tensor)
    assert there_and_back(torch.empty(0, 4, dtype=dtype)).shape == (0, 4)


def test_data_classes_come_back() -> None:
    batch = TokenBatch(
        torch.ones(1, 2, dtype=torch.long), torch.ones(1, 2, dtype=torch.long), torch.tensor([1]), "left"
    )
    edit = Add(Site("resid_post", 3), torch.ones(4), -2.0, "decode")
    back = there_and_back([batch, edit, LeftChanged({"rng": "advanced"}, {})])

    assert back[0].digest == batch.digest
    assert (back[1].site, back[1].coefficient, back[1].phase) == (edit.site, -2.0, "decode")
    assert back[2] == LeftChanged({"rng": "advanced"}, {})


@pytest.mark.parametrize("edit", [edit for edit, _ in CASES.values()], ids=CASES)
def test_edits_come_back(edit: Edit) -> None:
    back = there_and_back(replace(edit, positions=Span(-2, -1)))

    assert type(back) is type(edit)
    assert (back.site, back.phase, back.features, back.positions) == (SITE, "both", edit.features, Span(-2, -1))
    assert back.apply(torch.tensor(TOKEN)).equal(edit.apply(torch.tensor(TOKEN)))


class Loud:
    """Not data: encoding must not look for a way to send it."""


@pytest.mark.parametrize(
    "value",
    [Loud(), Loud, {1, 2}, b"bytes", 1j, [{"a": Loud()}]],
    ids=["object", "class", "set", "bytes", "complex", "deep"],
)
def test_what_is_not_data_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot be sent"):
        encode(value)


DEEP: Any = "[" * 100_000


@pytest.mark.parametrize(
    ("text", "blob"),
    [
        (b"\xff\xfe", b""),
        (b"{", b""),
        (b'{"kind": "Popen", "fields": {}}', b""),
        (b'{"kind": "Site", "fields": {"stream": "nowhere", "layer": 1}}', b""),
        (b'{"kind": "Site", "fields": {"stream": "k", "layer": 1, "more": 2}}', b""),
        (b'{"tensor": "0"}', b""),
        (b'{"tensor": "0"}', b"not safetensors"),
        (b"[1]", b""),
        (DEEP.encode(), b""),
        (json.dumps({"dict": 3}).encode(), b""),
    ],
    ids=lambda value: value[:30].decode(errors="replace"),
)
def test_nonsense_is_named_and_never_run(text: bytes, blob: bytes) -> None:
    with pytest.raises(Nonsense):
        decode(text, blob)


def test_an_endless_message_is_refused_before_it_is_read() -> None:
    with pytest.raises(Nonsense, match="a message of"):
        lengths(LENGTHS.pack(LARGEST, 1))


def test_the_tensors_of_a_small_message_are_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    site = {Site("k", n): torch.full((2, 3), n, dtype=torch.bfloat16) for n in range(4)}
    value = {"ids": torch.arange(5), "read": site}
    waits = counted_waits(monkeypatch)
    encoded = encode(value)

    assert waits == ["cpu"]
    monkeypatch.setattr(wire, "TOGETHER", 0)
    assert encode(value) == encoded, "a large message is the same"
    assert len(waits) == 1 + 5
