"""A tool is judged by where the stream ends up, not by how it batches the rows, feeds the model or places its edit."""

from typing import Any

import pytest
import torch

from steering_core.models.model import LoadedModel
from steering_core.models.tokens import TokenBatch, pad
from steering_core.observe.forward_trace import make_traceable
from steering_core.observe.observed_generation import ObservedGeneration
from steering_core.observe.shifts import observe_generation
from steering_core.tests.random_models import VOCAB, random_model
from steering_core.tests.steering_mover import FAULTS
from steering_core.tests.steering_styles import STYLES, Style
from steering_core.tools.edits import Edit, steering_edits

pytestmark = pytest.mark.usefixtures("one_thread")
NEW = 4
PLACES = {"inside": True, "between": False}


def rows() -> TokenBatch:
    """Seven prompts with the same first three tokens: of different lengths, two of them equal, two equal up to the last
    token, one of which another one continues."""
    generator = torch.Generator().manual_seed(2)

    def tokens(count: int) -> list[int]:
        return torch.randint(3, VOCAB, (count,), generator=generator).tolist()

    first, a, b, c = tokens(3), tokens(4), tokens(2), tokens(6)
    return pad([first + row for row in (a, b, c, a, [*a[:-1], 9], [*a, 4], tokens(4))], 0)


def edits_for(model: LoadedModel) -> list[Edit]:
    vector = torch.randn(model.spec.hidden, generator=torch.Generator().manual_seed(1))
    return steering_edits(vector, 2.0, [1, 2])


def observed(style: str, place: str, fault: str = "", family: str = "qwen2") -> ObservedGeneration:
    model = random_model(family)
    make_traceable(model)
    tool: Any = Style(style, STYLES[style], PLACES[place], fault)
    return observe_generation(tool, model, rows(), edits_for(model), NEW)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("style", STYLES)
def test_a_correct_tool_in_any_style_is_right(style: str, place: str) -> None:
    generation = observed(style, place)

    assert (generation.describe(), generation.missing, generation.padding) == ("nowhere", [], 0)
    needed = int(rows().mask.sum()) + len(rows().ids) * (NEW - 1)
    assert (len(generation.places), generation.moved_tokens) == (needed, 2 * needed)
    assert generation.inside == PLACES[place]
    generation.check_complete()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("style", STYLES)
def test_a_wrong_tool_in_any_style_is_wrong(style: str, fault: str) -> None:
    """Every fault is tried in both places, in different styles."""
    place = list(PLACES)[(list(STYLES).index(style) + FAULTS.index(fault)) % 2]

    assert observed(style, place, fault).wrong
