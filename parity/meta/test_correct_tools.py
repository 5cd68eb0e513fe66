"""No false alarms: correct tools in unusual styles pass every check of preflight, directions and steering."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from fixtures.correct import CORRECT, CorrectTool
from fixtures.correct.registry import HERE, NOT_TOOLS
from parity.meta.fault_matrix import holds
from parity.meta.shares import in_part
from parity.plugin.harness import LoadedCheckpoint, run_checks
from steering_core.records.clauses import CLAUSES, Stage
from steering_core.records.record import Outcome, Record

STAGES = (Stage.PREFLIGHT, Stage.DIRECTIONS, Stage.STEERING)
WHOLE = {
    Stage.PREFLIGHT: {"P0", "P1", "P2", "P3", "P4", "P6", "P7", "P8", "P9", "P10", "P11", "P12"},
    Stage.DIRECTIONS: {"D1", "D2", "D3", "D4", "D6"},
    Stage.STEERING: {"S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8"},
}
"""What every tool of the list offers, reading only some streams or all; P5 needs four of them."""
BATCHES = ("OneByOne", "MicroBatches", "SortedByLength", "PadsOnTheRight")
"""Tools whose values differ from the suite's own by rounding."""
ROUNDED = {"P1", "P4", "P5", "P6", "P10"}
SHARED = [pytest.param(tool, marks=in_part(number, 12)) for number, tool in enumerate(CORRECT)]
MODELS = (("tiny_gemma3", "float32"), ("tiny_phi3", "bfloat16"))
ROUNDING = [
    pytest.param(name, *model, marks=in_part(number, 4))
    for number, (name, model) in enumerate(product(BATCHES, MODELS))
]
Open = Callable[[str, str], LoadedCheckpoint]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Open:
    """Models by key and dtype, each loaded once."""
    kept: dict[tuple[str, str], LoadedCheckpoint] = {}

    def checkpoint(key: str, dtype: str = "") -> LoadedCheckpoint:
        if (key, dtype) not in kept:
            kept[key, dtype] = LoadedCheckpoint(key, tmp_path_factory.mktemp(f"{key}{dtype}"), dtype)
        return kept[key, dtype]

    return checkpoint


def failures(records: list[Record]) -> list[str]:
    """Cell and sentence of every record that does not hold."""
    return [f"{record.cell.id}: {record.sentence}" for record in records if not holds(record)]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("tool", SHARED, ids=lambda tool: tool.name)
def test_a_correct_tool_raises_no_alarm(tool: CorrectTool, stage: Stage, opened: Open) -> None:
    records = run_checks(
        opened("tiny_qwen2", "").experiment(),
        tool.spec,
        lambda check: check.judges_tools and CLAUSES[check.clause].stage is stage,
        gated=False,
    )

    assert failures(records) == []
    assert {record.cell.clause for record in records if record.outcome is Outcome.AGREES} >= WHOLE[stage]


@pytest.mark.parametrize(("name", "key", "dtype"), ROUNDING)
def test_rounding_is_not_an_error(name: str, key: str, dtype: str, opened: Open) -> None:
    tool = next(tool for tool in CORRECT if tool.name == name)
    experiment = opened(key, dtype).experiment()

    records = run_checks(experiment, tool.spec, lambda check: check.judges_tools and check.clause in ROUNDED)

    assert failures(records) == []
    relations = {record.cell.clause: record.measured.get("relation") for record in records}
    assert {relations["P1"], relations["P6"]} == {"within floor"}


def test_every_class_of_every_file_is_listed() -> None:
    assert len(CORRECT) >= 25
    assert len({tool.name for tool in CORRECT}) == len(CORRECT)
    assert {tool.file for tool in CORRECT} == {path.stem for path in HERE.glob("*.py")} - NOT_TOOLS
    assert all(tool.sentence.endswith(".") and Path(tool.spec.rpartition(":")[0]).is_file() for tool in CORRECT)
