"""Workers that share a GPU load a model only where it fits beside the others' models."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parity.plugin import gpu_share
from parity.plugin.gpu_share import GpuShare, load_in_room
from steering_core.activity import under_way
from steering_core.errors import LoadProblem

TOO_LARGE = LoadProblem("out-of-memory", "it does not fit on cuda:0", "a larger GPU")
FORK = multiprocessing.get_context("fork")


def release(held: Path) -> None:
    """Another worker lets go of what it had; the file is never seen half written."""
    emptied = held.with_name("emptied")
    emptied.write_text("{}")
    emptied.replace(held)


def test_a_second_model_waits_until_there_is_room(tmp_path: Path) -> None:
    entered = threading.Event()
    held = tmp_path / "gpu"
    held.write_text(f'{{"{os.getppid()}": 50}}')

    def load() -> None:
        with GpuShare(held, 100).taken(60):
            entered.set()

    thread = threading.Thread(target=load)
    thread.start()
    assert not entered.wait(1)
    release(held)
    thread.join(30)
    assert entered.is_set()


def test_memory_that_is_not_back_yet_is_waited_for(tmp_path: Path) -> None:
    """What a worker has let go may take a while to be free."""
    held, free = tmp_path / "gpu", iter((10, 10, 90))
    held.write_text(f'{{"{os.getppid()}": 5}}')

    with GpuShare(held, 100, lambda: next(free)).taken(60):
        assert next(free, None) is None


def test_models_that_fit_are_loaded_at_once(tmp_path: Path) -> None:
    (tmp_path / "gpu").write_text(f'{{"{os.getppid()}": 40}}')

    with GpuShare(tmp_path / "gpu", 100).taken(60):
        assert f'"{os.getpid()}": 60' in (tmp_path / "gpu").read_text()
    assert f'"{os.getpid()}"' not in (tmp_path / "gpu").read_text()


def test_a_model_that_fits_nowhere_is_not_waited_for(tmp_path: Path) -> None:
    with GpuShare(tmp_path / "gpu", 100).taken(500):
        pass  # loading says what is wrong


def test_a_worker_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / "gpu").write_text(f'{{"{dead.pid}": 90}}')

    with GpuShare(tmp_path / "gpu", 100).taken(60):
        pass


@pytest.mark.parametrize(
    ("worker", "device", "device_map"), [("", "cuda:0", ""), ("gw0", "cpu", ""), ("gw0", "cuda:0", "auto")]
)
def test_nobody_waits_who_shares_no_gpu(
    monkeypatch: pytest.MonkeyPatch, worker: str, device: str, device_map: str
) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
    if not worker:
        monkeypatch.delenv("PYTEST_XDIST_WORKER")
    request: Any = SimpleNamespace(device=device, device_map=device_map)

    assert load_in_room(None, request, 3, ExitStack(), lambda: "loaded", lambda: None) == "loaded"  # type: ignore[arg-type]


def loading(share: GpuShare, load: Callable[[], Any], wanted: int = 60) -> Any:
    """The value of a load, whose memory is let go at the end."""
    with ExitStack() as held:
        return share.load(wanted, held, load, held.close)


def test_a_load_without_memory_beside_another_worker_is_tried_again_when_that_has_let_go(tmp_path: Path) -> None:
    """Until then the worker holds nothing, and says what it waits for."""
    held, seen = tmp_path / "gpu", list[str]()
    held.write_text(f'{{"{os.getppid()}": 20}}')

    def let_go() -> None:
        while not under_way():
            time.sleep(0.01)
        time.sleep(2 * gpu_share.POLL)
        seen.extend([held.read_text(), under_way()])
        release(held)

    def load() -> str:
        seen.append("load")
        if seen == ["load"]:
            threading.Thread(target=let_go).start()
            raise TOO_LARGE
        return held.read_text()

    assert loading(GpuShare(held, 100), load) == f'{{"{os.getpid()}": 100}}'  # nobody joins the second attempt
    waited = "waiting for 0 GiB of GPU memory that other workers hold"
    assert seen == ["load", f'{{"{os.getppid()}": 20}}', waited, "load"]


def test_a_model_that_was_loaded_leaves_the_rest_to_others(tmp_path: Path) -> None:
    attempts = iter((TOO_LARGE, None))
    share, held = GpuShare(tmp_path / "gpu", 100), ExitStack()

    def load() -> None:
        if problem := next(attempts):
            raise problem

    with held:
        share.load(60, held, load, held.close)
        assert (tmp_path / "gpu").read_text() == f'{{"{os.getpid()}": 60}}'


def test_nothing_of_a_failed_attempt_is_kept(tmp_path: Path) -> None:
    """Its frames hold what was loaded so far; it is gone before the worker says that it holds nothing."""
    parts: list[weakref.ref[threading.Event]] = []

    def load() -> None:
        part = threading.Event()  # anything that can be referred to weakly
        parts.append(weakref.ref(part))
        if len(parts) == 1:
            raise LoadProblem("out-of-memory", "it does not fit", "a larger GPU")

    def let_go() -> None:
        assert parts[0]() is None
        held.close()

    with ExitStack() as held:
        GpuShare(tmp_path / "gpu", 100).load(60, held, load, let_go)
    assert len(parts) == 2


@pytest.mark.parametrize(("wanted", "attempts"), [(60, 2), (100, 1)], ids=["another may have joined", "alone for sure"])
def test_alone_on_the_gpu_out_of_memory_is_an_error(wanted: int, attempts: int, tmp_path: Path) -> None:
    tried: list[int] = []

    def load() -> None:
        tried.append(1)
        raise TOO_LARGE

    with pytest.raises(LoadProblem, match="does not fit"):
        loading(GpuShare(tmp_path / "gpu", 100), load, wanted)
    assert len(tried) == attempts


def test_another_error_is_told_at_once(tmp_path: Path) -> None:
    held = tmp_path / "gpu"
    held.write_text(f'{{"{os.getppid()}": 20}}')

    def load() -> None:
        raise LoadProblem("weights", "they cannot be read", "complete files")

    with pytest.raises(LoadProblem, match="cannot be read"):
        loading(GpuShare(held, 100), load)


def test_memory_that_does_not_come_back_is_waited_for_a_while_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_share, "SETTLING", 0.5)
    attempts, began = iter((TOO_LARGE, None)), time.monotonic()

    def load() -> float:
        if problem := next(attempts):
            raise problem
        return time.monotonic() - began

    assert loading(GpuShare(tmp_path / "gpu", 100, lambda: 10), load) >= 0.5


def worker(folder: Path, needed: int, ready: Any) -> None:
    """Loads a model piece by piece, and works with it; the files of the pieces of all workers are the GPU's memory."""
    pieces = folder / f"{os.getpid()}.held"

    def load() -> None:
        for size in range(1, needed + 1):
            pieces.write_text("x" * size)
            if sum(file.stat().st_size for file in folder.glob("*.held")) > 100:
                raise TOO_LARGE
            time.sleep(0.005)

    def let_go() -> None:
        pieces.write_text("")
        held.close()

    ready.wait()
    with ExitStack() as held:
        GpuShare(folder / "gpu", 100).load(20, held, load, let_go)
        time.sleep(0.2)
        let_go()


def test_workers_whose_models_fit_only_one_after_the_other_all_load_them(tmp_path: Path) -> None:
    """Their estimates let them begin together, and all of them fail at first."""
    ready = FORK.Barrier(3)
    workers = [FORK.Process(target=worker, args=(tmp_path, needed, ready), daemon=True) for needed in (80, 90, 70)]
    for each in workers:
        each.start()
    for each in workers:
        each.join(60)
        each.kill()

    assert [each.exitcode for each in workers] == [0, 0, 0]
