"""Other readings of a list of edits, each computed here by hand."""

from dataclasses import fields, replace

import pytest
import torch

from steering_core.models.sites import Site
from steering_core.programs.causes import readings
from steering_core.tools.edits import Ablate, Add, Affine, Edit, Interpolate, Scale, Set, Span

VECTOR = torch.tensor([3.0, 4.001])
ADD = Add(Site("resid_post", 1), VECTOR, -2.5)
ABLATE = Ablate(Site("resid_post", 1), VECTOR, "decode")
EARLY = Add(Site("resid_post", 0), VECTOR, 1.0, "prefill")
EDITS: list[Edit] = [ADD, ABLATE, EARLY]
POSITIVE = replace(ADD, coefficient=2.5)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nothing is applied", []),
        ("ablations are applied before adds", [ABLATE, ADD, EARLY]),
        ("edits are applied in reverse order", [EARLY, ABLATE, ADD]),
        ("only the first edit of each block is applied", [ADD, EARLY]),
        ("only the last edit of each block is applied", [ABLATE, EARLY]),
        ("only the last edit is applied", [EARLY]),
        ("ablations are left out", [ADD, EARLY]),
        ("edits of the first block are left out", [ADD, ABLATE]),
        ("phases are ignored", [ADD, replace(ABLATE, phase="both"), replace(EARLY, phase="both")]),
        ("the decode phase is left out", [replace(ADD, phase="prefill"), EARLY]),
        ("the sign of the coefficient is dropped", [POSITIVE, ABLATE, EARLY]),
        ("the coefficient is rounded to a whole number", [replace(ADD, coefficient=-2.0), ABLATE, EARLY]),
        ("negative coefficients are taken as zero", [replace(ADD, coefficient=0.0), ABLATE, EARLY]),
        ("edits are applied twice", [ADD, ADD, ABLATE, ABLATE, EARLY, EARLY]),
        ("the edits of the call before are applied", [POSITIVE]),
        ("the edits of the call before are applied too", [POSITIVE, *EDITS]),
    ],
)
def test_a_reading(name: str, expected: list[Edit]) -> None:
    found = dict(readings(EDITS, [POSITIVE], 3))

    assert list(map(plain, found[name])) == list(map(plain, expected))


def plain(edit: Edit) -> tuple[object, ...]:
    return type(edit).__name__, edit.site, vector_of(edit).tolist(), getattr(edit, "coefficient", None), edit.phase


def vector_of(edit: Edit) -> torch.Tensor:
    assert not isinstance(edit, Scale)
    return edit.vector


def test_vectors_of_a_reading() -> None:
    found = dict(readings([ADD], [], 3))

    torch.testing.assert_close(vector_of(found["the vector is normalized"][0]), VECTOR / VECTOR.norm())
    assert vector_of(found["the vector is rounded to bfloat16"][0]).tolist() == [3.0, 4.0]


def test_a_reading_that_changes_nothing_explains_nothing() -> None:
    names = dict(readings([EARLY], [], 3))

    assert "edits are applied in reverse order" not in names
    assert "the sign of the coefficient is dropped" not in names
    assert "edits are applied one block earlier" not in names  # there is none before the first
    assert "the edits of the call before are applied" not in names


def test_a_reading_stays_within_the_model() -> None:
    names = dict(readings([replace(ADD, site=Site("resid_post", 2))], [], 3))

    assert "edits are applied one block later" not in names
    assert "edits are applied one block earlier" in names


SITE = Site("resid_post", 1)
SET, BLEND = Set(SITE, VECTOR, "decode", features=Span(2)), Interpolate(SITE, VECTOR, 0.25)
ACE, DOUBLE = (
    Affine(SITE, VECTOR, torch.tensor([1.0, 2.0]), 2.0),
    Scale(SITE, 2.0, "prefill", positions=Span(1, 3), features=Span(-4, -1)),
)


@pytest.mark.parametrize(
    ("name", "edit", "expected"),
    [
        ("setting adds the vector", SET, Add(SITE, VECTOR, 1.0, "decode", features=Span(2))),
        ("interpolation adds the vector", BLEND, Add(SITE, VECTOR, 0.25)),
        ("the weights of the interpolation are swapped", BLEND, replace(BLEND, coefficient=0.75)),
        ("the reference point of the affine edit is taken as zero", ACE, replace(ACE, reference=torch.zeros(2))),
        ("the sign of the coefficient is flipped", DOUBLE, replace(DOUBLE, coefficient=-2.0)),
        ("position ranges are ignored", DOUBLE, replace(DOUBLE, positions=None)),
        ("position ranges include their end", DOUBLE, replace(DOUBLE, positions=Span(1, 4))),
        ("feature ranges are ignored", DOUBLE, replace(DOUBLE, features=None)),
        ("feature ranges include their end", DOUBLE, replace(DOUBLE, features=Span(-4))),
        ("feature ranges begin one later", DOUBLE, replace(DOUBLE, features=Span(-3, -1))),
    ],
)
def test_a_reading_of_a_newer_edit(name: str, edit: Edit, expected: Edit) -> None:
    (found,) = dict(readings([edit], [], 3))[name]

    assert whole(found) == whole(expected)


def test_modes_that_a_tool_leaves_out() -> None:
    found = dict(readings([ADD, SET, ABLATE], [], 3))

    assert list(map(whole, found["only additions and ablations are applied"])) == list(map(whole, [ADD, ABLATE]))
    assert list(map(whole, found["additions are left out"])) == list(map(whole, [SET, ABLATE]))
    assert list(map(whole, found["ablations are left out"])) == list(map(whole, [ADD, SET]))


ATTN, MLP = Add(Site("attn_out", 1), VECTOR, 1.0), Ablate(Site("mlp_contrib", 1), VECTOR)
ELSEWHERE = Scale(Site("attn_out", 2), 2.0)


def at(edit: Edit, stream: str) -> Edit:
    return replace(edit, site=replace(edit.site, stream=stream))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("edits inside blocks are left out", [ADD]),
        (
            "edits inside blocks are applied to the block's output",
            [at(ATTN, "resid_post"), ADD, at(MLP, "resid_post"), at(ELSEWHERE, "resid_post")],
        ),
        (
            "edits of attention and of the MLP are exchanged",
            [at(ATTN, "mlp_out"), ADD, at(MLP, "attn_contrib"), at(ELSEWHERE, "mlp_out")],
        ),
        (
            "edits of a module's output and of its contribution are exchanged",
            [at(ATTN, "attn_contrib"), ADD, at(MLP, "mlp_out"), at(ELSEWHERE, "attn_contrib")],
        ),
        ("inside each block only the last edited stream is edited", [ADD, MLP, ELSEWHERE]),
        ("edits inside a block whose output is edited are left out", [ADD, ELSEWHERE]),
    ],
)
def test_a_reading_of_edits_inside_blocks(name: str, expected: list[Edit]) -> None:
    found = dict(readings([ATTN, ADD, MLP, ELSEWHERE], [], 3))[name]

    assert list(map(whole, found)) == list(map(whole, expected))


def whole(edit: Edit) -> dict[str, object]:
    values = {part.name: getattr(edit, part.name) for part in fields(edit)}
    plain = {name: value.tolist() if isinstance(value, torch.Tensor) else value for name, value in values.items()}
    return {"kind": type(edit).__name__, **plain}
