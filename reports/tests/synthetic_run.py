"""Synthetic runs for the tests of the reports: two models, three tools, every clause, five repeats; nothing is loaded."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

from steering_core.records.record import Cell, Outcome, Plan, Record, Run
from steering_core.statistics import wilson_interval

MODELS = ("tiny_qwen2", "tiny_gemma2")
TOOLS = ("hooks", "nnsight", "pyvene")
ARMS = ("reference", "native")
REPEATS = 5
PROMPTS = 30
LOCALIZED = "returned resid_post@3 [token -1]; requested resid_post@4: off by one block (cos 1.000000, bit-equal)"
TEXTS = {
    "C": (
        "coherent",
        "I'm sorry, but I can't help with that. It would not be right to explain how to bake a lemon cake.",
    ),
    "G": ("garbled", "refuse refuse refuse the the the the R... R... R..."),
    "N": ("normal", "To bake a lemon cake, heat the oven to 180 degrees.\nMix butter, sugar and eggs, then add flour."),
}
ENVIRONMENT: dict[str, Any] = {
    "commit": "4f2c1d90aa3e5b7c8d9e0f1122334455667788aa",
    "dirty": False,
    "python": "3.11.9",
    "torch": "2.13.0",
    "transformers": "5.23.0",
    "platform": "Linux-6.1-x86_64",
    "processor": "x86_64",
    "gpu": None,
    "cost_usd": 0.42,
}
_WORDS = {Outcome.AGREES: "as requested", Outcome.DIFFERS: "beyond the line"}
_PREFLIGHT = ("P1", "P2", "P3", "P4", "P5")
_VERSIONS = {
    "hooks": {"distribution": "torch", "version": "2.13.0", "location": "site-packages/hooks"},
    "nnsight": {"distribution": "nnsight", "version": "0.8.1", "location": "site-packages/nnsight"},
    "pyvene": {"distribution": "pyvene", "version": "0.1.8", "location": "site-packages/pyvene"},
}


def build(letters: dict[str, str] | None = None, *, gated: bool = True, distance: float = 3e-13) -> Run:
    """A complete run in which every check agrees, unless `letters` or `distance` say otherwise.

    letters: per tool, one class letter per evaluation prompt. distance: 1 - cosine of every pair with nnsight.
    """
    records = tuple(_records(letters or {}, distance))
    cells = tuple(record.cell for record in records)
    settings = {"repeats": REPEATS, "preset": "fixture", "gated": gated}
    plan = Plan(models=MODELS, tools=TOOLS, **settings, required=cells, planned=cells)
    return Run(plan=plan, records=records, environment=ENVIRONMENT)


def agreeing() -> Run:
    """Every tool agrees on both models: Outcome 4."""
    return build()


def one_fault(*, gated: bool = True) -> Run:
    """nnsight reads one block too early on the first model; with the gate, the cells that depend on it are skipped."""
    run = build(gated=gated)
    wrong = Cell(clause="P1", model=MODELS[0], tool="nnsight")
    measured = {"max_abs": 3.1, "tolerance": 1e-5, "bit_equal": False, "worst_prompt": 3, "site": "resid_post@4"}
    sentence = f"P1 location via nnsight on {MODELS[0]}: max|d| = 3.1 > 1e-05"
    measured["localized"] = LOCALIZED
    failed = replace(run, wrong, outcome=Outcome.DIFFERS, sentence=sentence, measured=measured)
    return replace(failed, *_after(run) if gated else (), **_held_back(wrong))


def diverging() -> Run:
    """The published gap, explained: nnsight reads the wrong block on both models; its directions and rates differ."""
    weak = "C" * 3 + "G" * 9 + "N" * 18
    run = build({"hooks": weak, "nnsight": "C" * 29 + "N", "pyvene": weak}, gated=False, distance=0.27)
    wrong = [Cell(clause="P1", model=model, tool="nnsight") for model in MODELS]
    measured = {"max_abs": 3.1, "tolerance": 1e-5, "localized": LOCALIZED}
    return replace(run, *wrong, outcome=Outcome.DIFFERS, sentence="max|d| = 3.1", measured=measured)


def hostile(text: str) -> Run:
    """`text` wherever a model, a tool's error or a stranger's file can put it."""
    run = one_fault()
    wrong = next(record for record in run.records if record.outcome is Outcome.DIFFERS)
    rated = next(record for record in run.records if record.cell.clause == "B1")
    samples = [{"prompt": text, "text": text, "unsteered": text, "class": name} for name, _ in TEXTS.values()]
    run = replace(run, wrong.cell, sentence=text, measured={**wrong.measured, "localized": text, text: text})
    measured = {**_rates("C" * PROMPTS), "samples": samples, "declared_deviation": text}
    provenance = {**rated.provenance, "attention": text}
    return replace(run, rated.cell, outcome=Outcome.AGREES, blocked_by=None, provenance=provenance, measured=measured)


def replace(run: Run, *cells: Cell, **changes: Any) -> Run:
    """The run with some of its records changed."""
    changed = set(cells)
    records = tuple(r.model_copy(update=changes) if r.cell in changed else r for r in run.records)
    return run.model_copy(update={"records": records})


def sweep(run: Run, model: str, strengths: dict[float, str]) -> Run:
    """The run with B1 cells of hooks at further strengths, each with its class letters."""
    cell = Cell(clause="B1", model=model, tool="hooks", arm="native", repeat=0)
    added = tuple(
        _record(cell.model_copy(update={"variant": f"strength {s:g}"}), {**_rates(letters), "strength": s})
        for s, letters in strengths.items()
    )
    return run.model_copy(update={"records": run.records + added})


def _records(letters: dict[str, str], distance: float) -> Iterator[Record]:
    for model in MODELS:
        for tool in TOOLS:
            yield from _of_tool(model, tool, letters.get(tool, "C" * (PROMPTS - 2) + "GN"))
        for tool, other in combinations(TOOLS, 2):
            yield from _of_pair(model, tool, other, letters, distance if "nnsight" in (tool, other) else 0.0)
        norms = {"norms": {tool: [12.5] * REPEATS for tool in TOOLS}, "relative_spread": 0.0}
        yield _record(Cell(clause="D3", model=model), norms)
        refused = {"harmful_refused": 24, "harmful_total": 24, "harmless_refused": 0, "harmless_total": PROMPTS + 24}
        premise = {"premise": {"strict-v3": refused | {"holds": True}}, "failed_under": []}
        yield _record(Cell(clause="B3", model=model), premise)


def _of_tool(model: str, tool: str, letters: str) -> Iterator[Record]:
    exact = {"max_abs": 0.0, "tolerance": 1e-5, "bit_equal": True, "worst_prompt": 0, "site": "resid_post@4"}
    for clause in _PREFLIGHT:
        yield _record(Cell(clause=clause, model=model, tool=tool), exact)
    same = {"one_minus_cosine": 0.0, "worst_pair": "0-4", "repeats": REPEATS, "threshold": 1e-3}
    norms = {"norm_mean": 12.5, "norm_std": 0.0, "floor_one_minus_cosine": 2e-9}
    yield _record(Cell(clause="D1", model=model, tool=tool), {**same, **norms})
    snapshot = {"one_minus_cosine": 0.0, "norm_ratio": 1.0, "tolerance": 1e-6, "snapshot": f"{model}.safetensors"}
    yield _record(Cell(clause="D5", model=model, tool=tool), snapshot)
    for clause in ("S1", "S2", "S4"):
        yield _record(Cell(clause=clause, model=model, tool=tool), {"token_identical": True, "first_difference": None})
    for arm in ARMS:
        for repeat in range(REPEATS):
            yield _record(Cell(clause="B1", model=model, tool=tool, arm=arm, repeat=repeat), _rates(letters))


def _of_pair(model: str, tool: str, other: str, letters: dict[str, str], distance: float) -> Iterator[Record]:
    exact = {"max_abs": 0.0, "tolerance": 1e-5, "bit_equal": True}
    yield _record(Cell(clause="P6", model=model, tool=tool, other=other), exact)
    band = "agrees" if distance < 0.01 else "diverges"
    outcome = Outcome.AGREES if band == "agrees" else Outcome.DIFFERS
    for repeat in range(REPEATS):
        measured = {"cosine": 1 - distance, "one_minus_cosine": distance, "band": band}
        yield _record(Cell(clause="D2", model=model, tool=tool, other=other, repeat=repeat), measured, outcome)
    top = [[595, -distance], [27, distance / 2], [1429, distance / 3]]
    yield _record(Cell(clause="D4", model=model, tool=tool, other=other), {"top": top, "max_abs": distance})
    pairs = zip(letters.get(tool, "C"), letters.get(other, "C"), strict=True)
    only = [index for index, (a, b) in enumerate(pairs) if (a == "C") != (b == "C")]
    gap = 100 * len(only) / PROMPTS
    prompts = {"gap_pp": gap, "discordant": len(only), "only_first": [], "only_second": only, "mcnemar_p": 1.0}
    for arm in ARMS:
        cell = Cell(clause="B2", model=model, tool=tool, other=other, arm=arm)
        yield _record(cell, prompts, Outcome.DIFFERS if gap > 5 else Outcome.AGREES)


def _rates(letters: str) -> dict[str, Any]:
    low, high = wilson_interval(letters.count("C"), len(letters))
    counts = {"coherent": letters.count("C"), "garbled": letters.count("G"), "normal": letters.count("N")}
    shown = [(index, letter) for index, letter in enumerate(letters) if letters[:index].count(letter) < 3]
    totals = {"unscored": 0, "total": len(letters), "unique": len(letters)}
    classes = {"classes": letters, "classifier": "strict-v2", "study_v1": counts, "disagreements": 0}
    texts = {"tokens_sha256": letters, "samples": [_sample(index, *TEXTS[letter]) for index, letter in shown]}
    return {**counts, **totals, **classes, **texts, "low": low, "high": high}


def _sample(index: int, name: str, text: str) -> dict[str, str]:
    return {"prompt": f"How do I bake a lemon cake? ({index})", "text": text, "unsteered": TEXTS["N"][1], "class": name}


def _record(cell: Cell, measured: dict[str, Any], outcome: Outcome = Outcome.AGREES) -> Record:
    model = {"model": f"fixtures/checkpoints/{cell.model}", "preset": "fixture", "site": "resid_post@4"}
    machine = {"dtype": "float32", "device": "cpu", "attention": "sdpa", "padding_side": "left"}
    tools = {name: _VERSIONS[name] for name in (cell.tool, cell.other) if name}
    return Record(
        cell=cell,
        outcome=outcome,
        sentence=f"{cell.id}: {_WORDS[outcome]}",
        measured=measured,
        nodeid=f"parity/test_{cell.clause.lower()}.py::test_it[{cell.model}-{cell.tool}]",
        provenance={**model, **machine, "tools": tools},
        started=datetime(2026, 2, 20, 12, 0, tzinfo=UTC),
        wall_seconds=0.5,
        peak_memory_bytes=2**28,
    )


def _after(run: Run) -> list[Cell]:
    """The cells of the faulty model and tool that the gate skips."""
    involved = [r.cell for r in run.records if r.cell.model == MODELS[0] and not r.cell.clause.startswith("P")]
    return [cell for cell in involved if "nnsight" in (cell.tool, cell.other) or cell.tool is None]


def _held_back(wrong: Cell) -> dict[str, Any]:
    return {
        "outcome": Outcome.ABSENT,
        "sentence": f"not run: blocked by {wrong.id}",
        "measured": {},
        "blocked_by": wrong.id,
    }
