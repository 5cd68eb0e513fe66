"""The one loaded model of a process, and how the command line asks for it to be loaded."""

import gc
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from parity.plugin.ahead import STEP, Ahead
from parity.plugin.arguments import Experiment
from parity.plugin.cells import tools_in
from parity.plugin.check_records import draft_of
from parity.plugin.context import CONTEXT, CheckContext, Measurements
from parity.plugin.gpu_share import load_in_room
from parity.plugin.needs import needs_of
from parity.plugin.reference_plan import plan_answers
from parity.plugin.request.run_matrix import RunMatrix
from parity.plugin.request.weights import RANDOM_TOKENIZER, source_of, tokenizer_of
from parity.plugin.session_state import MATRIX, TO_RUN
from parity.plugin.tool_processes import ToolProcesses, families
from steering_core.hosts.starting import modules_of, preload
from steering_core.records.draft import no_memory

Value = TypeVar("Value")


class ModelCache:
    """Keeps one model loaded: checks are ordered by model, so each model is loaded once per process."""

    def __init__(self, config: pytest.Config) -> None:
        self.config, self.matrix = config, config.stash[MATRIX]
        self.key = ""
        self.loaded: Measurements | Exception | None = None
        self.ahead = Ahead(config, self.matrix.tools, self.context)
        self.processes = ToolProcesses(config, self.matrix, self.ahead.turn)
        self.held = ExitStack()
        preload(["steering_core.measure.experiment", *modules_of(families(self.matrix))])

    def measurements(self, key: str) -> Measurements:
        """What is measured on a model; a model that failed to load fails again at once, with the same error."""
        if key != self.key:
            self._let_go()
            try:
                self.loaded = self._open(key)
            except Exception as problem:
                self.loaded = problem
            self.key = key
        assert self.loaded is not None
        if isinstance(self.loaded, Exception):
            raise self.loaded
        return self.loaded

    def alone(self, key: str, measure: "Callable[[Experiment], Value]") -> Value:
        """What is measured on another model than that of the check, which is loaded for it without any tool, and let go.
        The loaded model is let go first, because both may not fit, and is loaded again when a check asks for it."""
        self.ahead.end()
        self._let_go()
        try:
            request = load_request(self.config, self.matrix, key)
            return measure(self._in_room(request, 0, partial(self._experiment, key, request)))
        finally:
            self._let_go()

    def context(self, item: pytest.Function) -> CheckContext:
        """What a check is given, made once."""
        if CONTEXT not in item.stash:
            record, params = draft_of(item), item.callspec.params
            assert record is not None, "a check needs a clause marker"
            chosen, needs = tools_in(params), needs_of(item.function, params)
            matrix, open_model = self.matrix, partial(self.measurements, record.cell.model)
            item.stash[CONTEXT] = CheckContext(record, open_model, chosen, matrix.tools, matrix.repeats, needs)
        return item.stash[CONTEXT]

    def forget(self, item: pytest.Function) -> None:
        """A check is over: pytest keeps its item, which must not keep the model."""
        self.processes.begin_further()
        if CONTEXT in item.stash:
            del item.stash[CONTEXT]
        if STEP in item.stash:
            del item.stash[STEP]
        if record := draft_of(item):
            record.peak = no_memory

    def close(self) -> None:
        """Release the loaded model and end the tools' processes."""
        self.ahead.stop(self.processes.kill)
        self.loaded = None
        self.processes.close()
        if self.config.getoption("gpu"):
            free_memory()  # a worker lives until the last one is done, and what it keeps is missing there
        self.held.close()

    def _let_go(self) -> None:
        """No model is loaded any more."""
        self.loaded, self.key = None, ""
        self.processes.release()
        free_memory()
        self.held.close()

    def _open(self, key: str) -> Measurements:
        request = load_request(self.config, self.matrix, key)
        return self._in_room(request, self.processes.count(request), partial(self._measured, key, request))

    def _in_room(self, request: Any, processes: int, load: Callable[[], Value]) -> Value:
        """What a load gives, once the GPU has room for it and so many processes of tools."""
        return load_in_room(self.config, request, processes, self.held, load, self._let_go)

    def _measured(self, key: str, request: Any) -> Measurements:
        self.processes.begin(request)
        experiment = self._experiment(key, request)
        experiment.fresh = self.processes.fresh_repeat()
        programs = {**self.matrix.programs, "folder": Path(self.config.getoption("run_dir")) / "programs"}
        hosts = self.processes.loaded(request, experiment.model)
        experiment.hosts, experiment.planned.processes = hosts, self.processes.reference
        measurements = Measurements(experiment, hosts, programs)
        cells = [cell for cell in self.config.stash[TO_RUN] if cell.model == key]
        plan_answers(cells, measurements, self.matrix.repeats)
        return measurements

    def _experiment(self, key: str, request: Any) -> Experiment:
        """The loaded model with its settings, prompts and store; under exact arithmetic until it is let go, if asked."""
        import torch

        from steering_core.exact import exact_arithmetic, require_exact
        from steering_core.exact.difference import CHECKED_PROMPTS
        from steering_core.measure.experiment import Experiment
        from steering_core.measure.judging import Judging

        torch.manual_seed(self.seeds(key)[0])
        settings, prompts = self.matrix.settings[key], self.matrix.prompts
        batch_size, seeds = self.config.getoption("batch_size"), self.seeds(key)
        model, weights = request.load(), request.digest()
        if model.exact:
            self.held.enter_context(exact_arithmetic(model))
            require_exact(model, model.chat_rows(prompts.extraction[:CHECKED_PROMPTS]))
        experiment = Experiment(model, settings, prompts, self.store, weights, batch_size, seeds)
        if self.matrix.judge:
            judge = replace(self.matrix.judge, device=request.device, exact=model.exact).open()
            experiment.judging = Judging(judge, self.store)
        return experiment

    @property
    def store(self) -> Any:
        """The measurements of the run directory."""
        from steering_core.measure.store import Store

        return Store(Path(self.config.getoption("run_dir")) / "store")

    def seeds(self, key: str) -> tuple[int, ...]:
        """The preset's seeds."""
        return self.matrix.presets[self.matrix.settings[key].preset].seeds


def free_memory() -> None:
    """Give back what no object holds any more: the next model needs it, and other workers on the same GPU."""
    import torch

    for name in ("last_exc", "last_type", "last_value", "last_traceback"):
        vars(sys).pop(name, None)  # of the last check that failed: its frames hold the model
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.ipc_collect()  # weights that the tools' processes shared are freed only now
        torch.cuda.empty_cache()


def load_request(config: pytest.Config, matrix: RunMatrix, key: str) -> Any:
    """How the command line asks for a model to be loaded."""
    from steering_core.models.model import LoadRequest

    spec, option = matrix.registry[key], config.getoption
    random = bool(option("random_weights"))
    return LoadRequest(
        spec,
        source=spec.source if random else source_of(matrix, key),
        tokenizer=str(RANDOM_TOKENIZER) if random else tokenizer_of(spec),
        dtype=matrix.settings[key].dtype,
        device=gpu_name() if option("gpu") else "cpu",
        inherit_defaults=matrix.settings[key].inherit_generation_defaults,
        random_weights=random,
        **{name: option(name) for name in ("attention", "device_map", "quantize", "exact")},
    )


def gpu_name() -> str:
    """The GPU of this worker: several workers share several GPUs out among themselves."""
    import os

    import torch

    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return f"cuda:{int(worker) % max(torch.cuda.device_count(), 1)}"
