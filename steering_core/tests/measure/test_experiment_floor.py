"""An experiment's noise floors: of which prompts and sites, and measured how often."""

from pathlib import Path

import pytest

from steering_core.models.model import LoadedModel
from steering_core.models.sites import Site
from steering_core.records.thresholds import FLOOR_MARGIN
from steering_core.tests.chat_checkpoint import PROMPTS
from steering_core.tests.small_experiments import new_experiment

SITE = Site("resid_post", 1)


def test_the_floor_is_measured_once_per_prompts_and_site(
    loaded: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = new_experiment(loaded, tmp_path)
    asked: list[tuple[int, list[Site]]] = []

    def measured(model: LoadedModel, rows: list[list[int]], sites: list[Site]) -> dict[Site, float]:
        asked.append((len(rows), list(sites)))
        return {site: 0.25 * (1 + site.layer) for site in sites}

    monkeypatch.setattr("steering_core.measure.experiment.token_floors", measured)
    left, right = (experiment.batch(PROMPTS.extraction, side) for side in ("left", "right"))
    other = Site("resid_post", 2)

    floors = [experiment.floor(left, [SITE]), experiment.floor(right, [SITE, other]), experiment.floor(left, [other])]

    assert floors == [FLOOR_MARGIN * 0.5, FLOOR_MARGIN * 1.25, FLOOR_MARGIN * 0.75]
    assert asked == [(4, [SITE]), (4, [other])], "padding on the other side makes no other prompts"
    experiment.floor(experiment.batch(PROMPTS.extraction[:2]), [SITE])
    assert asked[2:] == [(2, [SITE])]
