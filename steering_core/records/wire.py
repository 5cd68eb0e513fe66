"""How records travel from the process that ran a check to the one that reports: as a property of its test report."""

import json
from typing import Any

from steering_core.records.record import Record

PROPERTY = "parity_record"


def as_property(record: Record) -> tuple[str, str]:
    """The record as an entry of pytest's `user_properties`: ASCII JSON, which JUnit files can hold too."""
    return PROPERTY, json.dumps(record.model_dump(mode="json"))


def records_in(report: Any) -> list[Record]:
    """The records of a pytest `TestReport`; none at teardown, whose report repeats what the call's carried."""
    properties = report.user_properties if report.when != "teardown" else ()
    return [Record.model_validate_json(text) for name, text in properties if name == PROPERTY]


def has_record(report: Any) -> bool:
    """Whether a test left a record, from the report of its teardown too."""
    return any(name == PROPERTY for name, _ in report.user_properties)
