"""What may be drawn for one tool on one model: what the tool offers there."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import get_args

from steering_core.models.registry import ModelSpec
from steering_core.models.sites import STREAMS, Site
from steering_core.programs.program import Generate, Program, Read, Step, Stream
from steering_core.tools.actions import MODES, Action, Mode
from steering_core.tools.edits import Phase
from steering_core.tools.offers import answer_of, offers_action, offers_of
from steering_core.tools.preparation import site_problem
from steering_core.tools.tool import Tool

INSIDE: tuple[Stream, ...] = tuple(stream for stream in get_args(Stream) if stream != "resid_post")


@dataclass(frozen=True)
class Offered:
    """sites: those that can be read. added, ablated: blocks whose output can be edited so; others: the same of every other
    mode that is offered. inside: (mode, stream inside a block, blocks) of those. The rest: see `Offers`."""

    sites: tuple[str, ...] = ()
    added: tuple[int, ...] = ()
    ablated: tuple[int, ...] = ()
    phases: tuple[Phase, ...] = ("both", "prefill", "decode")
    no_cache: bool = True
    chunks: bool = True
    others: tuple[tuple[Mode, tuple[int, ...]], ...] = ()
    position_ranges: bool = False
    feature_ranges: bool = False
    inside: tuple[tuple[Mode, Stream, tuple[int, ...]], ...] = ()

    @property
    def steers(self) -> bool:
        """Whether any edit can be drawn."""
        return bool(self.phases and self.editable)

    @property
    def blocks(self) -> dict[Mode, tuple[int, ...]]:
        """Mode -> the blocks that it can edit."""
        return {"add": self.added, "ablate": self.ablated, **dict(self.others)}

    @property
    def editable(self) -> dict[tuple[Mode, Stream], tuple[int, ...]]:
        """The same for the streams inside blocks too; without those that cannot be edited at any block."""
        between: dict[tuple[Mode, Stream], tuple[int, ...]] = {
            (mode, "resid_post"): blocks for mode, blocks in self.blocks.items() if blocks
        }
        return between | {(mode, stream): blocks for mode, stream, blocks in self.inside}

    def allows(self, program: Program) -> bool:
        """Whether a tool that offers this may be asked to run the program; judged by what the calls need."""
        return all(self._reads(call) if isinstance(call, Read) else self._generates(call) for call in program.calls)

    def _reads(self, call: Read) -> bool:
        return set(call.sites) <= set(self.sites)

    def _generates(self, call: Generate) -> bool:
        return (
            self.steers
            and all(map(self._edits, call.steps))
            and (call.cache or self.no_cache)
            and (not call.chunk or self.chunks)
        )

    def _edits(self, step: Step) -> bool:
        ranges = (self.position_ranges or not step.positions) and (self.feature_ranges or not step.features)
        return step.block in self.editable.get((step.action, step.stream), ()) and step.phase in self.phases and ranges


def offered_by(tool: Tool, spec: ModelSpec, *, chunks: bool = True) -> Offered:
    """Asks the tool about every site. chunks: whether the installed transformers can feed a prompt in chunks."""
    offers = offers_of(tool)
    blocks = {mode: _blocks(tool, spec, mode, "resid_post") for mode in MODES}
    inside = ((mode, stream, _blocks(tool, spec, mode, stream)) for mode, stream in product(MODES, INSIDE))
    return Offered(
        tuple(map(str, _sites(tool, spec, "read", STREAMS))),
        blocks.pop("add"),
        blocks.pop("ablate"),
        tuple(offers.phases),
        offers.no_cache,
        offers.chunked_prefill and chunks,
        tuple((mode, own) for mode, own in blocks.items() if own),
        offers.position_ranges,
        offers.feature_ranges,
        tuple(row for row in inside if row[2]),
    )


def _blocks(tool: Tool, spec: ModelSpec, mode: Mode, stream: Stream) -> tuple[int, ...]:
    """Those at which the tool offers to edit a stream."""
    return tuple(site.layer for site in _sites(tool, spec, mode, [stream]))


def _sites(tool: Tool, spec: ModelSpec, action: Action, streams: Sequence[str]) -> list[Site]:
    if not offers_action(tool, action):
        return []
    last = spec.layers - 1
    every = (Site(stream, layer) for layer, stream in product(range(spec.layers), streams))
    exist = (site for site in every if (site.stream != "final_norm" or site.layer == last))
    return [site for site in exist if not site_problem(spec, site, action) and not answer_of(tool, spec, site, action)]
