"""Programs on wrong tools: caught, shrunk to almost nothing, and the cause named; on a right one, nothing."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from steering_core.errors import EmptyMeasurement, RaisedByTool
from steering_core.hosts.beside import Alone
from steering_core.measure import reference
from steering_core.measure.program_runs import Failure, ProgramRuns, Survey
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.programs.program import Generate, Program, Prompts, Read, Step, from_json
from steering_core.tests.small_experiments import new_experiment
from steering_core.tools.adapters.hooks import Hooks
from steering_core.tools.edits import Ablate, Add, Affine, Edit, Span
from steering_core.tools.tool import Tool

NUMBERS = {"reading": 24, "steering": 24}


class Changed(Hooks):
    """The hooks tool, with other edits or other sites."""

    def edits(self, edits: Sequence[Edit], batch: TokenBatch, model: LoadedModel) -> Sequence[Edit]:
        return edits

    def site(self, site: Site) -> Site:
        return site

    def read(self, model: LoadedModel, batch: TokenBatch, sites: Sequence[Site]) -> dict[Site, Tensor]:
        sources = {site: self.site(site) for site in sites}
        values = super().read(model, batch, list(dict.fromkeys(sources.values())))
        return {site: values[source].clone() for site, source in sources.items()}

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        return super().generate(model, batch, self.edits(edits, batch, model), max_new_tokens)


class AddsFirst(Changed):
    def edits(self, edits: Sequence[Edit], batch: TokenBatch, model: LoadedModel) -> Sequence[Edit]:
        return sorted(edits, key=lambda edit: isinstance(edit, Ablate))


class LosesTheSign(Changed):
    def edits(self, edits: Sequence[Edit], batch: TokenBatch, model: LoadedModel) -> Sequence[Edit]:
        return [replace(edit, coefficient=abs(edit.coefficient)) if isinstance(edit, Add) else edit for edit in edits]


class ForgetsTheReference(Changed):
    def edits(self, edits: Sequence[Edit], batch: TokenBatch, model: LoadedModel) -> Sequence[Edit]:
        return [replace(e, reference=0 * e.reference) if isinstance(e, Affine) else e for e in edits]


class EndsOnePositionLate(Changed):
    def edits(self, edits: Sequence[Edit], batch: TokenBatch, model: LoadedModel) -> Sequence[Edit]:
        late = {Span(0, 1): Span(0, 2), Span(1, 3): Span(1, 4), Span(0, -1): Span(0), Span(-2, -1): Span(-2)}
        return [replace(edit, positions=late.get(edit.positions, edit.positions)) for edit in edits]  # type: ignore[arg-type]


class KeepsTheFirstVectors(Changed):
    def __init__(self) -> None:
        self.kept: dict[tuple[Site, ...], Sequence[Edit]] = {}

    def edits(self, edits: Sequence[Edit], batch: TokenBatch, model: LoadedModel) -> Sequence[Edit]:
        return self.kept.setdefault(tuple(edit.site for edit in edits), edits)


class OutputForInside(Changed):
    def edits(self, edits: Sequence[Edit], batch: TokenBatch, model: LoadedModel) -> Sequence[Edit]:
        return [replace(edit, site=Site("resid_post", edit.site.layer)) for edit in edits]


class LosesOneRow(Changed):
    def edits(self, edits: Sequence[Edit], batch: TokenBatch, model: LoadedModel) -> Sequence[Edit]:
        return [] if len(batch.ids) == 1 else edits


class FollowsTheCheckpoint(Changed):
    """Penalties of the checkpoint's generation config reach its decoding."""

    def generate(self, model: LoadedModel, batch: TokenBatch, edits: Sequence[Edit], max_new_tokens: int) -> Tensor:
        return super().generate(replace(model, inherit_defaults=True), batch, edits, max_new_tokens)


class ReadsTheBlockBefore(Changed):
    def site(self, site: Site) -> Site:
        return replace(site, layer=site.layer - 1) if site.layer == 1 else site


class Refuses(Changed):
    def site(self, site: Site) -> Site:
        if site.stream == "k":
            raise RaisedByTool("RuntimeError", "no keys\nhere")
        return site


@pytest.fixture
def runs(loaded: LoadedModel, tmp_path: Path) -> ProgramRuns:
    """Few programs on a random model of three blocks."""
    return ProgramRuns(new_experiment(loaded, tmp_path), NUMBERS, folder=tmp_path / "programs")


def failure_of(survey: Survey) -> Failure:
    assert survey.failure is not None
    return survey.failure


@pytest.mark.parametrize("kind", ["reading", "steering"])
def test_a_right_tool_fails_no_program(runs: ProgramRuns, kind: str) -> None:
    survey = runs.survey(Hooks(), kind)

    assert survey.failure is None
    assert survey.counts["programs"] == len(survey.programs) > 12


@pytest.mark.parametrize(
    ("tool", "cause", "calls"),
    [
        (AddsFirst(), "adds are applied before ablations", 1),
        (LosesTheSign(), "the sign of the coefficient is dropped", 1),
        (ForgetsTheReference(), "the reference point of the affine edit is taken as zero", 1),
        (EndsOnePositionLate(), "position ranges include their end", 1),
        (OutputForInside(), "edits inside blocks are applied to the block's output", 1),
        (LosesOneRow(), "nothing is applied", 1),
        (KeepsTheFirstVectors(), "the edits of the call before are applied", 2),
        (FollowsTheCheckpoint(), "", 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Hooks) else None,
)
def test_wrong_steering_is_named(runs: ProgramRuns, tool: Changed, cause: str, calls: int) -> None:
    failure = failure_of(runs.survey(tool, "steering"))

    assert failure.cause == cause
    assert len(failure.program.calls) == calls
    last = failure.program.calls[-1]
    assert isinstance(last, Generate)
    assert len(last.steps) <= 2
    assert last.prompts.count <= 3
    assert str(failure).startswith(f"{cause}: generate " if cause else "generate ")


def test_a_wrong_read_is_localized(runs: ProgramRuns) -> None:
    failure = failure_of(runs.survey(ReadsTheBlockBefore(), "reading"))

    (call,) = failure.program.calls
    assert isinstance(call, Read)
    (site,) = call.sites
    assert site.endswith("@1")
    assert call.prompts.count == 1
    assert "off by one block" in failure.sentence


def test_an_exception_is_a_failure_in_one_line(runs: ProgramRuns) -> None:
    failure = failure_of(runs.survey(Refuses(), "reading"))

    assert "no keys" in failure.sentence
    assert "\n" not in str(failure)


def test_the_corpus_is_run_first(runs: ProgramRuns) -> None:
    kept = Program(calls=(Generate(steps=(Step(coefficient=-2.0),), prompts=Prompts(longest=3)),))
    runs.corpus = {"reading.json": Program(calls=(Read(),)), "steering.json": kept}

    survey = runs.survey(LosesTheSign(), "steering")

    assert list(survey.programs) == [kept]
    assert failure_of(survey).program == kept
    assert failure_of(survey).cause == "the sign of the coefficient is dropped"


class Several(Alone):
    """A tool with two further processes, here objects. first: whose work is done first."""

    def __init__(self, kind: type[Hooks], first: int = 0) -> None:
        self.further, self.first = [kind(), kind()], first

    def beside(self, tool: Any) -> list[Any]:
        return self.further

    def at_once(self, works: Sequence[Callable[[], Any]]) -> list[Any]:
        done = [work() for work in [*works[self.first :], *works[: self.first]]]
        return [*done[-self.first :], *done[: -self.first]]


def test_programs_are_shared_out_among_the_processes_of_a_tool(
    runs: ProgramRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[Tool, Program]] = []
    run = runs.run
    monkeypatch.setattr(runs, "run", lambda tool, program: ran.append((tool, program)) or run(tool, program))
    runs.experiment.hosts, tool = Several(Hooks), Hooks()

    programs = runs.survey(tool, "reading").programs

    tools = [tool, *runs.experiment.hosts.beside(tool)]
    assert sorted(map(id, programs)) == sorted(id(program) for _, program in ran), "each once"
    assert all(tools[number % 3] is by for by, program in ran for number in [[*programs].index(program)])


def test_right_answers_need_no_generation_by_the_reference(runs: ProgramRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "generate", lambda *asked: pytest.fail("the reference generated"))
    call = Generate(prompts=Prompts(count=3, longest=6, pattern="uneven"), steps=(Step(coefficient=2.0),), new_tokens=6)

    assert runs.run(Hooks(), Program(calls=(call, call.model_copy(update={"cache": False})))) is None


@pytest.mark.parametrize("first", [0, 1, 2])
def test_the_first_failing_program_is_the_same_whichever_process_finds_one_first(runs: ProgramRuns, first: int) -> None:
    alone = runs.survey(LosesTheSign(), "steering")
    runs.experiment.hosts = Several(LosesTheSign, first)

    shared = runs.survey(LosesTheSign(), "steering")

    assert failure_of(shared) == failure_of(alone)
    assert list(shared.programs) == list(alone.programs)


def test_what_a_tool_does_not_offer_is_not_asked_of_it(runs: ProgramRuns) -> None:
    far = Program(calls=(Generate(steps=(Step(block=250),)),))
    runs.corpus, runs.numbers = {"far.json": far}, {}

    with pytest.raises(EmptyMeasurement, match="no steering program was run"):
        runs.survey(Hooks(), "steering")


def test_a_failing_program_is_kept(runs: ProgramRuns, tmp_path: Path) -> None:
    program = Program(calls=(Read(),))
    path = Path(runs.keep(program, "P13 tiny ../x [hooks]"))

    assert path.parent == tmp_path / "programs"
    assert from_json(path.read_bytes()) == program
