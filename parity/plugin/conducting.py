"""What happens around the body of every check, in a pytest session as in the harness: what its tools do not offer, and
their known deviations."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from parity.plugin.arguments import Draft, Tool
from parity.plugin.assertions import differ, not_offered
from parity.plugin.context import CheckContext
from parity.plugin.needs import reason_not_offered


@contextmanager
def conducting(context: CheckContext) -> Iterator[None]:
    """Around the body of a check: first asks its tools whether they offer what it needs, then reports a known
    deviation of theirs as such."""
    if context.needs and (reason := _not_offered(context)):
        not_offered(context.record, reason)
    model = context.experiment.model if context.subjects else None
    with allow_known_deviations(context.record, context.subjects, model):
        yield


def _not_offered(context: CheckContext) -> str | None:
    """Of every tool that the cell names; a check of the whole set needs one tool that offers it."""
    if not context.chosen:
        return None if context.every_tool else "no tool of this run offers what the check needs"
    reasons = (reason_not_offered(tool, context.experiment, context.needs) for tool in context.subjects)
    return next(filter(None, reasons), None)


@contextmanager
def allow_known_deviations(record: Draft, tools: Sequence[Tool], model: Any = None) -> Iterator[None]:
    """Report the failure of a known deviation as such; a known deviation that no longer occurs is a failure."""
    from steering_core.tools.deviations import known_deviation

    deviation = known_deviation(tools, record.cell, model) if tools else None
    if deviation is None:
        yield
        return
    named = record.cell.tools or "the tools"
    try:
        yield
    except AssertionError:
        if deviation.shows not in record.sentence:
            raise
        record.note(declared_deviation=deviation.reason, link=deviation.link, fault=deviation.fault)
        pytest.xfail(f"known deviation of {named}: {deviation.reason}")
    row = " ".join(filter(None, (deviation.clause, deviation.variant, deviation.arm)))
    differ(record, f"{named} no longer deviates: {deviation.reason}; remove the row for {row}")
