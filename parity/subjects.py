"""Fixtures: the models, tools and drafts that checks are made with."""

import resource
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from parity.drafts import draft_of
from parity.matrix import Matrix, tool_label
from parity.sources import RANDOM_TOKENIZER, source_of, tokenizer_of
from parity.stash import MATRIX
from steering_core.draft import Draft


class Laboratory:
    """Holds the one model that is loaded; checks come ordered by model, so each is loaded once per process."""

    def __init__(self, config: pytest.Config) -> None:
        self.config, self.matrix = config, config.stash[MATRIX]
        self.key = ""
        self.current: Any = None
        self.problem: Exception | None = None

    def cycle(self, key: str) -> Any:
        """The `Cycle` of a model; a model that failed to load fails again at once, with the same words."""
        if key != self.key:
            self.close()
            self.key, self.problem = key, None
            try:
                self.current = self._open(key)
            except Exception as problem:
                self.problem = problem
        if self.problem:
            raise self.problem
        return self.current

    def close(self) -> None:
        """Let go of the loaded model and of its fresh process."""
        if self.current is not None and self.current.fresh is not None:
            self.current.fresh.stop()
        self.current = None

    def _open(self, key: str) -> Any:
        import torch

        from steering_core.cycle import Cycle
        from steering_core.store import Store

        request = load_request(self.config, self.matrix, key)
        store = Store(Path(self.config.getoption("run_dir")) / "store")
        fresh = self._start_fresh(request, store)
        try:
            if fresh and request.device != "cpu":
                fresh.wait()
            torch.manual_seed(self.seeds(key)[0])
            return Cycle(
                request.load(), self.matrix.settings[key], self.matrix.prompts, store, request.digest(),
                self.config.getoption("batch_size"), self.seeds(key), fresh=fresh,
            )  # fmt: skip
        except BaseException:
            if fresh:
                fresh.stop()
            raise

    def seeds(self, key: str) -> tuple[int, ...]:
        """The preset's seeds."""
        return self.matrix.presets[self.matrix.settings[key].preset].seeds

    def _start_fresh(self, request: Any, store: Any) -> Any:
        """The last repeat's extraction in a process of its own; beside this one on a CPU, before it on a GPU, where
        two copies of the weights may not fit. One repeat alone stays here."""
        from steering_core.fresh import FreshProcess, FreshRequest

        if self.matrix.repeats < 2 or not wants_directions(self.config):
            return None
        return FreshProcess(
            FreshRequest(
                model=asdict(request), settings=asdict(self.matrix.settings[request.spec.key]),
                prompts=str(self.matrix.prompts_file.resolve()), store=str(store.root.resolve()),
                tools=self.matrix.tools, repeat=self.matrix.repeats - 1,
            )
        )  # fmt: skip


def wants_directions(config: pytest.Config) -> bool:
    """Whether any planned check needs directions; preflight alone does not."""
    return bool(config.stash[MATRIX].flags.get("directions"))


def load_request(config: pytest.Config, matrix: Matrix, key: str) -> Any:
    """How the command line asks for a model to be loaded."""
    from steering_core.models import LoadRequest

    spec, option = matrix.registry[key], config.getoption
    random_weights = bool(option("random_weights"))
    return LoadRequest(
        spec=spec, source=spec.source if random_weights else source_of(matrix, key),
        dtype=option("dtype") or spec.dtype,
        device=gpu_name() if option("gpu") else "cpu", attention=option("attention"),
        inherit_defaults=matrix.settings[key].inherit_generation_defaults, random_weights=random_weights,
        tokenizer=str(RANDOM_TOKENIZER) if random_weights else tokenizer_of(spec),
        device_map=option("device_map"), quantize=option("quantize"),
    )  # fmt: skip


def gpu_name() -> str:
    """The GPU of this worker: with several GPUs and several workers each owns one."""
    import os

    import torch

    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return f"cuda:{int(worker) % max(torch.cuda.device_count(), 1)}"


@pytest.fixture(scope="session")
def laboratory(request: pytest.FixtureRequest) -> Iterator[Laboratory]:
    """The measuring room of this process."""
    room = Laboratory(request.config)
    yield room
    room.close()


@pytest.fixture
def cell(request: pytest.FixtureRequest) -> Draft:
    """The record that this check writes to."""
    draft = draft_of(request.node)
    assert draft is not None, "a check needs a clause marker"
    return draft


@pytest.fixture
def cycle(laboratory: Laboratory, model_key: str, cell: Draft) -> Any:
    """One model with its settings, prompts and store."""
    import torch

    opened = laboratory.cycle(model_key)
    cell.provenance.update(opened.provenance())
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    cell.peak = partial(peak_memory, opened.model.device.type)
    return opened


def peak_memory(device: str) -> int:
    """Bytes: on a GPU the most that this check had allocated, on a CPU the most that the process ever held."""
    import torch

    if device == "cuda":
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.fixture
def purity(cycle: Any) -> Any:
    """What the tools do besides answering."""
    from steering_core.purity import Purity

    if cycle.purity is None:
        cycle.purity = Purity(cycle)
    return cycle.purity


@pytest.fixture
def trials(cycle: Any) -> Any:
    """Steering under a witness, noise floor, planted directions, controls."""
    from steering_core.trials import Trials

    if cycle.trials is None:
        cycle.trials = Trials(cycle)
    return cycle.trials


@pytest.fixture
def tool(tool_name: str, cell: Draft) -> Any:
    """The tool under check, constructed anew."""
    return named_tool(tool_name, cell)


@pytest.fixture
def tools(pair: tuple[str, str], cell: Draft) -> tuple[Any, Any]:
    """The two tools of a pair, constructed anew."""
    return named_tool(pair[0], cell), named_tool(pair[1], cell)


def named_tool(name: str, cell: Draft) -> Any:
    """A tool by name or spec; ToolAbsent when its library is missing."""
    from steering_core.tools import find_tool

    found = find_tool(name)
    cell.provenance.setdefault("tools", {})[tool_label(name)] = asdict(found.version())
    return found


@pytest.fixture
def every_tool(laboratory: Laboratory, cell: Draft) -> list[Any]:
    """All compared tools; for checks about the whole set."""
    return [named_tool(name, cell) for name in laboratory.matrix.tools]


@pytest.fixture
def repeats(laboratory: Laboratory) -> int:
    """K of this run."""
    return laboratory.matrix.repeats
