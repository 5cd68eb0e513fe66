"""The commands that repeat a cell or a run with the settings that its records name."""

import shlex
from collections.abc import Sequence

from steering_core.records.record import Plan, Record, Run


def repeat_command(plan: Plan, record: Record) -> str:
    """What to type to repeat one cell."""
    return _join("pytest", record.nodeid, "-m", record.cell.model, *_options(plan, [record]))


def run_command(run: Run) -> str:
    """What to type to repeat the whole run."""
    return _join("pytest", "parity", "-m", " or ".join(run.plan.models), *_options(run.plan, run.records))


def _options(plan: Plan, records: Sequence[Record]) -> list[str]:
    words = ["--preset", plan.preset, "--repeats", str(plan.repeats)]
    dtypes = {
        str(record.provenance["dtype"]).removeprefix("torch.") for record in records if "dtype" in record.provenance
    }
    words += ["--dtype", *dtypes] if len(dtypes) == 1 else []
    on_gpu = any(str(record.provenance.get("device", "")).startswith("cuda") for record in records)
    flags = {"--gpu": on_gpu, "--random-weights": plan.random_weights, "--no-gate": not plan.gated}
    words += [flag for flag, chosen in flags.items() if chosen]
    return words + [word for option in plan.options for word in option]


def _join(*words: str) -> str:
    return " ".join(map(shlex.quote, words))
