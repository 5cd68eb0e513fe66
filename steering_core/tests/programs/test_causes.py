"""Other readings of a list of edits, each computed here by hand."""

from dataclasses import replace

import pytest
import torch

from steering_core.models.sites import Site
from steering_core.programs.causes import readings
from steering_core.tools.edits import Ablate, Add, Edit

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
        ("the sign of the coefficient is lost", [POSITIVE, ABLATE, EARLY]),
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
    return type(edit).__name__, edit.site, edit.vector.tolist(), getattr(edit, "coefficient", None), edit.phase


def test_vectors_of_a_reading() -> None:
    found = dict(readings([ADD], [], 3))

    torch.testing.assert_close(found["the vector is normalized"][0].vector, VECTOR / VECTOR.norm())
    assert found["the vector is rounded to bfloat16"][0].vector.tolist() == [3.0, 4.0]


def test_a_reading_that_changes_nothing_explains_nothing() -> None:
    names = dict(readings([EARLY], [], 3))

    assert "edits are applied in reverse order" not in names
    assert "the sign of the coefficient is lost" not in names
    assert "edits are applied one block earlier" not in names  # there is none before the first
    assert "the edits of the call before are applied" not in names


def test_a_reading_stays_within_the_model() -> None:
    names = dict(readings([replace(ADD, site=Site("resid_post", 2))], [], 3))

    assert "edits are applied one block later" not in names
    assert "edits are applied one block earlier" in names
