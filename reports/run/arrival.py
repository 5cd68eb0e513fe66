"""How a record arrives: as a property of a test report, from workers too."""

import pytest

from steering_core.records.record import Record

PROPERTY = "parity_record"


def texts_in(report: pytest.TestReport) -> list[str]:
    """The records of a report as JSON lines; each arrives once, with the phase that closed it."""
    if report.when == "teardown":
        return []
    return [str(value) for name, value in report.user_properties if name == PROPERTY]


def records_in(report: pytest.TestReport) -> list[Record]:
    """The same, read."""
    return [Record.model_validate_json(text) for text in texts_in(report)]
