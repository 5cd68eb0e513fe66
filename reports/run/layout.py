"""Names of the files in a run directory, and the first and last line of the records file."""

from typing import Literal

from pydantic import Field

from steering_core.records.record import Frozen, Plan, Value

RECORDS = "records.jsonl"
VERDICT = "verdict.json"
CHECKLIST = "phase1_parity_checklist.json"
SCHEMAS = "schema.json"


class Header(Frozen):
    """First line: what the run set out to do and what holds for all of it."""

    kind: Literal["header"] = "header"
    schema_version: Literal[1] = Field(1, alias="schema")
    plan: Plan
    environment: dict[str, Value] = Field(default_factory=dict)


class Footer(Frozen):
    """Last line: how many records precede it and the sha256 of every byte before it; a file without one is truncated.

    tensors: sha256 of each stored tensor file, by its path below the run directory.
    """

    kind: Literal["footer"] = "footer"
    records: int
    sha256: str
    tensors: dict[str, str] = Field(default_factory=dict)
