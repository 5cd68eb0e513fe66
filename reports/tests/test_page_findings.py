"""Which failure is told first, and how failures are grouped and worded."""

import pytest

from reports.page.commands import repeat_command, run_command
from reports.page.failures import FAILURES
from reports.page.findings import count_blocked, list_findings
from reports.page.words import OUTCOMES, STAGES
from reports.tests.synthetic_run import MODELS, agreeing, diverging, one_fault, replace
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.record import Cell, Outcome


def test_nothing_is_found_where_everything_agrees() -> None:
    assert list_findings(agreeing()) == []


def test_held_back_cells_are_counted_and_not_listed() -> None:
    assert [found.clause.id for found in list_findings(one_fault())] == ["P1"]
    assert count_blocked(one_fault()) == 33


def test_findings_follow_the_protocol_and_gather_models() -> None:
    found = list_findings(diverging())
    assert [(each.clause.id, each.subject) for each in found] == [
        ("P1", "nnsight"), ("D2", "hooks and nnsight"), ("D2", "nnsight and pyvene"),
        ("B2", "hooks and nnsight"), ("B2", "nnsight and pyvene"),
    ]  # fmt: skip
    assert all(each.models == MODELS for each in found)


def test_what_was_measured_wrong_comes_before_what_was_not_measured() -> None:
    absent = Cell(clause="P1", model=MODELS[0], tool="pyvene")
    run = replace(diverging(), absent, outcome=Outcome.ABSENT, sentence="pyvene is not installed")
    outcomes = [found.outcome for found in list_findings(run)]
    assert outcomes[-1] is Outcome.ABSENT
    assert Outcome.ABSENT not in outcomes[:-1]


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.AGREES])
@pytest.mark.parametrize("clause", list(CLAUSES))
def test_every_failure_has_words_with_all_names_filled_in(clause: str, outcome: Outcome) -> None:
    first = agreeing().records[0].cell
    changed = replace(agreeing(), first, outcome=outcome, cell=first.model_copy(update={"clause": clause}))
    (found,) = list_findings(changed)
    for field in ("what", "why", "todo"):
        words = found.say(field)
        assert len(words) > 20
        assert "{" not in words


def test_every_term_is_explained() -> None:
    assert set(FAILURES) == set(CLAUSES)
    assert set(OUTCOMES) == set(Outcome)
    assert set(STAGES) == set(Stage)


def test_commands_carry_the_settings_of_the_run() -> None:
    run = diverging()
    assert run_command(run) == (
        "pytest parity -m 'tiny_qwen2 or tiny_gemma2' --preset fixture --repeats 5 --dtype float32 --no-gate"
    )
    first = run.records[0]
    on_gpu = first.model_copy(
        update={"provenance": {"device": "cuda", "dtype": "torch.bfloat16"}, "nodeid": "a.py::t[x y]"}
    )
    command = "pytest 'a.py::t[x y]' -m tiny_qwen2 --preset fixture --repeats 5 --dtype bfloat16 --gpu --no-gate"
    assert repeat_command(run.plan, on_gpu) == command
    plan = run.plan.model_copy(update={"options": (("--tool", "my tool.py:Mine"), ("--batch-size", "7"))})
    assert repeat_command(plan, on_gpu) == f"{command} --tool 'my tool.py:Mine' --batch-size 7"
