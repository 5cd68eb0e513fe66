"""The same cycles as the suite runs them: one load, prompts in batches, every tool in a process of its own, side by side."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from steering_core.exact import exact_arithmetic
from steering_core.hosts.pool import Hosts
from steering_core.hosts.starting import default_starter
from steering_core.hosts.turn import Turn
from steering_core.hosts.weights import can_share
from steering_core.measure.experiment import Experiment
from steering_core.measure.store import Store
from steering_core.models.model import LoadRequest
from steering_core.models.registry import Settings
from steering_core.prompts import PromptSet

Cell = tuple[str, int]


@dataclass(frozen=True, eq=False)
class Cycles:
    """By tool and repeat: directions, float32 [hidden], and answers, int64 [prompts, <= max_new_tokens]. seconds: of
    "load" and of "read and steer"."""

    directions: dict[Cell, Tensor]
    answers: dict[Cell, Tensor]
    seconds: dict[str, float]


class ToolsAtWork:
    """The tools' processes. start_seconds: what it took until each had imported its library."""

    def __init__(self, tools: Sequence[str], family: str) -> None:
        start = time.perf_counter()
        self.tools = tuple(tools)
        self.hosts = Hosts(default_starter([family]), turn=Turn())
        self.hosts.begin(self.tools, opening=False)
        for text in self.tools:
            self.hosts.tool(text)
        self.start_seconds = time.perf_counter() - start

    def cycles(
        self, request: LoadRequest, settings: Settings, prompts: PromptSet, repeats: int, folder: Path
    ) -> Cycles:
        """Every tool reads and steers with its own library, `repeats` times; folder: of the store."""
        start = time.perf_counter()
        sharing = can_share(request)
        if not sharing:
            self.hosts.open(request)
            self.hosts.begin(self.tools)
        model = request.load()
        if sharing:
            self.hosts.open(request, model)
        weights = request.digest()
        loaded = time.perf_counter()
        with exact_arithmetic(model) if model.exact else nullcontext():
            experiment = Experiment(model, settings, prompts, Store(folder), weights, len(prompts.evaluation))
            cells = self._side_by_side(experiment, repeats)
        seconds = {"load": loaded - start, "read and steer": time.perf_counter() - loaded}
        self.hosts.release()
        directions = {cell: direction for cell, (direction, _) in cells.items()}
        return Cycles(directions, {cell: answers for cell, (_, answers) in cells.items()}, seconds)

    def _side_by_side(self, experiment: Experiment, repeats: int) -> dict[Cell, tuple[Tensor, Tensor]]:
        """A thread per tool, as in a run of the checks."""

        def work(text: str) -> dict[Cell, tuple[Tensor, Tensor]]:
            cells = {}
            tool = self.hosts.tool(text)
            for repeat in range(repeats):
                direction = experiment.direction(tool, repeat)
                cells[text, repeat] = (direction, experiment.answers(tool, direction, repeat, "native"))
            return cells

        results = self.hosts.at_once([partial(work, text) for text in self.tools])
        return {cell: value for cells in results for cell, value in cells.items()}


@contextmanager
def tools_at_work(tools: Sequence[str], family: str) -> Iterator[ToolsAtWork]:
    """The tools' processes, ended afterwards."""
    at_work = ToolsAtWork(tools, family)
    try:
        yield at_work
    finally:
        at_work.hosts.close()
