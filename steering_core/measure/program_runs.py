"""Programs run on a tool, call by call, each judged by what is true of it; the first failing one is shrunk and explained."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from steering_core.compare import compare
from steering_core.errors import EmptyMeasurement, RaisedByTool, ToolUnsupported, first_line
from steering_core.hosts.hosted_tool import HostedTool
from steering_core.measure.experiment import Experiment
from steering_core.measure.program_oracle import ProgramOracle
from steering_core.models.compatibility import chunked_prefill_problem
from steering_core.models.sites import Site
from steering_core.observe.observed_generation import ObservedGeneration
from steering_core.programs.building import build_edits, build_sites
from steering_core.programs.causes import readings
from steering_core.programs.drawing import draw, reading_programs, shrink, steering_programs
from steering_core.programs.offered import Offered, offered_by
from steering_core.programs.program import Generate, Program, Read
from steering_core.programs.words import count_calls, describe_program
from steering_core.records.thresholds import REFERENCE_ULPS
from steering_core.tools.edits import Edit
from steering_core.tools.offers import offers_of
from steering_core.tools.tool import Tool

TRIES = 150
"""Programs that are run at most to shrink a failing one."""
SHORT = {"reading": 12, "steering": 8}
"""How many are drawn where nothing else is asked for."""
STRATEGIES = {"reading": reading_programs, "steering": steering_programs}


@dataclass(frozen=True)
class Failure:
    """The smallest failing program that was found. sentence: what was wrong in it. cause: which other reading of the
    program the tool followed, "" if none is known. history: it fails only after the programs before it."""

    program: Program
    sentence: str
    cause: str = ""

    def __str__(self) -> str:
        cause = f"{self.cause}: " if self.cause else ""
        return f"{cause}{describe_program(self.program)}: {self.sentence}"


@dataclass(frozen=True)
class Survey:
    """What programs showed about a tool."""

    programs: Sequence[Program]
    failure: Failure | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many programs ran, and their calls."""
        return {"programs": len(self.programs), **count_calls(self.programs)}


@dataclass(eq=False)
class ProgramRuns:
    """The programs of one model. numbers: kind -> how many are drawn. seed: Hypothesis's. corpus: run before them.
    folder: where a failing program is kept."""

    experiment: Experiment
    numbers: Mapping[str, int] = field(default_factory=lambda: dict(SHORT))
    seed: int = 0
    corpus: Mapping[str, Program] = field(default_factory=dict)
    folder: Path | None = None
    _drawn: dict[tuple[str, Offered], list[Program]] = field(default_factory=dict, init=False)

    @cached_property
    def oracle(self) -> ProgramOracle:
        """What is true of the calls."""
        return ProgramOracle(self.experiment)

    def survey(self, tool: Tool, kind: str) -> Survey:
        """Run the corpus, then programs drawn for what the tool offers, up to the first failing one. kind: "reading" or
        "steering"."""
        offered = offered_by(tool, self.experiment.model.spec, chunks=chunked_prefill_problem() is None)
        kept = [one for one in self.corpus.values() if one.kind == kind and offered.allows(one)]
        programs = [*kept, *self.drawn(kind, offered)]
        if not programs:
            raise EmptyMeasurement("no-programs", f"no {kind} program was run", "ask for at least one with --programs")
        for number, program in enumerate(programs):
            if sentence := self.run(tool, program):
                failure = Failure(program, sentence)
                if number >= len(kept):
                    failure = self._shrunk(tool, kind, offered, failure, programs[len(kept) : number])
                return Survey(programs[: number + 1], self._explained(tool, failure))
        return Survey(programs)

    def keep(self, program: Program, name: str) -> str:
        """Write a failing program to the folder: where it is, "" without a folder."""
        if self.folder is None:
            return ""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / (re.sub(r"[^\w.-]+", "-", name) + ".json")
        path.write_text(program.to_json(), encoding="utf-8")
        return str(path)

    def drawn(self, kind: str, offered: Offered) -> list[Program]:
        """The same programs for every tool that offers the same."""
        if (kind, offered) not in self._drawn:
            self._drawn[kind, offered] = draw(STRATEGIES[kind](offered), self.numbers.get(kind, 0), self.seed)
        return self._drawn[kind, offered]

    def run(self, tool: Tool, program: Program) -> str | None:
        """None, or what was wrong in the first wrong call of the program's kind; the tool's objects are new."""
        objects = new_objects(tool)
        for number, call in enumerate(program.calls):
            try:
                problem = self._judged(objects[call.object], call, program.kind)
            except (RaisedByTool, ToolUnsupported, EmptyMeasurement) as error:
                problem = first_line(error)
            if problem:
                return f"in call {number + 1}, {problem}" if len(program.calls) > 1 else problem
        return None

    def _shrunk(self, tool: Tool, kind: str, offered: Offered, failure: Failure, passed: Sequence[Program]) -> Failure:
        """The smallest failing program that Hypothesis finds."""
        sentences: dict[Program, str | None] = {failure.program: failure.sentence, **dict.fromkeys(passed)}

        def fails(program: Program) -> bool:
            if program not in sentences:
                sentences[program] = self.run(tool, program)
            return sentences[program] is not None

        smallest = shrink(STRATEGIES[kind](offered), self.numbers[kind], self.seed, fails, TRIES) or failure.program
        return Failure(smallest, str(sentences[smallest]))

    def _judged(self, tool: Tool, call: Read | Generate, kind: str) -> str | None:
        """None, or what was wrong in a call. Calls of the other kind are only made: another clause judges them."""
        if isinstance(call, Read):
            return self._read(tool, call) if kind == "reading" else self._made(tool, call)
        return self._generate(tool, call) if kind == "steering" else self._made(tool, call)

    def _made(self, tool: Tool, call: Read | Generate) -> None:
        model, batch = self.experiment.model, self.oracle.batch(call.prompts)
        if isinstance(call, Read):
            tool.read(model, batch, build_sites(call))
        else:
            fed = replace(model, use_cache=call.cache, prefill_chunk=call.chunk or None)
            tool.generate(fed, batch, build_edits(model, call.steps), call.new_tokens)

    def _read(self, tool: Tool, call: Read) -> str | None:
        batch, sites = self.oracle.batch(call.prompts), build_sites(call)
        arguments = {"batch": batch, "sites": sites}
        answer = self.experiment.perform(tool, "in_program", defaults={}, inner="read", arguments=arguments)
        if answer["breaches"]:
            return str(answer["breaches"][0])
        captured = self.oracle.captured(call)
        problems = (self._wrong(tool, call, site, answer["value"][site], captured[site]) for site in captured)
        return next(filter(None, problems), None)

    def _wrong(self, tool: Tool, call: Read, site: Site, returned: Tensor, captured: Tensor) -> str | None:
        """None, or which other tensor a tool returned for a site, or how far its values are off."""
        batch = self.oracle.batch(call.prompts)
        real, returned = batch.mask.bool().cpu(), returned.cpu()
        gap = compare(returned[real], captured[real])
        if gap.bit_equal:
            return None
        found = self.experiment.localized(batch, site, returned.to(self.experiment.model.device))
        if not found.as_requested:
            return found.sentence
        spacing = torch.finfo(captured.dtype).eps * float(captured[real].double().norm(dim=-1).max())
        floor = max(self.experiment.floor(batch, [site], tool), REFERENCE_ULPS * spacing)
        off = f"{site} is off by up to {gap.max_abs:.3g}, more than rounding ({floor:.3g})"
        return None if gap.within(floor) else f"{off}; {found.sentence}"

    def _generate(self, tool: Tool, call: Generate) -> str | None:
        answer = self._observed(tool, call)
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
        return self._wrong_tokens(call, observed.ids)

    def _observed(self, tool: Tool, call: Generate, expected: Sequence[Edit] | None = None) -> dict[str, Any]:
        """A call of the tool, judged by its own edits or by other ones."""
        model = self.experiment.model
        arguments: dict[str, Any] = {"batch": self.oracle.batch(call.prompts), "max_new_tokens": call.new_tokens}
        arguments |= {"edits": build_edits(model, call.steps)} | ({} if expected is None else {"expected": [*expected]})
        fed = replace(model, use_cache=call.cache, prefill_chunk=call.chunk or None)
        surroundings: dict[str, Any] = {"defaults": self.oracle.defaults(call), "inner": "observe"}
        answer: dict[str, Any] = self.experiment.perform(tool, "in_program", fed, **surroundings, arguments=arguments)
        return answer

    def _wrong_tokens(self, call: Generate, ids: Tensor) -> str | None:
        """None, or where an answer first differs from the reference's, other than by rounding."""
        if len(ids) != len(self.oracle.batch(call.prompts).ids):
            return f"{len(ids)} answers came back for {call.prompts.count} prompts"
        rows = zip(self.oracle.rows(call, ids), self.oracle.rows(call, self.oracle.answers(call)), strict=True)
        for row, (own, expected) in enumerate(rows):
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

    def _explained(self, tool: Tool, failure: Failure) -> Failure:
        """With the other reading of the edits that the tool followed, if one explains what was observed."""
        calls = failure.program.calls
        wrong = calls[-1]
        if not isinstance(wrong, Generate) or not wrong.steps:
            return failure
        model = self.experiment.model
        before = [build_edits(model, call.steps) for call in calls[:-1] if isinstance(call, Generate)]
        edits = build_edits(model, wrong.steps)
        for cause, other in readings(edits, before[-1] if before else [], model.spec.layers):
            if self._follows(tool, failure.program, other):
                return replace(failure, cause=cause)
        return failure

    def _follows(self, tool: Tool, program: Program, other: Sequence[Edit]) -> bool:
        """Whether the last call of a program steers as these edits say, wherever it can be told."""
        objects = new_objects(tool)
        *first, last = program.calls
        assert isinstance(last, Generate)
        try:
            for call in first:
                self._made(objects[call.object], call)
            observed: ObservedGeneration = self._observed(objects[last.object], last, other)["value"]
        except (RaisedByTool, ToolUnsupported, EmptyMeasurement):
            return False
        return not observed.wrong and not observed.missing


def new_objects(tool: Tool) -> tuple[Tool, Tool]:
    """Two new objects of the tool's class."""
    if isinstance(tool, HostedTool):
        return tool.another(), tool.another()
    return type(tool)(), type(tool)()
