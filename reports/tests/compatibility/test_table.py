"""What a cell of the table says for what the records say, and which rows there are."""

from typing import Any

import pytest

from reports.compatibility.changes import list_changes
from reports.compatibility.columns import read_columns
from reports.compatibility.remarks import list_remarks
from reports.compatibility.view import make_view
from reports.tests.compatibility.written_runs import STACK, checks, older_than, run, sources, states, table
from steering_core.records.record import Cell, Outcome

COLUMNS = {column.name for column in read_columns()}
DEVIATION = {"outcome": Outcome.DIFFERS, "measured": {"declared_deviation": "leaves a hook"}}
CRASH = {"outcome": Outcome.ERRORED, "sentence": "RuntimeError: out of range"}


def test_every_column_holds_where_every_check_holds() -> None:
    (row,) = table(run())
    assert states(row) == dict.fromkeys(COLUMNS, "holds")
    assert (row.subject.release, row.family, row.models) == ("probe 1.0", "qwen2", ("tiny_qwen2",))


@pytest.mark.parametrize("check", checks(), ids=str)
def test_a_check_that_differs_fails_the_columns_that_it_belongs_to_and_no_others(check: str) -> None:
    (row,) = table(run(**{check.replace(" ", "_"): Outcome.DIFFERS}))
    failing = {name for name, state in states(row).items() if state == "fails"}
    assert failing == {column.name for column in read_columns() if check in column.checks} != set()
    assert {state for name, state in states(row).items() if name in COLUMNS - failing} == {"holds"}


@pytest.mark.parametrize(
    ("changes", "state", "what"),
    [
        ({"S7": Outcome.AGREES}, "holds", ""),
        ({"S7": Outcome.DIFFERS}, "fails", "S7"),
        ({"S7": CRASH}, "fails", "S7"),
        ({"S7": DEVIATION}, "deviates", "S7"),
        ({"S7": Outcome.NOT_OFFERED}, "not offered", ""),
        ({"S7": Outcome.UNSUPPORTED}, "not offered", ""),
        ({"skipped": ("S7",)}, "not tested", ""),
        ({"without": ("S7",)}, "not tested", ""),
    ],
)
def test_the_state_of_a_column_of_one_check(changes: dict[str, Any], state: str, what: str) -> None:
    (row,) = table(run(**changes))
    ablate = next(each for each in row.supports if each.column.name == "ablate")
    assert (str(ablate.state), ablate.what) == (state, what)


def test_a_column_whose_checks_are_newer_than_the_run_is_not_tested() -> None:
    (row,) = table(older_than("packed"))
    packed = next(each for each in row.supports if each.column.name == "packed")
    assert (str(packed.state), packed.what, packed.asked) == ("not tested", "", False)
    (row,) = table(run(without=("P4 packed",)))
    packed = next(each for each in row.supports if each.column.name == "packed")
    assert (str(packed.state), packed.asked) == ("not tested", True)


@pytest.mark.parametrize(
    ("changes", "state", "what"),
    [
        ({"P9": Outcome.DIFFERS, "P11": DEVIATION, "without": ("P12",)}, "fails", "P9"),
        ({"P9": DEVIATION, "P11": DEVIATION}, "deviates", "P9, P11"),
        ({"P9": DEVIATION, "without": ("P12",)}, "not tested", "2 of 3 measured"),
        ({"P9": DEVIATION, "skipped": ("P12",)}, "not tested", "2 of 3 measured"),
        ({"P9": Outcome.NOT_OFFERED, "P11": Outcome.NOT_OFFERED}, "holds", ""),
        ({"P9": Outcome.NOT_OFFERED, "P11": Outcome.NOT_OFFERED, "P12": Outcome.NOT_OFFERED}, "not offered", ""),
    ],
)
def test_the_worst_check_decides_a_column_of_several(changes: dict[str, Any], state: str, what: str) -> None:
    (row,) = table(run(**changes))
    clean = next(each for each in row.supports if each.column.name == "clean")
    assert (str(clean.state), clean.what) == (state, what)


@pytest.mark.parametrize(("only", "other", "last"), [("read", "add", "S8 -"), ("add", "read", "P8")])
def test_a_tool_that_offers_only_one_of_two_columns_is_not_shown_to_offer_the_other(
    only: str, other: str, last: str
) -> None:
    """That its library runs (P7) was seen where it does something."""
    (column,) = (each for each in read_columns() if each.name == other)
    missing: dict[str, Any] = {name.replace(" ", "_"): Outcome.NOT_OFFERED for name in column.checks if name != "P7"}
    (row,) = table(run(**missing))
    assert (states(row)[only], states(row)[other]) == ("holds", "not offered")

    (row,) = table(run(**missing | {"P7": Outcome.DIFFERS}))
    assert (states(row)[only], states(row)[other]) == ("fails", "not offered")

    (row,) = table(run(**missing | {last.replace(" ", "_"): Outcome.AGREES, "P7": Outcome.DIFFERS}))
    assert (states(row)[only], states(row)[other]) == ("fails", "fails")


def test_a_row_per_tool_version_libraries_and_family_in_the_order_of_versions() -> None:
    older = {"python": "3.11.7", "torch": "2.13.0", "transformers": "4.49.0"}
    patch = {"python": "3.11.9", "torch": "2.13.0", "transformers": "5.23.0"}
    runs = [run("0.10"), run("0.9"), run("0.10", stack=older), run("0.10", stack=patch, model="tiny_qwen2_deep")]
    rows = table(*runs, run("0.10", model="tiny_gemma2"), run("2", tool="another"))
    assert [(row.subject.release, row.subject.stack[0], row.family, row.models) for row in rows] == [
        ("another 2", "5.23.0", "qwen2", ("tiny_qwen2",)),
        ("probe 0.9", "5.23.0", "qwen2", ("tiny_qwen2",)),
        ("probe 0.10", "4.49.0", "qwen2", ("tiny_qwen2",)),
        ("probe 0.10", "5.23.0", "gemma2", ("tiny_gemma2",)),
        ("probe 0.10", "5.23.0", "qwen2", ("tiny_qwen2", "tiny_qwen2_deep")),
    ]


def test_one_failing_model_of_a_family_fails_its_column() -> None:
    (row,) = table(run(), run(model="tiny_qwen2_deep", S7=Outcome.DIFFERS))
    assert states(row)["ablate"] == "fails"


def test_the_last_record_of_a_check_counts_and_an_earlier_run_fills_what_a_later_one_left_out() -> None:
    (row,) = table(run(day=1, without=("S7",)), run(day=0, P8=Outcome.DIFFERS))
    assert (states(row)["read"], states(row)["ablate"]) == ("holds", "holds")
    (row,) = table(run(day=0), run(day=1, P8=Outcome.DIFFERS))
    assert states(row)["read"] == "fails"


def test_a_skipped_check_belongs_to_the_version_that_its_run_recorded() -> None:
    (row,) = table(run("3.1", skipped=("S7",)))
    assert row.subject.version == "3.1"
    (row,) = table(run(skipped=tuple(checks())))
    assert row.subject.release == "version not recorded"
    assert set(states(row).values()) == {"not tested"}


def test_numbers_replayed_from_published_files_make_no_row() -> None:
    replayed = run().model_copy(update={"environment": {"replayed": True}})
    assert table(replayed) == []


def test_what_changed_names_families_versions_column_and_both_states() -> None:
    newer = {"python": "3.11.9", "torch": "2.13.0", "transformers": "6.0.0"}
    before = [run("1.0", model=model, P9=DEVIATION) for model in ("tiny_qwen2", "tiny_gemma2")]
    rows = table(
        *before,
        run("1.1", day=1, stack=newer, S7=Outcome.DIFFERS),
        run("1.1", day=1, stack=newer, model="tiny_gemma2"),
    )
    names = ("probe 1.0, transformers 5.23.0", "probe 1.1, transformers 6.0.0")
    assert list_changes(rows).rows == (
        ("probe", "gemma2, qwen2", *names, "Side effects", "deviates: P9", "holds"),
        ("probe", "qwen2", *names, "Ablate", "holds", "fails: S7"),
    )
    assert list_changes(table(*before)).rows == ()


@pytest.mark.parametrize("other", [{"python": "3.12.1"}, {"python": "3.12.1", "torch": "2.13.0+cpu"}])
def test_another_python_or_build_is_no_later_version(other: dict[str, str]) -> None:
    oldest = {**STACK, "transformers": "4.49.0"}
    stacks = [oldest, STACK, {**oldest, **other}, {**STACK, **other}]
    rows = table(*(run("1.0", stack=each, P9=DEVIATION if each["transformers"] == "4.49.0" else {}) for each in stacks))
    names = ("probe 1.0, transformers 4.49.0", "probe 1.0, transformers 5.23.0")
    assert list_changes(rows).rows == (("probe", "qwen2", *names, "Side effects", "deviates: P9", "holds"),)


def test_a_tool_that_is_a_library_is_named_with_its_version_once() -> None:
    older, newer = ({**STACK, "torch": torch} for torch in ("2.11.0+cpu", "2.13.0+cpu"))
    rows = table(
        run("2.11.0+cpu", tool="torch", stack=older, P9=DEVIATION), run("2.13.0+cpu", tool="torch", stack=newer, day=1)
    )
    assert [change[2:4] for change in list_changes(rows).rows] == [("torch 2.11.0", "torch 2.13.0")]


def test_remarks_join_families_and_put_failures_first() -> None:
    runs = [run(model=model, P9=DEVIATION) for model in ("tiny_qwen2", "tiny_gemma2")]
    rows = table(*runs, run(tool="wrong", S7=CRASH))
    assert [(row[0], *row[2:]) for row in list_remarks(rows).rows] == [
        ("wrong", "S7", "crashed: RuntimeError: out of range", "qwen2"),
        ("probe", "P9", "known deviation: leaves a hook", "gemma2, qwen2"),
    ]


def test_pairs_of_tools_and_checks_of_the_model_are_in_no_column() -> None:
    pair = Cell(clause="P1", model="tiny_qwen2", tool="hooks", other="probe")
    ids = Cell(clause="P4", model="tiny_qwen2")
    assert not [column.name for column in read_columns() if column.holds(pair) or column.holds(ids)]


def test_families_with_the_same_states_share_a_row_of_the_markdown() -> None:
    models = ("tiny_qwen2", "tiny_llama", "tiny_gemma2")
    (shown,) = make_view(
        sources(*(run(model=model, **({"P9": DEVIATION} if "llama" in model else {})) for model in models))
    ).tables

    assert [(families, line.row.family) for families, line in shown.alike] == [
        ("gemma2, qwen2", "gemma2"),
        ("llama", "llama"),
    ]
    assert [line.row.family for line in shown.lines] == ["gemma2", "llama", "qwen2"], "the page has a row for each"
