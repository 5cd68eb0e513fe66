"""The one loaded model of this process, and how the command line asks for it to be loaded."""

from pathlib import Path
from typing import Any

import pytest

from parity.plugin.request.run_matrix import RunMatrix
from parity.plugin.request.weights import RANDOM_TOKENIZER, source_of, tokenizer_of
from parity.plugin.session_state import MATRIX


class ModelCache:
    """Holds the one model that is loaded; checks come ordered by model, so each is loaded once per process."""

    def __init__(self, config: pytest.Config) -> None:
        self.config, self.matrix = config, config.stash[MATRIX]
        self.key = ""
        self.current: Any = None
        self.problem: Exception | None = None
        self.measurements: dict[tuple[Any, Any], Any] = {}

    def measurement(self, kind: Any, experiment: Any) -> Any:
        """The `kind` of measurements of an experiment, made once while its model is loaded."""
        if (kind, experiment) not in self.measurements:
            self.measurements[kind, experiment] = kind(experiment)
        return self.measurements[kind, experiment]

    def experiment(self, key: str) -> Any:
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
        self.measurements.clear()

    def _open(self, key: str) -> Any:
        import torch

        from steering_core.measure.experiment import Experiment
        from steering_core.measure.store import Store

        request = load_request(self.config, self.matrix, key)
        store = Store(Path(self.config.getoption("run_dir")) / "store")
        fresh = self._start_fresh(request, store)
        try:
            if fresh and request.device != "cpu":
                fresh.wait()
            torch.manual_seed(self.seeds(key)[0])
            return Experiment(
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
        from steering_core.measure.fresh_process import FreshProcess, FreshRequest

        if self.matrix.repeats < 2 or not wants_directions(self.config):
            return None
        return FreshProcess(
            FreshRequest(
                model=request, settings=self.matrix.settings[request.spec.key],
                prompts=str(self.matrix.prompts_file.resolve()), store=str(store.root.resolve()),
                tools=self.matrix.tools, repeat=self.matrix.repeats - 1,
            )
        )  # fmt: skip


def wants_directions(config: pytest.Config) -> bool:
    """Whether any planned check needs directions; preflight alone does not."""
    return bool(config.stash[MATRIX].flags.get("directions"))


def load_request(config: pytest.Config, matrix: RunMatrix, key: str) -> Any:
    """How the command line asks for a model to be loaded."""
    from steering_core.models.model import LoadRequest

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
