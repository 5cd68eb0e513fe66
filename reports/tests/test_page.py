"""The page as a whole: its order, how it reports a fault, that it is one small file, and that it is reproducible."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.page import write_views
from reports.page.badge import render_badge
from reports.page.compared import compared_table
from reports.page.html import render_page, unbroken
from reports.page.markdown import render_markdown
from reports.page.paths import shorten_paths
from reports.page.samples import list_examples
from reports.tests.parsed_page import Parsed, parsed, rendered
from reports.tests.synthetic_run import LOCALIZED, MODELS, agreeing, diverging, one_fault, replace, sweep
from reports.verdicts import judge
from steering_core.errors import ArtifactProblem
from steering_core.records.provenance import RANDOM_ORIGIN
from steering_core.records.record import Cell, Outcome, Run

SECTIONS = ["overview", "run", "matrix", "agreement", "behavior", "components", "samples"]
SECTIONS += ["deviations", "provenance", "reproduce"]
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
        assert text.index(words) < text.index("What was compared")


def test_run_without_fault_shows_no_failure() -> None:
    assert "What failed first" not in parsed(agreeing).text


@pytest.mark.parametrize("order", [lambda run: run, reversed_records], ids=["as recorded", "reversed"])
def test_first_failure_shows_location_and_command(order: Callable[[Run], Run]) -> None:
    text = page_of(order(one_fault())).text
    failure = text[text.index("What failed first") : text.index("What was compared")]
    assert "nnsight returned a different tensor from the one requested on tiny_qwen2." in failure
    assert LOCALIZED in failure
    assert "pytest 'parity/test_p1.py::test_it[tiny_qwen2-nnsight]' -m tiny_qwen2" in failure
    assert "33 dependent checks were skipped" in failure


def test_cause_comes_before_its_consequences() -> None:
    text = page_of(reversed_records(diverging())).text
    failure = text[text.index("What failed first") : text.index("What was compared")]
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


def test_what_was_compared_names_tools_machine_commit_and_cost() -> None:
    text = parsed(agreeing).text
    named = ("nnsight 0.8.1, from", "transformers 5.23.0", "4f2c1d90aa3e5b7c", "cost USD 0.42", "fixture, 5 repeats")
    for words in named:
        assert words in text


def test_overview_counts_checks_by_outcome_and_by_model_and_tool() -> None:
    text = parsed(one_fault).text
    overview = text[text.index("178 checks") : text.index("What failed first")]
    assert "144 pass 1 fails 33 not measured" in overview
    assert "tiny_gemma2 40 of 40 pass 40 of 40 pass 40 of 40 pass" in overview
    assert "6 of 40 pass 1 fails 33 not measured" in overview


def test_weights_size_and_strength_are_in_one_row_per_model() -> None:
    facts = {"model_id": "org/m", "parameters": 602_000, "weights": "0123456789abcdef", "weights_verified": True}
    run = agreeing()
    cells = [record.cell for record in run.records if record.cell.model == MODELS[0]]
    sample = run.records[0].provenance | facts | {"coefficient": 14.5, "batch_shape": [10, 20]}
    known = compared_table(replace(run, *cells, provenance=sample)).rows[0]
    weights, prompts = "known (sha256 0123456789ab)", "30 evaluated, 10 for the direction"
    assert known == (
        MODELS[0],
        "org/m",
        "602\N{NO-BREAK SPACE}k",
        weights,
        "resid_post@4",
        "14.5",
        "float32, cpu",
        prompts,
    )
    unverified = replace(run, *cells, provenance=sample | {"weights_verified": False})
    assert compared_table(unverified).rows[0][3] == "unverified (sha256 0123456789ab)"
    assert compared_table(replace(run, *cells, provenance=sample | {"origin": RANDOM_ORIGIN})).rows[0][3] == "random"


def test_page_shows_no_path_of_the_machine_that_ran_it() -> None:
    run, home = agreeing(), "/home/someone/project"
    record = next(record for record in run.records if record.cell.clause == "S1")
    tools = {
        "hooks": {"distribution": "torch", "version": "2.13.0", "location": f"{home}/.venv/site-packages/torch/x.py"}
    }
    provenance = record.provenance | {"origin": f"{home}/fixtures/checkpoints/tiny_qwen2", "tools": tools}
    run = replace(run, record.cell, provenance=provenance, outcome=Outcome.DIFFERS, sentence=f"{home}/t.py: not found")
    run = run.model_copy(update={"plan": run.plan.model_copy(update={"options": (("--tool", f"{home}/t.py:T"),)})})
    for text in (Parsed(render_page(run, judge(run))).text, render_markdown(run, judge(run)).replace("\\", "")):
        assert "someone" not in text
        assert "--tool t.py:T" in text
        assert "torch 2.13.0, from torch/x.py" in text


UNTOUCHED = r"a/b/c and and/or, 1/2, https://host/a/b, \n\n\n, /tmp"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("from /usr/lib/python3/dist-packages/nnsight/__init__.py.", "from nnsight/__init__.py."),
        ("'/root/.cache/huggingface/models--org--m/snapshots/1a'", "'org/m'"),
        (r"C:\Users\me\model is missing", "model is missing"),
        (UNTOUCHED, UNTOUCHED),
    ],
)
def test_only_absolute_paths_are_shortened(text: str, shown: str) -> None:
    assert shorten_paths(text) == shown


def test_command_breaks_only_before_an_option() -> None:
    broken = unbroken("pytest 'parity/test_a.py::t[a b]' -m 'a or b' --gpu")
    groups = re.sub("</?span>", "|", broken).replace("&#39;", "'")
    assert groups == "|pytest| |'parity/test_a.py::t[a b]'| |-m 'a or b'| |--gpu|"


def test_known_deviation_is_described_once() -> None:
    cell = Cell(clause="S2", model="tiny_qwen2", tool="pyvene")
    run = replace(agreeing(), cell, outcome=Outcome.DIFFERS, measured={"declared_deviation": "adds in float32"})
    assert "known deviation, S2 of pyvene" in " ".join(judge(run).notes)
    text = page_of(run).text
    assert "adds in float32" not in text[: text.index("What was compared")]
    assert "adds in float32 (S2 tiny_qwen2 pyvene)" in text


def test_repository_and_commit_become_a_command() -> None:
    run = agreeing()
    known = run.model_copy(update={"environment": {**run.environment, "repository": "https://host/me/suite.git"}})
    commit = run.environment["commit"]
    assert f"git clone https://host/me/suite.git && git -C suite checkout {commit}" in page_of(known).text
    assert "its repository was not recorded" in page_of(run).text


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
