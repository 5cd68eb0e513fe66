"""The result format of the V3 plan (section 4.3): one JSON per model, made from its B1 records."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from reports.run.storage import replace_files
from reports.run.strict_json import dump
from steering_core.errors import ArtifactProblem
from steering_core.models.registry import ModelSpec, read_registry
from steering_core.places import REGISTRY
from steering_core.records.record import Frozen, Outcome, Record, Run
from steering_core.records.thresholds import quality_band

QUALITY = {"C": "coherent", "G": "garbled", "N": "normal", "U": "unscored"}
PRECISION = {"float16": "fp16", "bfloat16": "bf16", "float32": "fp32", "int8": "int8", "nf4": "int4"}


class V3Sample(Frozen):
    """One steered answer. `unscored` is this suite's addition: text in a language that the classifier does not read."""

    prompt: str
    response: str
    quality: Literal["coherent", "garbled", "normal", "unscored"]


class V3Condition(Frozen):
    """One (tool, arm), first repeat; rates as proportions. tool and arm are this suite's additions.

    A class does not say whether a garbled answer was meant as a refusal; as in the plan's own example, refusals are
    coherent plus garbled answers.
    """

    layer_pct: float | None = Field(ge=0, lt=1)
    layer_idx: int = Field(ge=0)
    multiplier: float
    refusal_rate: float = Field(ge=0, le=1)
    coherent_refusal_rate: float = Field(ge=0, le=1)
    garbled_refusal_rate: float = Field(ge=0, le=1)
    refusals: int = Field(ge=0)
    n_samples: int = Field(gt=0)
    direction_norm: float | None
    output_quality: Literal["coherent", "garbled", "mixed"]
    samples: tuple[V3Sample, ...]
    tool: str
    arm: str


class V3Result(Frozen):
    """One model. quantization adds bf16 and fp32 to the plan's words, because they are not fp16."""

    phase: Literal["0", "1", "2", "3"] = "1"
    model: str
    model_id: str
    family: str
    method: Literal["dim", "cosmic"] = "dim"
    quantization: Literal["fp16", "bf16", "fp32", "int8", "int4"]
    conditions: tuple[V3Condition, ...] = Field(min_length=1)
    timestamp: str
    gpu: str
    runtime_seconds: float = Field(ge=0)


def write_v3(directory: Path, run: Run) -> list[Path]:
    """Write one V3 file per model; ArtifactProblem when a model has no measured rates or nothing can be written."""
    results = [build_v3(run, model) for model in run.plan.models]
    names = [f"v3_phase1_family_sweep_{result.model}_{result.timestamp.replace(':', '')}.json" for result in results]
    texts = {name: dump(result.model_dump(), name) + "\n" for name, result in zip(names, results, strict=True)}
    replace_files(directory, texts)
    return [directory / name for name in names]


def build_v3(run: Run, model: str) -> V3Result:
    """One model's result from its measured B1 records."""
    own = [record for record in run.records if record.cell.model == model]
    rates = [r for r in own if r.cell.clause == "B1" and r.outcome is Outcome.AGREES and r.cell.repeat == 0]
    if not rates:
        raise ArtifactProblem(
            "v3-rates", f"{model} has no measured rates (clause B1)", "export a run that measured behavior"
        )
    origin = rates[0].provenance
    spec = read_registry(REGISTRY).get(model)
    return V3Result(
        model=model,
        model_id=str(origin.get("model_id", model)),
        family=spec.family if spec else "unregistered",
        quantization=_precision(origin),
        conditions=tuple(_condition(record, own, spec) for record in rates),
        timestamp=min(record.started for record in own).strftime("%Y-%m-%dT%H:%M:%SZ"),
        gpu=str(origin.get("gpu") or "none"),
        runtime_seconds=sum(record.wall_seconds for record in own),
    )


def _condition(record: Record, own: Sequence[Record], spec: ModelSpec | None) -> V3Condition:
    measured: dict[str, Any] = record.measured
    total, coherent, garbled = (int(measured[name]) for name in ("total", "coherent", "garbled"))
    layer = _layer(record)
    return V3Condition(
        layer_pct=round(layer / spec.layers, 4) if spec else None,
        layer_idx=layer,
        multiplier=_required(record, "coefficient"),
        refusal_rate=(coherent + garbled) / total,
        coherent_refusal_rate=coherent / total,
        garbled_refusal_rate=garbled / total,
        refusals=coherent + garbled,
        n_samples=total,
        direction_norm=_norm(record, own),
        output_quality=quality_band(Fraction(coherent, total), Fraction(garbled, total)),
        samples=tuple(_sample(sample) for sample in measured.get("samples", [])),
        tool=record.cell.tool or "",
        arm=record.cell.arm or "",
    )


def _sample(sample: dict[str, Any]) -> V3Sample:
    return V3Sample(prompt=sample["prompt"], response=sample["text"], quality=QUALITY[str(sample["class"])[0].upper()])  # type: ignore[arg-type]


def _norm(record: Record, own: Sequence[Record]) -> float | None:
    found = (r.measured.get("norm_mean") for r in own if r.cell.clause == "D1" and r.cell.tool == record.cell.tool)
    return next((float(norm) for norm in found if isinstance(norm, int | float)), None)


def _layer(record: Record) -> int:
    return int(str(_required(record, "site")).partition("@")[2])


def _precision(origin: dict[str, Any]) -> Any:
    return PRECISION.get(str(origin.get("dtype", "")).removeprefix("torch."), "fp32")


def _required(record: Record, name: str) -> Any:
    if name not in record.provenance:
        raise ArtifactProblem(
            "v3-provenance", f"{record.cell.id} does not say its {name}", "export a run of this suite"
        )
    return record.provenance[name]
