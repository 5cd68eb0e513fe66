"""How far rounding may move a site's values at any real token: measured once per prompts and site."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from steering_core.compare import compare
from steering_core.localize.capture import read_sites
from steering_core.measure.keys import identity
from steering_core.measure.noise_floor import token_floors
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.tools.tool import Tool


@dataclass(eq=False)
class TokenFloors:
    """Of one model. elsewhere: the suite's own captures in the interpreter of a tool, {site: [batch, seq, width]}."""

    model: LoadedModel
    elsewhere: Callable[[Tool, TokenBatch, list[Site]], dict[Site, Tensor]]
    _floors: dict[tuple[tuple[tuple[int, ...], ...], Site], float] = field(default_factory=dict, init=False)
    _gaps: dict[tuple[Any, ...], float] = field(default_factory=dict, init=False)

    def of(self, batch: TokenBatch, sites: Sequence[Site]) -> float:
        """The sum of the noise floors of some sites, at the prompts of a batch; 0 under exact arithmetic."""
        rows = [ids[mask.bool()].tolist() for ids, mask in zip(batch.ids, batch.mask, strict=True)]
        prompts = tuple(map(tuple, rows))
        if new := [site for site in sites if (prompts, site) not in self._floors]:
            measured = dict.fromkeys(new, 0.0) if self.model.exact else token_floors(self.model, rows, new)
            self._floors |= {(prompts, site): floor for site, floor in measured.items()}
        return sum(self._floors[prompts, site] for site in sites)

    def between_stacks(self, tool: Tool, batch: TokenBatch, sites: Sequence[Site]) -> float:
        """How far the suite's own captures in the interpreter of a tool are from those in this one, summed over sites."""
        keys = {site: (*identity(tool).values(), batch.digest, site) for site in sites}
        if new := [site for site in sites if keys[site] not in self._gaps]:
            there, here, real = self.elsewhere(tool, batch, new), read_sites(self.model, batch, new), batch.mask.bool()
            self._gaps |= {keys[site]: compare(here[site][real], there[site][real]).max_abs for site in new}
        return sum(self._gaps[keys[site]] for site in sites)
