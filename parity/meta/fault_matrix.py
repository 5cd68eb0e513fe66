"""Which clause caught which fault, compared with the declarations, and the same as a table."""

import re
from collections.abc import Iterable, Mapping, Sequence

from fixtures.faults import Fault
from steering_core.models.registry import read_registry
from steering_core.places import REGISTRY
from steering_core.records.clauses import CLAUSES
from steering_core.records.record import Outcome, Record

SignRow = Mapping[str, str]
"""Clause -> sign, for the clauses that ran."""
HOLDS, DIFFERS, CRASHED, MAY_FAIL, NOT_RUN = ".", "x", "!", "~", ""
LEGEND = (
    "`x` caught as declared, `!` the same with a crash instead of a measured difference, `~` may fail as a consequence, "
    "`.` holds, blank: not run, because a failed preflight closed the gate, or because it is about something else"
)


SENSELESS = re.compile(
    r"nothing is wrong|off by up to 0(?![.\d])|observed (.+), expected \1(;|$)|decode step"
    r"|size of tensor|shape mismatch|shape of the mask"
)
"""Words that no failing check may use: they deny the failure, misname a place, or are torch's own."""


def senseless(records: Iterable[Record]) -> list[str]:
    """Sentences of failing checks that make no sense to their reader."""
    failing = (record.sentence for record in records if record.outcome is not Outcome.AGREES)
    return [sentence for sentence in failing if SENSELESS.search(sentence)]


def holds(record: Record) -> bool:
    """Agrees, is a known deviation of its tool, or is not offered."""
    return record.declared or record.outcome in (Outcome.AGREES, Outcome.NOT_OFFERED)


def signs(records: Iterable[Record]) -> dict[str, str]:
    """The worst outcome of each clause that ran; a known deviation counts as holding, and so does what is not offered."""
    worst: dict[str, str] = {}
    for record in records:
        sign = HOLDS if holds(record) else DIFFERS if record.outcome is Outcome.DIFFERS else CRASHED
        clause = record.cell.clause
        worst[clause] = max(worst.get(clause, HOLDS), sign, key=(HOLDS, CRASHED, DIFFERS).index)
    return worst


def mismatches(fault: Fault, records: Sequence[Record]) -> list[str]:
    """What differs from the declaration: a clause that misses the fault, one that should hold, a wrong localization."""
    row = signs(records)
    missed = [clause for clause in fault.caught_by if row.get(clause, HOLDS) == HOLDS]
    fired = [clause for clause in fault.passes if row.get(clause, HOLDS) != HOLDS]
    return [
        *(f"{clause} {'does not catch it' if clause in row else 'did not run'}" for clause in missed),
        *(f"{clause} fires: {first_sentence(records, clause)}" for clause in fired),
        *(f"no localization contains {words!r}" for words in missing_localizations(fault, records)),
    ]


def first_sentence(records: Sequence[Record], clause: str) -> str:
    """The sentence of the first record of a clause that does not agree."""
    return next(r.sentence for r in records if r.cell.clause == clause and not holds(r))


def missing_localizations(fault: Fault, records: Sequence[Record]) -> list[str]:
    """Declared words that appear in the localization of no record."""
    localizations = [str(record.measured.get("localized", "")) for record in records]
    declared = [words.format(**blocks(fault.model)) for words in fault.localized]
    return [words for words in declared if not any(words in each for each in localizations)]


def blocks(key: str) -> dict[str, int]:
    """Block numbers of a model by the names that a declaration uses."""
    spec = read_registry(REGISTRY)[key]
    layer, last = int(spec.layer), spec.layers - 1
    return {"layer": layer, "before": layer - 1, "after": layer + 1, "last": last, "to_last": last - layer}


def shown(fault: Fault, clause: str, row: SignRow) -> str:
    """The sign of one cell; where a clause may fail as a consequence, whether it does is left to the numbers."""
    sign = row.get(clause, NOT_RUN)
    return MAY_FAIL if sign != NOT_RUN and clause in fault.either else sign


def unlike_declared(fault: Fault, row: SignRow) -> list[str]:
    """What a row of the page says against the declaration: a clause that was not tried or misses the fault, one that fires."""
    caught = ((clause, row.get(clause, NOT_RUN)) for clause in fault.caught_by)
    told = {NOT_RUN: "was not tried", HOLDS: "does not catch it"}
    fired = [clause for clause in fault.passes if row.get(clause, NOT_RUN) not in (NOT_RUN, HOLDS)]
    return [
        *(f"{clause} {told[sign]}" for clause, sign in caught if sign in told),
        *(f"{each} fires" for each in fired),
    ]


def as_text(faults: Sequence[Fault], rows: Mapping[str, SignRow]) -> str:
    """For a terminal: a line per fault, a column per clause."""
    width = max(len(fault.name) for fault in faults)
    sizes = {clause: max(3, len(clause)) for clause in CLAUSES}
    head = f"{'':{width}} {' '.join(f'{clause:^{size}}' for clause, size in sizes.items())}"
    lines = [
        f"{fault.name:{width}} " + " ".join(f"{shown(fault, c, rows[fault.name]):^{size}}" for c, size in sizes.items())
        for fault in faults
        if fault.name in rows
    ]
    return "\n".join(line.rstrip() for line in (head, *lines))


def from_markdown(page: str) -> dict[str, SignRow]:
    """Fault -> its signs, as `as_markdown` wrote them; clauses that the page does not know are missing."""
    rows, clauses = dict[str, SignRow](), list[str]()
    for line in page.splitlines():
        name, *signs = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("| ") else [""]
        if name == "fault":
            clauses = signs
        elif name:
            rows[name] = dict(zip(clauses, signs, strict=True))
    return rows


def as_markdown(faults: Sequence[Fault], rows: Mapping[str, SignRow]) -> str:
    """The whole matrix as a page: per file of faults a table, then what each fault is."""
    caught = sum(fault.name in rows for fault in faults)
    text = f"# Faults and the clauses that catch them\n\n{caught} wrong tools and runs, one defect each.\n{LEGEND}.\n"
    for file in dict.fromkeys(fault.file for fault in faults):
        in_file = [fault for fault in faults if fault.file == file]
        text += f"\n## {file}\n\n| fault | {' | '.join(CLAUSES)} |\n|---|{'---|' * len(CLAUSES)}\n"
        for fault in in_file:
            cells = " | ".join(shown(fault, clause, rows.get(fault.name, {})) for clause in CLAUSES)
            text += f"| {fault.name} | {cells} |\n"
        text += "\n" + "".join(f"- **{fault.name}**: {fault.sentence}\n" for fault in in_file)
    return text
