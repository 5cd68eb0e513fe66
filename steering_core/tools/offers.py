"""What a tool offers: which action at which site (`supports`), and what else it claims (`offers`).

What a tool does not offer is asked for by nobody; it is neither a failure nor a pass. What the suite or the library
behind a tool cannot do on a model at all is another matter: that is unsupported, and missing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from steering_core.errors import SuiteError, ToolUnsupported
from steering_core.models.sites import STREAMS, Site
from steering_core.tools.actions import METHODS, MODES, Action, Mode
from steering_core.tools.preparation import site_problem

if TYPE_CHECKING:
    from steering_core.models.registry import ModelSpec
    from steering_core.tools.edits import Phase
    from steering_core.tools.tool import Tool


@dataclass(frozen=True)
class Offers:
    """What a tool claims beyond its sites; the default is everything. A tool has one as its attribute `offers`.

    phases: of an edit. no_cache: generation without a KV cache (`model.use_cache`). chunked_prefill: a prompt that is
    fed in chunks (`model.prefill_chunk`). padding_untouched: an edit moves no padding token. declared_arithmetic: the
    float32 product is rounded once to the model's dtype and added in it.

    What came later is offered only by a tool that says so. modes: kinds of edits. position_ranges, feature_ranges: an
    edit may be limited to a `Span` of them. packed_prompts: it reads a batch whose side is "packed".
    """

    phases: tuple["Phase", ...] = ("both", "prefill", "decode")
    no_cache: bool = True
    chunked_prefill: bool = True
    padding_untouched: bool = True
    declared_arithmetic: bool = True
    modes: tuple[Mode, ...] = ("add", "ablate")
    position_ranges: bool = False
    feature_ranges: bool = False
    packed_prompts: bool = False


@dataclass(frozen=True)
class Need:
    """What a check asks of a tool. read, add and the other actions: at each of these sites. claims: fields of `Offers` that must be
    true. phases: of the edits. own_direction: a tool that has a `direction` of its own needs not read."""

    read: tuple[Site, ...] = ()
    add: tuple[Site, ...] = ()
    ablate: tuple[Site, ...] = ()
    claims: tuple[str, ...] = ()
    phases: tuple["Phase", ...] = ()
    own_direction: bool = False
    set: tuple[Site, ...] = ()
    scale: tuple[Site, ...] = ()
    interpolate: tuple[Site, ...] = ()
    affine: tuple[Site, ...] = ()


def offers_of(tool: "Tool") -> Offers:
    """The tool's claims; SuiteError if it has an `offers` of another kind, or one with an unknown mode."""
    offers = getattr(tool, "offers", None)
    if offers is not None and not isinstance(offers, Offers):
        sentence = f"offers of {tool.name} is a {type(offers).__name__}"
        raise SuiteError("tool-offers", sentence, "an Offers is needed, such as Offers(no_cache=False)")
    if unknown := [mode for mode in (offers or Offers()).modes if mode not in MODES]:
        sentence = f"offers of {tool.name} names the mode {str(unknown[0])[:60]!r}"
        raise SuiteError("tool-offers", sentence, f"modes are {', '.join(MODES)}")
    return offers or Offers()


def offers_action(tool: "Tool", action: Action) -> bool:
    """Whether the tool has the method for an action and, if it is a kind of edit, claims it."""
    return has_method(tool, action) and (action == "read" or action in offers_of(tool).modes)


def why_not(tool: "Tool", spec: "ModelSpec", need: Need) -> str | None:
    """None, or why the tool does not offer it; asks the tool, and runs nothing else of it.

    ToolUnsupported: the model has no such site, or the tool refuses every action at every site of the model.
    """
    reading = () if need.own_direction and callable(getattr(tool, "direction", None)) else need.read
    sites: dict[Action, tuple[Site, ...]] = {"read": reading, **{mode: getattr(need, mode) for mode in MODES}}
    refusals = (_refusal(tool, spec, action, asked) for action, asked in sites.items())
    return next(filter(None, (*refusals, _unclaimed(tool, need))), None)


def readable(tool: "Tool", spec: "ModelSpec") -> list[Site]:
    """Every site of the model that the tool offers to read, by block; there is one final norm, which the last block names."""
    if not has_method(tool, "read"):
        return []
    sites = (Site(stream, layer) for layer, stream in product(range(spec.layers), STREAMS))
    once = [site for site in sites if site.stream != "final_norm" or site.layer == spec.layers - 1]
    return [site for site in once if not _problem(spec, site, "read") and answer_of(tool, spec, site, "read") is None]


def _refusal(tool: "Tool", spec: "ModelSpec", action: Action, sites: Sequence[Site]) -> str | None:
    if sites and not has_method(tool, action):
        return f"{tool.name} has no method {METHODS[action]}"
    if sites and not offers_action(tool, action):
        return f"{tool.name} does not offer {action}"
    for site in sites:
        if problem := _problem(spec, site, action):
            raise ToolUnsupported("no-such-site", f"{action} {site}: {problem}", "request a site the model has")
        if reason := answer_of(tool, spec, site, action):
            if all(answer_of(tool, spec, *pair) for pair in every_pair(tool, spec)):
                raise ToolUnsupported("unsupported", reason, f"{tool.name} offers nothing on {spec.key}")
            return f"{action} {site}: {reason}"
    return None


def every_pair(tool: "Tool", spec: "ModelSpec") -> Iterator[tuple[Site, Action]]:
    """Each site of the model with each action that the tool has the method for and that can be done there."""
    for action in (action for action in METHODS if offers_action(tool, action)):
        for layer, stream in product(range(spec.layers), STREAMS):
            if not _problem(spec, site := Site(stream, layer), action):
                yield site, action


def _problem(spec: "ModelSpec", site: Site, action: Action) -> str | None:
    return site_problem(spec, site, action)


def has_method(tool: "Tool", action: Action) -> bool:
    """Whether the tool has the method that carries an action out."""
    return callable(getattr(tool, METHODS[action], None))


def answer_of(tool: "Tool", spec: "ModelSpec", site: Site, action: Action) -> str | None:
    """What `supports` answers; SuiteError for an answer that is neither None nor a reason."""
    answer = tool.supports(spec, site, action)
    if answer is not None and (type(answer) is not str or not answer.strip()):
        sentence = f"supports() of {tool.name} returned {str(answer)[:60]!r} for {action} {site}"
        raise SuiteError("tool-supports", sentence, "None is needed, or the reason why it cannot")
    return answer


def _unclaimed(tool: "Tool", need: Need) -> str | None:
    offers = offers_of(tool)
    claims = [name.replace("_", " ") for name in need.claims if not getattr(offers, name)]
    phases = [f"phase {phase!r}" for phase in need.phases if phase not in offers.phases]
    return f"{tool.name} does not offer {', '.join(claims + phases)}" if claims + phases else None
