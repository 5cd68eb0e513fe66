"""The search for a wrong tensor: how much it holds, what counts as evidence, which changes it ignores."""

from typing import Any

import pytest
import torch

from steering_core.localize import localize_tensor, search
from steering_core.localize.alignment import alignments
from steering_core.localize.layouts import Layout
from steering_core.models.sites import Site
from steering_core.models.tokens import pad
from steering_core.tests.localize.test_localize import REQUESTED, localized, model_of, reads_of
from steering_core.tests.random_models import FAMILIES

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_final_norm_is_identified_in_every_family(family: str, dtype: torch.dtype) -> None:
    reads = reads_of(family, 3, "left", dtype)
    returned = reads.norm(reads.before).flip(1)
    result = localize_tensor(model_of(family, dtype), reads.batch, REQUESTED, returned)
    assert (result.site, result.transform, result.token) == (Site("resid_post", 0), "after the final norm", "reversed")
    assert result.bit_equal


@pytest.mark.parametrize("rows", [1, 3])
def test_large_blocks_are_held_one_at_a_time(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = reads_of("qwen2", rows, "left")
    compared: list[set[int]] = []

    def compare(self: search.Search, kind: Any) -> None:
        compared.append({layer for each in self._waiting[kind] for _, layer, _ in each.labels[:1]})
        compare_all(self, kind)

    compare_all = search.Search._compare
    monkeypatch.setattr(search.Search, "_compare", compare)
    small = localized("qwen2", reads, reads.before.flip(1))
    assert [len(layers) for layers in compared] == [3], "small blocks are compared together"

    compared.clear()
    monkeypatch.setattr(search, "BATCHED", 0)
    assert localized("qwen2", reads, reads.before.flip(1)) == small
    assert max(len(layers) for layers in compared) == 1 < len(compared)


def test_zero_padding_is_not_evidence() -> None:
    """The attention kernel decides what padding tokens hold: on a GPU it may be zeros."""
    batch = pad([[5] * length for length in (9, 5, 6, 4, 7, 8)], 0)
    source = torch.randn(6, 9 + 2, 32, generator=torch.Generator().manual_seed(7)).double()
    source[:, :-2][~batch.mask.bool()] = 0
    aligned = alignments(Layout("", source[:, 0][:, None].clone()), source, batch)
    assert "pad in 5 of 6 rows" in [alignment.token for alignment in aligned]
