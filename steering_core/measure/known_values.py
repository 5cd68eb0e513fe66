"""What the suite itself captures, kept as digests: a tool's values are compared with them where the tool lives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.models.value_digests import Digest, value_digests
from steering_core.tools.tool import Tool


@dataclass(eq=False)
class KnownValues:
    """Of one model. capture: {site: [batch, seq, width]}, observed independently of any tool. perform: as of `Experiment`."""

    capture: Callable[[TokenBatch, Sequence[Site]], dict[Site, Tensor]]
    perform: Callable[..., Any]
    _digests: dict[tuple[str, Site], Digest | None] = field(default_factory=dict, init=False)

    def of(self, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Digest]:
        """The digests of these sites, captured once for all tools; without those of values that equal nothing."""
        prompts = batch.digest
        if new := [site for site in dict.fromkeys(sites) if (prompts, site) not in self._digests]:
            digests = value_digests(self.capture(batch, new), batch.mask)
            self._digests |= {(prompts, site): digests.get(site) for site in new}
        return {site: digest for site in sites if (digest := self._digests[prompts, site]) is not None}

    def differing(self, tool: Tool, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
        """What a tool returned, asked for these sites together, where it is not bit for bit what is captured."""
        asked: dict[str, Any] = {"batch": batch, "sites": list(sites), "known": self.of(batch, sites)}
        differing: dict[Site, Tensor] = self.perform(tool, "read_differing", **asked)
        return differing

    def differing_in_program(self, tool: Tool, batch: TokenBatch, sites: Sequence[Site]) -> dict[str, Any]:
        """The same as `value`, with the `breaches` of the contract in it."""
        asked: dict[str, Any] = {"batch": batch, "sites": list(sites), "known": self.of(batch, sites)}
        return dict(self.perform(tool, "in_program", defaults={}, inner="read_differing", arguments=asked))
