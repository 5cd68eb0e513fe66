"""What a verdict is about, and nothing beyond (closeout, section 1)."""

from collections.abc import Sequence

from reports.verdicts.measured import was_measured
from reports.verdicts.model_evidence import ModelEvidence
from reports.verdicts.run_index import RunIndex
from reports.verdicts.verdict import Scope
from steering_core.records.record import Record

UNKNOWN = "version not recorded"


def delimit(index: RunIndex, models: Sequence[ModelEvidence]) -> Scope:
    """The models and tools that were measured, with versions, sites and prompts as the provenance names them."""
    records = [record for record in index.records.values() if was_measured(record)]
    names = {record.cell.model for record in records}
    seen = {name for record in records for name in (record.cell.tool, record.cell.other)}
    tools = {tool: _find_version(records, tool) for tool in index.plan.tools if tool in seen}
    scope = Scope(
        models=tuple(model for model in index.plan.models if model in names),
        tools=tools,
        sites=tuple(sorted(_list_texts(records, "site"))),
        prompts=_say_prompts(records, models),
        preset=index.plan.preset,
        sentence="",
    )
    return scope.model_copy(update={"sentence": _say(scope)})


def _say(scope: Scope) -> str:
    if not scope.models:
        return "Nothing was measured, so this holds for nothing."
    tools = ", ".join(f"{tool} {version}" for tool, version in scope.tools.items()) or "no tool"
    sites = f"sites {', '.join(scope.sites)}" if scope.sites else "sites not recorded"
    return (
        f"Holds for {', '.join(scope.models)}; {tools}; {sites}; {scope.prompts}; preset {scope.preset}; "
        "and for nothing beyond."
    )


def _find_version(records: Sequence[Record], tool: str) -> str:
    """`0.8.1`, or every version that was seen."""
    found = set()
    for record in records:
        tools = record.provenance.get("tools")
        named = tools.get(tool) if isinstance(tools, dict) else None
        if isinstance(named, dict) and named.get("version"):
            found.add(str(named["version"]))
    return " and ".join(sorted(found)) or UNKNOWN


def _list_texts(records: Sequence[Record], key: str) -> set[str]:
    found = (record.provenance.get(key) for record in records)
    return {text for text in found if isinstance(text, str) and text}


def _say_prompts(records: Sequence[Record], models: Sequence[ModelEvidence]) -> str:
    totals = sorted({rate.total for model in models for rate in model.rates})
    counted = f"{' or '.join(map(str, totals))} evaluation prompts" if totals else "no evaluation prompts"
    digests = sorted(digest[:12] for digest in _list_texts(records, "prompts"))
    return f"{counted} (set {' and '.join(digests)})" if digests else counted
