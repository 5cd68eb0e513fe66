"""Fixtures: the models, tools and drafts that checks are made with."""

import resource
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import Any

import pytest

from parity.plugin.check_records import draft_of
from parity.plugin.model_cache import ModelCache
from parity.plugin.request.run_matrix import tool_label
from steering_core.records.draft import Draft


@pytest.fixture(scope="session")
def model_cache(request: pytest.FixtureRequest) -> Iterator[ModelCache]:
    """The measuring room of this process."""
    room = ModelCache(request.config)
    yield room
    room.close()


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Draft:
    """The record that this check writes to."""
    draft = draft_of(request.node)
    assert draft is not None, "a check needs a clause marker"
    return draft


@pytest.fixture
def experiment(model_cache: ModelCache, model_key: str, record: Draft) -> Any:
    """One model with its settings, prompts and store."""
    import torch

    opened = model_cache.experiment(model_key)
    record.provenance.update(opened.provenance())
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    record.peak = partial(peak_memory, opened.model.device.type)
    return opened


def peak_memory(device: str) -> int:
    """Bytes: on a GPU the most that this check had allocated, on a CPU the most that the process ever held."""
    import torch

    if device == "cuda":
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.fixture
def side_effects(model_cache: ModelCache, experiment: Any) -> Any:
    """What the tools do besides answering."""
    from steering_core.measure.side_effects import SideEffects

    return model_cache.measurement(SideEffects, experiment)


@pytest.fixture
def steering(model_cache: ModelCache, experiment: Any) -> Any:
    """Steering under independent observation, noise floor, planted directions, controls."""
    from steering_core.measure.steering import SteeringMeasurements

    return model_cache.measurement(SteeringMeasurements, experiment)


@pytest.fixture
def tool(tool_name: str, record: Draft) -> Any:
    """The tool under check, constructed anew."""
    return named_tool(tool_name, record)


@pytest.fixture
def tools(pair: tuple[str, str], record: Draft) -> tuple[Any, Any]:
    """The two tools of a pair, constructed anew."""
    return named_tool(pair[0], record), named_tool(pair[1], record)


def named_tool(name: str, record: Draft) -> Any:
    """A tool by name or spec; ToolAbsent when its library is missing."""
    from steering_core.tools.registry import find_tool

    found = find_tool(name)
    record.provenance.setdefault("tools", {})[tool_label(name)] = asdict(found.version())
    return found


@pytest.fixture
def every_tool(model_cache: ModelCache, record: Draft) -> list[Any]:
    """All compared tools; for checks about the whole set."""
    return [named_tool(name, record) for name in model_cache.matrix.tools]


@pytest.fixture
def repeats(model_cache: ModelCache) -> int:
    """K of this run."""
    return model_cache.matrix.repeats
