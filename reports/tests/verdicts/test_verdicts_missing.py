"""INCOMPLETE: what is missing is listed by reason, grouped, and never hides a failed preflight."""

import pytest

from reports.tests.verdicts.verdict_runs import (
    MODELS,
    TOOLS,
    blocked,
    ended,
    full_run,
    list_cells,
    measured,
    plan,
    without,
)
from reports.verdicts import judge
from steering_core.records.record import Outcome

QWEN, GEMMA = MODELS


@pytest.mark.parametrize(
    ("outcome", "word"),
    [(Outcome.ERRORED, "crashed"), (Outcome.ABSENT, "absent"), (Outcome.UNSUPPORTED, "unsupported")],
)
@pytest.mark.parametrize("cell", [f"P3 {QWEN} pyvene", f"D1 {QWEN} hooks", f"S2 {GEMMA} nnsight", f"B3 {GEMMA}"])
def test_each_reason_for_a_missing_measurement_has_its_own_word(cell: str, outcome: Outcome, word: str) -> None:
    verdict = judge(ended(full_run(), cell, outcome, "as the record says", measured={}))
    assert verdict.conclusion == "INCOMPLETE"
    assert verdict.missing == (f"{word}: as the record says: {cell}",)
    assert not verdict.proceed


def test_unrecorded_cell_reads_differently_from_an_unselected_one() -> None:
    run = without(full_run(), f"S1 {QWEN} hooks")
    assert judge(run).missing == (f"planned, but not finished: S1 {QWEN} hooks",)
    run = plan(run, planned=tuple(record.cell for record in run.records))
    assert judge(run).missing == (f"required, but not selected: S1 {QWEN} hooks",)


def test_planned_cell_outside_the_required_matrix_counts_as_missing() -> None:
    run = full_run()
    required = tuple(cell for cell in run.plan.required if cell.clause != "D3")
    verdict = judge(without(plan(run, required=required), "D3 *"))
    assert verdict.missing == ("planned, but not finished: 2 checks (D3 x2) on tiny_qwen2, tiny_gemma2",)


def test_missing_library_takes_one_line() -> None:
    run = ended(full_run(), "* *pyvene*", Outcome.ABSENT, "pyvene is not installed", measured={})
    (line,) = judge(run).missing
    counted = "preflight 14, directions 22, steering 6, behavior 20"
    assert line.startswith(f"absent: pyvene is not installed: 62 checks ({counted}) ")
    assert line.endswith("of pyvene, hooks, nnsight on tiny_qwen2, tiny_gemma2")


def test_many_different_crashes_are_counted_beyond_the_first_four() -> None:
    run = full_run()
    for repeat in range(5):
        for tool in TOOLS:
            run = ended(run, f"B1 {QWEN} {tool} native r{repeat}", Outcome.ERRORED, f"{tool} {repeat}", measured={})
    missing = judge(run).missing
    assert len(missing) == 5
    assert missing[-1] == "crashed, with 11 other messages: 11 checks (B1 x11) of hooks, nnsight, pyvene on tiny_qwen2"


def test_larger_group_comes_first() -> None:
    run = ended(full_run(), f"P1 {QWEN} hooks", Outcome.ERRORED, "rare", measured={})
    run = ended(run, f"S1 {QWEN} *", Outcome.ERRORED, "frequent", measured={})
    verdict = judge(run)
    assert [line.split(": ")[1] for line in verdict.missing] == ["frequent", "rare"]
    assert "tiny_qwen2 (and 1 more)" in verdict.headline


def test_a_single_tool_is_incomplete() -> None:
    verdict = judge(full_run(tools=("hooks",)))
    assert verdict.conclusion == "INCOMPLETE"
    assert verdict.missing == ("only one tool (hooks); a comparison needs at least two",)


def test_fewer_repeats_than_the_protocol_is_incomplete() -> None:
    run = measured(full_run(repeats=4), "D1 *", repeats=4)
    assert judge(run).missing == ("only 4 of the protocol's 5 repeats were planned",)
    assert judge(plan(run, protocol_repeats=4)).conclusion == "OUTCOME_4"


def test_a_within_tool_cosine_over_fewer_repeats_is_incomplete() -> None:
    verdict = judge(measured(full_run(), f"D1 {GEMMA} nnsight", repeats=4))
    assert verdict.missing == (f"D1 {GEMMA} nnsight compares only 4 of the protocol's 5 repeats",)


@pytest.mark.parametrize("clause", ["D1", "D2", "B1"])
@pytest.mark.parametrize("tools", [TOOLS, ("hooks", "pyvene")])
def test_run_is_incomplete_when_a_compared_clause_leaves_out_a_tool(clause: str, tools: tuple[str, ...]) -> None:
    run = full_run(tools=tools)
    assert judge(run).conclusion == "OUTCOME_4"
    cells = tuple(cell for cell in run.plan.required if not (cell.clause == clause and "pyvene" in cell.id))
    run = plan(without(run, f"{clause} *pyvene*"), required=cells, planned=cells)
    verdict = judge(run)
    assert verdict.conclusion == "INCOMPLETE"
    assert verdict.missing[0].startswith(f"{clause} ")
    assert verdict.missing[0].split(": not planned for ")[0].endswith("on tiny_qwen2")
    assert "pyvene" in verdict.missing[0]


class TestFailedPreflight:
    """A measured failure comes first, whatever is missing; a crash is missing evidence, and is named."""

    @pytest.mark.parametrize("clause", ["P1", "B3"])
    def test_failed_gate_is_invalid_whatever_is_missing(self, clause: str) -> None:
        run = ended(full_run(), f"{clause} {GEMMA}*", Outcome.DIFFERS, "one block off")
        verdict = judge(without(run, f"S1 {QWEN} hooks"))
        assert verdict.conclusion == "INVALID"
        assert verdict.missing == (f"planned, but not finished: S1 {QWEN} hooks",)

    def test_headline_of_an_ungated_run_names_both(self) -> None:
        run = plan(ended(full_run(), f"P1 {GEMMA} pyvene", Outcome.DIFFERS, "one block off"), gated=False)
        verdict = judge(without(run, f"S1 {QWEN} hooks"))
        assert verdict.conclusion == "INCOMPLETE"
        assert "not finished: S1 tiny_qwen2 hooks" in verdict.headline
        assert "already known: P1 location fails for pyvene on tiny_gemma2: one block off" in verdict.headline
        assert verdict.likely_cause is not None
        assert verdict.likely_cause.clause == "P1"

    def test_crashed_preflight_cell_is_missing_and_named(self) -> None:
        verdict = judge(ended(full_run(), f"P5 {GEMMA} nnsight", Outcome.ERRORED, "KeyError: 'norm'", measured={}))
        assert verdict.conclusion == "INCOMPLETE"
        assert "already known: P5 timing crashed for nnsight on tiny_gemma2: KeyError: 'norm'" in verdict.headline

    def test_measured_failure_precedes_an_earlier_crash_as_likely_cause(self) -> None:
        run = ended(full_run(), f"P1 {GEMMA} hooks", Outcome.ERRORED, "KeyError", measured={})
        verdict = judge(ended(run, f"P6 {GEMMA} hooks~nnsight", Outcome.DIFFERS))
        assert verdict.likely_cause is not None
        assert verdict.likely_cause.clause == "P6"

    @pytest.mark.parametrize("outcome", [Outcome.ABSENT, Outcome.UNSUPPORTED])
    def test_unmeasured_cell_is_not_a_cause(self, outcome: Outcome) -> None:
        assert judge(ended(full_run(), f"P1 {GEMMA} hooks", outcome, measured={})).likely_cause is None


class TestSkipped:
    """Cells skipped because of a failed check are not missing; nothing else excuses a cell."""

    def test_failed_preflight_cell_excuses(self) -> None:
        run = ended(full_run(), f"P1 {QWEN} pyvene", Outcome.DIFFERS)
        verdict = judge(blocked(run, "[DSB]*", by=f"P1 {QWEN} pyvene"))
        assert verdict.conclusion == "INVALID"
        assert verdict.missing == ()
        assert verdict.strength.kind == "not measured"
        assert [entry.relation for entry in verdict.numbers] == ["not measured"] * 2

    def test_blocker_may_be_named_with_its_sentence(self) -> None:
        run = ended(full_run(), f"P1 {QWEN} pyvene", Outcome.DIFFERS)
        assert judge(blocked(run, "[DSB]*", by=f"P1 {QWEN} pyvene: one block off: why")).missing == ()

    def test_failed_premise_excuses(self) -> None:
        run = ended(full_run(), f"B3 {QWEN}", Outcome.DIFFERS)
        assert judge(blocked(run, "B1 *", by=f"B3 {QWEN}")).missing == ()

    def test_crashed_blocker_is_the_only_missing_cell(self) -> None:
        run = ended(full_run(), f"P1 {QWEN} pyvene", Outcome.ERRORED, "KeyError", measured={})
        verdict = judge(blocked(run, "[DSB]*", by=f"P1 {QWEN} pyvene"))
        assert verdict.conclusion == "INCOMPLETE"
        assert verdict.missing == (f"crashed: KeyError: P1 {QWEN} pyvene",)

    @pytest.mark.parametrize("by", [f"P1 {QWEN} pyvene", f"D2 {QWEN} hooks~nnsight r0", "P9 nobody"])
    def test_passing_ungating_or_unknown_blocker_does_not_excuse(self, by: str) -> None:
        run = ended(full_run(), f"D2 {QWEN} hooks~nnsight r0", Outcome.DIFFERS)
        verdict = judge(blocked(run, f"S1 {QWEN} hooks", by=by))
        assert verdict.conclusion == "INCOMPLETE"
        assert verdict.missing[0].startswith("skipped, though no failed check explains it")

    def test_nothing_excuses_in_an_ungated_run(self) -> None:
        run = ended(plan(full_run(), gated=False), f"P1 {QWEN} pyvene", Outcome.DIFFERS)
        verdict = judge(blocked(run, f"S1 {QWEN} hooks", by=f"P1 {QWEN} pyvene"))
        assert verdict.conclusion == "INCOMPLETE"

    def test_crash_is_missing_even_if_it_names_a_blocker(self) -> None:
        run = ended(full_run(), f"P1 {QWEN} pyvene", Outcome.DIFFERS)
        run = ended(run, f"S1 {QWEN} hooks", Outcome.ERRORED, "KeyError", blocked_by=f"P1 {QWEN} pyvene")
        assert judge(run).missing == (f"crashed: KeyError: S1 {QWEN} hooks",)


def test_full_run_has_every_cell_of_the_matrix() -> None:
    assert len(list_cells(MODELS, TOOLS, 5)) == len(full_run().records) == 154
