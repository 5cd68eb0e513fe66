"""A request that cannot be run gives one clear line and pytest's usage exit code, before any model is loaded."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from parity.meta.forked_runs import ForkedRuns
from parity.plugin.request.tool_trial import try_tools
from steering_core.errors import UsageProblem
from steering_core.places import ROOT

USAGE = int(pytest.ExitCode.USAGE_ERROR)
TINY, STEERING = ("-m", "tiny_qwen2"), ("--layer", "3", "--multiplier", "2")
GOOD_PROMPTS = {"extraction": {"harmful": ["a"], "harmless": ["b"]}, "evaluation": ["c"]}


def errors(runs: ForkedRuns, folder: Path, *arguments: str) -> list[str]:
    """The error lines of a run, which must have been refused as described above."""
    log = folder / "log"
    # A request that is wrongly accepted selects no check, and ends at once.
    status = runs.run("parity", "-k", "no_check_has_this_name", *arguments, log=log)
    printed = log.read_text(encoding="utf-8")
    assert (status, "Traceback" in printed, "INTERNALERROR" in printed) == (USAGE, False, False), printed
    lines = [line for line in printed.splitlines() if "rror: " in line.replace("ERROR", "error")]
    assert len([line for line in lines if "usage:" not in line]) == 1, printed
    assert "passed" not in printed, "a check ran before the request was refused"
    return lines


COMMANDS: dict[str, tuple[tuple[str, ...], str]] = {
    "model key": (("-m", "qwen8b"), "-m names 'qwen8b' (unknown-model); known: "),
    "one of two model keys": (("-m", "tiny_qwen2 or qwen8b"), "-m names 'qwen8b'"),
    "half an expression": (("-m", "tiny_qwen2 or"), "-m 'tiny_qwen2 or' is not understood"),
    "two presets at once": (("-m", "tiny_qwen2 or qwen7b"), "the models' presets differ: fixture, phase1"),
    "preset": ((*TINY, "--preset", "phase2"), "unknown preset 'phase2' (unknown-preset); known: as_run, closeout,"),
    "layer past the end": ((*TINY, "--layer", "8"), "layer 8 is out of range for tiny_qwen2"),
    "layer below 0": ((*TINY, "--layer", "-1"), "layer -1 is out of range for tiny_qwen2"),
    "layer of a preset": ((*TINY, "--preset", "closeout"), "layer 15 is out of range for tiny_qwen2"),
    "layer not a number": ((*TINY, "--layer", "last"), "invalid int value: 'last'"),
    "multiplier 0": ((*TINY, "--multiplier", "0"), "multiplier 0.0 cannot steer tiny_qwen2"),
    "multiplier nan": ((*TINY, "--multiplier", "nan"), "multiplier nan cannot steer tiny_qwen2"),
    "gpu": ((*TINY, "--gpu"), "no CUDA device for --gpu"),
    "repeats 0": ((*TINY, "--repeats", "0"), "--repeats 0 is too small"),
    "batch size 0": ((*TINY, "--batch-size", "0"), "--batch-size 0 is too small"),
    "batch size below 0": ((*TINY, "--batch-size", "-3"), "--batch-size -3 is too small"),
    "dtype": ((*TINY, "--dtype", "float64"), "argument --dtype: invalid choice: 'float64'"),
    "attention": ((*TINY, "--attention", "flash"), "argument --attention: invalid choice: 'flash'"),
    "tool twice": ((*TINY, "--tools", "hooks,pyvene,hooks"), "empty or repeated tool name in hooks, pyvene, hooks"),
    "tool empty": ((*TINY, "--tools", "hooks,,pyvene"), "empty or repeated tool name"),
    "tool twice by label": ((*TINY, "--tools", "hooks", "--tool", "x:hooks"), "empty or repeated tool name"),
    "tool name": ((*TINY, "--tools", "hooks,pyven"), "unknown tool 'pyven' (unknown-tool); known: hooks, nnsight,"),
    "tool file": ((*TINY, "--tool", "no/such/file.py:Mine"), "no file no/such/file.py"),
    "model path without =": ((*TINY, "--model-path", "tiny_qwen2"), "--model-path 'tiny_qwen2' is not KEY=DIR"),
    "model path without key": ((*TINY, "--model-path", "=/"), "unknown model ''"),
    "model path of unknown key": ((*TINY, "--model-path", "qwen8b=/"), "unknown model 'qwen8b'"),
    "model path to nothing": ((*TINY, "--model-path", "tiny_qwen2=/no/such"), "/no/such is not a directory"),
    "model without layer": (("--model", "/no/such", "--multiplier", "3"), "--model needs --layer and --multiplier"),
    "model without strength": (("--model", "/no/such", "--layer", "3"), "--model needs --layer and --multiplier"),
    "model path does not exist": (("--model", "/no/such", *STEERING), "--model /no/such: no config.json there"),
    "judge of nothing": ((*TINY, "--judge", "/no/such"), "--judge /no/such is not a directory"),
    "judge without a key": ((*TINY, "--judge", "https://x/v1", "--judge-model", "m"), "JUDGE_API_KEY is not set"),
    "judge without a model": ((*TINY, "--judge", "https://x/v1"), "--judge https://x needs --judge-model"),
    "judge's model alone": ((*TINY, "--judge-model", "m"), "--judge-model and --judge-prices need --judge"),
    "judge's prices": ((*TINY, "--judge", "/", "--judge-prices", "1"), "--judge-prices '1' is not IN,OUT"),
    "judge in a budget": (
        (*TINY, "--judge", "https://x/v1", "--judge-model", "m", "--budget-usd", "1"),
        "--budget-usd with a judge's endpoint needs --judge-prices",
    ),
    "follow without a sweep": ((*TINY, "--follow"), "--follow: no sweep is selected"),
    "who steers no sweep": ((*TINY, "--sweep-through", "hooks"), "--sweep-through: no sweep is selected"),
    "outcome": ((*TINY, "--expect-outcome", "perhaps"), "perhaps"),
    "outcome number": ((*TINY, "--expect-outcome", "5"), "5"),
    "run directory a file": ((*TINY, "--run-dir", "pyproject.toml"), "pyproject.toml is not a directory"),
    "run directory not writable": ((*TINY, "--run-dir", "/proc/nowhere"), "/proc/nowhere"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_an_invalid_command_line_is_refused(runs: ForkedRuns, tmp_path: Path, name: str) -> None:
    arguments, message = COMMANDS[name]

    assert message in errors(runs, tmp_path, *arguments)[-1]


PROMPTS: dict[str, tuple[str, str]] = {
    "not JSON": ("{", "cannot be read"),
    "empty": ("", "cannot be read"),
    "a list": ("[]", "extraction.harmful is missing"),
    "no pairs": (json.dumps({"extraction": {"harmful": ["a", "b"], "harmless": ["c"]}}), "matched pairs"),
    "no evaluation": (json.dumps({**GOOD_PROMPTS, "evaluation": []}), "evaluation is missing"),
    "no text": (json.dumps({**GOOD_PROMPTS, "evaluation": [" "]}), "evaluation is missing"),
    "deep": ("[" * 100_000, "cannot be read"),
}


@pytest.mark.parametrize("name", PROMPTS)
def test_an_invalid_prompts_file_is_refused(runs: ForkedRuns, tmp_path: Path, name: str) -> None:
    text, message = PROMPTS[name]
    file = tmp_path / "prompts.json"
    file.write_text(text)

    line = errors(runs, tmp_path, *TINY, "--prompts", str(file))[-1]

    assert message in line
    assert str(file) in line


def test_a_missing_prompts_file_is_refused(runs: ForkedRuns, tmp_path: Path) -> None:
    assert "none.json cannot be read" in errors(runs, tmp_path, *TINY, "--prompts", str(tmp_path / "none.json"))[-1]


def cut(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-50])


def without(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def holding(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def header(text: str) -> bytes:
    return len(text).to_bytes(8, "little") + text.encode()


WEIGHTS = "model.safetensors"
SHARDS = b'{"weight_map": {"a": "model-00002.safetensors"}}'
CHECKPOINTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (without("config.json"), "config.json"),
    "config not JSON": (holding("config.json", b"{"), "config.json"),
    "config a list": (holding("config.json", b"[]"), "config.json"),
    "no tokenizer": (without("tokenizer.json"), "tokenizer.json"),
    "no weights": (without(WEIGHTS), "safetensors"),
    "pickled weights": (lambda folder: (folder / WEIGHTS).rename(folder / "pytorch_model.bin"), "safetensors"),
    "cut weights": (cut, WEIGHTS),
    "empty weights": (holding(WEIGHTS, b""), WEIGHTS),
    "weights not safetensors": (holding(WEIGHTS, b"not a safetensors file"), WEIGHTS),
    "header not JSON": (holding(WEIGHTS, header("{not json")), WEIGHTS),
    "header a list": (holding(WEIGHTS, header("[]")), WEIGHTS),
    "header without offsets": (holding(WEIGHTS, header('{"a": {"data_offsets": []}}')), WEIGHTS),
    "header with text for offsets": (holding(WEIGHTS, header('{"a": {"data_offsets": ["x", "y"]}}')), WEIGHTS),
    "header too deep": (holding(WEIGHTS, header("[" * 50_000)), WEIGHTS),
    "a shard missing": (holding(f"{WEIGHTS}.index.json", SHARDS), "model-00002.safetensors"),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_broken_checkpoint_is_refused(runs: ForkedRuns, tmp_path: Path, name: str) -> None:
    break_it, message = CHECKPOINTS[name]
    folder = tmp_path / "broken"
    shutil.copytree(ROOT / "fixtures" / "checkpoints" / "tiny_qwen2", folder)
    break_it(folder)

    line = errors(runs, tmp_path, *TINY, "--model-path", f"tiny_qwen2={folder}")[-1]

    assert message in line
    assert "tiny_qwen2" in line


ADHOC = {"model_type": "qwen2", "num_hidden_layers": 4, "hidden_size": 8, "num_attention_heads": 2, "vocab_size": 50}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("[1, 2]", "config.json is not a JSON object"),
        ("{", "config.json cannot be read"),
        (json.dumps({**ADHOC, "vocab_size": None}), "config.json has no vocab_size"),
        (json.dumps({**ADHOC, "num_attention_heads": 0}), "config.json has no num_attention_heads or n_head"),
        (json.dumps({**ADHOC, "num_hidden_layers": 3}), "layer 3 is out of range"),
        (json.dumps({**ADHOC, "dtype": "float64"}), "dtype 'float64'"),
        (json.dumps({**ADHOC, "model_type": "mamba"}), "no architecture table for family 'mamba'"),
    ],
)
def test_an_unusable_unregistered_model_is_refused(runs: ForkedRuns, tmp_path: Path, config: str, message: str) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "config.json").write_text(config)

    assert message in errors(runs, tmp_path, "--model", str(folder), *STEERING)[-1]


def test_an_unregistered_model_with_an_existing_name_is_refused(runs: ForkedRuns, tmp_path: Path) -> None:
    for name in ("tiny_qwen2", "a/mine", "b/mine"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.json").write_text(json.dumps(ADHOC))

    registered = errors(runs, tmp_path, "--model", str(tmp_path / "tiny_qwen2"), *STEERING)
    (tmp_path / "log").unlink()
    twice = errors(runs, tmp_path, "--model", str(tmp_path / "a/mine"), "--model", str(tmp_path / "b/mine"), *STEERING)

    assert "--model tiny_qwen2 is a registered model" in registered[-1]
    assert "--model names mine twice" in twice[-1]


def test_a_run_directory_with_a_run_in_it_is_refused_and_unchanged(runs: ForkedRuns, tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_text("")

    assert "already holds a run" in errors(runs, tmp_path, *TINY, "--run-dir", str(tmp_path))[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "records.jsonl"]


def test_a_valid_command_line_is_accepted(runs: ForkedRuns, tmp_path: Path) -> None:
    """The same options with valid values: otherwise the cases above could pass for other reasons."""
    file = tmp_path / "prompts.json"
    file.write_text(json.dumps(GOOD_PROMPTS))
    folder = ROOT / "fixtures" / "checkpoints" / "tiny_qwen2"
    log = tmp_path / "log"

    protocol = ("--preset", "fixture", "--layer", "7", "--multiplier", "3", "--repeats", "1", "--batch-size", "1")
    loading = ("--dtype", "float32", "--attention", "eager", "--model-path", f"tiny_qwen2={folder}")
    files = ("--prompts", str(file), "--run-dir", str(tmp_path / "run"))
    status = runs.run("parity", *TINY, *protocol, *loading, *files, "--tools", "hooks", "-k", "test_dtype", log=log)

    assert status == 0, log.read_text()
    assert "1 passed" in log.read_text()


TOOL = "from steering_core.tools.adapters.hooks import Hooks\nclass Mine(Hooks):\n    "
WRONG_TOOLS = {
    "class Mine(": "cannot be imported: SyntaxError: '(' was never closed (mine.py, line 1)",
    "import no_such_library": "no module named 'no_such_library' (tool-absent); install the package that provides",
    f"{TOOL}def __init__(self): raise RuntimeError('no license\\n\\x1b[31m')": "constructed: RuntimeError: no license (",
    f"{TOOL}def version(self): raise KeyError('\\x1b[31m')": r"cannot say what it is: KeyError: '\x1b[31m' (tool-con",
    "import os; os._exit(3)": "the process of Mine ended with exit status 3",
}


@pytest.mark.parametrize("source", WRONG_TOOLS)
def test_a_tool_that_cannot_be_made_is_refused(runs: ForkedRuns, tmp_path: Path, source: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(source, encoding="utf-8")

    line = errors(runs, tmp_path, *TINY, "--tool", f"{file}:Mine")[-1]

    assert WRONG_TOOLS[source] in line
    assert line.isprintable()


def test_a_wrong_tool_of_an_in_process_run_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(f"{TOOL}supports = None", encoding="utf-8")

    with pytest.raises(UsageProblem, match="supports of tool .*Mine takes other arguments"):
        try_tools(["hooks", f"{tmp_path / 'mine.py'}:Mine"], {}, 5.0, in_process=True)
