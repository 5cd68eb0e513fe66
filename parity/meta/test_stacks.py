"""The parts that a tool host needs, in other environments: older transformers, numpy 1, and tools that need them.

Each test runs a script with the Python that an environment variable names; docs/tool-python.md says how such an
environment is made. Without the variable it is skipped, with that as the reason.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from parity.meta.source_rules import loaded_with, read_modules, tops
from steering_core.models.model import LoadedModel, LoadRequest
from steering_core.models.registry import read_registry
from steering_core.models.tokens import encode
from steering_core.observe.forward_trace import block_inputs
from steering_core.places import REGISTRY, ROOT

SCRIPT = ROOT / "parity" / "meta" / "foreign_stack.py"
THIRD_PARTY = ROOT / "steering_core" / "tools" / "third_party"
PROMPTS = ["Name a color.", "Tell me how the tide comes in, and why it goes out again every day.", "What is 2+2?"]
"""So uneven that a chunk of the two short rows is padding alone."""
READINGS = ("resid_pre", "resid_post", "attn_out", "mlp_out", "attn_contrib", "mlp_contrib")
TINY = {key: spec for key, spec in read_registry(REGISTRY).items() if spec.tiny}
IN_4_49 = ["tiny_qwen2", "tiny_gemma2", "tiny_llama", "tiny_mistral", "tiny_phi3", "tiny_gpt2"]
"""One model of each family that transformers 4.49 has."""
ROUNDING = 1e-4
"""Largest difference of a float32 activation between two stacks; they were bit-equal with one release of torch."""

MODULES = read_modules(ROOT)
HOST_ROOMS = ("models", "tools", "observe", "localize", "directions")
OTHER_TOOLS = (
    "steering_core.tools.adapters.nnsight",
    "steering_core.tools.adapters.pyvene",
    "steering_core.tools.third_party",
)
PRESENT = {"torch", "transformers", "numpy", "safetensors", "packaging", "jinja2"}
"""Libraries that a tool host may import: those of docs/tool-python.md, and what they depend on (torch needs jinja2)."""


def python_of(variable: str) -> str:
    """The interpreter that an environment variable names."""
    if not os.environ.get(variable):
        pytest.skip(f"{variable} names no Python; docs/tool-python.md says how to make one")
    return os.environ[variable]


class Answer:
    """What the script answered, beside what this process measures on the same model and tokens."""

    def __init__(self, folder: Path, python: str, key: str, tool: str, source: Path | None = None) -> None:
        source = source or ROOT / TINY[key].source
        self.model: LoadedModel = LoadRequest(TINY[key], str(source), "float32").load()
        self.batch = encode(self.model.tokenizer, PROMPTS)
        save_file({"ids": self.batch.ids, "mask": self.batch.mask}, folder / "batch.safetensors")
        job = {"model": key, "source": str(source), "tool": tool, "prompts": PROMPTS}
        (folder / "job.json").write_text(json.dumps(job))
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
        ran = subprocess.run([python, SCRIPT, folder], cwd=folder, env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr[-3000:]
        self.said: dict[str, Any] = json.loads((folder / "answer.json").read_text())
        self.folder = folder

    def gap(self) -> float:
        """The largest difference between the two stacks in what a block received, at a real token."""
        theirs = load_file(self.folder / "answer.safetensors")
        real = self.batch.mask.bool()
        ours = block_inputs(self.model, self.batch.inputs())
        assert len(ours) == len(theirs) == self.model.spec.layers + 1
        return max(float((hidden - theirs[str(boundary)])[real].abs().max()) for boundary, hidden in ours.items())

    def check_stack(self) -> None:
        """The same ids, the same activations but for rounding, and nothing of the suite's own libraries."""
        assert self.said["ids"] == self.batch.ids.tolist()
        assert self.gap() < ROUNDING
        assert self.said["unwanted"] == []

    def check_exact(self, *names: str) -> None:
        """These steered generations moved the stream as requested, and gave the tokens of plain hooks."""
        for name in names:
            run = self.said["steer"][name]
            assert (name, run["wrong"], run["same"]) == (name, "nowhere", True)
            assert (run["moved"] > 0) == (name != "none")


def foreign_imports(name: str) -> set[str]:
    """What importing a module of the project takes beyond the libraries of a tool host."""
    return tops(loaded_with(name, MODULES)) - PRESENT - set(sys.stdlib_module_names) - {"", "steering_core"}


def test_what_runs_in_a_tool_host_imports_no_library_of_the_suite() -> None:
    rooms = tuple(f"steering_core.{room}" for room in HOST_ROOMS)
    needed = [name for name in MODULES if name.startswith(rooms) and not name.startswith(OTHER_TOOLS)]

    assert len(needed) > 40
    assert {name: extra for name in needed if (extra := foreign_imports(name))} == {}
    assert foreign_imports("steering_core.records.journal") == {"filelock", "pydantic"}


@pytest.mark.parametrize("key", IN_4_49)
def test_an_older_transformers_computes_the_same(key: str, tmp_path: Path) -> None:
    answer = Answer(tmp_path, python_of("PARITY_OLD_STACK_PYTHON"), key, "hooks")

    answer.check_stack()
    answer.check_exact("cache", "no-cache", "prefill", "twice", "ablate", "none")
    assert answer.said["steer"]["cache"]["ids"] == answer.said["steer"]["no-cache"]["ids"]
    assert set(answer.said["read"].values()) == {0.0}
    assert answer.said["calls"] > 0
    assert answer.said["left"] == {}


def test_an_older_transformers_says_what_it_cannot_do(tmp_path: Path) -> None:
    python = python_of("PARITY_OLD_STACK_PYTHON")
    chunked = Answer(tmp_path, python, "tiny_qwen2", "pyvene").said["steer"]["chunked"]
    problem = Answer(tmp_path, python, "tiny_qwen3", "hooks").said["problem"]

    assert chunked == "transformers 4.49.0 has no chunked prefill"
    assert "model type `qwen3` but Transformers does not recognize this architecture" in problem
    assert "\n" not in problem


def test_a_rotary_base_that_is_not_the_default_arrives_in_an_older_transformers(tmp_path: Path) -> None:
    """Every tiny checkpoint has the default base, so one with another is made: its activations move by more than 1."""
    python, source = python_of("PARITY_OLD_STACK_PYTHON"), tmp_path / "checkpoint"
    shutil.copytree(ROOT / TINY["tiny_llama"].source, source)
    config = json.loads((source / "config.json").read_text())
    config["rope_parameters"] = {"rope_theta": 100.0, "rope_type": "linear", "factor": 2.0}
    (source / "config.json").write_text(json.dumps(config))

    answer = Answer(tmp_path, python, "tiny_llama", "hooks", source)

    unchanged = LoadRequest(TINY["tiny_llama"], str(ROOT / TINY["tiny_llama"].source), "float32").load()
    inputs, last, real = answer.batch.inputs(), unchanged.spec.layers, answer.batch.mask.bool()
    pair = [block_inputs(model, inputs, {last})[last][real] for model in (answer.model, unchanged)]
    assert float((pair[0] - pair[1]).abs().max()) > 1
    answer.check_stack()


@pytest.mark.parametrize("key", ["tiny_qwen2", "tiny_gemma2"])
def test_pyvene_under_an_older_transformers(key: str, tmp_path: Path) -> None:
    said = Answer(tmp_path, python_of("PARITY_OLD_STACK_PYTHON"), key, "pyvene")

    said.check_exact("cache", "no-cache", "prefill", "twice", "ablate", "none")
    assert set(said.said["read"].values()) == {0.0}
    assert set(said.said["left"]) == {"hooks", "flags"}, "its known deviations"


@pytest.mark.parametrize("key", ["tiny_qwen2", "tiny_gemma2", "tiny_gpt2"])
def test_repeng_steers_and_reads_nothing(key: str, tmp_path: Path) -> None:
    answer = Answer(tmp_path, python_of("PARITY_REPENG_PYTHON"), key, f"{THIRD_PARTY / 'repeng.py'}:Repeng")
    said = answer.said

    assert said["versions"]["numpy"] < "2"
    answer.check_stack()
    answer.check_exact("cache", "no-cache", "none")
    assert said["offers"] == {"read": [], "add": ["resid_post"], "ablate": []}
    assert set(said["read"].values()) == {
        "repeng steers; it returns no activations but those of the last token of strings"
    }
    assert said["steer"]["prefill"] == "repeng steers every forward call, not prefill alone"
    assert said["steer"]["twice"] == "repeng holds one vector per block, not 2"
    assert said["steer"]["ablate"] == "repeng cannot edit resid_post@4 by Ablate"
    assert said["calls"] > 0
    assert said["left"] == {}


def test_repeng_steers_padding_in_a_chunk_of_nothing_else(tmp_path: Path) -> None:
    """It looks for a row's first token in the positions of the call: there it finds none, and takes the last one."""
    answer = Answer(tmp_path, python_of("PARITY_REPENG_PYTHON"), "tiny_qwen2", f"{THIRD_PARTY / 'repeng.py'}:Repeng")
    chunked = answer.said["steer"]["chunked"]

    assert "0 requested tokens not shifted" in chunked["wrong"]
    assert "others shifted, all in rows [0, 2]" in chunked["wrong"]
    assert chunked["same"], "padding is masked, so that no token of the answer depends on it"


@pytest.mark.parametrize("key", ["tiny_qwen2", "tiny_gemma2", "tiny_gpt2"])
def test_nnterp_reads_and_steers_what_it_has_accessors_for(key: str, tmp_path: Path) -> None:
    answer = Answer(tmp_path, python_of("PARITY_NNTERP_PYTHON"), key, f"{THIRD_PARTY / 'nnterp.py'}:Nnterp")
    said = answer.said
    # Gemma-2 adds the output of another norm to the stream, for which nnterp has no accessor.
    readable = READINGS[:4] if key == "tiny_gemma2" else READINGS

    answer.check_stack()
    answer.check_exact("cache", "no-cache", "chunked", "prefill", "twice", "ablate", "none")
    assert set(said["offers"]["read"]) == set(readable)
    assert said["offers"]["add"] == said["offers"]["ablate"] == ["resid_post"]
    for stream, value in said["read"].items():
        assert value == (0.0 if stream in readable else f"nnterp has no accessor for {stream}"), stream
    assert said["left"] == {}
