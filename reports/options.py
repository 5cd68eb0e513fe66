"""The command line: where a run is written, what is expected of it, and what it may cost."""

from typing import Any


def add_options(parser: Any) -> None:
    """Every option of the suite that does not change what is measured."""
    group = parser.getgroup("verdict", "steering parity: what comes out")
    add = group.addoption
    add("--run-dir", metavar="DIR", help="where the run is written (default: reports/runs/<UTC time>)")
    add(
        "--resume", metavar="DIR",
        help="go on with the run in DIR, with the options it was started with: what it finished is kept, the rest is "
        "run, and the verdict is on all of it",
    )  # fmt: skip
    add("--expect-outcome", metavar="X", help="fail unless the verdict is X: 1 to 4, or a conclusion such as INVALID")
    add(
        "--budget-usd", type=float, metavar="X",
        help="start no cell that would end beyond this cost; the run is then INCOMPLETE, and --resume goes on with it",
    )  # fmt: skip
    add(
        "--gpu-hour-usd", type=float, metavar="Y",
        help="price of one GPU for an hour (default: the highest of the models' rows); alone, it only counts",
    )  # fmt: skip
    add("--wandb", metavar="PROJECT", help="also log the rates to Weights & Biases; WANDB_MODE=offline works")
