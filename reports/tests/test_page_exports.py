"""Exported tables: CSV, LaTeX, and the numbers in them."""

import csv
from io import StringIO

from reports.page.agreement import agreement_table, component_table
from reports.page.behavior import behavior_table
from reports.page.exports import Table, show
from reports.page.grid import build_grids, outcome_table
from reports.tests.parsed_page import parsed
from reports.tests.synthetic_run import agreeing, diverging

MIXED = Table("Rates & more", ("tool_name", "rate %"), (("a_b", 93.25), ("=1+1", None), ('x,"y"', 1e-13)))


def test_csv_reads_back_as_the_rows_with_full_precision() -> None:
    rows = list(csv.reader(StringIO(Table("t", ("a", "b"), (('x,"y"', 0.1 + 0.2), ("z", None))).csv)))
    assert rows == [["a", "b"], ['x,"y"', "0.30000000000000004"], ["z", ""]]


def test_csv_disarms_formulas_but_keeps_negative_numbers() -> None:
    text = Table("t", ("a", "b"), (("=HYPERLINK(1)", -1.5), ("@x", 0), ("+x", 0), ("-x", 0))).csv
    assert text.splitlines()[1:] == ["'=HYPERLINK(1),-1.5", "'@x,0", "'+x,0", "'-x,0"]


def test_csv_disarms_formulas_in_full_width_and_in_the_names_of_columns() -> None:
    text = Table("t", ("=1+1", "b"), (("\uff1d1+1", "\t=1"), ("\uff20x", " x"))).csv
    assert text.splitlines() == ["'=1+1,b", "'\uff1d1+1,\\t=1", "'\uff20x, x"]


def test_latex_is_booktabs_with_special_characters_escaped() -> None:
    lines = MIXED.latex.splitlines()
    assert lines[1] == r"\caption{Rates \& more}"
    assert lines[2] == r"\begin{tabular}{lr}"
    assert lines[4] == r"tool\_name & rate \% \\"
    assert lines[6] == r"a\_b & 93.2 \\"
    assert {r"\toprule", r"\midrule", r"\bottomrule"} <= set(lines)


def test_latex_commands_in_text_are_escaped() -> None:
    latex = Table("t", ("a",), ((r"\input{/etc/passwd}",),)).latex
    assert r"\textbackslash{}input\{/etc/passwd\}" in latex


def test_values_are_shown_short_and_signless_at_zero() -> None:
    assert [show(value) for value in (None, True, -0.0, 1 / 3, 7)] == ["–", "yes", "0", "0.333", "7"]


def test_lists_and_tables_are_shown_on_one_line() -> None:
    assert show({"norms": [1 / 3, 2], "dtype": None}) == "norms 0.333, 2; dtype –"
    assert [show([]), show({})] == ["none", "none"]


def test_tables_contain_every_pair_arm_and_clause() -> None:
    run = diverging()
    assert len(agreement_table(run).rows) == 6
    assert len(behavior_table(run).rows) == 12
    assert len(component_table(run).rows) == 18
    assert ("tiny_qwen2", "P1", "location", "nnsight", "differs", 1) in outcome_table(build_grids(run)).rows


def test_a_rate_stands_beside_how_strong_the_steering_was() -> None:
    run = diverging()
    given = [
        record.model_copy(update={"measured": {**record.measured, "cumulative_ratio": 1.25}})
        if record.cell.clause == "B1"
        else record
        for record in run.records
    ]

    without, with_ratio = behavior_table(run), behavior_table(run.model_copy(update={"records": tuple(given)}))
    assert without.columns[4] == "cumulative ratio"
    assert ({row[4] for row in without.rows}, {row[4] for row in with_ratio.rows}) == ({None}, {1.25})


def test_page_offers_each_table_as_csv_and_latex_without_script() -> None:
    page = parsed(agreeing)
    for name in ("outcomes", "agreement", "behavior", "components"):
        for kind in ("CSV", "LaTeX"):
            assert page.all("pre", id=f"{name}-{kind}")
            assert page.all("button", **{"data-copy": f"{name}-{kind}"})
    assert agreement_table(agreeing()).csv.splitlines()[1] in page.text
