"""Sweeps through any tool: its answers are the reference's token by token, a faulty tool's are not."""

import json
from pathlib import Path
from typing import Any

import pytest

from fixtures.faults.registry import HERE
from parity.meta.forked_runs import ForkedRuns
from parity.plugin.request.tools import sweep_tools
from steering_core.errors import ToolAbsent, UsageProblem
from steering_core.measure import precision
from steering_core.measure import sweep as sweep_module
from steering_core.records.record import Outcome

PARTIAL = Path(__file__).with_name("partial_tools.py")
FAULTY = f"{HERE / 'steering.py'}:PromptOnly"


class Options:
    """The part of pytest's options that names tools."""

    tools, tool = "hooks,nnsight", [FAULTY]

    def __init__(self, sweep_through: str) -> None:
        self.sweep_through = sweep_through


def records_of(run: Path) -> dict[str, dict[str, Any]]:
    """The records of a run's sweeps, by tool."""
    rows = [json.loads(line) for line in (run / "records.jsonl").read_text().splitlines()[1:-1]]
    return {row["cell"]["tool"] or "reference": row for row in rows if row["cell"]["clause"].startswith("W")}


def test_who_steers_is_named_on_the_command_line() -> None:
    assert sweep_tools(Options("reference, hooks,PromptOnly")) == ("reference", "hooks", FAULTY)


@pytest.mark.parametrize(
    ("names", "words"), [("nosuch", "'nosuch' is not a tool of the run"), ("hooks,hooks", "a name is repeated")]
)
def test_an_unknown_name_is_refused(names: str, words: str) -> None:
    with pytest.raises(UsageProblem, match=words) as refused:
        sweep_tools(Options(names))
    assert "known: reference, hooks, nnsight, PromptOnly" in str(refused.value)


def test_tools_steer_as_the_reference_does_and_a_faulty_tool_does_not(runs: ForkedRuns, tmp_path: Path) -> None:
    tools = ("--tools", "hooks,nnsight,pyvene", "--tool", FAULTY, "--tool", f"{PARTIAL}:HiddenStates")
    through = ("--sweep-through", "reference,hooks,nnsight,pyvene,PromptOnly,HiddenStates")
    selected = ("parity/sweeps/test_layers.py", "-m", "tiny_qwen2", "-k", "15-dim-50")
    status = runs.run(*selected, *tools, *through, "--run-dir", str(tmp_path / "run"), log=tmp_path / "log")

    records = records_of(tmp_path / "run")
    reference = records["reference"]["measured"]
    assert status == 1, (tmp_path / "log").read_text()
    for name in ("hooks", "nnsight", "pyvene"):
        assert records[name]["outcome"] == "agrees", records[name]["sentence"]
        assert records[name]["measured"]["steered_by"] == name
        assert records[name]["measured"]["answers"] == reference["answers"]
        assert name in records[name]["provenance"]["tools"]
    assert reference["steered_by"] == "reference"
    assert records["PromptOnly"]["outcome"] == "differs"
    assert "not steered from block 4 on" in records["PromptOnly"]["sentence"]
    assert records["PromptOnly"]["measured"]["answers"] != reference["answers"]
    assert records["PromptOnly"]["measured"]["coherent"] < reference["coherent"]
    assert (records["HiddenStates"]["outcome"], records["HiddenStates"]["measured"]) == ("not offered", {})


def test_precisions_are_measured_through_a_tool_that_then_works_on_its_own_model(
    runs: ForkedRuns, tmp_path: Path
) -> None:
    """The second check of the same tool comes after it had the quantized model open."""
    selected = ("parity/sweeps/test_quantization.py", "-m", "tiny_qwen2", "-k", "extracted_again")
    through = ("--tools", "hooks", "--sweep-through", "reference,hooks")
    status = runs.run(*selected, *through, "--run-dir", str(tmp_path / "run"), log=tmp_path / "log")

    rows = [json.loads(line) for line in (tmp_path / "run" / "records.jsonl").read_text().splitlines()[1:-1]]
    measured = {
        (row["cell"]["tool"], row["cell"]["variant"]): row["measured"] for row in rows if row["cell"]["variant"]
    }
    assert status == 0, (tmp_path / "log").read_text()
    for form in ("full", "int8", "nf4"):
        own, reference = (measured[tool, f"extracted_again-{form}"] for tool in ("hooks", None))
        assert own["answers"] == reference["answers"]
        assert own["int8_weights"] == reference["int8_weights"]
    answers = {measured["hooks", f"extracted_again-{form}"]["answers"] for form in ("full", "int8", "nf4")}
    assert len(answers) == 3, "each precision answers in its own way"


def test_a_missing_bitsandbytes_is_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    from parity.plugin.check_records import explain

    monkeypatch.setattr(precision, "find_spec", lambda name: None)
    bare: Any = sweep_module.Sweep.__new__(sweep_module.Sweep)
    bare.experiment = type("", (), {"model": type("", (), {"quantize": ""})})
    bare._precisions = {}

    with pytest.raises(ToolAbsent) as absent:
        bare.at_precision("int8")
    assert explain(absent.value) == (Outcome.ABSENT, str(absent.value))
    assert "bitsandbytes is not installed" in str(absent.value)
