"""The page as a whole: its order, how it reports a fault, that it is one small file, and that it is reproducible."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reports.page import write_views
from reports.page.badge import render_badge
from reports.page.html import render_page
from reports.page.samples import list_examples
from reports.tests.parsed_page import Parsed, parsed, rendered
from reports.tests.synthetic_run import LOCALIZED, MODELS, agreeing, diverging, one_fault, replace, sweep
from reports.verdicts import judge
from steering_core.errors import ArtifactProblem
from steering_core.records.record import Cell, Outcome, Run

SECTIONS = ["run", "matrix", "agreement", "behavior", "components", "samples", "deviations", "provenance", "reproduce"]
LARGEST = 2_000_000


def page_of(run: Run) -> Parsed:
    return Parsed(render_page(run, judge(run)))


def reversed_records(run: Run) -> Run:
    """The same records in the opposite order: the first failure must not depend on what was recorded first."""
    return run.model_copy(update={"records": run.records[::-1]})


def test_verdict_comes_first_then_sections_in_order() -> None:
    page = parsed(agreeing)
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id") in ("headline", *SECTIONS)]
    assert ids == ["headline", *SECTIONS]


def test_verdict_names_meaning_action_strength_and_scope() -> None:
    verdict = judge(agreeing())
    text = parsed(agreeing).text
    named = ("OUTCOME 4", "The tools give the same result", verdict.action, "Token-identical", verdict.scope.sentence)
    for words in named:
        assert text.index(words) < text.index("What was run")


def test_run_without_fault_shows_no_failure() -> None:
    assert "What failed first" not in parsed(agreeing).text


@pytest.mark.parametrize("order", [lambda run: run, reversed_records], ids=["as recorded", "reversed"])
def test_first_failure_shows_location_and_command(order: Callable[[Run], Run]) -> None:
    text = page_of(order(one_fault())).text
    failure = text[text.index("What failed first") : text.index("What was run")]
    assert "nnsight returned a different tensor from the one requested on tiny_qwen2." in failure
    assert LOCALIZED in failure
    assert "pytest 'parity/test_p1.py::test_it[tiny_qwen2-nnsight]' -m tiny_qwen2" in failure
    assert "33 dependent checks were skipped" in failure


def test_cause_comes_before_its_consequences() -> None:
    text = page_of(reversed_records(diverging())).text
    failure = text[text.index("What failed first") : text.index("What was run")]
    first, rest = failure.split("4 more, often consequences of the first", 1)
    assert "different tensor" in first
    assert "tiny_qwen2 and tiny_gemma2" in first
    assert "extract different directions" in rest
    assert "different rates of coherent refusal" in rest


def test_crash_is_not_reported_as_a_wrong_number() -> None:
    cell = Cell(clause="S2", model="tiny_qwen2", tool="pyvene")
    text = page_of(replace(agreeing(), cell, outcome=Outcome.ERRORED, sentence="KeyError: 'layers'", measured={})).text
    assert "The check of “exact shift” crashed for pyvene on tiny_qwen2." in text
    assert "KeyError: 'layers'" in text


def test_what_was_run_names_tools_machine_commit_and_cost() -> None:
    text = parsed(agreeing).text
    named = ("nnsight 0.8.1, from", "transformers 5.23.0", "4f2c1d90aa3e5b7c", "cost USD 0.42", "fixture, 5 repeats")
    for words in named:
        assert words in text


def test_shared_answers_are_shown_once_beside_the_unsteered_answer() -> None:
    text = parsed(agreeing).text
    garbled = text[text.index("tiny_qwen2, garbled") : text.index("tiny_qwen2, normal")]
    assert garbled.count("Unsteered To bake a lemon cake") == 1
    assert "Steered: hooks, nnsight, pyvene (reference and native) refuse refuse refuse" in garbled


def test_three_answers_per_class_include_every_tool_that_differs() -> None:
    rated = [record for record in agreeing().records if record.cell.clause == "B1" and record.cell.model == MODELS[0]]
    run = agreeing()
    for record in rated:
        answers = [f"{record.cell.tool} answer {number}" for number in range(9)]
        samples = [{"prompt": "p", "text": text, "unsteered": "u", "class": "coherent"} for text in answers]
        run = replace(run, record.cell, measured={**record.measured, "samples": samples})
    (examples,) = (examples for examples in list_examples(run) if examples.model == MODELS[0])
    assert [sample.steered for sample in examples.samples] == ["hooks answer 0", "nnsight answer 0", "pyvene answer 0"]


def test_declared_deviations_are_listed_with_their_cells() -> None:
    cell = Cell(clause="S2", model="tiny_qwen2", tool="pyvene")
    text = page_of(replace(agreeing(), cell, measured={"declared_deviation": "adds in float32"})).text
    assert "adds in float32 (S2 tiny_qwen2 pyvene)" in text


def test_provenance_is_split_by_model_only_where_it_differs() -> None:
    text = parsed(agreeing).text
    assert "padding side left every record" in text
    assert "model fixtures/checkpoints/tiny_gemma2 tiny_gemma2" in text


def test_page_is_reproducible_byte_for_byte(tmp_path: Path) -> None:
    page, markdown, badge = write_views(tmp_path, diverging(), judge(diverging()))
    assert [path.name for path in (page, markdown, badge)] == ["report.html", "report.md", "badge.svg"]
    assert page.read_text(encoding="utf-8") == rendered(diverging)


@pytest.mark.parametrize("build", [agreeing, one_fault, diverging])
def test_page_of_a_phase_1_run_is_small(build: Callable[[], Run]) -> None:
    assert len(build().records) > 150
    assert len(rendered(build).encode()) < LARGEST


def test_run_without_records_still_has_a_page() -> None:
    run = agreeing().model_copy(update={"records": ()})
    text = page_of(run).text
    assert "INCOMPLETE" in text
    assert "no record" in text


def test_strength_sweep_appears_only_where_there_is_one() -> None:
    assert "Strength sweep" not in parsed(agreeing).text
    swept = sweep(agreeing(), "tiny_qwen2", {2.0: "N" * 30, 16.0: "G" * 30})
    assert "strength sweep through hooks (native)" in Parsed(render_page(swept, judge(agreeing()))).text


def test_unwritable_directory_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactProblem, match="cannot be written"):
        write_views(tmp_path / "file" / "run", agreeing(), judge(agreeing()))


@pytest.mark.parametrize(
    ("run", "word", "color"), [(agreeing(), "outcome 4", "#0a6b4f"), (one_fault(), "invalid", "#b3261e")]
)
def test_badge_states_the_conclusion_in_words_and_color(run: Run, word: str, color: str) -> None:
    badge = render_badge(judge(run))
    assert f'aria-label="steering parity: {word}"' in badge
    assert color in badge
