"""The command line: what is run, on what, with which settings. Checked before any model is loaded."""

from collections.abc import Callable
from typing import Any

from steering_core.models.memory import QUANTIZED
from steering_core.models.registry import DTYPES

SWITCH: dict[str, Any] = {"action": "store_true"}
MANY: dict[str, Any] = {"action": "append", "default": []}

OPTIONS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("--gpu", SWITCH, "run on CUDA (default: CPU)"),
    ("--repeats", {"type": int, "metavar": "K"}, "repeats per model and tool (default: the preset's, 5)"),
    ("--preset", {"metavar": "NAME"}, "protocol settings: phase1, as_run, closeout, fixture (default: fixture for tiny "
        "models, phase1 for the others)"),
    ("--dtype", {"choices": DTYPES}, "weights and activations (default: the model's row)"),
    ("--batch-size", {"type": int, "default": 30, "metavar": "N"}, "evaluation prompts per forward (default: 30)"),
    ("--model-path", {**MANY, "metavar": "KEY=DIR"}, "where the weights of a registered model are"),
    ("--model", {**MANY, "metavar": "DIR_OR_ID"}, "run an unregistered model; needs --layer and --multiplier"),
    ("--revision", {**MANY, "metavar": "KEY=REV"}, "branch, tag or commit of a model of the hub (default: its row's)"),
    ("--layer", {"type": int, "metavar": "N"}, "tested block, 0-based; overrides every model's"),
    ("--method", {"metavar": "NAME"}, "direction method, a file of steering_core/directions/ (default: the preset's)"),
    ("--multiplier", {"type": float, "metavar": "X"}, "strength of the unit direction; overrides every model's"),
    ("--random-weights", SWITCH, "real architecture and shape, seeded random weights: tensor-site checks without a "
        "download"),
    ("--tools", {"metavar": "A,B"}, "compare only these tools (default: hooks,nnsight,pyvene)"),
    ("--tool", {**MANY, "metavar": "SPEC"}, "add a tool: path/to/file.py:Class or package.module:Class"),
    ("--prompts", {"metavar": "FILE"}, "prompt sets as JSON (default: the project's own)"),
    ("--attention", {"default": "", "choices": ("sdpa", "eager")}, "attention implementation (default: the family's)"),
    ("--quantize", {"default": "", "choices": tuple(QUANTIZED)}, "quantize the weights while loading, by bitsandbytes; "
        "activations keep the dtype"),
    ("--device-map", {"default": "", "choices": ("auto",)}, "spread each model over all GPUs, by accelerate"),
    ("--no-gate", SWITCH, "go on after a failed preflight; the verdict names the failed clause as its likely cause"),
    ("--force-snapshot", SWITCH, "with --snapshot-update: lock from a source that is not a clean commit"),
)  # fmt: skip


IN_THE_PLAN = {"--preset", "--repeats", "--dtype", "--gpu", "--random-weights", "--no-gate", "--force-snapshot"}
"""Options that a plan and its records tell in fields of their own, or that repeating a check does not need."""


def typed_options(option: Callable[[str], Any]) -> tuple[tuple[str, str], ...]:
    """The options that were given, with their values, without those that the plan tells otherwise."""
    found: list[tuple[str, str]] = []
    for flag, settings, _ in OPTIONS:
        value = option(flag.removeprefix("--").replace("-", "_"))
        if flag not in IN_THE_PLAN and value is not None and value != settings.get("default", None):
            found += [(flag, str(each)) for each in (value if isinstance(value, list) else [value])]
    return tuple(found)


def add_options(parser: Any) -> None:
    """Every option of the suite that decides what is measured."""
    group = parser.getgroup("parity", "steering parity: what is measured")
    for name, settings, words in OPTIONS:
        group.addoption(name, help=words, **settings)
