"""Programs run on a tool, call by call, each judged by what is true of it; the first failing one is shrunk and explained."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path

from steering_core.errors import EmptyMeasurement, RaisedByTool, ToolUnsupported, first_line
from steering_core.hosts.hosted_tool import HostedTool
from steering_core.measure.experiment import Experiment
from steering_core.measure.program_judge import ProgramJudge
from steering_core.models.compatibility import chunked_prefill_problem
from steering_core.observe.observed_generation import ObservedGeneration
from steering_core.programs.building import build_edits
from steering_core.programs.causes import readings
from steering_core.programs.drawing import draw, reading_programs, shrink, steering_programs
from steering_core.programs.offered import Offered, offered_by
from steering_core.programs.program import Generate, Program, Read
from steering_core.programs.words import count_calls, describe_program
from steering_core.tools.edits import Edit
from steering_core.tools.tool import Tool

TRIES = 150
"""Programs that are run at most to shrink a failing one."""
SHORT = {"reading": 12, "steering": 8}
"""How many are drawn where nothing else is asked for."""
STRATEGIES = {"reading": reading_programs, "steering": steering_programs}


@lru_cache(maxsize=16)
def drawn(kind: str, offered: Offered, number: int, seed: int) -> tuple[Program, ...]:
    """The same programs for every tool that offers the same; drawing them takes longer than a tiny model takes to run them."""
    return tuple(draw(STRATEGIES[kind](offered), number, seed))


@dataclass(frozen=True)
class Failure:
    """The smallest failing program that was found. sentence: what was wrong in it. cause: which other reading of the
    program the tool followed, "" if none is known."""

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

    @cached_property
    def judge(self) -> ProgramJudge:
        """Judges single calls."""
        return ProgramJudge(self.experiment)

    def survey(self, tool: Tool, kind: str) -> Survey:
        """Run the corpus, then programs drawn for what the tool offers, up to the first failing one. kind: "reading" or
        "steering"."""
        offered = self._offered(tool)
        kept = [one for one in self.corpus.values() if one.kind == kind and offered.allows(one)]
        programs = [*kept, *drawn(kind, offered, self.numbers.get(kind, 0), self.seed)]
        if not programs:
            raise EmptyMeasurement("no-programs", f"no {kind} program was run", "ask for at least one with --programs")
        if (failing := self._first_failing(tool, programs)) is None:
            return Survey(programs)
        number, sentence = failing
        failure = Failure(programs[number], sentence)
        if number >= len(kept):
            failure = self._shrunk(tool, kind, offered, failure, programs[len(kept) : number])
        cause = self._cause(tool, failure.program, programs[number])
        return Survey(programs[: number + 1], replace(failure, cause=cause))

    def _first_failing(self, tool: Tool, programs: Sequence[Program]) -> tuple[int, str] | None:
        """The number of the first failing program, and what was wrong; the tool's processes take turns with programs."""
        tools, failing = [tool, *self.experiment.hosts.beside(tool)], dict[int, str]()

        def work(process: int) -> None:
            for number in range(process, len(programs), len(tools)):
                if failing and number > min(failing):
                    return
                if sentence := self.run(tools[process], programs[number]):
                    failing[number] = sentence

        self.experiment.hosts.at_once([partial(work, process) for process in range(len(tools))])
        return min(failing.items(), default=None)

    def are_offered(self, tool: Tool, kind: str) -> bool:
        """Whether the tool reads, or steers, at any site of the model."""
        offered = self._offered(tool)
        return bool(offered.sites) if kind == "reading" else offered.steers

    def _offered(self, tool: Tool) -> Offered:
        return offered_by(tool, self.experiment.model.spec, chunks=chunked_prefill_problem() is None)

    def keep(self, program: Program, name: str) -> str:
        """Write a failing program to the folder: where it is, "" without a folder."""
        if self.folder is None:
            return ""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / (re.sub(r"[^\w.-]+", "-", name) + ".json")
        path.write_text(program.to_json(), encoding="utf-8")
        return str(path)

    def run(self, tool: Tool, program: Program) -> str | None:
        """None, or what was wrong in the first wrong call of the program's kind; the tool's objects are new."""
        objects = new_objects(tool)
        for number, call in enumerate(program.calls):
            try:
                problem = self.judge.judged(objects[call.object], call, program)
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
        smallest = next(filter(fails, parts_of(smallest)), smallest)
        return Failure(smallest, str(sentences[smallest]))

    def _cause(self, tool: Tool, smallest: Program, first: Program) -> str:
        """The other reading of the edits that the tool followed, "" if none explains what was observed: of several for
        the smallest program, one that explains the first failing one too, which leaves fewer open."""
        last = smallest.calls[-1]
        if isinstance(last, Read) or self._follows(tool, smallest, build_edits(self.experiment.model, last.steps)):
            return ""  # the stream is as requested: something else is wrong
        causes = [name for name, edits in self._readings(smallest) if self._follows(tool, smallest, edits)]
        others = self._readings(first) if len(causes) > 1 and first != smallest else []
        both = (name for name, edits in others if name in causes and self._follows(tool, first, edits))
        return next(both, causes[0] if causes else "")

    def _readings(self, program: Program) -> Iterator[tuple[str, Sequence[Edit]]]:
        """The other readings of the last call's edits."""
        *calls, last = program.calls
        if isinstance(last, Generate) and last.steps:
            model = self.experiment.model
            before = [build_edits(model, call.steps) for call in calls if isinstance(call, Generate)]
            yield from readings(build_edits(model, last.steps), before[-1] if before else [], model.spec.layers)

    def _follows(self, tool: Tool, program: Program, other: Sequence[Edit]) -> bool:
        """Whether the last call of a program steers as these edits say, wherever it can be told."""
        objects = new_objects(tool)
        *first, last = program.calls
        assert isinstance(last, Generate)
        try:
            for call in first:
                self.judge.made(objects[call.object], call)
            defaults = self.judge.oracle.defaults(program)
            observed: ObservedGeneration = self.judge.observed(objects[last.object], last, defaults, other)["value"]
        except (RaisedByTool, ToolUnsupported, EmptyMeasurement):
            return False
        return not observed.wrong and not observed.missing


def parts_of(program: Program) -> Iterator[Program]:
    """The program with one of its calls alone, then with the calls up to one of them."""
    calls = program.calls
    for part in (*((call,) for call in calls), *(calls[:end] for end in range(2, len(calls)))):
        yield program.model_copy(update={"calls": part})


def new_objects(tool: Tool) -> tuple[Tool, Tool]:
    """Two new objects of the tool's class."""
    if isinstance(tool, HostedTool):
        return tool.another(), tool.another()
    return type(tool)(), type(tool)()
