"""What a check that does not agree means for someone new to the suite; the texts are in advice.toml."""

import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from steering_core.records.clauses import Clause
from steering_core.records.record import Outcome

ADVICE = Path(__file__).with_name("advice.toml")
OTHER = "other"


class Advice(NamedTuple):
    """What broke, why that matters, what to do: one sentence each, the first without its full stop."""

    what: str
    why: str
    todo: str


def advise(clause: Clause, outcome: Outcome, subject: str) -> Advice:
    """Advice about a tool, a pair of tools or the model; a clause without an entry is described by its own row."""
    entries = read_advice()
    entry = entries.get(clause.id, entries[OTHER]) if outcome is Outcome.DIFFERS else entries[outcome]
    return Advice(*(text.format(subject=subject, name=clause.name, rule=clause.rule) for text in entry))


@cache
def read_advice() -> dict[str, Advice]:
    """{clause id, `other`, or an outcome other than DIFFERS and AGREES: texts with placeholders}."""
    entries = tomllib.loads(ADVICE.read_text(encoding="utf-8"))
    return {key: Advice(**texts) for key, texts in entries.items()}
