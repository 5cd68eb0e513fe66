"""A checkpoint directory is inspected before anything is loaded: missing, torn, altered files, or another shape."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from steering_core.errors import LoadProblem, ToolUnsupported
from steering_core.models.checkpoint import check_checkpoint, check_vocabulary, is_complete, weight_files
from steering_core.models.registry import read_registry
from steering_core.places import ROOT

CHECKPOINTS = ROOT / "fixtures" / "checkpoints"
SPEC = read_registry(ROOT / "fixtures" / "models.toml")["tiny_gemma2"]
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy that may be broken, with the manifest beside it."""
    shutil.copytree(CHECKPOINTS / SPEC.key, tmp_path / SPEC.key)
    shutil.copy(CHECKPOINTS / "manifest.json", tmp_path)
    return tmp_path / SPEC.key


@pytest.fixture
def foreign(folder: Path) -> Path:
    """The same as anybody's checkpoint: no manifest beside it."""
    (folder.parent / "manifest.json").unlink()
    return folder


def problem_of(folder: Path, **row: Any) -> str:
    with pytest.raises(LoadProblem) as caught:
        check_checkpoint(replace(SPEC, **row), folder)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{SPEC.key}: ")
    return str(caught.value)


def change(file: Path, **fields: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def flip_a_bit(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[-100] ^= 1
    file.write_bytes(raw)


def split(folder: Path) -> None:
    """In two parts, as large checkpoints are; here both hold everything."""
    shutil.copy(folder / WEIGHTS, folder / "model-00002.safetensors")
    (folder / WEIGHTS).rename(folder / "model-00001.safetensors")
    parts = {"a": "model-00001.safetensors", "b": "model-00002.safetensors"}
    (folder / INDEX).write_text(json.dumps({"weight_map": parts}))


def test_a_complete_checkpoint_is_accepted(folder: Path, tmp_path: Path) -> None:
    check_checkpoint(SPEC, folder)
    (tmp_path / "manifest.json").unlink()
    check_checkpoint(SPEC, folder)
    split(folder)
    check_checkpoint(SPEC, folder)
    assert is_complete(SPEC, folder)


def test_one_flipped_bit_in_the_projects_own_weights_is_noticed(folder: Path) -> None:
    flip_a_bit(folder / WEIGHTS)

    assert f"{WEIGHTS} is not the file of manifest.json: sha256" in problem_of(folder)


def test_a_missing_file_of_the_manifest_is_noticed(folder: Path) -> None:
    (folder / "generation_config.json").unlink()

    assert "generation_config.json is not the file of manifest.json: sha256 missing" in problem_of(folder)


def split_without(name: str) -> Callable[[Path], object]:
    return lambda folder: (split(folder), (folder / name).unlink())


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def holding(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


def stating(name: str, **fields: Any) -> Callable[[Path], None]:
    return lambda folder: change(folder / name, **fields)


def torn(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-1])


DEPTH = "the registry says layers = 8, the loaded config says 9"
FAMILY = "the registry says family = gemma2, the loaded config says gemma"
PART = "model-00002.safetensors"
BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (without("config.json"), "has no config.json"),
    "config not JSON": (holding("config.json", "{"), "config.json cannot be read"),
    "config a list": (holding("config.json", "[]"), "does not hold an object"),
    "other depth": (stating("config.json", num_hidden_layers=9), DEPTH),
    "other family": (stating("config.json", model_type="gemma"), FAMILY),
    "no weights": (without(WEIGHTS), "has no safetensors file"),
    "torn weights": (torn, f"{WEIGHTS} cannot be read: Error while deserializing header: incomplete metadata"),
    "a part missing": (split_without(PART), f"{PART} cannot be read: No such file or directory"),
    "index without map": (holding(INDEX, "{}"), f"{INDEX} has no weight_map"),
    "parts without index": (split_without(INDEX), f"has 2 other safetensors files and no {INDEX}"),
    "no tokenizer": (without("tokenizer.json"), "has no tokenizer.json"),
    "tokenizer not JSON": (holding("tokenizer.json", "{"), "tokenizer.json cannot be read"),
    "no template": (stating("tokenizer_config.json", chat_template=None), "has no chat template"),
    "no settings": (without("tokenizer_config.json"), "has no chat template"),
    "template fails": (stating("tokenizer_config.json", chat_template="{{ nothing.at.all }}"), "fails: UndefinedError"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_checkpoint_is_one_clear_line(foreign: Path, name: str) -> None:
    break_it, message = BROKEN[name]
    break_it(foreign)

    assert message in problem_of(foreign)


@pytest.mark.parametrize("field", ["layers", "hidden", "mlp", "heads", "kv_heads", "head_dim", "vocab"])
def test_the_row_is_compared_field_by_field(foreign: Path, field: str) -> None:
    value = getattr(SPEC, field)

    message = problem_of(foreign, **{field: value * 2})

    assert f"the registry says {field} = {value * 2}, the loaded config says {value}" in message


def test_a_family_without_a_table_is_refused(foreign: Path) -> None:
    with pytest.raises(ToolUnsupported, match="no architecture table for family 'mamba'"):
        check_checkpoint(replace(SPEC, family="mamba"), foreign)


def test_the_tokenizer_may_come_from_elsewhere(foreign: Path) -> None:
    """A base model has no chat template; its row names a chat model's tokenizer."""
    for file in foreign.glob("tokenizer*"):
        file.unlink()

    assert "has no tokenizer.json" in problem_of(foreign)
    check_checkpoint(SPEC, foreign, CHECKPOINTS / SPEC.key)


def test_every_id_of_the_tokenizer_has_an_embedding() -> None:
    check_vocabulary(SPEC, SPEC.vocab - 1)

    with pytest.raises(LoadProblem, match="ids up to 2048, its vocabulary ends at 2047"):
        check_vocabulary(SPEC, SPEC.vocab)


def test_half_a_checkpoint_is_not_complete(foreign: Path) -> None:
    split(foreign)
    assert [file.name for file in weight_files(SPEC, foreign)] == ["model-00001.safetensors", "model-00002.safetensors"]

    (foreign / "model-00002.safetensors").unlink()
    assert not is_complete(SPEC, foreign)
    assert is_complete(SPEC, foreign.parent) is False, "no weights at all"


def test_the_inspection_loads_neither_torch_nor_transformers() -> None:
    program = (
        "import sys; from pathlib import Path; from steering_core.models.registry import read_registry;"
        "from steering_core.models.checkpoint import check_checkpoint;"
        "check_checkpoint(read_registry(Path('fixtures/models.toml'))['tiny_gemma2'],"
        " Path('fixtures/checkpoints/tiny_gemma2'));"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )

    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
