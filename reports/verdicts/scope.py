"""What a verdict is about, and nothing beyond (closeout, section 1)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import NonNegativeInt

from reports.untrusted import plain
from reports.verdicts.arithmetic import describe_arithmetic
from reports.verdicts.findings.section import is_finding
from reports.verdicts.measured import Measurement, read_measured, was_measured
from reports.verdicts.model_evidence import ModelEvidence
from reports.verdicts.run_index import RunIndex
from reports.verdicts.subjects import list_caveats
from reports.verdicts.sweeps.section import SweepSection
from reports.verdicts.verdict import Scope
from steering_core.records.record import Record

UNKNOWN = "version not recorded"
NAME = 60
"""Characters of a set's name that are shown."""


class PromptSets(Measurement):
    """What the record of a finding may hold: distinct prompts by the name of their set."""

    prompt_sets: dict[str, NonNegativeInt] = {}


def delimit(index: RunIndex, models: Sequence[ModelEvidence], sweep: SweepSection | None = None) -> Scope:
    """The models and tools that were measured, with versions, sites and prompts as the provenance names them."""
    swept = {condition.unique for condition in sweep.conditions} if sweep else set()
    plan, records = index.plan, list(filter(was_measured, index.records.values()))
    measured_models = {record.cell.model for record in records}
    measured_tools = {name for record in records for name in (record.cell.tool, record.cell.other)}
    scope = Scope(
        models=tuple(model for model in plan.models if model in measured_models),
        tools={tool: _find_version(records, tool) for tool in plan.tools if tool in measured_tools},
        sites=tuple(sorted(_list_texts(records, "site"))),
        prompts=_describe_prompts(records, swept | {rate.total for model in models for rate in model.rates}),
        arithmetic=describe_arithmetic(records),
        preset=plan.preset,
        sentence="",
        caveats=list_caveats(index),
    )
    return scope.model_copy(update={"sentence": _describe(scope)})


def _describe(scope: Scope) -> str:
    if not scope.models:
        return "Nothing was measured, so this covers nothing."
    tools = ", ".join(f"{tool} {version}" for tool, version in scope.tools.items()) or "no tool"
    sites = f"sites {', '.join(scope.sites)}" if scope.sites else "sites not recorded"
    caveats = f" on {' and '.join(scope.caveats)}" if scope.caveats else ""
    measured = f"{', '.join(scope.models)}{caveats}; {tools}; {sites}; {scope.prompts}"
    return f"Covers only {measured}; {scope.arithmetic}; preset {scope.preset}."


def _find_version(records: Sequence[Record], tool: str) -> str:
    """`0.8.1`, or `mytool.py (sha256 0123456789ab)` for a tool of a file of its own; several if records differ."""
    tables = (record.provenance.get("tools") for record in records)
    entries = (table.get(tool) for table in tables if isinstance(table, dict))
    versions = {_version_of(entry) for entry in entries if isinstance(entry, dict)}
    return " and ".join(sorted(versions - {""})) or UNKNOWN


def _version_of(entry: dict[str, Any]) -> str:
    file, digest = entry.get("file"), entry.get("sha256")
    if not (file and digest):
        return str(entry.get("version") or "")
    path = Path(str(file))
    name = f"{path.parent.name}/{path.name}" if path.name == "__init__.py" else path.name
    return f"{name} (sha256 {str(digest)[:12]})"


def _list_texts(records: Sequence[Record], key: str) -> set[str]:
    values = (record.provenance.get(key) for record in records)
    return {text for text in values if isinstance(text, str) and text}


def _describe_prompts(records: Sequence[Record], counts: set[int]) -> str:
    totals = sorted(counts)
    used = _list_prompt_sets(records)
    named = [f"{' or '.join(map(str, sorted(used[name])))} of {name}" for name in sorted(used)]
    counted = (
        f"{' or '.join(map(str, totals))} evaluation prompts" if totals else "" if named else "no evaluation prompts"
    )
    counted = "; ".join(filter(None, (counted, f"prompts of findings: {', '.join(named)}" if named else "")))
    digests = sorted(digest[:12] for digest in _list_texts(records, "prompts"))
    return f"{counted} (set {' and '.join(digests)})" if digests else counted


def _list_prompt_sets(records: Sequence[Record]) -> dict[str, set[int]]:
    """How many prompts of each set the findings used, by the set's name."""
    used: dict[str, set[int]] = {}
    for record in filter(lambda record: is_finding(record.cell), records):
        for name, count in read_measured(record, PromptSets).prompt_sets.items():
            used.setdefault(plain(name, NAME), set()).add(count)
    return used
