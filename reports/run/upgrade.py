"""Upgrades runs of earlier versions while they are read; their files stay unchanged."""

from typing import Any

from reports.untrusted import plain
from steering_core.errors import ArtifactProblem
from steering_core.records.record import SCHEMA, Record

RENAMED_KEYS = {"localised": "localized"}
"""Keys of `measured` in schema 1, and in schema 2."""
RENAMED_CHECKS = {
    "parity/test_behaviour.py": "parity/test_behavior.py",
    "parity/test_preflight_purity.py::test_borrow": "parity/test_preflight_side_effects.py::test_side_effects",
    "parity/test_preflight_purity.py": "parity/test_preflight_side_effects.py",
}
"""How node ids begin in schema 1, and in schema 2: a command to repeat a check must name one that exists."""


def schema_of(header: dict[str, Any], name: str) -> int:
    """The schema that a records file declares; ArtifactProblem for one that this version cannot read."""
    schema = header.get("schema")
    if type(schema) is int and 1 <= schema <= SCHEMA:
        return schema
    newer = type(schema) is int and schema > SCHEMA
    hint = "a newer suite wrote it: update this one" if newer else f"expected schema 1 to {SCHEMA}"
    raise ArtifactProblem("artifact-schema", f"{name} has schema {plain(repr(schema), 40)}", hint)


def upgrade_record(record: Record, schema: int) -> Record:
    """A record of that schema, with the names of the present one."""
    if schema == SCHEMA:
        return record
    measured = {RENAMED_KEYS.get(key, key): value for key, value in record.measured.items()}
    old = next((old for old in RENAMED_CHECKS if record.nodeid.startswith(old)), "")
    nodeid = RENAMED_CHECKS.get(old, "") + record.nodeid.removeprefix(old)
    return record.model_copy(update={"measured": measured, "nodeid": nodeid})
