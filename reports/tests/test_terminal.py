"""The verdict on one screen: complete, narrow enough, readable without color, and safe."""

import re
from typing import Any

import pytest

from reports.page.findings import list_findings
from reports.terminal import screen
from reports.terminal.screen import SCREEN, render
from reports.tests.synthetic_run import LOCALIZED, MODELS, TOOLS, agreeing, diverging, hostile, one_fault, replace
from reports.verdicts import judge
from reports.verdicts.commands import repeat_command
from steering_core.records.record import Cell, Outcome, Run

HOSTILE = "\x1b[2J\x1b]8;;http://x\x07\r\n\u202e\u2066\x00[bold]:bomb:" + "w" * 5000


def shown(run: Run, width: int = 100, color: bool = False, **more: Any) -> str:
    """The text of a run with its verdict."""
    return render(run, judge(run), width, color, **more)


def crowded() -> Run:
    """Nine models, one of them faulty, and many missing cells."""
    run = one_fault()
    second = [record for record in agreeing().records if record.cell.model == MODELS[1]]
    copies = [
        record.model_copy(update={"cell": record.cell.model_copy(update={"model": f"model_number_{n}"})})
        for record in second
        for n in range(7)
    ]
    cells = tuple(record.cell for record in copies) + tuple(
        Cell(clause="P5", model=MODELS[1], tool="hooks", variant=f"extra {n}") for n in range(40)
    )
    changes = {"models": (*MODELS, *(f"model_number_{n}" for n in range(7))), "planned": run.plan.planned + cells}
    return run.model_copy(update={"plan": run.plan.model_copy(update=changes), "records": (*run.records, *copies)})


LONG = tuple(f"steering_library_number_{name}" for name in ("one", "two", "three", "four", "five", "sixteen"))


def long_names() -> Run:
    """Six tools of about thirty letters each."""
    run = one_fault()
    records = []
    for number, name in enumerate(LONG):
        same = [record for record in run.records if record.cell.tool == TOOLS[number % 3] and not record.cell.other]
        cells = [record.cell.model_copy(update={"tool": name}) for record in same]
        records += [each.model_copy(update={"cell": cell}) for each, cell in zip(same, cells, strict=True)]
    planned = tuple(record.cell for record in records)
    plan = run.plan.model_copy(update={"tools": LONG, "planned": planned, "required": planned})
    return run.model_copy(update={"plan": plan, "records": tuple(records)})


RUNS = {
    "agree": agreeing(),
    "fault": one_fault(),
    "diverge": diverging(),
    "hostile": hostile(HOSTILE),
    "crowded": crowded(),
}


@pytest.mark.parametrize("width", [80, 100, 160])
@pytest.mark.parametrize("name", RUNS)
def test_text_fits_one_screen(name: str, width: int) -> None:
    lines = shown(RUNS[name], width).splitlines()
    assert len(lines) <= SCREEN or name == "hostile", "only text that a tool wrote makes it longer"
    assert max(len(line) for line in lines if not line.startswith("Repeat")) <= width


@pytest.mark.parametrize("width", [80, 100])
def test_long_names_of_many_tools_are_neither_cut_nor_split(width: int) -> None:
    lines = shown(long_names(), width).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("model "))
    table = lines[start : next(number for number, line in enumerate(lines) if line.startswith("= holds"))]
    rates = table[next(number for number, line in enumerate(table) if line.startswith("rates")) :]
    for part in (table[: -len(rates)], rates):
        assert all(any(name in line.replace(",", "").split() for line in part) for name in LONG)
    assert any("93.3/3.3/3.3 [79, 98]" in line for line in rates)
    assert max(map(len, table)) <= width


def test_text_begins_with_the_conclusion() -> None:
    assert shown(agreeing()).startswith("OUTCOME 4: ")
    assert shown(one_fault()).startswith("INVALID: nnsight reads one block too early on tiny_qwen2")
    assert "the tooling issue is real" in " ".join(shown(diverging()).split())


def test_every_part_of_a_verdict_is_shown() -> None:
    run = diverging()
    text = shown(run, files="in the folder runs/7")
    for label in ("Rule", "Repeat", "Action", "Tool", "Evidence", "Scope", "Files"):
        assert re.search(rf"^{label} ", text, re.MULTILINE), label
    assert "recommended: hooks; tied: hooks, pyvene" in text
    joined = " ".join(text.split())
    assert LOCALIZED in joined
    wrong = next(record for record in run.records if record.outcome is Outcome.DIFFERS)
    assert repeat_command(run.plan, wrong) in joined
    assert "in the folder runs/7" in text


def test_command_to_paste_stays_in_one_line() -> None:
    lines = [line for line in shown(one_fault(), 80).splitlines() if line.startswith("Repeat ")]
    command = next(
        repeat_command(one_fault().plan, record) for record in one_fault().records if "localized" in record.measured
    )
    assert lines == [f"Repeat    {command}"]
    assert len(lines[0]) > 80


def test_tables_show_the_numbers_and_rates_of_the_run() -> None:
    text = shown(diverging())
    assert re.search(r"tiny_qwen2 +0 +2\.7e-01 +86\.7 pp +diverges +==== +xx=x +====", text)
    assert re.search(r"tiny_gemma2 +both +10/30/60 \[3, 26\] +96\.7/0/3\.3 \[83, 99\] +10/30/60", text)


def test_arms_that_differ_have_a_row_each() -> None:
    cell = Cell(clause="B1", model=MODELS[0], tool="pyvene", arm="native", repeat=0)
    record = next(record for record in agreeing().records if record.cell == cell)
    fewer = {**record.measured, "coherent": 27, "normal": 2, "classes": "C" * 27 + "GNN"}
    text = shown(replace(agreeing(), cell, measured=fewer))
    assert re.search(r"tiny_qwen2 +reference +93\.3/3\.3/3\.3", text)
    assert re.search(r"tiny_qwen2 +native .* 90/3\.3/6\.7 \[79, 98\] varies", text)


def test_further_failures_follow_the_first() -> None:
    assert f"Also      nnsight reads one block too early on {MODELS[1]} (P1 location):" in shown(diverging())


def test_checks_that_say_the_same_are_one_line() -> None:
    token = Cell(clause="P4", model=MODELS[0], tool="nnsight")
    pair = Cell(clause="P5", model=MODELS[0], tool="nnsight")
    run = replace(one_fault(), token, pair, outcome=Outcome.DIFFERS, measured={"localized": LOCALIZED})
    text = " ".join(shown(run, 80).split())
    assert "Also nnsight reads one block too early on tiny_qwen2 in 2 more checks: P4 token position, P5 " in text
    assert text.count("requested resid_post@4") == 1


def test_no_text_is_cut_however_much_there_is_to_say() -> None:
    text = " ".join(shown(crowded(), 80).split())
    verdict = judge(crowded())
    assert "…" not in text
    for whole in (verdict.headline, verdict.action, verdict.scope.sentence, *verdict.missing):
        assert " ".join(whole.split()) in text
    assert "33 dependent checks were skipped, because an earlier check of tiny_qwen2 failed" in text
    assert "Holds for" not in text, "an invalid run holds for nothing"


def test_missing_cells_are_listed() -> None:
    run = agreeing()
    records = tuple(record for record in run.records if record.cell.clause != "D2")
    text = shown(run.model_copy(update={"records": records}))
    assert text.startswith("INCOMPLETE: not enough was measured: planned, but not finished: 30 checks (D2 x30) of")
    assert "Missing" not in text, "the headline has said it"


def without_rates(run: Run) -> Run:
    """The run as if only its preflight and steering had been selected."""
    cells = tuple(cell for cell in run.plan.planned if cell.clause[0] in "PS")
    plan = run.plan.model_copy(update={"planned": cells, "required": cells})
    return Run(plan=plan, records=tuple(record for record in run.records if record.cell in cells))


def test_columns_that_nothing_of_the_selection_fills_are_left_out() -> None:
    text, narrow = shown(without_rates(agreeing())), shown(without_rates(long_names()), 80)
    assert re.search(r"^model +hooks +nnsight +pyvene$", text, re.MULTILINE)
    assert re.search(r"^tiny_qwen2 +== +== +==$", text, re.MULTILINE)
    assert "? not measured; in preflight, steering " in " ".join(text.split())
    assert not re.search("^(Tool|Evidence) ", text, re.MULTILINE)
    assert re.search("^model +checks +tools$", narrow, re.MULTILINE)
    assert "counts as" not in narrow


def test_failure_that_is_not_a_gate_is_shown() -> None:
    cell = Cell(clause="S4", model=MODELS[0], tool="pyvene")
    text = shown(replace(agreeing(), cell, outcome=Outcome.DIFFERS, sentence="token 3 of row 1 differs"))
    assert "Failed    S4 tiny_qwen2 pyvene: token 3 of row 1 differs" in text


def test_color_changes_no_text() -> None:
    colored = shown(diverging(), color=True)
    assert "\x1b[1;31m" in colored
    bare = re.sub(r"\x1b\[[0-9;]*m", "", colored)
    assert re.sub(r" +$", "", bare, flags=re.MULTILINE) == shown(diverging())


@pytest.mark.parametrize("color", [True, False])
def test_text_of_a_model_never_reaches_the_terminal_as_a_command(color: bool) -> None:
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown(hostile(HOSTILE), color=color))
    assert not set(text) & set("\x1b\x07\r\x00\u202e\u2066")
    assert "\\x1b[2J" in text
    assert "[bold]:bomb:" in text


def test_environment_variables_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = shown(diverging(), color=True)
    for name, value in {"NO_COLOR": "1", "COLUMNS": "20", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)
    assert shown(diverging(), color=True) == before


def test_findings_are_listed_once_however_much_has_to_be_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    run = crowded()
    verdict = judge(run).model_copy(update={"likely_cause": None})
    listed = []
    monkeypatch.setattr(screen, "list_findings", lambda run: listed.append(run) or list_findings(run))
    render(run, verdict, 80, color=False)
    assert len(listed) == 1


def test_what_is_not_offered_is_a_note() -> None:
    cell = Cell(clause="P1", model=MODELS[0], tool="nnsight")
    run = replace(agreeing(), cell, outcome=Outcome.NOT_OFFERED, sentence="it reads no keys", measured={})
    (line,) = [line for line in shown(run, 200).splitlines() if "it reads no keys" in line]
    assert line.startswith("Note      not offered: it reads no keys")
