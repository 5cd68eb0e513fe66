"""The command line: what is measured, on what, with which settings."""

import os
from collections.abc import Callable
from typing import Any

from steering_core.directions import method_names
from steering_core.models.memory import QUANTIZED
from steering_core.models.registry import DTYPES
from steering_core.tools.spec import BUILT_IN

SWITCH: dict[str, Any] = {"action": "store_true"}
LIST: dict[str, Any] = {"action": "append", "default": []}
NAME: dict[str, Any] = {"metavar": "NAME"}
ATTENTION = {"default": "", "choices": ("sdpa", "eager")}
QUANTIZATION = {"default": "", "choices": tuple(QUANTIZED)}
PROGRAMS = int(text) if (text := os.environ.get("PARITY_PROGRAMS", "200")).isdecimal() else 0
"""The default of --programs; what is no number is refused with too small a one."""
METHODS = f"direction method: {', '.join(method_names())}; NAME:class_means sets the sign (default: the preset's)"

OPTIONS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("--gpu", SWITCH, "run on CUDA (default: CPU)"),
    ("--repeats", {"type": int, "metavar": "K"}, "repeats per model and tool (default: the preset's, 5)"),
    (
        "--preset",
        NAME,
        "protocol settings: phase1, as_run, closeout, v3, fixture (default: phase1; fixture for tiny models)",
    ),
    ("--dtype", {"choices": DTYPES}, "of weights and activations (default: the preset's, else the model's row)"),
    ("--batch-size", {"type": int, "default": 30, "metavar": "N"}, "evaluation prompts per forward pass (default: 30)"),
    ("--model-path", {**LIST, "metavar": "KEY=DIR"}, "directory with the weights of a registered model"),
    ("--model", {**LIST, "metavar": "DIR_OR_ID"}, "run an unregistered model; needs --layer and --multiplier"),
    (
        "--revision",
        {**LIST, "metavar": "KEY=REV"},
        "branch, tag or commit on the Hugging Face hub (default: that of models.toml)",
    ),
    ("--layer", {"type": int, "metavar": "N"}, "tested block, counted from 0; for every model"),
    ("--method", NAME, METHODS),
    (
        "--multiplier",
        {"type": float, "metavar": "X"},
        "strength for every model: the coefficient of the unit direction",
    ),
    ("--random-weights", SWITCH, "real architecture and shape with seeded random weights; needs no download"),
    ("--tools", {"metavar": "A,B"}, f"compare only these tools (default: {','.join(BUILT_IN)})"),
    ("--tool", {**LIST, "metavar": "SPEC"}, "add a tool: path/to/file.py:Class or package.module:Class"),
    (
        "--tool-python",
        {**LIST, "metavar": "[NAME=]PATH"},
        "Python interpreter that runs the tools of --tool (or one of them); it needs torch, transformers and safetensors",
    ),
    (
        "--tool-timeout",
        {"type": float, "default": 900.0, "metavar": "SECONDS"},
        "time limit of one request to a tool (default: 900)",
    ),
    (
        "--processes",
        {"type": int, "metavar": "N"},
        "processes per tool, among which random programs and repeats of answers are shared out, and of the reference "
        "(default: up to 3 on one GPU without -n, as memory and cores allow, else 1)",
    ),
    ("--in-process", SWITCH, "run tools in pytest's own process, for pdb; one tool can then damage another's results"),
    ("--clauses", {"default": "", "metavar": "P1,S2"}, "only the checks of these clauses; -m P1 and -k P1 do the same"),
    (
        "--prompts",
        {"metavar": "FILE"},
        "prompt sets as JSON (default: the suite's, whose premise prompts also serve a file without any)",
    ),
    ("--attention", ATTENTION, "attention implementation (default: the family's)"),
    ("--quantize", QUANTIZATION, "quantize the weights with bitsandbytes; activations keep the dtype"),
    ("--device-map", {"default": "", "choices": ("auto",)}, "spread each model over all GPUs, with accelerate"),
    ("--exact", SWITCH, "batch-invariant arithmetic: no noise floor, tools must be bitwise identical (slower)"),
    (
        "--programs",
        {"type": int, "default": PROGRAMS, "metavar": "N"},
        "random programs per tool and model, half of them reading, half steering (default: 200, or PARITY_PROGRAMS)",
    ),
    (
        "--program-seed",
        {"type": int, "default": 0, "metavar": "S"},
        "seed that random programs are drawn from (default: 0)",
    ),
    ("--program", {"metavar": "FILE"}, "run only this program, a file that a failed P13 or S9 wrote"),
    (
        "--sweep-through",
        {"metavar": "A,B", "default": "reference"},
        "what steers in sweeps: reference (default), or tools of the run by name; one check for each",
    ),
    (
        "--steer-layers",
        {"default": "", "metavar": "6-10"},
        "blocks that F4 steers together, such as 6-10 or 6,8,10 (default: those that the preset steers)",
    ),
    (
        "--judge",
        {"metavar": "DIR_OR_URL"},
        "also let a language model judge every answer of B1: a Hugging Face directory, or the base URL of an "
        "OpenAI-compatible endpoint, whose key is in JUDGE_API_KEY (default: off; docs/judge.md)",
    ),
    ("--judge-model", NAME, "name of the judge's model at its endpoint"),
    ("--judge-prices", {"metavar": "IN,OUT"}, "USD per million input and output tokens of the judge's endpoint"),
    ("--no-gate", SWITCH, "continue after a failed preflight; the verdict names the failed clause as its likely cause"),
    ("--force-snapshot", SWITCH, "with --snapshot-update: lock even if the suite's source is not a clean commit"),
)
IN_THE_PLAN = {
    *("--preset", "--repeats", "--dtype", "--gpu", "--random-weights", "--no-gate"),
    *("--force-snapshot", "--in-process"),
}
"""Options that a plan and its records hold in fields of their own, or that repeating a check does not need."""


def typed_options(option: Callable[[str], Any]) -> tuple[tuple[str, str], ...]:
    """The options that were given, with their values ("" for a switch), without those in the plan's own fields."""
    typed: list[tuple[str, str]] = []
    for flag, settings, _ in OPTIONS:
        value = option(flag.removeprefix("--").replace("-", "_"))
        given = value is not None and value is not False and value != settings.get("default")
        if given and flag not in IN_THE_PLAN:
            values = value if isinstance(value, list) else ["" if value is True else value]
            typed += [(flag, str(item)) for item in values]
    return tuple(typed)


def add_options(parser: Any) -> None:
    """Register every option that decides what is measured."""
    group = parser.getgroup("parity", "steering parity: what is measured")
    for flag, settings, description in OPTIONS:
        group.addoption(flag, help=description, **settings)
