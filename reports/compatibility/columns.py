"""The columns of the table, from columns.toml: which checks each of them stands for."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from steering_core.records.record import Cell

COLUMNS = Path(__file__).with_name("columns.toml")
NO_VARIANT = "-"


@dataclass(frozen=True)
class Column:
    """checks: `P1`, `P4 left` or `S1 -`. beside: those of them that ask whatever a tool offers, here or elsewhere."""

    name: str
    title: str
    asks: str
    checks: tuple[str, ...]
    beside: tuple[str, ...] = ()

    def holds(self, cell: Cell) -> bool:
        """Whether it stands for this check."""
        return any(matches(check, cell) for check in self.checks)

    def asks_alone(self, cell: Cell) -> bool:
        """Whether a check of it asks only what the column is about."""
        return not any(matches(check, cell) for check in self.beside)


@cache
def read_columns(file: Path = COLUMNS) -> tuple[Column, ...]:
    """Every column, in the order of the table."""
    rows = tomllib.loads(file.read_text(encoding="utf-8"))["column"]
    lists = ("checks", "beside")
    return tuple(Column(**row | {name: tuple(row.get(name, ())) for name in lists}) for row in rows)


@cache
def read_left_out(file: Path = COLUMNS) -> dict[str, str]:
    """{checks that are in no column: why}."""
    return {row["clause"]: row["reason"] for row in tomllib.loads(file.read_text(encoding="utf-8"))["left_out"]}


def matches(check: str, cell: Cell) -> bool:
    """Whether `P1`, `P4 left` or `S1 -` names this check of one tool."""
    clause, _, variant = check.partition(" ")
    return clause == cell.clause and not cell.other and variant in ("", cell.variant or NO_VARIANT)
