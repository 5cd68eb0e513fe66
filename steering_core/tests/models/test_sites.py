"""A site names a stream and a block, and nothing else."""

import pytest

from steering_core.errors import UsageProblem
from steering_core.models.sites import STREAMS, Site


def test_is_written_as_in_the_protocol() -> None:
    assert str(Site("resid_post", 16)) == "resid_post@16"
    assert {Site("resid_post", 16)} == {Site("resid_post", 16)}
    assert Site("resid_post", 15) != Site("resid_post", 16)


def test_the_streams_are_those_of_the_protocol() -> None:
    parts = {"attn_out", "mlp_out", "attn_contrib", "mlp_contrib", "k", "v"}
    assert set(STREAMS) == {"resid_pre", "resid_mid", "resid_post", "final_norm"} | parts


@pytest.mark.parametrize(
    ("stream", "layer", "message"), [("residual", 1, "unknown stream"), ("resid_post", -1, "count blocks from 0")]
)
def test_refuses_an_unknown_stream_and_a_negative_block(stream: str, layer: int, message: str) -> None:
    with pytest.raises(UsageProblem, match=message):
        Site(stream, layer)
