"""One call of a program on a tool, judged by what is true of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from steering_core.compare import compare
from steering_core.measure.experiment import Experiment
from steering_core.measure.program_oracle import ProgramOracle
from steering_core.models.sites import Site
from steering_core.observe.observed_generation import ObservedGeneration
from steering_core.programs.building import build_edits, build_sites, fed_as
from steering_core.programs.program import Generate, Program, Read
from steering_core.records.thresholds import REFERENCE_ULPS
from steering_core.tools.edits import Edit
from steering_core.tools.offers import offers_of
from steering_core.tools.tool import Tool


@dataclass(eq=False)
class ProgramJudge:
    """Makes calls, and says what was wrong in them."""

    experiment: Experiment

    @cached_property
    def oracle(self) -> ProgramOracle:
        """What is true of the calls."""
        return ProgramOracle(self.experiment)

    def judged(self, tool: Tool, call: Read | Generate, program: Program) -> str | None:
        """None, or what was wrong in a call. Calls of the other kind are only made: another clause judges them."""
        if isinstance(call, Read) and program.kind == "reading":
            return self._read(tool, call)
        if isinstance(call, Generate) and program.kind == "steering":
            return self._generate(tool, call, program)
        self.made(tool, call)
        return None

    def made(self, tool: Tool, call: Read | Generate) -> None:
        """Make a call, whatever it answers."""
        model, batch = self.experiment.model, self.oracle.batch(call.prompts)
        if isinstance(call, Read):
            tool.read(model, batch, build_sites(call))
        else:
            tool.generate(fed_as(model, call), batch, build_edits(model, call.steps), call.new_tokens)

    def _read(self, tool: Tool, call: Read) -> str | None:
        batch, sites = self.oracle.batch(call.prompts), build_sites(call)
        answer = self.oracle.known.differing_in_program(tool, batch, sites)
        if answer["breaches"]:
            return str(answer["breaches"][0])
        if not (differing := answer["value"]):
            return None
        captured = self.oracle.captured(batch, [*differing])
        problems = (self._wrong(tool, call, site, value, captured[site]) for site, value in differing.items())
        return next(filter(None, problems), None)

    def _wrong(self, tool: Tool, call: Read, site: Site, returned: Tensor, captured: Tensor) -> str | None:
        """None, or which other tensor a tool returned for a site, or how far its values are off."""
        batch = self.oracle.batch(call.prompts)
        real = batch.mask.bool()
        gap = compare(returned[real], captured[real])
        if gap.bit_equal:
            return None
        found = self.experiment.localized(batch, site, returned)
        if not found.as_requested:
            return found.sentence
        spacing = torch.finfo(captured.dtype).eps * float(captured[real].double().norm(dim=-1).max())
        exact = self.experiment.model.exact
        floor = 0.0 if exact else max(self.experiment.floor(batch, [site], tool), REFERENCE_ULPS * spacing)
        off = f"{site} is off by up to {gap.max_abs:.3g}, more than rounding ({floor:.3g})"
        return None if gap.within(floor) else f"{off}; {found.sentence}"

    def _generate(self, tool: Tool, call: Generate, program: Program) -> str | None:
        defaults = self.oracle.defaults(program)
        answer = self.observed(tool, call, defaults)
        observed: ObservedGeneration = answer["value"]
        if answer["breaches"]:
            return str(answer["breaches"][0])
        if observed.missing:
            return f"{observed.name(*observed.missing[0])} was never computed under observation"
        if observed.wrong:
            still = not observed.moved_tokens and bool(observed.requested.any())
            return observed.describe_still() if still else f"the stream differs {observed.describe()}"
        if observed.padding and offers_of(tool).padding_untouched:
            return observed.describe_padding()
        return self._wrong_tokens(call, observed.ids, defaults)

    def observed(
        self, tool: Tool, call: Generate, defaults: Mapping[str, Any], expected: Sequence[Edit] | None = None
    ) -> dict[str, Any]:
        """A call of the tool, judged by its own edits or by other ones."""
        model = self.experiment.model
        arguments: dict[str, Any] = {"batch": self.oracle.batch(call.prompts), "max_new_tokens": call.new_tokens}
        arguments |= {"edits": build_edits(model, call.steps)} | ({} if expected is None else {"expected": [*expected]})
        surroundings: dict[str, Any] = {"defaults": dict(defaults), "inner": "observe", "arguments": arguments}
        answer: dict[str, Any] = self.experiment.perform(tool, "in_program", fed_as(model, call), **surroundings)
        return answer

    def _wrong_tokens(self, call: Generate, ids: Tensor, defaults: Mapping[str, Any]) -> str | None:
        """None, or where an answer first differs from the reference's, other than by rounding."""
        if len(ids) != len(self.oracle.batch(call.prompts).ids):
            return f"{len(ids)} answers came back for {call.prompts.count} prompts"
        answers = self.oracle.rows(call, ids, defaults)
        if self.oracle.are_its_own(call, answers, defaults):
            return None
        reference = self.oracle.rows(call, self.oracle.answers(call, defaults), defaults)
        for row, (own, expected) in enumerate(zip(answers, reference, strict=True)):
            if own != expected and (problem := self._first_difference(call, row, own, expected)):
                return problem
        return None

    def _first_difference(self, call: Generate, row: int, own: list[int], expected: list[int]) -> str | None:
        step = next((n for n, (a, b) in enumerate(zip(own, expected, strict=False)) if a != b), None)
        if step is None:
            return f"the answer to row {row} has {len(own)} tokens, the reference's {len(expected)}"
        if self.oracle.is_tie(call, row, own[:step], (own[step], expected[step])):
            return None
        return f"generated token {step} of row {row} is {own[step]}, the reference's {expected[step]}"
