"""The command line: what is run, on what, with which settings. Checked before any model is loaded."""

from typing import Any

from steering_core.footprint import QUANTIZED
from steering_core.specs import DTYPES


def add_options(parser: Any) -> None:
    """Every option of the suite that decides what is measured."""
    group = parser.getgroup("parity", "steering parity: what is measured")
    add = group.addoption
    add("--gpu", action="store_true", help="run on CUDA (default: CPU)")
    add("--repeats", type=int, metavar="K", help="repeats per model and tool (default: the preset's, 5)")
    add("--preset", metavar="NAME", help="protocol settings: phase1, as_run, closeout, fixture "
        "(default: fixture for tiny models, phase1 for the others)")  # fmt: skip
    add("--dtype", choices=DTYPES, help="weights and activations (default: the model's row)")
    add("--batch-size", type=int, default=30, metavar="N", help="evaluation prompts per forward (default: 30)")
    add(
        "--model-path",
        action="append",
        default=[],
        metavar="KEY=DIR",
        help="where the weights of a registered model are",
    )
    add(
        "--model",
        action="append",
        default=[],
        metavar="DIR_OR_ID",
        help="run an unregistered model; needs --layer, --multiplier",
    )
    add("--revision", action="append", default=[], metavar="KEY=REV",
        help="branch, tag or commit of a model of the hub (default: its row's)")  # fmt: skip
    add("--layer", type=int, metavar="N", help="tested block, 0-based; overrides every model's")
    add("--multiplier", type=float, metavar="X", help="strength of the unit direction (as --layer)")
    add("--random-weights", action="store_true",
        help="real architecture and shape, seeded random weights: tensor-site checks without a download")  # fmt: skip
    add("--tools", metavar="A,B", help="compare only these tools (default: hooks,nnsight,pyvene)")
    add(
        "--tool",
        action="append",
        default=[],
        metavar="SPEC",
        help="add a tool: path/to/file.py:Class or package.module:Class",
    )
    add("--prompts", metavar="FILE", help="prompt sets as JSON (default: the project's own)")
    add(
        "--attention",
        default="",
        choices=("sdpa", "eager"),
        help="attention implementation (default: the family's own)",
    )
    add("--quantize", default="", choices=tuple(QUANTIZED),
        help="quantise the weights while loading, by bitsandbytes; activations keep the dtype")  # fmt: skip
    add("--device-map", default="", choices=("auto",), help="spread each model over all GPUs, by accelerate")
    add("--no-gate", action="store_true",
        help="go on after a failed preflight; the verdict names the failed clause as its likely cause")  # fmt: skip
    add(
        "--force-snapshot",
        action="store_true",
        help="with --snapshot-update: lock from a source that is not a clean commit",
    )
