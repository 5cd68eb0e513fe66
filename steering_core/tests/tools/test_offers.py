"""What a tool offers: its own answers, its claims, and the difference to what nobody supports."""

from itertools import product
from typing import Any

import pytest

from steering_core.errors import SuiteError, ToolUnsupported
from steering_core.models.registry import ModelSpec
from steering_core.models.sites import STREAMS, Site
from steering_core.programs.offered import offered_by
from steering_core.tests.random_models import random_spec
from steering_core.tools.actions import MODES, Action
from steering_core.tools.adapters.hooks import Hooks
from steering_core.tools.offers import Need, Offers, offers_of, readable, why_not

SITE, LAST = Site("resid_post", 1), Site("resid_post", 2)
LLAMA = random_spec("llama")


class Reader:
    """Reads the output of any block but the last."""

    name = "reader"

    def supports(self, spec: ModelSpec, site: Site, action: str) -> str | None:
        return "comes after the norm" if site == LAST else None

    def read(self) -> None: ...


class Steerer(Hooks):
    """Adds, in prefill only, and has a direction method of its own."""

    name = "steerer"
    offers = Offers(phases=("prefill",), no_cache=False)
    read = None  # type: ignore[assignment]

    def supports(self, spec: ModelSpec, site: Site, action: Any) -> str | None:
        return "adds only" if action != "add" else None

    def direction(self) -> None: ...


class Older:
    """Knows the actions of old, and fails when asked about another."""

    name = "older"

    def supports(self, spec: ModelSpec, site: Site, action: str) -> str | None:
        return {"read": "steers only", "add": None, "ablate": None}[action]

    def generate(self) -> None: ...


def refusal(tool: Any, need: Need, spec: ModelSpec = LLAMA) -> str | None:
    return why_not(tool, spec, need)


def test_a_tool_that_says_nothing_offers_everything() -> None:
    everything = Need((SITE, LAST), (SITE,), (SITE,), ("no_cache", "chunked_prefill", "padding_untouched"), ("decode",))

    assert refusal(Hooks(), everything) is None


@pytest.mark.parametrize(
    ("tool", "need", "reason"),
    [
        (Reader(), Need(read=(SITE,)), None),
        (Reader(), Need(read=(SITE, LAST)), "read resid_post@2: comes after the norm"),
        (Reader(), Need(add=(SITE,)), "reader has no method generate"),
        (Steerer(), Need(add=(SITE, LAST)), None),
        (Steerer(), Need(read=(SITE,)), "steerer has no method read"),
        (Steerer(), Need(read=(SITE,), own_direction=True), None),
        (Steerer(), Need(ablate=(SITE,)), "ablate resid_post@1: adds only"),
        (Steerer(), Need(claims=("no_cache", "chunked_prefill")), "steerer does not offer no cache"),
        (Steerer(), Need(phases=("prefill", "decode")), "steerer does not offer phase 'decode'"),
        (Steerer(), Need(set=(SITE,)), "steerer does not offer set"),
        (Steerer(), Need(claims=("position_ranges",)), "steerer does not offer position ranges"),
        (Steerer(), Need(claims=("feature_ranges",)), "steerer does not offer feature ranges"),
        (Older(), Need(add=(SITE,), ablate=(SITE,)), None),
        (Older(), Need(affine=(SITE,)), "older does not offer affine"),
        (Hooks(), Need(set=(SITE,), scale=(SITE,), interpolate=(SITE,), affine=(SITE,)), None),
        (Hooks(), Need(claims=("position_ranges", "feature_ranges")), None),
        (Steerer(), Need(claims=("packed_prompts",)), "steerer does not offer packed prompts"),
        (Hooks(), Need(claims=("packed_prompts",)), None),
    ],
)
def test_what_a_tool_does_not_offer_has_a_reason(tool: Any, need: Need, reason: str | None) -> None:
    assert refusal(tool, need) == reason


def test_what_the_model_does_not_have_is_unsupported() -> None:
    with pytest.raises(ToolUnsupported, match="read resid_post@3: random_llama has no block 3"):
        refusal(Reader(), Need(read=(Site("resid_post", 3),)))
    with pytest.raises(ToolUnsupported, match="add resid_mid@1: it is not the whole output of one module"):
        refusal(Hooks(), Need(add=(Site("resid_mid", 1),)))


def test_a_tool_that_offers_nothing_on_a_model_does_not_support_it() -> None:
    class Elsewhere(Reader):
        def supports(self, spec: ModelSpec, site: Site, action: str) -> str | None:
            return "no llama"

    with pytest.raises(ToolUnsupported, match="no llama"):
        refusal(Elsewhere(), Need(read=(SITE,)))


@pytest.mark.parametrize("answer", [True, False, 0, "", " "])
def test_an_answer_that_is_no_reason_is_refused(answer: object) -> None:
    class Yes(Reader):
        def supports(self, spec: ModelSpec, site: Site, action: str) -> Any:
            return answer

    with pytest.raises(SuiteError, match="None is needed, or the reason why it cannot"):
        refusal(Yes(), Need(read=(SITE,)))


def test_offers_of_another_kind_are_refused() -> None:
    tool = Reader()
    tool.offers = {"no_cache": False}  # type: ignore[attr-defined]

    with pytest.raises(SuiteError, match=r"offers of reader is a dict .*; an Offers is needed"):
        refusal(tool, Need(claims=("no_cache",)))


def test_readable_sites_are_those_that_model_and_tool_have() -> None:
    everything = readable(Hooks(), LLAMA)
    streams = {site.stream for site in everything}

    assert len(everything) == len(set(everything)) == 3 * 9 + 1
    assert streams == {*STREAMS}
    assert [site for site in everything if site.stream == "final_norm"] == [Site("final_norm", 2)]
    assert readable(Reader(), LLAMA) == [site for site in everything if site != LAST]
    assert readable(Steerer(), LLAMA) == []


def test_a_tool_that_knows_no_newer_mode_is_not_asked_about_it() -> None:
    with pytest.raises(ToolUnsupported, match="not of llama"):
        refusal(OlderElsewhere(), Need(add=(SITE,)))

    assert offered_by(Older(), LLAMA).others == ()  # type: ignore[arg-type]


class OutsideAttention(Hooks):
    """Edits nothing that attention returns, and scales nothing in the last block."""

    name = "outside attention"

    def supports(self, spec: ModelSpec, site: Site, action: Action) -> str | None:
        if (action != "read" and site.stream.startswith("attn")) or (action == "scale" and site.layer == LAST.layer):
            return "not here"
        return super().supports(spec, site, action)


def test_what_may_be_drawn_inside_blocks() -> None:
    rows = offered_by(OutsideAttention(), LLAMA).inside

    assert {(mode, stream) for mode, stream, _ in rows} == set(product(MODES, ("mlp_out", "mlp_contrib")))
    assert {blocks for mode, _, blocks in rows if mode == "scale"} == {(0, 1)}
    assert {blocks for mode, _, blocks in rows if mode != "scale"} == {(0, 1, 2)}


class OlderElsewhere(Older):
    def supports(self, spec: ModelSpec, site: Site, action: str) -> str | None:
        return super().supports(spec, site, action) or "not of llama"


def test_an_unknown_mode_is_refused_in_one_line() -> None:
    class Misspelled(Older):
        offers = Offers(modes=("add", "sett"))  # type: ignore[arg-type]

    with pytest.raises(SuiteError, match="offers of older names the mode 'sett'.*modes are add, ablate, set, scale"):
        offers_of(Misspelled())  # type: ignore[arg-type]
