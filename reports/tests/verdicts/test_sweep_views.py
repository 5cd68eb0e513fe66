"""What the terminal, the page and the Markdown report show of a run with sweeps."""

import pytest

from reports.page.html import render_page
from reports.page.markdown import render_markdown
from reports.terminal.screen import SCREEN, render
from reports.terminal.sweep_part import list_sweep
from reports.tests.verdicts.sweep_runs import (
    BROKEN,
    PARTIAL,
    WORKING,
    grid,
    joined,
    precisions,
    sizes,
    sweep_run,
    swept,
)
from reports.tests.verdicts.verdict_runs import full_run
from reports.verdicts import judge
from steering_core.records.provenance import RANDOM_ORIGIN


def test_several_models_are_named_by_band_and_each_has_a_row_with_its_best_condition() -> None:
    run = swept("gemma9b", "llama8b", "mistral7b", "phi35mini")
    verdict = judge(run)
    lines = render(run, verdict, 80, color=False).splitlines()

    assert verdict.headline == "steering works on gemma9b; works in part on phi35mini; fails on llama8b, mistral7b"
    assert "gemma9b    works    dim, block 24 (60 %), 10x  9/10 [59.6, 98.2]  0/10" in lines
    assert "llama8b    fails    dim, block 24 (60 %), 10x  1/10 [1.8, 40.4]   6/10" in lines
    assert len(lines) <= SCREEN + 10


def test_terminal_shows_the_table_and_the_section_and_no_table_of_tools() -> None:
    run = sweep_run(grid("gemma9b", {40: PARTIAL, 60: WORKING, 80: BROKEN}))
    lines = render(run, judge(run), 80, color=False).splitlines()

    assert lines[0].startswith("SWEEP: WORKS: gemma9b works at 6 of 30 conditions")
    assert "gemma9b dim 15x     0/0 -  40/10 P  0/0 -  90/0 W  10/60 G" in lines
    assert max(len(line) for line in lines if not line.startswith("Next ")) <= 80
    assert not [line for line in lines if "within-tool" in line or line.startswith(("Tool ", "Evidence "))]
    labels = {line[:9].strip() for line in lines} - {""}
    assert {"Action", "Curves", "Methods", "Decision", "Limits", "Scope"} <= labels
    assert "10 evaluation prompts" in " ".join(" ".join(lines).split())


@pytest.mark.parametrize("width", [80, 100])
def test_texts_are_wrapped_between_words_and_none_is_cut(width: int) -> None:
    """Whatever is shown is shown whole: the words of a text are the words of its lines."""
    run = swept("gemma9b", "phi35mini")
    verdict = judge(run)
    text = render(run, verdict, width, color=False)
    shown = " ".join(text.split())
    assert verdict.sweep is not None
    first = [texts[0] for _, texts in list_sweep(verdict.sweep) if texts]
    assert len(first) == 5
    for whole in (verdict.headline, verdict.rule, verdict.action, verdict.scope.sentence, *first):
        assert " ".join(whole.split()) in shown
    assert "…" not in text


def test_decisions_that_ask_for_conditions_come_with_the_command_that_runs_them() -> None:
    run = swept("phi35mini", "gemma9b")
    own = run.model_copy(
        update={"environment": {"command": "pytest parity/sweeps -m 'gemma9b or phi35mini' -k 15 --follow"}}
    )
    assert judge(own).next_command == "pytest parity/sweeps -m 'gemma9b or phi35mini' -k 15 --resume DIR --follow"
    unknown = judge(run).next_command
    assert (
        unknown == "pytest parity -m 'sweep and (phi35mini or gemma9b)' --preset v3 --repeats 1 --resume DIR --follow"
    )


@pytest.mark.parametrize(("dtype", "option"), [("float16", ""), ("bfloat16", " --dtype bfloat16")])
def test_conditions_of_other_models_are_run_on_their_own_at_the_dtype_of_the_preset(dtype: str, option: str) -> None:
    measured = grid("gemma9b", {60: WORKING}) + sizes("gemma9b", 9, WORKING, WORKING)
    measured += precisions("gemma9b", {"full": (WORKING, 1.0)})
    records = [r.model_copy(update={"provenance": {"dtype": f"torch.{dtype}"}}) for r in measured]
    command = judge(sweep_run(records)).next_command
    settings = f"--preset v3 --repeats 1{option} --follow"
    assert command == f"pytest parity/sweeps/test_sizes.py -m 'gemma2b or gemma27b' {settings}"


def test_no_command_follows_where_nothing_is_asked_for() -> None:
    random = {"origin": RANDOM_ORIGIN}
    records = [r.model_copy(update={"provenance": random}) for r in grid("gemma9b", {60: WORKING})]
    verdict = judge(sweep_run(records))
    assert (verdict.conclusion, verdict.next_command) == ("SWEEP_MEASURED", "")


def test_rows_of_the_best_conditions_stay_when_there_is_no_room() -> None:
    run = swept("llama8b", "phi35mini", "gemma9b")
    lines = render(run, judge(run), 80, color=False).splitlines()
    assert len(lines) <= SCREEN + 10
    table = lines[lines.index(next(line for line in lines if line.startswith("conditions"))) + 1 :][:3]
    assert [line.split()[0] for line in table[:2]] == ["gemma9b", "llama8b"]
    assert any(line.startswith("and ") for line in lines)


def test_both_tables_are_shown_when_tools_were_compared_too() -> None:
    run = joined(full_run(), sweep_run(grid("tiny_qwen2", {60: WORKING})))
    text = render(run, judge(run), 80, color=False)
    assert "cross-tool" in text
    assert "conditions" in text
    assert text.count("\n") <= SCREEN + 10


def test_page_and_markdown_show_the_conclusion() -> None:
    run = swept("gemma9b")
    verdict = judge(run)
    assert "SWEEP: WORKS" in render_markdown(run, verdict)
    assert "works at 6 of 30 conditions" in render_page(run, verdict)


def test_a_self_test_is_pointed_to_the_sweep_of_a_real_model() -> None:
    records = [r.model_copy(update={"provenance": {"tiny": True}}) for r in grid("tiny_qwen2", {60: WORKING})]
    verdict = judge(sweep_run(records))
    assert verdict.next_command == "pytest parity -m 'sweep and qwen7b' --preset v3 --gpu"
