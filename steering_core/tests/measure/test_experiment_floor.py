"""An experiment's noise floors: of which prompts and sites, and measured how often."""

from pathlib import Path

import pytest
from torch import Tensor

from steering_core.localize.capture import read_sites
from steering_core.measure.token_floors import TokenFloors
from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.models.tokens import TokenBatch
from steering_core.records.thresholds import FLOOR_MARGIN
from steering_core.tests.chat_checkpoint import PROMPTS
from steering_core.tests.small_experiments import new_experiment
from steering_core.tools.spec import find_tool

SITE = Site("resid_post", 1)


def test_the_floor_is_measured_once_per_prompts_and_site(
    loaded: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = new_experiment(loaded, tmp_path)
    asked: list[tuple[int, list[Site]]] = []

    def measured(model: LoadedModel, rows: list[list[int]], sites: list[Site]) -> dict[Site, float]:
        asked.append((len(rows), list(sites)))
        return {site: 0.25 * (1 + site.layer) for site in sites}

    monkeypatch.setattr("steering_core.measure.token_floors.token_floors", measured)
    left, right = (experiment.batch(PROMPTS.extraction, side) for side in ("left", "right"))
    other = Site("resid_post", 2)

    floors = [experiment.floor(left, [SITE]), experiment.floor(right, [SITE, other]), experiment.floor(left, [other])]

    assert floors == [FLOOR_MARGIN * 0.5, FLOOR_MARGIN * 1.25, FLOOR_MARGIN * 0.75]
    assert asked == [(4, [SITE]), (4, [other])], "padding on the other side makes no other prompts"
    experiment.floor(experiment.batch(PROMPTS.extraction[:2]), [SITE])
    assert asked[2:] == [(2, [SITE])]


class Elsewhere:
    """Counts the captures in another interpreter, whose values are 0.5 larger."""

    def __init__(self, model: LoadedModel) -> None:
        self.model, self.asked = model, list[list[Site]]()

    def __call__(self, tool: object, batch: TokenBatch, sites: list[Site]) -> dict[Site, Tensor]:
        self.asked.append(sites)
        return {site: values + 0.5 for site, values in read_sites(self.model, batch, sites).items()}


def test_the_difference_of_two_interpreters_is_measured_once_per_tool_prompts_and_site(
    loaded: LoadedModel, tmp_path: Path
) -> None:
    experiment, elsewhere = new_experiment(loaded, tmp_path), Elsewhere(loaded)
    floors, tool, batch, other = TokenFloors(loaded, elsewhere), find_tool("hooks"), experiment.extraction, Site("k", 0)

    gaps = [floors.between_stacks(tool, batch, sites) for sites in ([SITE], [SITE, other], [other])]

    assert gaps == pytest.approx([0.5, 1.0, 0.5], abs=1e-5)
    assert elsewhere.asked == [[SITE], [other]]
