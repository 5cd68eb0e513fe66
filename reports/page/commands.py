"""The commands that repeat a cell, a run, or this page."""

import shlex

from steering_core.record import Plan, Record, Run


def repeat_command(plan: Plan, record: Record) -> str:
    """What to type to repeat one cell with the settings of the run."""
    cuda = str(record.provenance.get("device", "")).startswith("cuda")
    return " ".join(["pytest", shlex.quote(record.nodeid), "-m", shlex.quote(record.cell.model), *_options(plan, cuda)])


def run_command(run: Run) -> str:
    """What to type to repeat the whole run."""
    plan, used_gpu = run.plan, any(str(r.provenance.get("device", "")).startswith("cuda") for r in run.records)
    return " ".join(["pytest parity -m", shlex.quote(" or ".join(plan.models)), *_options(plan, used_gpu)])


def _options(plan: Plan, gpu: bool) -> list[str]:
    words = ["--preset", shlex.quote(plan.preset), "--repeats", str(plan.repeats)]
    flags = {"--gpu": gpu, "--random-weights": plan.random_weights, "--no-gate": not plan.gated}
    return words + [flag for flag, chosen in flags.items() if chosen]
