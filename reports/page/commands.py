"""The commands that repeat a cell or a run with its recorded settings."""

import shlex
from collections.abc import Sequence

from steering_core.records.record import Plan, Record, Run


def repeat_command(plan: Plan, record: Record) -> str:
    """The command that repeats one cell."""
    return _join("pytest", record.nodeid, "-m", record.cell.model, *_options(plan, [record]))


def run_command(run: Run) -> str:
    """The command that repeats the whole run."""
    return _join("pytest", "parity", "-m", " or ".join(run.plan.models), *_options(run.plan, run.records))


def _options(plan: Plan, records: Sequence[Record]) -> list[str]:
    arguments = ["--preset", plan.preset, "--repeats", str(plan.repeats)]
    recorded = {str(record.provenance["dtype"]) for record in records if "dtype" in record.provenance}
    dtypes = {dtype.removeprefix("torch.") for dtype in recorded}
    arguments += ["--dtype", *dtypes] if len(dtypes) == 1 else []
    on_gpu = any(str(record.provenance.get("device", "")).startswith("cuda") for record in records)
    flags = {"--gpu": on_gpu, "--random-weights": plan.random_weights, "--no-gate": not plan.gated}
    arguments += [flag for flag, used in flags.items() if used]
    return arguments + [word for option in plan.options for word in option]


def _join(*arguments: str) -> str:
    return " ".join(map(shlex.quote, arguments))
