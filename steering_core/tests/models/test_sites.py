"""Sites name a stream and a block, and nothing else."""

import pytest

from steering_core.errors import UsageProblem
from steering_core.models.sites import STREAMS, Site


def test_reads_as_in_the_protocol() -> None:
    assert str(Site("resid_post", 16)) == "resid_post@16"
    assert {Site("resid_post", 16)} == {Site("resid_post", 16)}
    assert Site("resid_post", 15) != Site("resid_post", 16)


def test_the_streams_are_those_of_the_protocol() -> None:
    assert set(STREAMS) == {
        "resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out", "attn_contrib", "mlp_contrib", "k", "v",
        "final_norm",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("stream", "layer", "words"), [("residual", 1, "unknown stream"), ("resid_post", -1, "count blocks from 0")]
)
def test_refuses_what_is_no_site(stream: str, layer: int, words: str) -> None:
    with pytest.raises(UsageProblem, match=words):
        Site(stream, layer)
