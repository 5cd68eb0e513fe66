"""One model at a time: the memory of a model is free before the next one is loaded, whatever its checks did; so is that of
a load that failed."""

import json
from pathlib import Path

import pytest

from parity.meta.forked_runs import ForkedRuns

LOADED_MODELS = """
import gc, weakref
from pathlib import Path
from steering_core.models.model import LoadRequest

ORIGINAL = LoadRequest.load
MODELS = []

def load(request):
    alive = [ref().config.model_type for ref in MODELS if ref() is not None]
    with open(Path(__file__).parent / "alive", "a") as lines:
        lines.write(f"{request.spec.key}: {alive}\\n")
    model = ORIGINAL(request)
    MODELS.append(weakref.ref(model.module))
    return model

LoadRequest.load = load
"""
WRONG = """
from steering_core.tools.adapters.hooks import Hooks

class Wrong(Hooks):
    name = "wrong"

    def read(self, model, batch, sites):
        return {site: value + 1 for site, value in super().read(model, batch, sites).items()}
"""
SHARED_GPU = """
import os, threading, time
from pathlib import Path
from parity.plugin import model_cache
from parity.plugin.gpu_share import GpuShare
from steering_core.errors import LoadProblem
from steering_core.models.model import LoadRequest

FOLDER, ORIGINAL, BESIDE = Path(__file__).parent, LoadRequest.load, '{"%d": 20}' % os.getppid()
HELD, FREE, LOG = FOLDER / "gpu", FOLDER / "free", FOLDER / "loads"

def in_room(config, request, processes, held, load, let_go):
    return GpuShare(HELD, 100).load(60 + processes, held, load, let_go)

def load(request):
    with open(LOG, "a") as lines:
        lines.write(f"{request.spec.key} {HELD.read_text()}\\n")
    if len(LOG.read_text().splitlines()) == 1:
        FREE.write_text("{}")
        threading.Timer(1, FREE.replace, (HELD,)).start()
        raise LoadProblem("out-of-memory", "it does not fit", "a larger GPU")
    return ORIGINAL(request)

HELD.write_text(BESIDE)
model_cache.load_in_room, LoadRequest.load = in_room, load
"""


@pytest.mark.parametrize("options", [(), ("--exact",)], ids=["plain", "exact"])
def test_no_model_outlives_its_checks(runs: ForkedRuns, tmp_path: Path, options: tuple[str, ...]) -> None:
    """Failing checks and declared deviations included: their tracebacks hold what they were about."""
    (tmp_path / "loaded_models.py").write_text(LOADED_MODELS)
    (tmp_path / "wrong.py").write_text(WRONG)
    common = ("parity", "-q", "-p", "loaded_models", "--tools", "pyvene", "--tool", f"{tmp_path}/wrong.py:Wrong")
    selected = ("-m", "tiny_qwen2 or tiny_gemma2 or tiny_llama", "-k", "shape or hooks or test_location")

    status = runs.run(
        *common, *selected, *options, "--run-dir", f"{tmp_path}/run", log=tmp_path / "log", plugins=tmp_path
    )

    assert status == 1, (tmp_path / "log").read_text()
    alive = (tmp_path / "alive").read_text().splitlines()
    assert alive == [f"{key}: []" for key in ("tiny_qwen2", "tiny_gemma2", "tiny_llama")]


def test_checks_of_a_model_that_had_to_wait_pass(runs: ForkedRuns, tmp_path: Path) -> None:
    """Its tools' processes, which began before it was loaded, get it too."""
    (tmp_path / "shared_gpu.py").write_text(SHARED_GPU)
    selected = ("-m", "tiny_qwen2 or tiny_gemma2", "-k", "test_shape")

    status = runs.run(
        *("parity", "-q", "-p", "shared_gpu", "--tools", "hooks", "--run-dir", f"{tmp_path}/run", *selected),
        log=tmp_path / "log",
        plugins=tmp_path,
    )

    assert status == 0, (tmp_path / "log").read_text()
    loads = [line.partition(" ") for line in (tmp_path / "loads").read_text().splitlines()]
    assert [key for key, _, _ in loads] == ["tiny_qwen2", "tiny_qwen2", "tiny_gemma2"]
    assert [list(json.loads(held).values()) for _, _, held in loads] == [[20, 61], [100], [61]]
