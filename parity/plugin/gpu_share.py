"""Several workers on one GPU: each loads its model once it fits beside the models of the others."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from steering_core.activity import activity
from steering_core.models.memory import weights_bytes

GIB = 1 << 30
BESIDE_WEIGHTS, PER_PROCESS = 2 * GIB, 3 * GIB // 4
"""Bytes for activations, and for each process that uses the GPU: its context and its own captures."""
POLL = 0.2
"""Seconds between two looks at whether there is room."""


class GpuShare:
    """Who has taken how much of one GPU, in a file that the workers of a run share. capacity: bytes."""

    def __init__(self, path: Path, capacity: int, free: Callable[[], int] | None = None) -> None:
        """free: bytes that nobody holds now."""
        self.path, self.capacity, self.free = path, capacity, free or (lambda: capacity)
        self.lock = FileLock(f"{path}.lock")

    @contextmanager
    def taken(self, wanted: int) -> Iterator[None]:
        """Wait until so many bytes are free, or nobody else has any: then more waiting would not help."""
        with activity(f"waiting for {wanted / GIB:.0f} GiB of GPU memory that other workers hold"):
            while not self._take(wanted):
                time.sleep(POLL)
        try:
            yield
        finally:
            with self.lock:
                self._write(self._others())

    def _take(self, wanted: int) -> bool:
        with self.lock:
            others = self._others()
            if others and (sum(others.values()) + wanted > self.capacity or self.free() < wanted):
                return False
            self._write({**others, str(os.getpid()): wanted})
            return True

    def _others(self) -> dict[str, int]:
        """Of processes that are alive: a worker that was killed holds nothing."""
        held: dict[str, int] = json.loads(self.path.read_text()) if self.path.exists() else {}
        return {pid: size for pid, size in held.items() if int(pid) != os.getpid() and Path(f"/proc/{pid}").exists()}

    def _write(self, held: dict[str, int]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(held))


def room_for(config: pytest.Config, request: Any, tools: int) -> Any:
    """A context in which a model may be loaded; alone on a GPU, or on none, that is at once."""
    if "PYTEST_XDIST_WORKER" not in os.environ or not request.device.startswith("cuda") or request.device_map:
        return nullcontext()
    import torch

    path = Path(config.getoption("run_dir")) / f"{request.device.replace(':', '-')}.json"
    capacity = torch.cuda.get_device_properties(request.device).total_memory
    wanted = weights_bytes(request.spec, request.dtype, request.quantize) + BESIDE_WEIGHTS + (tools + 1) * PER_PROCESS
    return GpuShare(path, capacity, lambda: torch.cuda.mem_get_info(request.device)[0]).taken(wanted)
