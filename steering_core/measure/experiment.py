"""One experiment on one model: what it measures is computed on demand, and kept under everything that can change it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from torch import Tensor

from steering_core.compare import unit
from steering_core.directions import extract_direction
from steering_core.hosts.beside import Alone, Beside, FreshRepeat
from steering_core.hosts.checked_tool import CheckedTool
from steering_core.hosts.hosted_tool import HostedTool, is_elsewhere
from steering_core.hosts.operations import OPERATIONS
from steering_core.hosts.stage import Stage
from steering_core.localize import Localization, localize_beside, localize_tensor
from steering_core.localize.capture import observe_sites
from steering_core.measure.judging import Judging
from steering_core.measure.keys import identity, model_key
from steering_core.measure.known_values import KnownValues
from steering_core.measure.planned_answers import PlannedAnswers
from steering_core.measure.run_provenance import provenance_of
from steering_core.measure.store import Store, digest
from steering_core.measure.token_floors import TokenFloors
from steering_core.measure.wanted_answers import WantedAnswers, answers_of
from steering_core.models.model import LoadedModel
from steering_core.models.registry import Settings
from steering_core.models.shared_copy import sharing_copy
from steering_core.models.sites import Site
from steering_core.models.tokens import Side, TokenBatch, encode
from steering_core.observe.forward_trace import block_inputs, make_traceable
from steering_core.prompts import PromptSet
from steering_core.records.record import Arm
from steering_core.records.thresholds import FLOOR_MARGIN
from steering_core.tools.contract import Storages
from steering_core.tools.edits import Edit, steering_edits
from steering_core.tools.offers import Need, readable, why_not
from steering_core.tools.tool import Tool

SOME = 10


@dataclass(eq=False)
class Experiment:
    """What one model is measured with.

    weights: digest of the loaded weights. batch_size: evaluation prompts per forward. seeds: the preset's, one per
    repeat; decoding is greedy, so only the first is used. fresh: makes a tool anew in a new process, for the repeat of
    that number. planned: the reference's answers that the run will want. judging: a judge of the answers, if the run asks
    one. hosts: the tools' further processes. directions: (tool, repeat) -> the direction, of those that were asked for.
    repeats: (tool, repeat) of the answers by tools that the run will want.
    """

    model: LoadedModel
    settings: Settings
    prompts: PromptSet
    store: Store
    weights: str
    batch_size: int = 30
    seeds: tuple[int, ...] = (42,)
    fresh: FreshRepeat | None = None
    planned: PlannedAnswers = field(default_factory=PlannedAnswers)
    judging: Judging | None = None
    hosts: Beside = field(default_factory=Alone)
    repeats: set[tuple[str, int]] = field(default_factory=set)
    directions: dict[tuple[str, int], Tensor] = field(default_factory=dict, init=False)
    _batches: dict[tuple[tuple[str, ...], Side], TokenBatch] = field(default_factory=dict, init=False)
    _captures: dict[tuple[str, ...], dict[Site, Tensor]] = field(default_factory=dict, init=False)
    _received: dict[str, dict[int, Tensor]] = field(default_factory=dict, init=False)
    _readable: dict[tuple[str, ...], list[Site]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        make_traceable(self.model)
        truth = partial(self.perform, operation="truth")
        self._floors = TokenFloors(self.model, lambda tool, batch, sites: truth(tool, batch=batch, sites=sites))
        self.pristine, self.known = sharing_copy(self.model.module), KnownValues(self.captures, self.perform)

    @property
    def site(self) -> Site:
        """Where directions are read: the output of the tested block."""
        return Site("resid_post", self.settings.layer)

    def batch(self, prompts: Sequence[str], side: Side = "left") -> TokenBatch:
        """Prompts as one padded batch on the model's device, encoded once."""
        key = (tuple(prompts), side)
        if key not in self._batches:
            self._batches[key] = encode(self.model.tokenizer, prompts, side).to(self.model.device)
        return self._batches[key]

    @cached_property
    def extraction(self) -> TokenBatch:
        """The harmful prompts, then the harmless ones."""
        return self.batch(self.prompts.extraction)

    @property
    def some(self) -> TokenBatch:
        """The first prompts of the extraction: few enough to keep every site of every block for them."""
        return self.extraction if len(self.extraction.ids) <= SOME else self.batch(self.prompts.extraction[:SOME])

    def read(self, tool: Tool, batch: TokenBatch, sites: Sequence[Site] = ()) -> dict[Site, Tensor]:
        """The tool's captures of these sites, by default of the tested one, asked for together, and once per batch."""
        sites = list(sites) or [self.site]
        key = (*identity(tool).values(), batch.digest, *map(str, sites))
        if key not in self._captures:
            self._captures[key] = tool.read(self.model, batch, sites)
        return self._captures[key]

    @cached_property
    def preflight_sites(self) -> list[Site]:
        """The tested site, the streams that sum to it, and the output of the last block."""
        layer = self.settings.layer
        parts = [Site(stream, layer) for stream in ("resid_pre", "attn_contrib", "mlp_contrib", "resid_post")]
        last = Site("resid_post", self.model.spec.layers - 1)
        return parts if last in parts else [*parts, last]

    def truth(self, batch: TokenBatch) -> dict[int, Tensor]:
        """What the module after the tested and after the last block received, observed independently of any tool."""
        if batch.digest not in self._received:
            layers = {site.layer + 1 for site in self.preflight_sites if site.stream == "resid_post"}
            self._received[batch.digest] = block_inputs(self.model, batch.inputs(), layers)
        return self._received[batch.digest]

    def captures(self, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
        """{site: [batch, seq, width]}, observed independently of any tool."""
        return observe_sites(self.model, batch, sites)

    def readable(self, tool: Tool) -> list[Site]:
        """Every site that a tool offers to read, asked once."""
        key = tuple(identity(tool).values())
        if key not in self._readable:
            self._readable[key] = readable(tool, self.model.spec)
        return self._readable[key]

    def perform(self, tool: Tool, operation: str, model: LoadedModel | None = None, **arguments: Any) -> Any:
        """One of `hosts.operations`, where the tool lives, with its arguments. model: fed in another way."""
        if isinstance(tool, HostedTool):
            return tool.perform(operation, model or self.model, **arguments)
        stage = Stage(model or self.model, self.pristine)
        return OPERATIONS[operation](stage, CheckedTool(tool, Storages()), **arguments)

    def localized(
        self, batch: TokenBatch, requested: Site, returned: Tensor, expected: Tensor | None = None
    ) -> Localization:
        """Which tensor a tool returned for the requested one. expected: the correct one, if the returned values are
        within rounding of it; then the model is searched only if they differ by more than rounding."""
        if expected is not None:
            return localize_beside(self.model, batch, requested, returned, expected)
        return localize_tensor(self.model, batch, requested, returned)

    def floor(self, batch: TokenBatch, sites: Sequence[Site], *tools: Tool) -> float:
        """How far rounding may move the sum of the values at these sites, at any real token of the prompts of a batch:
        the sum of their noise floors, times the margin, and what another interpreter of one of the tools changes."""
        elsewhere = [self._floors.between_stacks(tool, batch, sites) for tool in tools if is_elsewhere(tool)]
        return FLOOR_MARGIN * (self._floors.of(batch, sites) + max(elsewhere, default=0.0))

    def demands_equality(self, *tools: Tool) -> bool:
        """Whether directions must be equal bit for bit: under exact arithmetic, but for a tool in another interpreter,
        whose kernels may be others, or with a direction method of its own."""
        own = any(is_elsewhere(tool) or callable(getattr(tool, "direction", None)) for tool in tools)
        return self.model.exact and not own

    def direction(self, tool: Tool, repeat: int) -> Tensor:
        """Raw direction of one repeat: float32 [hidden]; the last repeat comes from a fresh process."""
        key = {**model_key(self.model, self.weights), "what": "direction", **identity(tool), "repeat": repeat}
        key |= {"site": str(self.site), "tokens": self.extraction.digest, "method": self.settings.method}
        fresh = self.fresh if self.fresh and repeat == self.fresh.repeat else None
        direction = self.store.get(key, lambda: self.extract(fresh.attach(tool.name) if fresh else tool))
        self.directions[tool.name, repeat] = direction
        return direction

    def extract(self, tool: Tool, perform: Callable[..., Any] | None = None) -> Tensor:
        """The preset's direction of the tool's last-token rows, or the tool's own `direction(model, harmful, harmless,
        site)`: float32 [hidden]. perform: as `self.perform` of the tool."""
        perform = perform or partial(self.perform, tool)
        if callable(getattr(tool, "direction", None)):
            harmful, harmless = self.batch(self.prompts.harmful), self.batch(self.prompts.harmless)
            direction: Tensor = perform("direction", harmful=harmful, harmless=harmless, site=self.site)
            return direction.float().cpu()
        hidden = perform("read", batch=self.extraction, sites=[self.site])[self.site]
        return self._direction_of(self.extraction.at_last(hidden).float().cpu())

    def direction_to_steer(self, tool: Tool, repeat: int) -> Tensor:
        """The tool's own direction of one repeat; for a tool that extracts none, the true one."""
        need = Need(read=(self.site,), own_direction=True)
        return self.true_direction() if why_not(tool, self.model.spec, need) else self.direction(tool, repeat)

    def true_rows(self) -> Tensor:
        """What the next block received at the last tokens: float32 [prompts, hidden], harmful rows first; no tool involved."""
        return self.extraction.at_last(self.truth(self.extraction)[self.settings.layer + 1]).float().cpu()

    def true_direction(self) -> Tensor:
        """Raw direction from what the next block received, by the preset's method: no tool involved."""
        return self._direction_of(self.true_rows())

    def _direction_of(self, rows: Tensor) -> Tensor:
        """rows: float32 [prompts, hidden] at the last tokens of the extraction batch, harmful rows first."""
        pairs = len(self.prompts.harmful)
        return extract_direction(self.settings.method, rows[:pairs], rows[pairs:])

    def edits(self, direction: Tensor) -> list[Edit]:
        """The preset's steering along a raw direction: the unit vector at the preset's strength and blocks."""
        return steering_edits(unit(direction).float(), self.settings.strength, self.settings.blocks)

    def answers(self, tool: Tool, direction: Tensor, repeat: int, arm: Arm) -> Tensor:
        """Steered answers to the evaluation prompts: int64 [prompts, <= max_new_tokens]."""
        if arm == "reference":
            return self.reference_answers(direction, repeat)
        along = {repeat: direction}
        for (name, number), other in self.directions.items():
            if name == tool.name and (name, number) in self.repeats:
                along.setdefault(number, other)
        whose, prompts = {"what": "answers", **identity(tool)}, self.prompts.evaluation
        keys = {number: whose | {"direction": digest(each), "repeat": number} for number, each in along.items()}
        wanted = [self.wanted(keys[number], prompts, self.edits(each)) for number, each in along.items()]
        return answers_of(tool, self.store, wanted, self.hosts)

    def reference_answers(self, direction: Tensor, draw: int) -> Tensor:
        """Answers steered by the reference along any raw direction; `draw` numbers its repetitions."""
        return self.planned.get(self.store, self.want_steered(direction, draw))

    def plain_answers(self, prompts: Sequence[str]) -> Tensor:
        """Unsteered answers by the reference: int64 [prompts, <= max_new_tokens]."""
        return self.planned.get(self.store, self.want_plain(prompts))

    def want_steered(self, direction: Tensor, draw: int) -> WantedAnswers:
        """What `reference_answers` generates."""
        key = {"what": "answers", "tool": "reference", "direction": digest(direction), "repeat": draw}
        return self.wanted(key, self.prompts.evaluation, self.edits(direction))

    def want_plain(self, prompts: Sequence[str]) -> WantedAnswers:
        """What `plain_answers` generates."""
        return self.wanted({"what": "plain"}, prompts, [])

    def digest(self, ids: Tensor) -> str:
        """sha256 of generated ids: equal for token-identical answers."""
        return digest(ids)

    def wanted(self, key: dict[str, Any], prompts: Sequence[str], edits: Sequence[Edit]) -> WantedAnswers:
        """Answers to prompts under edits, by the reference or a tool; key: what tells them from others."""
        settings, size = self.settings, self.batch_size
        key = {**model_key(self.model, self.weights), **key, "strength": settings.strength, "blocks": settings.blocks}
        key |= {"prompts": self.batch(prompts).digest, "batch_size": size}
        key |= {"new": settings.max_new_tokens, "defaults": settings.inherit_generation_defaults}
        batches = [self.batch(prompts[start : start + size]) for start in range(0, len(prompts), size)]
        return WantedAnswers(key, self.model, batches, edits, settings.max_new_tokens, self.seeds[0])

    def provenance(self) -> dict[str, Any]:
        """Everything a record says about where its numbers came from."""
        return provenance_of(self.model, self.weights, self.settings, self.prompts, self.extraction, self.seeds)
