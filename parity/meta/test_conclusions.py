"""Every conclusion of the protocol is reached by a real run on the tiny models, and by a run with workers alike."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fixtures.faults import FAULTS
from parity.meta.forked_runs import ForkedRuns
from reports.verdicts.judgment import RULES
from steering_core.places import FIXTURES

SPECS = {fault.name: fault.spec for fault in FAULTS}
ANSWERED = 10
"""Evaluation prompts of a run."""
TIMES = ("started", "wall_seconds", "peak_memory_bytes")
FINE = {"agrees", "differs"}


@dataclass(frozen=True)
class Ask:
    """One run: which tools, what else is on the command line, and what it must conclude and say."""

    conclusion: str
    tools: tuple[str, ...]
    more: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    cause: tuple[str, ...] = ()


ASKS = (
    Ask("INCOMPLETE", ("hooks",), ("-m", "tiny_qwen2", "-k", "site or rates", "--repeats", "1"), ("only one model",)),
    Ask("UNSTABLE", ("hooks", "HashSeeded"), (), ("HashSeeded", "does not give the same direction twice")),
    Ask("OUTCOME_1", ("hooks", "TokenLate"), ("--no-gate",), ("tiny_qwen2, tiny_gemma2",),
        ("P1", "TokenLate", "shifted by -1")),
    Ask("OUTCOME_2", ("hooks", "OneFamilyOnly"), ("--no-gate",), ("diverge on tiny_qwen2 and agree on tiny_gemma2",),
        ("P1", "tiny_qwen2", "returned attn_contrib@")),
    Ask("OUTCOME_3", ("hooks", "Tilted"), (), ("proceed with hooks", "0.97")),
    Ask("INDETERMINATE", ("ThroughFloat16", "OneBlockEarly"), ("--no-gate",), ("no Outcome for these numbers",),
        ("P1", "float16 round trip")),
    Ask("PREFLIGHT_FAILED", ("hooks", "HookLeftBehind"), ("-k", "preflight"), ("P9 borrow fails for HookLeftBehind",)),
)  # fmt: skip


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's prompts, with fewer to answer."""
    sets = json.loads((FIXTURES / "prompts" / "default.json").read_text())
    file = tmp_path_factory.mktemp("prompts") / "few.json"
    file.write_text(json.dumps(sets | {"evaluation": sets["evaluation"][:ANSWERED]}))
    return file


@dataclass(frozen=True)
class Ended:
    """What a run left behind."""

    folder: Path

    @property
    def verdict(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "verdict.json").read_text())
        return found

    @property
    def records(self) -> list[dict[str, Any]]:
        rows = [json.loads(line) for line in (self.folder / "records.jsonl").read_text().splitlines()]
        return [row for row in rows if "cell" in row]


Start = Callable[..., Ended]


@pytest.fixture
def start(runs: ForkedRuns, prompts: Path, tmp_path: Path) -> Start:
    """A whole run in a process of its own."""

    def begin(tools: tuple[str, ...], *more: str, name: str = "run") -> Ended:
        chosen = ",".join(SPECS.get(tool, tool) for tool in tools)
        log = tmp_path / f"{name}.log"
        given = ("parity", "-q", "--tools", chosen, "--prompts", str(prompts), "--run-dir", str(tmp_path / name), *more)
        status = runs.run(*given, log=log, path=tmp_path)
        assert status in (0, 1), log.read_text()
        return Ended(tmp_path / name)

    return begin


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: ask.conclusion)
def test_a_real_run_concludes(ask: Ask, start: Start) -> None:
    verdict = start(ask.tools, *ask.more).verdict

    assert verdict["conclusion"] == ask.conclusion, verdict["headline"]
    assert [words for words in ask.says if words not in verdict["headline"]] == [], verdict["headline"]
    cause = (verdict["likely_cause"] or {}).get("text", "")
    assert [words for words in ask.cause if words not in cause] == [], cause


def test_workers_change_nothing(start: Start, loads: Path) -> None:
    counted = ("-p", "count_loads")
    alone, shared = (start(("hooks", "nnsight"), *counted, "-n", count, name=f"n{count}") for count in ("0", "2"))
    workers = dict(line.split() for line in loads.read_text().splitlines() if not line.startswith("alone"))

    assert alone.verdict == shared.verdict
    assert alone.verdict["conclusion"] == "OUTCOME_4"
    assert [timeless(row) for row in alone.records] == [timeless(row) for row in shared.records]
    assert {row["outcome"] for row in alone.records} <= FINE
    assert sorted(workers) == ["gw0", "gw1"], "each worker loads one of the two models"
    assert len(loads.read_text().splitlines()) == 4, "and no model is loaded twice"


def timeless(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in TIMES}


def test_a_failed_preflight_is_invalid_and_what_follows_blocked_with_the_reason(start: Start) -> None:
    run = start(("hooks", "OneBlockEarly"))
    by_stage = {stage: [row for row in run.records if row["cell"]["clause"].startswith(stage)] for stage in "PDSB"}

    assert run.verdict["conclusion"] == "INVALID"
    assert "P1 location fails for OneBlockEarly" in run.verdict["headline"]
    assert "off by one block" in run.verdict["headline"]
    assert "P1" in run.verdict["likely_cause"]["text"]

    assert {row["outcome"] for row in by_stage["P"]} == FINE
    for stage in "DSB":
        assert {row["outcome"] for row in by_stage[stage]} == {"absent"}
        assert {row["blocked_by"].partition(":")[0] for row in by_stage[stage]} == {
            f"P1 {model} OneBlockEarly tested" for model in ("tiny_qwen2", "tiny_gemma2")
        }
        assert all("off by one block" in row["sentence"] for row in by_stage[stage])


def test_every_conclusion_is_asked_for() -> None:
    elsewhere = {"INVALID", "OUTCOME_4", "PREFLIGHT_PASSED"}  # the last of every tiny model, in test_families
    assert {ask.conclusion for ask in ASKS} | elsewhere == {rule.conclusion for rule in RULES}
