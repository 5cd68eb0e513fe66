"""Names of the files in a run directory, and the first and last line of the records file."""

from typing import Literal

from pydantic import Field

from steering_core.records.record import SCHEMA, Frozen, Plan, Value

RECORDS = "records.jsonl"
VERDICT = "verdict.json"
CHECKLIST = "phase1_parity_checklist.json"
SCHEMAS = "schema.json"


class Header(Frozen):
    """First line: the plan of the run, and the environment that all of it ran in."""

    kind: Literal["header"] = "header"
    schema_version: Literal[2] = Field(default=SCHEMA, alias="schema")
    plan: Plan
    environment: dict[str, Value] = Field(default_factory=dict)


class Footer(Frozen):
    """Last line; a file without one is truncated.

    sha256: of every byte before this line. tensors: sha256 of each tensor file, by its path below the run directory.
    """

    kind: Literal["footer"] = "footer"
    records: int
    sha256: str
    tensors: dict[str, str] = Field(default_factory=dict)
