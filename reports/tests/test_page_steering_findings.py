"""F4 and F6 in the page: rates beside ratios, and tokens as text, whatever they hold."""

from typing import Any

import pytest

from reports.page.finding_part import merge_tools
from reports.page.finding_parts import view_findings
from reports.page.html import render_page
from reports.page.markdown import render_markdown
from reports.tests.finding_runs import MODEL, finding_run
from reports.tests.parsed_page import Parsed
from reports.verdicts import judge
from steering_core.errors import ArtifactProblem
from steering_core.records.record import Cell, Outcome, Record, Value

HOSTILE = [
    "<script>alert(1)</script>",
    "\u202e\u2066",
    "\x1b[31m\n",
    "| a |",
    "</td></table>",
    "{{ 7*7 }}",
    "\\input{x}",
]


def test_a_sentence_that_several_tools_share_is_listed_once() -> None:
    cells = [Cell(clause="F2", model=MODEL, tool=tool, variant="refusal") for tool in ("hooks", "nnsight", "pyvene")]
    values = zip(cells, ("refusal: highest AUC 1", "refusal: highest AUC 1", "highest AUC 0.9"), strict=True)
    shared: dict[str, Value] = {"statements": ["v below resid_post"]}
    records = [Record(cell=c, outcome=Outcome.AGREES, sentence=text, measured=shared) for c, text in values]
    assert merge_tools(records) == [
        f"F2 {MODEL} hooks, nnsight refusal: highest AUC 1",
        f"F2 {MODEL} hooks, nnsight, pyvene refusal: v below resid_post",
        f"F2 {MODEL} pyvene refusal: highest AUC 0.9",
    ]


def text(steered: bool, tokens: list[str], **changes: Any) -> dict[str, Any]:
    """A text whose first token is the prompt; token n has the value n at layer 0 and n + 0.5 at layer 3."""
    values = {"0": [float(n) for n, _ in enumerate(tokens)], "3": [n + 0.5 for n, _ in enumerate(tokens)]}
    return {"steered": steered, "prompt_tokens": 1, "tokens": tokens, "values": values, **changes}


def dynamics(tool: str, *texts: dict[str, Any]) -> Record:
    """An F6 record."""
    measured: dict[str, Value] = {"layers": [0, 3], "texts": [*texts]}
    cell = Cell(clause="F6", model=MODEL, tool=tool)
    return Record(cell=cell, outcome=Outcome.AGREES, sentence="as its prefix", measured=measured)


def settings(**changes: Any) -> Record:
    """An F4 record of one row and one row that is missing."""
    row = {"method": "difference_of_means", "combination": "uniform", "coefficients": {"4": 2.0, "5": 2.0}}
    row |= {"ratios": {"4": 0.25, "5": 0.2}, "cumulative_ratio": 0.4, "worst_divergence": 0.9, "wrong_way": 3}
    row |= {"coherent": 8, "garbled": 1, "total": 10, "low": 0.49, "high": 0.94}
    row |= {"random_direction": [0, 1, 9, 10], "random_divergence": 0.5, **changes}
    single = {"layer": 4, "coefficient": 19.0, "effect": 0.3, "coherence": 1.0}
    missing = {"method": "m", "combination": "weighted", "reason": "no layer steers alone"}
    measured = {"scale": "ratio", "mean_norms": {"4": 31.5}, "singles": [single], "table": [row], "missing": [missing]}
    cell = Cell(clause="F4", model=MODEL, variant="ratio")
    return Record(cell=cell, outcome=Outcome.AGREES, sentence="equal ratio", measured=measured)


def test_each_token_stands_beside_the_steered_one_with_its_values() -> None:
    """The steered answer is one token shorter."""
    plain, steered = text(False, ["P", "a", "b"]), text(True, ["P", "c"])
    (view,) = view_findings((dynamics("hooks", plain, steered), dynamics("pyvene", plain, steered)))
    (table,) = view.tables

    assert table.columns[3:] == (
        "token",
        "layer 0",
        "layer 3",
        "steered: token",
        "steered: layer 0",
        "steered: layer 3",
    )
    assert table.rows == (
        (0, 0, "prompt", "P", 0.0, 0.5, "P", 0.0, 0.5),
        (0, 1, "answer", "a", 1.0, 1.5, "c", 1.0, 1.5),
        (0, 2, "answer", "b", 2.0, 2.5, None, None, None),
    )


def test_hostile_tokens_are_inert() -> None:
    run = finding_run(dynamics("hooks", text(False, HOSTILE), text(True, HOSTILE[::-1])))
    verdict = judge(run)
    page = render_page(run, verdict)
    parsed = Parsed(page)

    assert not [character for character in page if character in "\u202e\u2066\x1b"]
    assert len(parsed.raw["script"]) == 1, "the page's own"
    assert "<script>alert(1)</script>" in parsed.text
    assert "\\u202e\\u2066" in parsed.text
    assert "\\x1b[31m\\n" in parsed.text
    assert "{{ 7*7 }}" in parsed.text
    assert not [character for character in render_markdown(run, verdict) if character in "\u202e\u2066\x1b"]


def test_a_rate_stands_beside_its_ratios_divergence_and_random_direction() -> None:
    (view,) = view_findings((settings(),))
    rows = {table.caption: [dict(zip(table.columns, row, strict=True)) for row in table.rows] for table in view.tables}
    (row,) = rows["Steering at several layers (F4)"]

    assert (row["equal in"], row["combination"], row["coherent %"], row["garbled %"]) == ("ratio", "uniform", 80, 10)
    assert (row["ratio by layer"], row["cumulative ratio"]) == ("4: 0.25, 5: 0.2", 0.4)
    assert (row["worst 5 % of tokens, nats"], row["the same, random"]) == (0.9, 0.5)
    assert (row["random direction: coherent, garbled"], row["moved the wrong way %"]) == ("0, 1", 30)
    assert rows["Each layer alone (F4)"][0]["effect, points"] == 30
    assert rows["Not measured (F4)"][0]["reason"] == "no layer steers alone"


@pytest.mark.parametrize("changes", [{"coherent": "8"}, {"total": 0}, {"low": None}, {"random_direction": [1]}])
def test_numbers_of_another_kind_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ArtifactProblem, match="F4 tiny_qwen2 ratio"):
        view_findings((settings(**changes),))
