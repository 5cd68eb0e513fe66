"""What a check needs of other models: each is measured once, alone, and what is kept of it is its own."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from parity.findings.other_models import FROM, OtherModels, keys_after
from parity.meta.forked_runs import ForkedRuns
from parity.meta.shares import in_part
from parity.meta.test_model_memory import LOADED_MODELS
from parity.meta.test_sweeps import collected
from steering_core.measure.store import Store
from steering_core.models.registry import read_registry
from steering_core.places import REGISTRY
from steering_core.records.record import Cell

KEYS = ("tiny_traits_base", "tiny_traits_sft", "tiny_traits_preferred")
FILES = ("transfer_models", "tuning_stages")


class Cache:
    """Loads nothing: an experiment is its model's key, and its rows are planted. log: (how, key) of what is loaded."""

    def __init__(self, folder: Path) -> None:
        self.store, self.log = Store(folder), list[tuple[str, str]]()
        settings = {key: SimpleNamespace(layer=4, dtype="float32", inherit_generation_defaults=False) for key in KEYS}
        options = {"batch_size": 30, "random_weights": False, "gpu": False, "attention": "", "device_map": ""}
        options |= {"quantize": "", "exact": False}
        self.config = SimpleNamespace(getoption=options.__getitem__)
        self.matrix = SimpleNamespace(registry=read_registry(REGISTRY), settings=settings, sources={})

    def measurements(self, key: str) -> Any:
        self.log.append(("as loaded", key))
        return SimpleNamespace(experiment=key)

    def alone(self, key: str, measure: Callable[[Any], Tensor]) -> Tensor:
        self.log.append(("alone", key))
        return measure(key)


def rows(key: Any) -> Tensor:
    return torch.full((2, 3, 4), float(KEYS.index(key)))


def kept(cache: Any, target: str, what: str = "rows") -> OtherModels:
    others = OtherModels(cache, rows, {"what": what})
    others.keep(target, others.missing(KEYS))
    return others


def test_each_model_is_measured_once_and_the_checks_own_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    others = kept(cache, KEYS[1])

    assert cache.log == [("as loaded", KEYS[1]), ("alone", KEYS[0]), ("alone", KEYS[2])]
    assert [float(others.kept(key).mean()) for key in KEYS] == [0, 1, 2]
    assert len({others.weights(key) for key in KEYS}) == 3


def test_what_is_kept_serves_the_next_model_and_a_resumed_run(tmp_path: Path) -> None:
    kept(Cache(tmp_path), KEYS[1])
    later = Cache(tmp_path)
    kept(later, KEYS[2])

    assert later.log == []


def test_something_else_and_another_block_are_measured_anew(tmp_path: Path) -> None:
    kept(Cache(tmp_path), KEYS[1])
    later = Cache(tmp_path)
    later.matrix.settings[KEYS[0]].layer = 5
    kept(later, KEYS[1])
    assert later.log == [("alone", KEYS[0])]
    kept(later, KEYS[1], "curves")
    assert len(later.log) == 4


def test_keys_are_those_of_the_cells_of_one_model() -> None:
    cells = [Cell(clause="F5", model=model, variant=variant) for model in "ab" for variant in ("from:x", "t:u:v", None)]
    assert keys_after(FROM, cells, "a") == ["x"]


def test_pairs_of_the_chosen_models_are_collected_and_base_models_are_sources_only() -> None:
    names = collected(*(f"parity/findings/test_{name}.py" for name in FILES), "-m", " or ".join(KEYS))
    base, sft, preferred = KEYS
    transferred = {f"{target}-from:{source}" for target in (sft, preferred) for source in KEYS}

    assert {name.partition("[")[2].removesuffix("]") for name in names if f"{FILES[0]}.py" in name} == transferred
    assert [name.partition("[")[2] for name in names if f"{FILES[1]}.py" in name] == [f"{preferred}-after:{sft}]"]


@in_part(0, 3)
def test_two_models_are_never_loaded_at_once(runs: ForkedRuns, tmp_path: Path) -> None:
    """A check of one model that needs a direction of another, among other checks of the same model."""
    (tmp_path / "loaded_models.py").write_text(LOADED_MODELS)
    chosen = ("-m", " or ".join(KEYS[:2]), "-k", f"from:{KEYS[0]} or (test_interchange and {KEYS[1]})")
    common = ("parity/findings", "-q", "-p", "loaded_models", "--tools", "hooks,pyvene", *chosen)
    status = runs.run(*common, "--run-dir", f"{tmp_path}/run", log=tmp_path / "log", plugins=tmp_path)

    assert status == 0, (tmp_path / "log").read_text()
    alive = (tmp_path / "alive").read_text().splitlines()
    assert alive == [f"{key}: []" for key in (KEYS[1], KEYS[0], KEYS[1])]
