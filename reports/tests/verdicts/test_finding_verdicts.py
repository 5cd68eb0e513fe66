"""Verdicts on runs of findings, and what every view shows of them."""

import pytest

from reports.page.finding_parts import view_findings
from reports.page.html import render_page
from reports.page.markdown import render_markdown
from reports.terminal.screen import render
from reports.tests.finding_runs import entry, finding_run, tool_records
from reports.tests.verdicts.verdict_runs import preflight_run
from reports.verdicts import Verdict, judge
from reports.verdicts.commands import real_model_command
from steering_core.errors import ArtifactProblem
from steering_core.records.audit import audit
from steering_core.records.record import Cell, Outcome, Record, Run

HOSTILE = "</script><img src=x onerror=alert(1)> & \\input{/etc/passwd} \x1b[31m"


def screen(run: Run) -> str:
    """The terminal's text."""
    return render(run, judge(run), width=100, color=False)


def test_a_run_of_findings_that_hold_is_measured() -> None:
    verdict = judge(finding_run())

    assert (verdict.label, verdict.tone) == ("FINDINGS: MEASURED", "good")
    assert "tiny_qwen2: refusal: best linear_probe at block 1" in verdict.headline
    assert real_model_command(finding_run().plan) == "pytest parity -m 'findings and qwen7b' --gpu"
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


def test_several_findings_are_counted_in_the_headline_and_listed_below() -> None:
    first = finding_run().records[0]
    second = first.model_copy(update={"cell": first.cell.model_copy(update={"variant": "mood"}), "sentence": "mood: b"})
    run = finding_run(first, second)
    text = screen(run)

    assert judge(run).headline.endswith("2 findings (extraction x2) on tiny_qwen2")
    assert "F1 tiny_qwen2 mood: b\n" in text, "the trait is named once"


def test_a_refuted_finding_is_a_failed_check_and_has_no_numbers() -> None:
    run = finding_run(outcome=Outcome.DIFFERS)
    verdict = judge(run)

    assert verdict.label == "SELECTED CHECKS FAILED"
    assert verdict.findings == ()
    assert "F1 tiny_qwen2 refusal does not hold" in render_markdown(run, verdict)
    assert "linear_probe | 0 |" not in render_markdown(run, verdict)


def test_a_finding_that_crashed_leaves_the_run_incomplete() -> None:
    verdict = judge(finding_run(outcome=Outcome.ERRORED))

    assert verdict.conclusion == "INCOMPLETE"
    assert verdict.headline.endswith("refusal: best linear_probe at block 1: F1 tiny_qwen2 refusal")
    assert verdict.open_conclusions == ("FINDINGS_MEASURED", "SELECTED_CHECKS_FAILED")


def test_preflight_checks_beside_findings_are_counted() -> None:
    other = Record(
        cell=Cell(clause="S1", model="tiny_qwen2", tool="hooks"), outcome=Outcome.AGREES, sentence="as it is"
    )
    run = finding_run(*finding_run().records, other)

    assert judge(run).headline.endswith("; the one other selected check passes on tiny_qwen2 (hooks)")


def test_the_audit_of_a_run_that_measured_nothing_is_no_check_that_passes() -> None:
    cells = preflight_run().plan.planned
    records = tuple(Record(cell=cell, outcome=Outcome.NOT_OFFERED, sentence="it only steers") for cell in cells[:3])
    plan = preflight_run().plan.model_copy(update={"planned": cells[:3]})
    run = Run(plan=plan, records=records)
    verdict = judge(run.model_copy(update={"records": (*records, *audit(run))}))

    assert verdict.conclusion == "INCOMPLETE"
    assert "nothing was measured" in verdict.headline


def test_terminal_page_and_markdown_show_the_table() -> None:
    run = finding_run()
    verdict = judge(run)
    page, text = render_page(run, verdict), render_markdown(run, verdict)

    assert "Findings  F1 tiny_qwen2 refusal: random directions: polarity wrong in 500 of 1000" in screen(run)
    assert "not measured" not in screen(run).partition("Scope")[0], "no table of tools that nobody compared"
    for shown in (page, text):
        assert "Extraction methods, mean over the blocks (F1)" in shown
        assert "did not converge" in shown
    assert "| tiny_qwen2 | refusal | linear_probe | 1 | 0.9 | 0.8 | 1 |" in text
    assert "| tiny_qwen2 | refusal | linear_probe | 1 | 1.5 | 1.25 | 1.75 |" in text
    assert "| tiny_qwen2 | refusal | accuracy | 0.7 | 0.5 | 0.8 | denied |" in text


def test_findings_through_tools_name_the_tools() -> None:
    run = finding_run(*tool_records())
    text = render_markdown(run, judge(run))

    assert "| tiny_qwen2 | hooks | refusal | v | resid_post | 7 | -0.02 | -0.03 | -0.01 |" in text
    assert "| tiny_qwen2 | hooks | refusal | v | 1 | 0.9 | 0.8 | 0.95 |" in text
    assert "| hooks | 0.95 | 0.94 | 1 |" in text
    assert "F2 tiny_qwen2 hooks refusal: AUC of v minus that of resid_post" in screen(run)


def test_hostile_text_of_a_record_is_inert_in_every_view() -> None:
    changes = {"trait": HOSTILE, "statements": [HOSTILE], "table": [entry(HOSTILE, 0, 0.5)]}
    run = finding_run(**changes)
    page, text = render_page(run, judge(run)), screen(run)

    assert "<img src=x" not in page
    assert "\x1b" not in text
    entries = view_findings(run.records)[0].tables[1].latex
    assert "\\input{" not in entries
    assert "\\textbackslash{}input\\{/etc/passwd\\}" in entries


@pytest.mark.parametrize("broken", [{"table": [{}]}, {"random": None}, {"trait": 3}, {"statements": [1]}])
def test_an_unreadable_record_is_one_clear_line(broken: dict[str, object]) -> None:
    run = finding_run(**broken)

    with pytest.raises(ArtifactProblem, match="F1 tiny_qwen2 refusal has"):
        render_markdown(run, judge(run))


def test_the_scope_names_the_prompt_sets_of_findings_with_their_sizes() -> None:
    record = finding_run().records[0]
    sets = {"refusal": 40, "topics:money": 24, "evaluation": 30}
    run = finding_run(record.model_copy(update={"measured": {**record.measured, "prompt_sets": sets}}))

    expected = "prompts of findings: 30 of evaluation, 40 of refusal, 24 of topics:money"
    assert judge(run).scope.prompts.startswith(expected)
    assert expected in judge(run).scope.sentence
    assert judge(finding_run()).scope.prompts.startswith("no evaluation prompts")


def test_an_impossible_number_of_prompts_is_named() -> None:
    record = finding_run().records[0]
    broken = record.model_copy(update={"measured": {**record.measured, "prompt_sets": {"refusal": -1}}})

    with pytest.raises(ArtifactProblem, match="prompt_sets"):
        judge(finding_run(broken))
