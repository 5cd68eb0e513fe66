"""The process around the model: torch's settings and modes, random states, environment, warnings, streams, collector, and
what runs beside it."""

import gc
import locale
import logging
import os
import random
import signal
import sys
import threading
import warnings
from functools import cache
from typing import Any

import numpy as np
import torch

from steering_core.observe.running import running

DEVICES = ("cpu", "cuda")
LOGGERS = ("", "transformers", "torch")
GLOBALS = ((sys, "stdout stderr stdin excepthook displayhook unraisablehook"), (threading, "excepthook"))
"""Objects of the process that a tool could replace."""


def modes() -> dict[str, Any]:
    """The modes of the calling thread: gradients, inference, autocast."""
    found: dict[str, Any] = {"grad mode": torch.is_grad_enabled(), "inference mode": torch.is_inference_mode_enabled()}
    for device in DEVICES:
        found[f"autocast on {device}"] = torch.is_autocast_enabled(device)
        found[f"autocast dtype on {device}"] = str(torch.get_autocast_dtype(device))
    return found | {"autocast cache": torch.is_autocast_cache_enabled(), "anomaly mode": torch.is_anomaly_enabled()}


def torch_settings() -> dict[str, Any]:
    """What torch computes with by default: dtype, device, threads, determinism, precision, attention kernels."""
    cuda, cudnn = torch.backends.cuda, torch.backends.cudnn
    return {
        "default dtype": str(torch.get_default_dtype()),
        "default device": str(torch.get_default_device()),
        "thread count": torch.get_num_threads(),
        "thread count between operators": torch.get_num_interop_threads(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "deterministic algorithms, warn only": torch.is_deterministic_algorithms_warn_only_enabled(),
        "matmul precision": torch.get_float32_matmul_precision(),
        **{f"cudnn {name}": getattr(cudnn, name) for name in ("enabled", "benchmark", "deterministic")},
        **{f"{name} attention": getattr(cuda, f"{name}_sdp_enabled")() for name in ("flash", "mem_efficient", "math")},
        "print options": repr(vars(torch._tensor_str.PRINT_OPTS)),
    }


def random_states() -> dict[str, Any]:
    """Generator -> hash of its state."""
    states = {"torch": torch.get_rng_state().numpy().tobytes()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states |= {f"cuda:{n}": each.numpy().tobytes() for n, each in enumerate(torch.cuda.get_rng_state_all())}
    others = {"python": random.getstate(), "numpy": _numpy_state()}
    return {name: (hash(state),) for name, state in (states | others).items()}


def _numpy_state() -> str:
    """As text, with arrays as bytes: numpy takes a millisecond to write their numbers down."""
    state = np.random.get_state(legacy=False)
    generator = {
        name: each.tobytes() if isinstance(each, np.ndarray) else each for name, each in state["state"].items()
    }
    return repr({**state, "state": generator})


def process_state() -> dict[str, Any]:
    """Everything else that outlives a call. Values of environment variables are hashed: they may be secret."""
    state: dict[str, Any] = {f"environment variable {name}": (hash(value),) for name, value in os.environ.items()}
    state |= {"working directory": os.getcwd(), "warning filters": (*map(_filter, warnings.filters),)}
    state |= {"locale": locale.setlocale(locale.LC_ALL), **running()}
    for owner, names in GLOBALS:
        state |= {f"{owner.__name__}.{name}": (id(getattr(owner, name)),) for name in names.split()}
    state |= {"tracing": (id(sys.gettrace()), id(sys.getprofile())), "recursion limit": sys.getrecursionlimit()}
    state |= {f"signal {each.name}": (_plain(signal.getsignal(each)),) for each in signal.Signals}
    state |= {f"log level of {name or 'the root'}": logging.getLogger(name).level for name in LOGGERS}
    return state | _collector()


def _collector() -> dict[str, Any]:
    return {
        "garbage collection": gc.isenabled(),
        "garbage collection thresholds": str(gc.get_threshold()),
        "garbage collection debug flags": gc.get_debug(),
        "garbage collection callbacks": (*map(id, gc.callbacks),),
        "garbage collection, frozen": is_frozen(),
    }


def is_frozen() -> bool:
    """Whether old objects are kept from the garbage collector. Python counts them all to say so: where many are, as in a
    tool's own process, the oldest of those that are not kept from it is looked at instead."""
    if begun_frozen():
        return not any(each is sys.modules for each in gc.get_objects())
    return gc.get_freeze_count() > 0


@cache
def begun_frozen() -> bool:
    """Whether that was so when it was first asked."""
    return gc.get_freeze_count() > 0


def _filter(row: tuple[Any, ...]) -> str:
    action, message, category, module, line = row
    return f"{action} {getattr(message, 'pattern', message)} {category} {getattr(module, 'pattern', module)} {line}"


def _plain(handler: Any) -> int:
    return int(handler) if isinstance(handler, int) else id(handler)
