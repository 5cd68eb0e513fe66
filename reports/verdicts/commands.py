"""The commands that repeat a cell or a run with its recorded settings, and those that continue from it."""

import shlex
import tomllib
from collections.abc import Sequence
from functools import cache

from reports.verdicts.findings.section import is_finding
from reports.verdicts.sweeps.condition import Condition
from reports.verdicts.sweeps.points import is_beside
from steering_core.places import CHECKS, PRESETS, RUNNER
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.record import Plan, Record, Run

PROTOCOL_MODELS = ("qwen7b", "gemma9b")
"""The models of the phase 1 protocol (section B); keys of the registry."""
SWEEP_SETTINGS = ("--preset", "v3")
"""The V3 plan's, section 1.3; the preset carries the dtype."""
SWEEPS = {"W1": "layers", "W2": "sizes", "W3": "quantization", "W4": "strengths"}
"""The files of parity/sweeps/, by clause."""
RESUME = ("--resume", "DIR", "--follow")
"""DIR stands for the directory of the run, which its records do not name."""
FOLLOWING = ("--follow", "--follow-round")
OWN_TOOL = ("--tool", "--tools", "--tool-python")
"""Options that name the tools of a run; a run of other models needs them too."""


def repeat_command(plan: Plan, record: Record) -> str:
    """The command that repeats one cell; of random programs, the smallest failing one."""
    own = str(record.measured.get("program_file") or "")
    program = ["--program", own] if own and "--program" not in dict(plan.options) else []
    return _join(*RUNNER, record.nodeid, "-m", record.cell.model, *_options(plan, [record]), *program)


def repeat_checks_command(plan: Plan, records: Sequence[Record]) -> str:
    """The command that repeats these cells of one model, and no others."""
    return _join(*RUNNER, *(record.nodeid for record in records), "-m", records[0].cell.model, *_options(plan, records))


def repeat_clauses_command(plan: Plan, records: Sequence[Record]) -> str:
    """The command that repeats every check of the clauses of these records, on their models."""
    named = {record.cell.clause for record in records}
    clauses = [clause for clause in CLAUSES if clause in named]
    models = dict.fromkeys(record.cell.model for record in records)
    return _join(*CHECKS, "-m", " or ".join(models), "--clauses", ",".join(clauses), *_options(plan, records))


def run_command(run: Run) -> str:
    """The command that repeats the whole run: of sweeps and findings, their files; of a preflight, the preflight."""
    return _join(*_part(run), "-m", " or ".join(run.plan.models), *_options(run.plan, run.records))


def _part(run: Run) -> list[str]:
    """What of the suite was run."""
    stages = {CLAUSES[cell.clause].stage for cell in run.plan.planned} - {Stage.EVIDENCE}
    files = dict.fromkeys(record.nodeid.partition("::")[0] for record in run.records if record.nodeid)
    if stages and stages <= {Stage.SWEEP, Stage.FINDINGS} and files:
        return [*RUNNER, *files]
    return [*CHECKS, "-k", "preflight"] if stages == {Stage.PREFLIGHT} else [*CHECKS]


def second_model_command(plan: Plan, records: Sequence[Record]) -> str:
    """The command that repeats a run of one model together with the protocol's other one; "" for published files."""
    if any("replayed_from" in record.provenance for record in records):
        return ""
    second = next(model for model in PROTOCOL_MODELS if model not in plan.models)
    return _join(*CHECKS, "-m", " or ".join((*plan.models, second)), *_options(plan, records))


def real_model_command(plan: Plan) -> str:
    """The command that runs the same part of the protocol, with the same tools, on its first model."""
    tools = [word for option in plan.options if option[0] in OWN_TOOL for word in option]
    selection = [PROTOCOL_MODELS[0]]
    if not any(is_beside(cell) for cell in plan.planned):
        selection = [f"sweep and {PROTOCOL_MODELS[0]}", *SWEEP_SETTINGS]
    elif all(map(is_finding, plan.planned)):
        selection = [f"findings and {PROTOCOL_MODELS[0]}"]
    part = ["-k", "preflight"] if all(CLAUSES[cell.clause].stage is Stage.PREFLIGHT for cell in plan.planned) else []
    return _join(*RUNNER, *(part or ["parity"]), "-m", *selection, "--gpu", *tools)


def follow_command(plan: Plan, records: Sequence[Record], asked: Sequence[Condition], command: str) -> str:
    """The command that runs the conditions which decisions ask for; "" where they ask for none.

    command: the run's own, which a resumed run must repeat. Conditions of models that the run does not have are swept
    in a run of their own.
    """
    if not asked or any("replayed_from" in record.provenance for record in records):
        return ""
    if any(condition.model in plan.models for condition in asked):
        own = [word for word in shlex.split(command) if word not in FOLLOWING]
        rest = [*CHECKS, "-m", _swept(plan.models), *_options(plan, records)]
        return _join(*(own or rest), *RESUME)
    files = dict.fromkeys(f"parity/sweeps/test_{SWEEPS[condition.clause]}.py" for condition in asked)
    models = " or ".join(dict.fromkeys(condition.model for condition in asked))
    return _join(*RUNNER, *files, "-m", models, *_options(plan, records), "--follow")


def _swept(models: Sequence[str]) -> str:
    return f"sweep and ({' or '.join(models)})" if len(models) > 1 else f"sweep and {models[0]}"


def _options(plan: Plan, records: Sequence[Record]) -> list[str]:
    arguments = ["--preset", plan.preset, "--repeats", str(plan.repeats)]
    recorded = {str(record.provenance["dtype"]) for record in records if "dtype" in record.provenance}
    dtypes = {dtype.removeprefix("torch.") for dtype in recorded} - {_dtype_of(plan.preset)}
    arguments += ["--dtype", *dtypes] if len(dtypes) == 1 else []
    on_gpu = any(str(record.provenance.get("device", "")).startswith("cuda") for record in records)
    flags = {"--gpu": on_gpu, "--random-weights": plan.random_weights, "--no-gate": not plan.gated}
    arguments += [flag for flag, used in flags.items() if used]
    return arguments + [word for option in plan.options for word in option if word]


@cache
def _dtype_of(preset: str) -> str:
    """The dtype that a preset sets, which then needs no option; "" if it leaves that to the models."""
    return str(tomllib.loads(PRESETS.read_text(encoding="utf-8")).get(preset, {}).get("dtype", ""))


def _join(*arguments: str) -> str:
    return " ".join(map(shlex.quote, arguments))
