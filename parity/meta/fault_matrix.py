"""Faults beside clauses: who caught what, compared with what was declared, as a table for people."""

from collections.abc import Iterable, Mapping, Sequence

from fixtures.faults import Fault
from steering_core.models.registry import read_registry
from steering_core.places import FIXTURES
from steering_core.records.clauses import CLAUSES
from steering_core.records.record import Outcome, Record

SignRow = Mapping[str, str]
"""Clause -> sign, for the clauses that ran."""
HOLDS, DIFFERS, CRASHED, MAY_FAIL, NOT_RUN = ".", "x", "!", "~", ""
LEGEND = (
    "`x` caught as declared, `!` the same with a crash instead of a measured difference, `~` may fail as a consequence, "
    "`.` holds, blank: not run, because a failed preflight closed the gate"
)


def signs(records: Iterable[Record]) -> dict[str, str]:
    """The worst outcome of each clause that ran; a declared deviation holds."""
    found: dict[str, str] = {}
    for record in records:
        holds = record.outcome is Outcome.AGREES or record.declared
        sign = HOLDS if holds else DIFFERS if record.outcome is Outcome.DIFFERS else CRASHED
        clause = record.cell.clause
        found[clause] = max(found.get(clause, HOLDS), sign, key=(HOLDS, CRASHED, DIFFERS).index)
    return found


def complaints(fault: Fault, records: Sequence[Record]) -> list[str]:
    """Where the records part from the declaration: blind clauses, wrong ones, and a name that is not said."""
    row = signs(records)
    blind = [f"{clause} {'does not catch it' if clause in row else 'did not run'}" for clause in fault.caught_by
             if row.get(clause, HOLDS) == HOLDS]  # fmt: skip
    first = {
        record.cell.clause: record.sentence for record in reversed(records) if record.outcome is not Outcome.AGREES
    }
    wrong = [f"{clause} fires: {first[clause]}" for clause in fault.passes if row.get(clause, HOLDS) != HOLDS]
    named = [str(record.measured.get("localized", "")) for record in records]
    wanted = [words.format(**blocks(fault.model)) for words in fault.localized]
    unsaid = [f"no localization says {words!r}" for words in wanted if not any(words in name for name in named)]
    return blind + wrong + unsaid


def blocks(key: str) -> dict[str, int]:
    """What a declaration calls the blocks around the tested one of a model."""
    spec = read_registry(FIXTURES / "models.toml")[key]
    layer, last = int(spec.layer), spec.layers - 1
    return {"layer": layer, "before": layer - 1, "after": layer + 1, "last": last, "to_last": last - layer}


def shown(fault: Fault, clause: str, row: SignRow) -> str:
    """The sign of one cell; where a clause may fail as a consequence, whether it does is left to the numbers."""
    sign = row.get(clause, NOT_RUN)
    return MAY_FAIL if sign != NOT_RUN and clause in fault.either else sign


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


def as_markdown(faults: Sequence[Fault], rows: Mapping[str, SignRow]) -> str:
    """The whole matrix as a page: per file of faults a table, then what each fault is."""
    caught = sum(fault.name in rows for fault in faults)
    text = f"# Faults and the clauses that catch them\n\n{caught} wrong tools and runs, one defect each.\n{LEGEND}.\n"
    for file in dict.fromkeys(fault.file for fault in faults):
        own = [fault for fault in faults if fault.file == file]
        text += f"\n## {file}\n\n| fault | {' | '.join(CLAUSES)} |\n|---|{'---|' * len(CLAUSES)}\n"
        for fault in own:
            cells = " | ".join(shown(fault, clause, rows.get(fault.name, {})) for clause in CLAUSES)
            text += f"| {fault.name} | {cells} |\n"
        text += "\n" + "".join(f"- **{fault.name}**: {fault.sentence}\n" for fault in own)
    return text
