"""JSON Schema of every file the suite writes, from the same models that read and write them."""

from typing import Any

from pydantic import BaseModel

from reports.run.checklist import Checklist
from reports.run.layout import CHECKLIST, RECORDS, VERDICT, Footer, Header
from reports.run.v3 import V3Result
from reports.verdicts import Verdict
from steering_core.records.record import Record


def json_schemas() -> dict[str, Any]:
    """{file or line: its JSON Schema}."""
    models: dict[str, type[BaseModel]] = {
        f"{RECORDS} first line": Header,
        f"{RECORDS} line": Record,
        f"{RECORDS} last line": Footer,
        VERDICT: Verdict,
        CHECKLIST: Checklist,
        "export --v3": V3Result,
    }
    return {name: model.model_json_schema(by_alias=True, mode="serialization") for name, model in models.items()}
