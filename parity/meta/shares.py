"""Which cases of the long matrices a session tries: a quarter of them, another one each day. `PARITY_PART=0` to `3` asks for
a certain quarter, `PARITY_PART=all` for every case, as `make campaign` does; a case that is named, by `-k` or `::`, runs."""

import os
from collections.abc import Iterable
from datetime import date
from typing import Any
from zlib import crc32

import pytest

from fixtures.faults import Fault

PARTS = 4
VARIABLE, ALL = "PARITY_PART", "all"
ALWAYS = -1
"""The part of a case that every session tries."""


def choose_part(today: date | None = None) -> None:
    """For this session and its workers, unless the environment has chosen: that of the day."""
    os.environ.setdefault(VARIABLE, str((today or date.today()).toordinal() % PARTS))


def part_in_words() -> str:
    """Which cases this session tried, and how another one tries the same."""
    part = os.environ.get(VARIABLE, ALL)
    return f"long matrices: {'every case' if part == ALL else 'one quarter'} ({VARIABLE}={part}); `make campaign` tries all"


def is_tried(part: int) -> bool:
    """Whether this session tries the cases of a part."""
    return os.environ.get(VARIABLE, ALL) in (ALL, str(part)) or part == ALWAYS


def in_part(number: int) -> Any:
    """The mark of a case: its number, of which the part follows; ALWAYS for every part."""
    return pytest.mark.part(number if number == ALWAYS else number % PARTS)


def part_of_fault(fault: Fault, faults: Iterable[Fault]) -> int:
    """ALWAYS for the first fault that a clause catches, so that no clause goes without; else one that its name gives."""
    firsts = {clause: each.name for each in reversed([*faults]) for clause in each.caught_by}
    return ALWAYS if fault.name in firsts.values() else crc32(fault.name.encode()) // 8 % PARTS


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out the cases of other parts, unless the command line names cases."""
    if config.option.keyword or any("::" in str(argument) for argument in config.args):
        return
    others = [item for item in items if (mark := item.get_closest_marker("part")) and not is_tried(mark.args[0])]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in {*others}]
