"""The page as a whole: what comes first, what it says about a fault, that it is one small file, and that it repeats."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reports.page import write_badge, write_page
from reports.page.html import render_page
from reports.page.samples import list_examples
from reports.tests.parsed_page import Parsed, parsed, rendered
from reports.tests.synthetic_run import LOCALISED, MODELS, agreeing, diverging, one_fault, replace, sweep
from reports.verdicts import judge
from steering_core.errors import ArtifactProblem
from steering_core.records.record import Cell, Outcome, Run

SECTIONS = ["run", "matrix", "agreement", "behavior", "components", "samples", "deviations", "provenance", "reproduce"]
LARGEST = 2_000_000


def page_of(run: Run) -> Parsed:
    return Parsed(render_page(run, judge(run)))


def upside_down(run: Run) -> Run:
    """The same records in the opposite order: what is told first must not depend on what was recorded first."""
    return run.model_copy(update={"records": run.records[::-1]})


def test_the_verdict_comes_first_then_the_sections_in_order() -> None:
    page = parsed(agreeing)
    ids = [have["id"] for _, have in page.tags if have.get("id") in ("headline", *SECTIONS)]
    assert ids == ["headline", *SECTIONS]


def test_verdict_is_said_in_plain_words_with_action_strength_and_scope() -> None:
    verdict = judge(agreeing())
    text = parsed(agreeing).text
    for words in (
        "OUTCOME 4",
        "The tools give the same result",
        verdict.action,
        "Token-identical",
        verdict.scope.sentence,
    ):
        assert text.index(words) < text.index("What was run")


def test_a_run_without_fault_shows_no_failure() -> None:
    assert "What failed first" not in parsed(agreeing).text


@pytest.mark.parametrize("turn", [lambda run: run, upside_down], ids=["as recorded", "upside down"])
def test_one_fault_is_told_first_with_place_and_command(turn: Callable[[Run], Run]) -> None:
    text = page_of(turn(one_fault())).text
    told = text[text.index("What failed first") : text.index("What was run")]
    assert "nnsight handed back a different tensor from the one it was asked for on tiny_qwen2." in told
    assert LOCALISED in told
    assert "pytest 'parity/test_p1.py::test_it[tiny_qwen2-nnsight]' -m tiny_qwen2" in told
    assert "33 later cells were held back" in told


def test_the_cause_comes_before_its_consequences() -> None:
    text = page_of(upside_down(diverging())).text
    told = text[text.index("What failed first") : text.index("What was run")]
    first, rest = told.split("more that do not hold", 1)
    assert "different tensor" in first
    assert "tiny_qwen2 and tiny_gemma2" in first
    assert "extract different directions" in rest
    assert "different rates of coherent refusal" in rest


def test_a_crash_is_not_told_as_a_wrong_number() -> None:
    cell = Cell(clause="S2", model="tiny_qwen2", tool="pyvene")
    text = page_of(replace(agreeing(), cell, outcome=Outcome.ERRORED, sentence="KeyError: 'layers'", measured={})).text
    assert "The check of “exact shift” crashed for pyvene on tiny_qwen2." in text
    assert "KeyError: 'layers'" in text


def test_what_was_run_names_tools_machine_commit_and_cost() -> None:
    text = parsed(agreeing).text
    for words in (
        "nnsight 0.8.1, from",
        "transformers 5.23.0",
        "4f2c1d90aa3e5b7c",
        "cost USD 0.42",
        "fixture, 5 repeats",
    ):
        assert words in text


def test_answers_that_tools_share_stand_once_beside_their_unsteered_answer() -> None:
    text = parsed(agreeing).text
    garbled = text[text.index("tiny_qwen2, garbled") : text.index("tiny_qwen2, normal")]
    assert garbled.count("Unsteered To bake a lemon cake") == 1
    assert "Steered: hooks, nnsight, pyvene (reference and native) refuse refuse refuse" in garbled


def test_at_most_three_answers_per_class_and_every_tool_that_differs_is_seen() -> None:
    rated = [record for record in agreeing().records if record.cell.clause == "B1" and record.cell.model == MODELS[0]]
    run = agreeing()
    for record in rated:
        answers = [f"{record.cell.tool} says {number}" for number in range(9)]
        samples = [{"prompt": "p", "text": text, "unsteered": "u", "class": "coherent"} for text in answers]
        run = replace(run, record.cell, measured={**record.measured, "samples": samples})
    (examples,) = (found for found in list_examples(run) if found.model == MODELS[0])
    assert [sample.steered for sample in examples.samples] == ["hooks says 0", "nnsight says 0", "pyvene says 0"]


def test_declared_deviations_are_listed_with_their_cell() -> None:
    cell = Cell(clause="S2", model="tiny_qwen2", tool="pyvene")
    text = page_of(replace(agreeing(), cell, measured={"declared_deviation": "adds in float32"})).text
    assert "adds in float32 (S2 tiny_qwen2 pyvene)" in text


def test_provenance_says_what_holds_for_all_and_what_for_one() -> None:
    text = parsed(agreeing).text
    assert "padding side left every record" in text
    assert "model fixtures/checkpoints/tiny_gemma2 tiny_gemma2" in text


def test_the_page_repeats_byte_for_byte(tmp_path: Path) -> None:
    written = write_page(tmp_path, diverging(), judge(diverging()))
    assert written.name == "report.html"
    assert written.read_text(encoding="utf-8") == rendered(diverging)


@pytest.mark.parametrize("build", [agreeing, one_fault, diverging])
def test_the_page_of_a_phase_1_run_is_small(build: Callable[[], Run]) -> None:
    assert len(build().records) > 150
    assert len(rendered(build).encode()) < LARGEST


def test_a_run_without_records_still_has_a_page() -> None:
    run = agreeing().model_copy(update={"records": ()})
    text = page_of(run).text
    assert "INCOMPLETE" in text
    assert "no record" in text


def test_a_strength_sweep_appears_only_where_there_is_one() -> None:
    assert "Strength sweep" not in parsed(agreeing).text
    swept = sweep(agreeing(), "tiny_qwen2", {2.0: "N" * 30, 16.0: "G" * 30})
    assert "strength sweep through hooks (native)" in Parsed(render_page(swept, judge(agreeing()))).text


def test_an_unwritable_directory_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactProblem, match="cannot be written"):
        write_badge(tmp_path / "file" / "run", judge(agreeing()))


@pytest.mark.parametrize(
    ("run", "word", "color"), [(agreeing(), "outcome 4", "#0a6b4f"), (one_fault(), "invalid", "#b3261e")]
)
def test_the_badge_says_the_conclusion_in_words_and_color(run: Run, word: str, color: str, tmp_path: Path) -> None:
    badge = write_badge(tmp_path, judge(run)).read_text(encoding="utf-8")
    assert f'aria-label="steering parity: {word}"' in badge
    assert color in badge
