"""The request of a run in a form that can be compared: a resumed run must have the same one."""

import os
import shlex
from dataclasses import asdict
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

from parity.plugin.on_request import ROOMS
from parity.plugin.request.options import OPTIONS
from parity.plugin.request.run_matrix import RunMatrix
from parity.plugin.request.weights import source_of
from steering_core.errors import UsageProblem
from steering_core.places import ROOT, typed
from steering_core.records.plan_file import read_request
from steering_core.records.provenance import source_digest
from steering_core.tools.spec import BUILT_IN, ToolSpec

PACKAGES = ("torch", "transformers", "bitsandbytes", *BUILT_IN)
"""A built-in tool is named after its library, where it has one."""
SAMPLES, SAMPLE = 16, 1 << 16
COMMAND = "command"
PLUGIN = ROOT / "parity" / "plugin"
PLACES = {"--model", "--model-path", "--prompts", "--force-snapshot"}
"""Options that name places; the content of the places is compared instead."""


def describe_request(config: pytest.Config, matrix: RunMatrix) -> dict[str, str]:
    """Everything that decides what is measured, by name. Reads a sample of the weights, loads nothing."""
    option = config.getoption
    request: dict[str, Any] = {
        **{name: getattr(matrix, name) for name in ("selected", "tools", "repeats", "preset")},
        **{flag: option(flag.removeprefix("--").replace("-", "_")) for flag, _, _ in OPTIONS if flag not in PLACES},
        **{"-m": option("markexpr"), "-k": option("keyword"), "--snapshot-update": option("update_snapshots")},
        **{"paths": paths(config), "prompts": matrix.prompts.digest, "device": device(config)},
        **{f"source of {tool}": _digest(file) for tool in matrix.tools if (file := ToolSpec.parse(tool).file)},
        **{f"version of {name}": _version(name) for name in PACKAGES},
        "source of the suite": suite_digest(),
        COMMAND: shlex.join(typed(config.invocation_params.args)),
    }
    for key in matrix.selected:
        settings = asdict(matrix.settings[key])
        request |= {f"{name} of {key}": value for name, value in settings.items() if name != "preset"}
        request[f"weights of {key}"] = "random" if option("random_weights") else weights_sample(source_of(matrix, key))
    return {name: _text(value) for name, value in request.items()}


def settle_request(config: pytest.Config, matrix: RunMatrix) -> None:
    """Describe the request for this process and its workers; refuse to resume a run that made another one."""
    if hasattr(config, "workerinput") or config.getoption("collectonly"):
        return
    config.option.request = describe_request(config, matrix)
    if folder := config.getoption("resume"):
        check_request(config.option.request, Path(folder))


def check_request(now: dict[str, str], folder: Path) -> None:
    """UsageProblem naming the differences between the run in a directory and the one requested now."""
    then = read_request(folder)
    names = [name for name in dict.fromkeys((*now, *then)) if name != COMMAND and now.get(name) != then.get(name)]
    if names:
        changes = "; ".join(f"{name} was {_short(then.get(name))}, is {_short(now.get(name))}" for name in names[:4])
        rest = f"; and {len(names) - 4} more" if len(names) > 4 else ""
        raise UsageProblem(
            "resume-differs", f"--resume {folder}: {changes}{rest}", f"it was started with: {then.get(COMMAND)}"
        )


def device(config: pytest.Config) -> str:
    """`cpu`, or the name of the GPU."""
    if not config.getoption("gpu"):
        return "cpu"
    import torch

    return str(torch.cuda.get_device_name(0))


def paths(config: pytest.Config) -> list[str]:
    """The collected paths and node ids, relative to the suite wherever pytest was started, and however they were named."""
    collected = []
    for argument in config.args:
        path, sign, rest = argument.partition("::")
        whole = os.path.join(config.invocation_params.dir, path)
        if config.option.pyargs and path.startswith(f"{ROOT.name}."):  # a module of the installed suite
            whole = str(ROOT.parent / path.replace(".", "/"))
            whole += ".py" * Path(f"{whole}.py").is_file()
        collected.append(os.path.relpath(whole, _root(config, whole)) + sign + rest)
    return sorted(collected)


def _root(config: pytest.Config, path: str) -> Path:
    """What a path is relative to: the suite, for what is in it; else pytest's own root."""
    return ROOT if Path(path).is_relative_to(ROOT) else config.rootpath


def suite_digest() -> str:
    """sha256 over the library and the checks: what decides a record."""
    whole = sha256(source_digest().encode())
    rooms = [file for room in ROOMS for file in (ROOT / "parity" / room).glob("*.py")]
    for file in sorted([*(ROOT / "parity").glob("*.py"), *PLUGIN.rglob("*.py"), *rooms]):
        whole.update(file.name.encode() + b"\0" + file.read_bytes())
    return whole.hexdigest()


def weights_sample(source: str) -> str:
    """sha256 over the sizes and a sample of a checkpoint's safetensors files; the hub id when it is not a directory."""
    folder = Path(source)
    if not folder.is_dir():
        return source
    whole = sha256()
    for file in sorted(folder.glob("*.safetensors")):
        size = file.stat().st_size
        whole.update(f"{file.name} {size}".encode())
        with file.open("rb") as stream:
            for index in range(SAMPLES):
                stream.seek(index * max(size - SAMPLE, 0) // (SAMPLES - 1))
                whole.update(stream.read(SAMPLE))
    return whole.hexdigest()


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _short(value: str | None) -> str:
    text = "absent" if value is None else value or "empty"
    return text if len(text) <= 40 else f"{text[:12]}..."
