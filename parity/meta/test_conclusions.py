"""A real run on the tiny models reaches every conclusion of the protocol; workers change no record."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fixtures.faults import FAULTS
from parity.meta.forked_runs import ForkedRuns
from parity.meta.shares import in_part
from reports.verdicts.judgment import RULES
from steering_core.places import FIXTURES

SPECS = {fault.name: fault.spec for fault in FAULTS}
ANSWERED = 10
"""Evaluation prompts of a run."""
TIMES = ("started", "wall_seconds", "peak_memory_bytes")
FINE = {"agrees", "differs"}


@dataclass(frozen=True)
class ConclusionCase:
    """One run: its tools and other options, its conclusion, and phrases of the headline and of the likely cause."""

    conclusion: str
    tools: tuple[str, ...]
    options: tuple[str, ...] = ()
    headline: tuple[str, ...] = ()
    cause: tuple[str, ...] = ()


ONE_MODEL = ("-m", "tiny_qwen2")
FEW_CELLS = (*ONE_MODEL, "-k", "site or rates", "--repeats", "1")
SWEEP = ("-m", "sweep and tiny_qwen2", "-k")
TWO_SWEEPS = ("-m", "sweep and (tiny_qwen2 or tiny_gemma2)", "-k")
FINDINGS = ("-m", "findings and tiny_qwen2", "-k", "extraction")
UNSTABLE = ("HashSeeded", "does not give the same direction twice")
TWO_FAMILIES = ("diverge on tiny_qwen2 and agree on tiny_gemma2",)
NO_OUTCOME = ("no Outcome for these numbers",)
P9_FAILS = ("P9 side effects fails for HookLeftBehind",)
OPEN = ("--no-gate",)
CASES = (
    ConclusionCase("INCOMPLETE", ("hooks",), FEW_CELLS, ("only one tool",)),
    ConclusionCase("SELECTED_CHECKS_PASSED", ("hooks",), (*ONE_MODEL, "-k", "test_shape"), ("were not selected",)),
    ConclusionCase("SELECTED_CHECKS_FAILED", ("hooks", "Tilted"), (*ONE_MODEL, "-k", "test_cross_tool"), ("0.97",)),
    ConclusionCase("ONE_MODEL_AGREES", ("hooks", "nnsight"), ONE_MODEL, ("all tools agree on tiny_qwen2",)),
    ConclusionCase("ONE_MODEL_DIVERGES", ("hooks", "TokenLate"), (*ONE_MODEL, *OPEN), ("diverge on tiny_qwen2",)),
    ConclusionCase("ONE_MODEL_BETWEEN", ("hooks", "Tilted"), ONE_MODEL, ("0.97",)),
    ConclusionCase("UNSTABLE", ("hooks", "HashSeeded"), (), UNSTABLE),
    ConclusionCase(
        "OUTCOME_1", ("hooks", "TokenLate"), OPEN, ("tiny_qwen2, tiny_gemma2",), ("P1", "TokenLate", "shifted by -1")
    ),
    ConclusionCase(
        "OUTCOME_2", ("hooks", "OneFamilyOnly"), OPEN, TWO_FAMILIES, ("P1", "tiny_qwen2", "returned attn_contrib@")
    ),
    ConclusionCase("OUTCOME_3", ("hooks", "Tilted"), (), ("proceed with hooks", "0.97")),
    ConclusionCase("OUTCOME_4", ("hooks", "nnsight")),
    ConclusionCase(
        "INDETERMINATE", ("ThroughFloat16", "OneBlockEarly"), OPEN, NO_OUTCOME, ("P1", "float16 round trip")
    ),
    ConclusionCase("SWEEP_WORKS", ("hooks",), (*SWEEP, "10-dim-40"), ("tiny_qwen2 works at 1 of 1 condition",)),
    ConclusionCase("SWEEP_PARTIAL", ("hooks",), (*SWEEP, "10-dim-50"), ("works in part",)),
    ConclusionCase("SWEEP_FAILS", ("hooks",), (*SWEEP, "25-dim-20"), ("garbles",)),
    ConclusionCase("SWEEP_WORKS_ON_SOME", ("hooks",), (*TWO_SWEEPS, "10-dim-50"), ("works on tiny_gemma2",)),
    ConclusionCase("FINDINGS_MEASURED", ("hooks",), FINDINGS, ("tiny_qwen2: refusal: best ",)),
    ConclusionCase("PREFLIGHT_FAILED", ("hooks", "HookLeftBehind"), ("-k", "preflight"), P9_FAILS),
)
OF_EACH_STAGE = (
    "preflight_site or second_model or directions or exact_shift or native_generation and not mode or behavior"
)
"""Some checks of every stage, and none that takes long."""
SHORT, LONG = ([case for case in CASES if ("-k" in case.options) is selects] for selects in (True, False))
"""LONG: those that need every check of the protocol, which takes the time."""
SHARED = [pytest.param(case, marks=in_part(number, 6)) for number, case in enumerate(LONG)]
HALVED = [pytest.param(case, marks=in_part(number, 2)) for number, case in enumerate(SHORT)]


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's prompts, with fewer evaluation prompts."""
    sets = json.loads((FIXTURES / "prompts" / "default.json").read_text())
    file = tmp_path_factory.mktemp("prompts") / "few.json"
    file.write_text(json.dumps(sets | {"evaluation": sets["evaluation"][:ANSWERED]}))
    return file


@dataclass(frozen=True)
class RunFiles:
    """The files of a run that has ended."""

    folder: Path

    @property
    def verdict(self) -> dict[str, Any]:
        return json.loads((self.folder / "verdict.json").read_text())

    @property
    def records(self) -> list[dict[str, Any]]:
        rows = [json.loads(line) for line in (self.folder / "records.jsonl").read_text().splitlines()]
        return [row for row in rows if "cell" in row]


Start = Callable[..., RunFiles]


@pytest.fixture
def start(runs: ForkedRuns, prompts: Path, tmp_path: Path) -> Start:
    """Runs the suite with some tools, named as faults or as `--tools` takes them."""

    def run(tools: tuple[str, ...], *more: str, name: str = "run") -> RunFiles:
        specs = ",".join(SPECS.get(tool, tool) for tool in tools)
        log = tmp_path / f"{name}.log"
        options = ("--tools", specs, "--prompts", str(prompts), "--run-dir", str(tmp_path / name), *more)
        status = runs.run("parity", "-q", *options, log=log, plugins=tmp_path)
        assert status in (0, 1), log.read_text()
        return RunFiles(tmp_path / name)

    return run


@pytest.mark.parametrize("case", [*HALVED, *SHARED], ids=lambda case: case.conclusion)
def test_a_real_run_reaches_its_conclusion(case: ConclusionCase, start: Start) -> None:
    verdict = start(case.tools, *case.options).verdict

    assert verdict["conclusion"] == case.conclusion, verdict["headline"]
    assert [phrase for phrase in case.headline if phrase not in verdict["headline"]] == [], verdict["headline"]
    cause = (verdict["likely_cause"] or {}).get("text", "")
    assert verdict["self_test"]
    assert verdict["headline"].startswith("self-test on the suite's tiny models: ")
    assert [phrase for phrase in case.cause if phrase not in cause] == [], cause


@in_part(1, 2)
def test_workers_change_no_record_and_load_each_model_once(start: Start, loads: Path) -> None:
    logged = ("-p", "log_loads", "-k", OF_EACH_STAGE, "--repeats", "1")
    alone, shared = (start(("hooks", "nnsight"), *logged, "-n", count, name=f"n{count}") for count in ("0", "2"))
    workers = dict(line.split() for line in loads.read_text().splitlines() if not line.startswith("alone"))

    assert alone.verdict == shared.verdict
    assert [timeless(row) for row in alone.records] == [timeless(row) for row in shared.records]
    assert {row["outcome"] for row in alone.records} <= FINE
    assert sorted(workers) == ["gw0", "gw1"], "each worker loads one of the two models"
    assert len(loads.read_text().splitlines()) == 4, "and no model is loaded twice"


def timeless(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in TIMES}


def test_a_failed_preflight_makes_the_run_invalid_and_blocks_later_stages_with_the_reason(start: Start) -> None:
    run = start(("hooks", "OneBlockEarly"), "-k", OF_EACH_STAGE)
    by_stage = {stage: [row for row in run.records if row["cell"]["clause"].startswith(stage)] for stage in "PDSB"}

    assert run.verdict["conclusion"] == "INVALID"
    assert "OneBlockEarly reads one block too early on" in run.verdict["headline"]
    assert "off by one block" in run.verdict["headline"]
    assert "P1" in run.verdict["likely_cause"]["text"]

    assert {row["outcome"] for row in by_stage["P"]} == FINE
    for stage in "DSB":
        assert {row["outcome"] for row in by_stage[stage]} == {"absent"}
        assert {row["blocked_by"].partition(":")[0] for row in by_stage[stage]} == {
            f"P1 {model} OneBlockEarly tested" for model in ("tiny_qwen2", "tiny_gemma2")
        }
        assert all("off by one block" in row["sentence"] for row in by_stage[stage])


def test_every_conclusion_is_tested() -> None:
    elsewhere = {"INVALID", "PREFLIGHT_PASSED"}  # the last one in test_families
    # in test_partial_tools and test_verdicts_not_offered
    elsewhere |= {"OFFERED_CHECKS_PASSED", "OFFERED_CHECKS_FAILED"}
    elsewhere |= {"SWEEP_MEASURED"}  # of random weights, in test_sweep_verdicts
    assert {case.conclusion for case in CASES} | elsewhere == {rule.conclusion for rule in RULES}
