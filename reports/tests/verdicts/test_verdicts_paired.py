"""What the answers can carry: EQUIVALENT, DIFFERENT or UNDERPOWERED, by the paired interval of the hardest pair."""

import pytest

from reports.tests.verdicts.verdict_runs import MODELS, full_run, measured, rate
from reports.verdicts import judge
from reports.verdicts.verdict import PairedRates
from steering_core.records.record import Run, Value

QWEN, GEMMA = MODELS


def answers(letters: str) -> dict[str, Value]:
    """A B1 cell in which these classes were found."""
    counts = {"coherent": letters.count("C"), "normal": letters.count("N"), "garbled": 0, "unscored": 0}
    return {**rate(0, len(letters)), **counts, "classes": letters, "tokens_sha256": letters}


def compared(first: str, second: str) -> Run:
    """Every tool of the Qwen model answers `first`, but pyvene in one repeat `second`."""
    run = measured(full_run(), f"B1 {QWEN} *", **answers(first))
    return measured(run, f"B1 {QWEN} pyvene native r2", **{**answers(second), "tokens_sha256": "other"})


def paired(run: Run) -> PairedRates:
    (pair,) = judge(run).strength.paired
    return pair


@pytest.mark.parametrize(
    ("prompts", "discordant", "conclusion", "needed"),
    [
        (30, 0, "UNDERPOWERED", 52),
        (51, 0, "UNDERPOWERED", 52),
        (52, 0, "EQUIVALENT", None),
        (52, 1, "UNDERPOWERED", 87),
        (86, 1, "UNDERPOWERED", 87),
        (87, 1, "EQUIVALENT", None),
        (30, 6, "DIFFERENT", None),
        (30, 23, "DIFFERENT", None),
    ],
)
def test_conclusion_follows_prompts_and_discordant_ones(
    prompts: int, discordant: int, conclusion: str, needed: int | None
) -> None:
    pair = paired(compared("C" * prompts, "C" * (prompts - discordant) + "N" * discordant))
    assert (pair.conclusion, pair.prompts_needed, pair.prompts) == (conclusion, needed, prompts)
    assert (pair.only_more, pair.only_less, pair.margin_pp) == (discordant, 0, 5)


def test_thirty_prompts_without_a_discordant_one_leave_8_points() -> None:
    verdict = judge(compared("C" * 30, "C" * 30))
    (pair,) = verdict.strength.paired
    assert (pair.low_pp, pair.high_pp) == pytest.approx((-8.27, 8.27), abs=0.005)
    assert verdict.strength.lines[0].startswith(
        f"{QWEN}: UNDERPOWERED: 90 % paired interval -8.3 to +8.3 pp at n = 30; "
        "equivalence within 5 pp needs n = 52 with 0 discordant prompts"
    )
    assert verdict.conclusion == "OUTCOME_4"
    assert verdict.headline.endswith(f"by points alone: {QWEN} is UNDERPOWERED at n = 30 (52 needed)")


def test_enough_prompts_leave_the_headline_alone() -> None:
    verdict = judge(compared("C" * 60, "C" * 60))
    assert verdict.strength.lines[0].startswith(f"{QWEN}: EQUIVALENT within 5 pp")
    assert "by points alone" not in verdict.headline


def test_discordant_prompts_without_a_gap_are_the_hardest_pair() -> None:
    """One prompt lost in one repeat is a wider gap; three swapped in another say less about equivalence."""
    run = measured(
        compared("C" * 57 + "NNN", "NNN" + "C" * 57), f"B1 {QWEN} hooks native r0", **answers("C" * 56 + "NNNN")
    )
    pair = paired(run)
    assert pair.where.endswith("native arm, repeat 2")
    assert (pair.only_more, pair.only_less, pair.conclusion) == (3, 3, "UNDERPOWERED")


def test_repeated_prompts_count_once() -> None:
    run = measured(compared("C" * 60, "C" * 60), f"B1 {QWEN} *", unique=30)
    assert (paired(run).prompts, paired(run).conclusion) == (30, "UNDERPOWERED")


def test_token_identical_models_need_no_interval() -> None:
    assert judge(full_run()).strength.paired == ()
    assert [pair.model for pair in judge(compared("C" * 30, "C" * 30)).strength.paired] == [QWEN]
