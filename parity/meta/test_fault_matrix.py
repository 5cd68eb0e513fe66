"""The page of faults and the clauses that catch them: every fault has a measured row, and it is as declared."""

from dataclasses import replace

from fixtures.faults import FAULTS
from parity.meta.conftest import PAGE
from parity.meta.fault_matrix import as_markdown, from_markdown, shown, unlike_declared

FAULT = next(fault for fault in FAULTS if fault.name == "OneBlockEarly")


def test_the_rows_of_a_page_are_kept_when_others_are_measured_again() -> None:
    """A fault that may cost P10 is shown as undecided there, before and after."""
    first, second = replace(FAULT, either=("P10",)), replace(FAULT, name="Other")
    earlier = as_markdown([first, second], {first.name: {"P1": "x", "P10": "x"}, "Other": {"P1": "!"}})

    rows = from_markdown(earlier)
    again = as_markdown([first, second], {**rows, "Other": {"P1": "x", "F1": "."}})

    assert (rows[first.name]["P1"], rows[first.name]["P10"], rows["Other"]["P1"]) == ("x", "~", "!")
    expected = as_markdown([first, second], {first.name: {"P1": "x", "P10": "x"}, "Other": {"P1": "x", "F1": "."}})
    assert again == expected
    assert from_markdown("# Faults\n\nno table\n") == {}


def test_the_page_has_a_measured_row_of_every_fault() -> None:
    """To measure one: `PARITY_FAULTS=all pytest parity/meta/test_faults.py -k NAME` writes its row."""
    page = PAGE.read_text(encoding="utf-8")
    rows = from_markdown(page)

    unmeasured = {fault.name: wrong for fault in FAULTS if (wrong := unlike_declared(fault, rows.get(fault.name, {})))}
    assert unmeasured == {}
    assert page == as_markdown(FAULTS, rows), "the page is not of the faults as they are declared now"


def test_a_row_that_is_missing_or_not_as_declared_is_named() -> None:
    fault = replace(FAULT, caught_by=("P1", "P5"), either=("P10",))
    row = {"P0": ".", "P1": "x", "P5": "!", "P10": "~", "S1": ""}

    assert unlike_declared(fault, row) == []
    assert unlike_declared(fault, {}) == ["P1 was not tried", "P5 was not tried"]
    assert unlike_declared(fault, row | {"P5": "."}) == ["P5 does not catch it"]
    assert unlike_declared(fault, row | {"P0": "x"}) == ["P0 fires"]


def test_a_possible_consequence_is_shown_as_undecided() -> None:
    fault = replace(FAULT, either=("P10",))

    assert [shown(fault, "P10", row) for row in ({"P10": "x"}, {"P10": "."}, {})] == ["~", "~", ""]
    assert [shown(fault, "P1", {"P1": sign}) for sign in "x!."] == ["x", "!", "."]
