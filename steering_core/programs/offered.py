"""What may be drawn for one tool on one model: what the tool offers there."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from steering_core.models.registry import ModelSpec
from steering_core.models.sites import STREAMS, Site
from steering_core.programs.program import Generate, Program, Read
from steering_core.tools.actions import Action
from steering_core.tools.edits import Phase
from steering_core.tools.offers import answer_of, has_method, offers_of
from steering_core.tools.preparation import site_problem
from steering_core.tools.tool import Tool


@dataclass(frozen=True)
class Offered:
    """sites: those that can be read. added, ablated: blocks whose output can be edited so. The rest: see `Offers`."""

    sites: tuple[str, ...] = ()
    added: tuple[int, ...] = ()
    ablated: tuple[int, ...] = ()
    phases: tuple[Phase, ...] = ("both", "prefill", "decode")
    no_cache: bool = True
    chunks: bool = True

    @property
    def steers(self) -> bool:
        """Whether any edit can be drawn."""
        return bool(self.phases and (self.added or self.ablated))

    def allows(self, program: Program) -> bool:
        """Whether a tool that offers this may be asked to run the program; judged by what the calls need."""
        return all(self._reads(call) if isinstance(call, Read) else self._generates(call) for call in program.calls)

    def _reads(self, call: Read) -> bool:
        return set(call.sites) <= set(self.sites)

    def _generates(self, call: Generate) -> bool:
        blocks = {"add": self.added, "ablate": self.ablated}
        edits = all(step.block in blocks[step.action] and step.phase in self.phases for step in call.steps)
        return self.steers and edits and (call.cache or self.no_cache) and (not call.chunk or self.chunks)


def offered_by(tool: Tool, spec: ModelSpec, *, chunks: bool = True) -> Offered:
    """Asks the tool about every site. chunks: whether the installed transformers can feed a prompt in chunks."""
    offers = offers_of(tool)
    return Offered(
        tuple(map(str, _sites(tool, spec, "read", STREAMS))),
        tuple(site.layer for site in _sites(tool, spec, "add", ["resid_post"])),
        tuple(site.layer for site in _sites(tool, spec, "ablate", ["resid_post"])),
        tuple(offers.phases),
        offers.no_cache,
        offers.chunked_prefill and chunks,
    )


def _sites(tool: Tool, spec: ModelSpec, action: Action, streams: Sequence[str]) -> list[Site]:
    if not has_method(tool, action):
        return []
    last = spec.layers - 1
    every = (Site(stream, layer) for layer, stream in product(range(spec.layers), streams))
    exist = (site for site in every if (site.stream != "final_norm" or site.layer == last))
    return [site for site in exist if not site_problem(spec, site, action) and not answer_of(tool, spec, site, action)]
