"""Several workers on one GPU: each loads its model once it fits beside the models of the others."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from filelock import FileLock

from steering_core.activity import activity
from steering_core.models.memory import weights_bytes

GIB = 1 << 30
BESIDE_WEIGHTS, PER_WEIGHT = 2 * GIB, 0.04
"""Bytes for activations and captures, and more of them for each byte of weights."""
CONTEXT = 3 * GIB // 4
"""Bytes that a process holds of a GPU by using it."""
GENERATING = GIB
"""Bytes that it takes beside that while it generates."""
POLL, SETTLING = 0.2, 10.0
"""Seconds between two looks at whether there is room, and for which memory that was let go may take to be free."""
Value = TypeVar("Value")


class GpuShare:
    """Who has taken how much of one GPU, in a file that the workers of a run share. capacity: bytes."""

    def __init__(self, path: Path, capacity: int, free: Callable[[], int] | None = None) -> None:
        """free: bytes that nobody holds now."""
        self.path, self.capacity, self.free = path, capacity, free or (lambda: capacity)
        self.lock = FileLock(f"{path}.lock")

    def load(self, wanted: int, held: ExitStack, load: Callable[[], Value], let_go: Callable[[], None]) -> Value:
        """The value of a load, for which so many bytes are taken until `held` is closed, as `let_go` does. One that runs
        out of memory, though not alone on the GPU, is tried again when another worker has let go of some, and then no
        other load begins meanwhile: two that do not fit beside each other would both fail again."""
        again = False
        while True:
            beside = held.enter_context(self.taken(wanted, alone=again))
            try:
                return load()
            except Exception as problem:
                was_alone = not beside and (again or wanted >= self.capacity)
                if was_alone or not is_out_of_memory(problem):
                    raise
                beside = {**self._now(), **beside}
            finally:
                self._put(wanted)
            let_go()  # when the error, whose frames hold what was loaded so far, is gone
            self._wait_for_release(wanted, beside)
            again = True

    @contextmanager
    def taken(self, wanted: int, *, alone: bool = False) -> Iterator[dict[str, int]]:
        """Wait until so many bytes are free, or nobody else has any: then more waiting would not help. What the others
        have, by process. alone: nobody else can take any for now."""
        with waiting_for(wanted):
            while (beside := self._take(wanted, alone)) is None:
                time.sleep(POLL)
        try:
            yield beside
        finally:
            self._put(0)

    def _take(self, wanted: int, alone: bool) -> dict[str, int] | None:
        with self.lock:
            others = self._others()
            left = self.capacity - sum(others.values())
            if others and (left < wanted or self.free() < wanted):
                return None
            self._write({**others, str(os.getpid()): max(wanted, left) if alone else wanted})
            return others

    def _wait_for_release(self, wanted: int, beside: Mapping[str, int]) -> None:
        """Until one of these processes has let go of what it had, and it is free."""
        with waiting_for(wanted):
            while beside and all(self._now().get(pid) == size for pid, size in beside.items()):
                time.sleep(POLL)
            latest = time.monotonic() + SETTLING
            while self.free() < wanted and time.monotonic() < latest:
                time.sleep(POLL)

    def _put(self, size: int) -> None:
        with self.lock:
            self._write({**self._others(), **({str(os.getpid()): size} if size else {})})

    def _now(self) -> dict[str, int]:
        with self.lock:
            return self._others()

    def _others(self) -> dict[str, int]:
        """Of processes that are alive: a worker that was killed holds nothing."""
        held: dict[str, int] = json.loads(self.path.read_text()) if self.path.exists() else {}
        return {pid: size for pid, size in held.items() if int(pid) != os.getpid() and Path(f"/proc/{pid}").exists()}

    def _write(self, held: dict[str, int]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(held))


def waiting_for(wanted: int) -> AbstractContextManager[Any]:
    """Meanwhile reports say so."""
    return activity(f"waiting for {wanted / GIB:.0f} GiB of GPU memory that other workers hold")


def is_out_of_memory(problem: Exception) -> bool:
    """Whether a load failed because the GPU had no memory left."""
    import torch

    return isinstance(problem, torch.cuda.OutOfMemoryError) or getattr(problem, "code", "") == "out-of-memory"


def estimate(weights: int, capacity: int, processes: int) -> int:
    """Bytes that a model and the processes that use it hold of a GPU with little room: each keeps some unused beside its
    context."""
    from steering_core.hosts.gpu_memory import SPARE_WHEN_TIGHT

    return weights + BESIDE_WEIGHTS + int(PER_WEIGHT * weights) + processes * (CONTEXT + capacity // SPARE_WHEN_TIGHT)


def can_generate_together(request: Any, processes: int) -> bool:
    """Whether a GPU has room for a model and so many processes that generate with it at the same time."""
    import torch

    capacity = int(torch.cuda.get_device_properties(request.device).total_memory)
    weights = weights_bytes(request.spec, request.dtype, request.quantize)
    return estimate(weights, capacity, processes + 1) + processes * GENERATING <= capacity


def load_in_room(
    config: pytest.Config,
    request: Any,
    processes: int,
    held: ExitStack,
    load: Callable[[], Value],
    let_go: Callable[[], None],
) -> Value:
    """The value of a load, once there is room for it: see `GpuShare.load`; for whom shares no GPU, at once. processes:
    of tools."""
    if "PYTEST_XDIST_WORKER" not in os.environ or not request.device.startswith("cuda") or request.device_map:
        return load()
    import torch

    path = Path(config.getoption("run_dir")) / f"{request.device.replace(':', '-')}.json"
    capacity = torch.cuda.get_device_properties(request.device).total_memory
    wanted = estimate(weights_bytes(request.spec, request.dtype, request.quantize), capacity, processes + 1)
    share = GpuShare(path, capacity, lambda: torch.cuda.mem_get_info(request.device)[0])
    return share.load(wanted, held, load, let_go)
