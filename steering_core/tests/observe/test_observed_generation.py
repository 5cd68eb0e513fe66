"""An observed generation as plain data, and what is said about it."""

import torch

from steering_core.observe.judgment import Verdict
from steering_core.observe.observed_generation import ObservedGeneration


def generation(wrong: dict[tuple[int, int], Verdict]) -> ObservedGeneration:
    """Two rows with prompts of two tokens and one later token each, at three blocks. wrong: (block, place) -> verdict."""
    places = torch.tensor([[row, position] for row in range(2) for position in range(3)])
    verdicts = torch.zeros(3, 6, dtype=torch.int8)
    for where, verdict in wrong.items():
        verdicts[where] = verdict
    moved = torch.ones_like(verdicts, dtype=torch.bool)
    return ObservedGeneration(places, verdicts, torch.zeros(3, 6).double(), moved, moved, [2, 2], torch.ones(2, 2), 2)


def test_the_first_wrong_place_is_named_by_its_block_and_phase() -> None:
    prompt = generation({(2, 4): Verdict.EXTRA, (1, 5): Verdict.EXTRA}).describe()
    answer = generation({(2, 2): Verdict.MISSING}).describe()

    assert prompt.startswith("at block 2 in the prompts: ")
    assert "first prompt token 1 of row 1" in prompt
    assert prompt.endswith("(2 (row, position, block) places differ, at blocks [1, 2])")
    assert answer.startswith("at block 2 in the answers: ")
    assert "first generated token 0 of row 0 (position 2)" in answer


def test_a_generation_without_judged_places_has_no_deviation() -> None:
    none, empty = torch.zeros(3, 0), torch.zeros(0, 2, dtype=torch.long)
    nothing = ObservedGeneration(
        empty, none.to(torch.int8), none.double(), none.bool(), none.bool(), [], torch.ones(0, 2), 0
    )

    assert (nothing.max_abs, nothing.boundaries, nothing.describe()) == (0.0, 0, "nowhere")
