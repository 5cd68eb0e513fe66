"""What was run and where it came from: environment, provenance, cost, declared deviations."""

from collections.abc import Iterable
from dataclasses import dataclass

from reports.page.exports import Scalar, show
from steering_core.records.record import Record, Run, Value

MANY = 4
_EVERY = "every record"
_TOOLS = "tools"


@dataclass(frozen=True)
class Fact:
    """One line of provenance: what it is called, what it is, and which records it holds for."""

    name: str
    value: str
    holds_for: str = _EVERY


def list_environment(run: Run) -> list[Fact]:
    """What holds for the whole run."""
    return [Fact(_name(name), _text(value), "the run") for name, value in run.environment.items() if value is not None]


def list_provenance(run: Run) -> list[Fact]:
    """Every provenance field once, split by model or tool only where it differs, without what the run says anyway."""
    names = dict.fromkeys(name for record in run.records for name in record.provenance if name != _TOOLS)
    facts = [fact for name in names for fact in _facts(name, [r for r in run.records if name in r.provenance])]
    known = {(fact.name, fact.value) for fact in list_environment(run)}
    return [fact for fact in facts if (fact.name, fact.value) not in known]


def tool_versions(run: Run) -> dict[str, str]:
    """{tool: distribution, version and import location as the records say them}; a tool without one says so."""
    return {tool: _version(run, tool) for tool in run.plan.tools}


def source_of(run: Run) -> str:
    """The commit of the suite and whether its source had been changed since."""
    commit = _find(run, "commit")
    return f"{commit}{' (with uncommitted changes)' if _find(run, 'dirty') else ''}" if commit else "not recorded"


def machine_of(run: Run) -> str:
    """Device, operating system and the versions that decide numbers."""
    parts = [_find(run, "gpu") or _find(run, "device"), _find(run, "processor"), _find(run, "platform")]
    versions = [f"{key} {found}" for key in ("python", "torch", "transformers") if (found := _find(run, key))]
    return ", ".join([*dict.fromkeys(str(part) for part in parts if part), *versions]) or "not recorded"


def cost_of(run: Run) -> str:
    """Time, memory and, where the run was priced, money."""
    seconds = sum(record.wall_seconds for record in run.records)
    memory = max((record.peak_memory_bytes for record in run.records), default=0)
    parts = [f"{len(run.records)} records", *([f"{_duration(seconds)} of measuring"] if seconds else [])]
    parts += [f"{memory / 2**30:.1f} GiB peak memory"] if memory else []
    priced = {key: value for key, value in run.environment.items() if "usd" in key and value is not None}
    return ", ".join([*parts, *(f"{_name(key)} {_text(value)}" for key, value in priced.items())])


def list_deviations(run: Run) -> list[Fact]:
    """Deviations from the protocol that a check declared about itself."""
    found: dict[str, list[str]] = {}
    for record in run.records:
        if text := record.measured.get("declared_deviation"):
            found.setdefault(_text(text), []).append(record.cell.id)
    return [Fact("deviation", text, _few(cells)) for text, cells in found.items()]


def _facts(name: str, records: list[Record]) -> list[Fact]:
    values = {_text(record.provenance[name]) for record in records}
    if len(values) == 1:
        return [Fact(_name(name), values.pop())]
    for axis in ("model", "tool"):
        groups = _split(name, records, axis)
        if all(len(found) == 1 for found in groups.values()):
            return [Fact(_name(name), next(iter(found)), key) for key, found in groups.items()]
    return [Fact(_name(name), _few(sorted(values)), "differs between records: see records.jsonl")]


def _split(name: str, records: Iterable[Record], axis: str) -> dict[str, set[str]]:
    groups: dict[str, set[str]] = {}
    for record in records:
        groups.setdefault(getattr(record.cell, axis) or "no single tool", set()).add(_text(record.provenance[name]))
    return groups


def _version(run: Run, tool: str) -> str:
    named = (record.provenance.get(_TOOLS) for record in run.records)
    found = [table[tool] for table in named if isinstance(table, dict) and isinstance(table.get(tool), dict)]
    texts = [
        f"{_text(v.get('distribution'))} {_text(v.get('version'))}, from {_text(v.get('location'))}" for v in found
    ]
    return "; ".join(dict.fromkeys(texts)) or "version not recorded"


def _find(run: Run, name: str) -> Value:
    """From the run's environment, else from the first record that says it."""
    holders = (run.environment, *(record.provenance for record in run.records))
    return next((holder[name] for holder in holders if holder.get(name)), None)


def _few(texts: list[str]) -> str:
    rest = len(texts) - MANY
    return "; ".join(texts[:MANY]) + (f"; and {rest} more" if rest > 0 else "")


def _text(value: Value) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(item)}" for name, item in value.items())
    return ", ".join(map(_text, value)) if isinstance(value, list) else show(_entry(value))


def _entry(value: Value) -> Scalar:
    return str(value) if isinstance(value, list | dict) else value


def _name(name: str) -> str:
    return name.replace("_", " ").replace("usd", "USD")


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s" if minutes else f"{seconds:.1f} s"
