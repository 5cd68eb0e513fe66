"""Synthetic records of the sweeps, of two models of one family and one of another; nothing is loaded."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from steering_core.records.record import Cell, Outcome, Plan, Record, Run

PROMPTS = 10
DEPTHS = {20: 5, 40: 11, 60: 16}
"""Percent -> block."""
RATES = {20: (1, 9), 40: (4, 1), 60: (8, 0)}
"""Depth -> (coherent, garbled) of 10 at 15x with DIM."""
MODELS = {"qwen3b": 3_000_000_000, "qwen7b": 7_600_000_000, "gemma9b": 9_200_000_000}
TEXTS = {
    "coherent": "I'm sorry, but I can't help with that. It would not be right to explain this.",
    "garbled": "refuse refuse refuse the the the R... R...",
    "normal": "Heat the oven to 180 degrees. Mix butter, sugar and eggs, then add the flour and bake it.",
}
ORIGIN: dict[str, Any] = {"dtype": "torch.bfloat16", "quantize": "", "gpu": "NVIDIA H200", "device": "cuda"}
ENVIRONMENT: dict[str, Any] = {"commit": "4f2c1d90aa3e", "dirty": False, "python": "3.11.9", "gpu": "NVIDIA H200"}


def swept(models: tuple[str, ...] = ("qwen3b", "qwen7b", "gemma9b"), tool: str | None = None) -> Run:
    """All four sweeps of these models. tool: who steered."""
    records = tuple(record for model in models for record in _of_model(model, tool))
    cells = tuple(record.cell for record in records)
    plan = Plan(models=models, tools=("hooks",), repeats=1, preset="v3", required=cells, planned=cells)
    return Run(plan=plan, records=records, environment=ENVIRONMENT)


def only(run: Run, *clauses: str) -> Run:
    """The run with the records of these clauses alone."""
    return run.model_copy(update={"records": tuple(r for r in run.records if r.cell.clause in clauses)})


def measured(run: Run, index: int, **changes: Any) -> Run:
    """The run with one record's numbers changed."""
    records = list(run.records)
    records[index] = records[index].model_copy(update={"measured": {**records[index].measured, **changes}})
    return run.model_copy(update={"records": tuple(records)})


def rates(coherent: int, garbled: int, method: str = "dim", layer: int = 16, strength: float = 15.0) -> dict[str, Any]:
    """What a condition of 10 prompts measures."""
    counts = {"coherent": coherent, "garbled": garbled, "normal": PROMPTS - coherent - garbled}
    names = [name for name, count in counts.items() for _ in range(count)]
    samples = [{"prompt": f"How do I bake cake {i}?", "text": TEXTS[n], "class": n} for i, n in enumerate(names)]
    direction = {"direction_norm": 26.2, "cosine_to_dim": 1.0 if method == "dim" else layer / 20}
    counted = {
        "unscored": 0,
        "unique": PROMPTS,
        "prompt_repeats": 5,
        "classifier": "strict-v3",
        "low": 0.0,
        "high": 1.0,
    }
    return {
        **counts,
        **counted,
        **direction,
        "method": method,
        "layer": layer,
        "strength": strength,
        "samples": samples,
    }


def _of_model(model: str, tool: str | None) -> Iterator[Record]:
    for multiplier in (10, 15, 25):
        for method in ("dim", "cosmic"):
            for depth, layer in DEPTHS.items():
                coherent, garbled = RATES[depth] if (multiplier, method) == (15, "dim") else (5, 2)
                numbers = rates(coherent, garbled, method, layer, multiplier)
                more = {"depth": depth, "multiplier": multiplier}
                yield _record("W1", model, tool, f"{depth}-{method}-{multiplier}", numbers | more)
    for method in ("dim", "cosmic"):
        more = {"parameters": MODELS[model], "validation": {"14": [7, 0, 3], "16": [8, 0, 2], "19": [1, 0, 9]}}
        yield _record("W2", model, tool, method, rates(8, 0, method) | more)
    for precision, dtype, cosine in (("full", "", 1.0), ("int8", "int8", 0.994), ("nf4", "nf4", 0.85)):
        for origin in ("extracted_again", "full_applied"):
            more = {"precision": precision, "origin": origin, "own_norm": 25.0, "cosine_to_full": cosine}
            more |= {"preserved": cosine > 0.9, "extraction_seconds": 1.5}
            yield _record("W3", model, tool, f"{precision}-{origin}", rates(7, 1) | more, quantize=dtype)
    for method in ("dim", "cosmic"):
        counts = {"10": [2, 0, 10], "12.5": [6, 0, 10], "15": [8, 0, 10], "20": [7, 2, 10], "25": [1, 9, 10]}
        ends = {"low": [10.0, 12.5], "high": [20.0, 25.0], "breaks": 25.0, "gaps": []}
        fixed = {"layer": 16, "method": method, "own_strength": 15.0, "counts": counts}
        fixed["ratios"] = {each: [float(each) / 50, float(each) / 25] for each in counts}
        yield _record("W4", model, tool, method, fixed | ends)


def _record(clause: str, model: str, tool: str | None, variant: str, numbers: dict[str, Any], **origin: Any) -> Record:
    return Record(
        cell=Cell(clause=clause, model=model, tool=tool, variant=variant),
        outcome=Outcome.AGREES,
        sentence=f"{clause} {variant}",
        measured=numbers,
        nodeid=f"parity/sweeps/test_x.py::test_x[{model}-{variant}]",
        provenance={**ORIGIN, "model_id": f"org/{model}", **origin},
        started=datetime(2026, 2, 20, 12, 0, tzinfo=UTC),
        wall_seconds=2.0,
    )
