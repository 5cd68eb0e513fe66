"""Which cases of the long matrices a session tries: a share of each, another one each day; after `DAYS` days all have been
tried. `PARITY_PART=0` to `11` asks for those of a certain day, `PARITY_PART=all` for every case, as `make campaign` does; a
case that is named, by `-k` or `::`, runs."""

import os
from collections.abc import Iterable
from datetime import date
from typing import Any
from zlib import crc32

import pytest

from fixtures.faults import Fault

DAYS = 12
"""The number of shares of a matrix divides it."""
VARIABLE, ALL = "PARITY_PART", "all"
ALWAYS = -1
"""The number of a case that every session tries."""


def choose_part(today: date | None = None) -> None:
    """For this session and its workers, unless the environment has chosen: that of the day."""
    os.environ.setdefault(VARIABLE, str((today or date.today()).toordinal() % DAYS))


def part_in_words() -> str:
    """Which cases this session tried, and how another one tries the same."""
    part = os.environ.get(VARIABLE, ALL)
    tried = "every case" if part == ALL else f"the share of one day in {DAYS}"
    return f"long matrices: {tried} ({VARIABLE}={part}); `make campaign` tries all"


def is_tried(number: int, shares: int) -> bool:
    """Whether this session tries the cases of a share of a matrix."""
    part = os.environ.get(VARIABLE, ALL)
    return part == ALL or number == ALWAYS or int(part) % shares == number


def in_part(number: int, shares: int) -> Any:
    """The mark of a case of a matrix that has so many shares: by the number of the case, or ALWAYS for every session."""
    assert DAYS % shares == 0
    return pytest.mark.part(number if number == ALWAYS else number % shares, shares)


def number_of_fault(fault: Fault, faults: Iterable[Fault]) -> int:
    """ALWAYS for the first fault that a clause catches, so that no clause goes without; else one that its name gives."""
    firsts = {clause: each.name for each in reversed([*faults]) for clause in each.caught_by}
    return ALWAYS if fault.name in firsts.values() else crc32(fault.name.encode()) // 8


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out the cases of other shares, unless the command line names cases."""
    if config.option.keyword or any("::" in str(argument) for argument in config.args):
        return
    others = [item for item in items if (mark := item.get_closest_marker("part")) and not is_tried(*mark.args)]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in {*others}]
