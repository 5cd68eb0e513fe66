"""Finding F1: which extraction methods find a trait, at which block, on prompts that they have not seen."""

from typing import TYPE_CHECKING

import pytest

from parity.findings.demands import (
    demand_chance,
    demand_converged_gradient,
    demand_effect,
    demand_one_reading,
    demand_supervised,
)
from parity.plugin.arguments import Draft
from steering_core.errors import EmptyMeasurement
from steering_core.measure.findings.traits import Trait, count_prompts

if TYPE_CHECKING:
    from steering_core.measure.findings.findings import Findings

pytestmark = pytest.mark.findings


@pytest.mark.clause("F1")
def test_extraction(findings: "Findings", record: Draft, trait: Trait) -> None:
    """F1: accuracy, effect size and polarity of every method at every block, on held-out prompts, beside its effect on
    steering."""
    from steering_core.measure.findings.effects import effect_facts, effect_statements
    from steering_core.measure.findings.facts import extraction_facts, sentence_of

    table = findings.extractions.table(trait)
    demand_one_reading(record, table, trait, findings.extractions.batch_size)
    demand_chance(record, table)
    demand_supervised(record, table)
    demand_converged_gradient(record, table)
    record.note(prompt_sets=count_prompts({trait.name: trait.prompts}))
    record.note(trait=trait.name, about=trait.about, **extraction_facts(table))
    try:
        effects = findings.effects.measure(trait, table)
    except EmptyMeasurement as problem:
        record.measured["statements"].append(f"effect on steering, and the late-layer trap, not measured: {problem}")
    else:
        demand_effect(record, effects)
        record.note(**effect_facts(table, effects))
        record.measured["statements"] += effect_statements(table, effects)
    record.agree(sentence_of(trait, table))
