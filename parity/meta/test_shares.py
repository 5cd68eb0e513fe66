"""Every session tries a fault of each clause and a case of each long matrix; sessions on as many days as a matrix has shares
try all of it."""

import subprocess
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.faults import FAULTS
from parity.meta import (
    test_conclusions,
    test_core_mutations,
    test_correct_tools,
    test_extending,
    test_false_alarms,
    test_families,
    test_faults,
    test_known_defects,
)
from parity.meta.shares import ALL, ALWAYS, DAYS, VARIABLE, choose_part, in_part, is_tried, leave_out, number_of_fault
from steering_core.models.registry import DTYPES
from steering_core.places import ROOT
from steering_core.records.clauses import CLAUSES

SHARED = {
    "faults": test_faults.SHARED,
    "correct tools on every clause": test_faults.CORRECT_ON_EACH,
    "correct tools": test_correct_tools.SHARED,
    "tools that round": test_correct_tools.ROUNDING,
    "mutations of the core": test_core_mutations.SHARED,
    "families and dtypes": test_false_alarms.SHARED,
    "known defects": test_known_defects.SHARED,
    "preflight of families": test_families.SHARED,
    "conclusions of whole runs": test_conclusions.SHARED,
    "additions of the guide": test_extending.SHARED,
}


def tried(cases: list[Any]) -> list[Any]:
    """The values of the cases that this session tries."""
    return [case.values for case in cases if is_tried(*case.marks[0].args)]


def test_every_day_has_a_fault_that_each_clause_catches(monkeypatch: pytest.MonkeyPatch) -> None:
    for part in map(str, range(DAYS)):
        monkeypatch.setenv(VARIABLE, part)
        caught = {clause for (fault,) in tried(test_faults.SHARED) for clause in fault.caught_by}
        assert [clause for clause in CLAUSES if clause not in caught] == []


@pytest.mark.parametrize("name", SHARED)
def test_the_days_together_try_everything_and_each_less_than_half(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cases, seen = SHARED[name], list[Any]()
    for part in map(str, range(DAYS)):
        monkeypatch.setenv(VARIABLE, part)
        seen += (now := tried(cases))
        assert 0 < len(now) < len(cases) / 2
    monkeypatch.setenv(VARIABLE, ALL)

    assert [case for case in tried(cases) if case not in seen] == []
    assert len(tried(cases)) == len(cases)


def test_every_day_has_every_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    for part in map(str, range(DAYS)):
        monkeypatch.setenv(VARIABLE, part)
        assert {dtype for _, dtype in tried(test_false_alarms.SHARED)} == {*DTYPES}


def test_days_in_a_row_take_turns_unless_the_environment_has_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = set()
    for day in range(DAYS):
        monkeypatch.delenv(VARIABLE)
        choose_part(date(2026, 2, 27) + timedelta(days=day))
        chosen.add([is_tried(number, DAYS) for number in range(DAYS)].index(True))
    assert chosen == {*range(DAYS)}

    monkeypatch.setenv(VARIABLE, "7")
    choose_part()
    assert [is_tried(number, 6) for number in (0, 1, ALWAYS)] == [False, True, True]
    assert [is_tried(number, 12) for number in (1, 7)] == [False, True]


def test_the_shares_of_a_matrix_take_turns_within_the_days() -> None:
    assert in_part(8, 6).args == (2, 6)
    assert in_part(ALWAYS, 6).args == (ALWAYS, 6)
    with pytest.raises(AssertionError):
        in_part(0, 5)


class FakeItem:
    def __init__(self, part: int | None) -> None:
        self.part = part

    def get_closest_marker(self, name: str) -> Any:
        assert name == "part"
        return None if self.part is None else SimpleNamespace(args=(self.part, 4))


@pytest.mark.parametrize(
    ("keyword", "argument", "expected"),
    [("", "parity/meta", [None, 2, ALWAYS]), ("P1", "parity/meta", None), ("", "parity/meta/test_x.py::test[y]", None)],
)
def test_cases_of_other_days_are_left_out_unless_cases_are_named(
    keyword: str, argument: str, expected: list[int | None] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "6")
    parts, deselected = [None, 0, 1, 2, 3, ALWAYS], list[Any]()
    items: Any = [FakeItem(part) for part in parts]
    hook = SimpleNamespace(pytest_deselected=lambda items: deselected.extend(items))
    config: Any = SimpleNamespace(option=SimpleNamespace(keyword=keyword), args=[argument], hook=hook)
    leave_out(config, items)

    assert [item.part for item in items] == (parts if expected is None else expected)
    assert len(items) + len(deselected) == len(parts)


def test_the_first_fault_of_a_clause_is_tried_every_day() -> None:
    first, second = FAULTS[0], next(each for each in FAULTS[1:] if {*each.caught_by} == {*FAULTS[0].caught_by})

    assert number_of_fault(first, FAULTS) == ALWAYS
    assert number_of_fault(second, [second, first]) == ALWAYS
    assert number_of_fault(second, FAULTS) != ALWAYS


@pytest.mark.parametrize(
    ("part", "seed"), [("0", 0), (str(DAYS - 1), DAYS - 1), (ALL, date.today().toordinal() % DAYS)]
)
def test_make_test_draws_its_random_programs_by_the_same_day(part: str, seed: int) -> None:
    command = ["make", "-n", "test", f"{VARIABLE}={part}"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert f"--program-seed {seed}\n" in printed


def test_make_campaign_tries_every_case() -> None:
    printed = subprocess.run(["make", "-n", "campaign"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    (line,) = [line for line in printed.splitlines() if f"{VARIABLE}={ALL} PARITY_FAULTS=all" in line]
    assert line.endswith(" -m pytest parity/meta -n 2 -q")
