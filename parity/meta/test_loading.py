"""What is found out about checkpoints before any model is loaded: here, cached, to be fetched, or missing."""

import json
import shutil
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parity.meta.command_line import options
from parity.plugin.model_cache import load_request
from parity.plugin.request import machine
from parity.plugin.request import weights as sources
from parity.plugin.request.run_matrix import RunMatrix, build_run_matrix, pinned
from parity.plugin.request.weights import Origin, check_sources, source_of, tokenizer_of
from steering_core.errors import LoadProblem, SuiteError, ToolUnsupported, UsageProblem
from steering_core.models import hub
from steering_core.models.registry import read_registry
from steering_core.places import FIXTURES

REGISTRY = read_registry(FIXTURES / "models.toml")
CHECKPOINTS = FIXTURES / "checkpoints"
QWEN = REGISTRY["qwen7b"]


def refused(asked: Any) -> SuiteError:
    with pytest.raises(SuiteError) as caught:
        check_sources(build_run_matrix(asked), asked)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.is_offline_mode", lambda: True)


def test_the_projects_own_models_are_ready(offline: None) -> None:
    for asked in (options("tiny"), options("tiny_qwen2", random_weights=True), options("qwen7b", random_weights=True)):
        check_sources(build_run_matrix(asked), asked)


def test_collecting_asks_for_nothing(offline: None) -> None:
    asked = options("qwen7b", gpu=True, collectonly=True)

    check_sources(build_run_matrix(asked), asked)


def test_all_that_is_missing_is_one_line(offline: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "has_cuda", lambda: False)
    problem = refused(options("qwen7b or gemma9b", gpu=True))

    assert isinstance(problem, UsageProblem)
    assert str(problem).startswith("no CUDA device for --gpu; no weights of qwen7b (Qwen/Qwen2.5-7B-Instruct) in the")
    assert "gemma9b" in str(problem)


def test_a_family_without_a_table_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = options()
    matrix = build_run_matrix(asked)
    rows = {**matrix.registry, "tiny_qwen2": replace(REGISTRY["tiny_qwen2"], family="mamba")}

    with pytest.raises(ToolUnsupported, match="no architecture table for family 'mamba'"):
        check_sources(replace(matrix, registry=rows), asked)


def test_an_altered_checkpoint_stops_the_run(tmp_path: Path) -> None:
    """The project's own ones carry a digest of every file, wherever the directory is."""
    shutil.copytree(CHECKPOINTS / "tiny_qwen2", tmp_path / "tiny_qwen2")
    shutil.copy(CHECKPOINTS / "manifest.json", tmp_path)
    raw = bytearray((tmp_path / "tiny_qwen2" / "model.safetensors").read_bytes())
    raw[-1] ^= 1
    (tmp_path / "tiny_qwen2" / "model.safetensors").write_bytes(raw)

    problem = refused(options(model_path=[f"tiny_qwen2={tmp_path / 'tiny_qwen2'}"]))

    assert isinstance(problem, LoadProblem)
    assert "model.safetensors is not the file of manifest.json" in str(problem)


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (["qwen7b"], "--revision 'qwen7b' is not KEY=REV"),
        (["qwen7b="], "is not KEY=REV"),
        (["qwen8b=v1"], "unknown model 'qwen8b'"),
        (["tiny_qwen2=v1"], "--revision tiny_qwen2: its weights are a directory"),
    ],
)
def test_a_revision_that_cannot_be_is_refused(pairs: list[str], words: str) -> None:
    with pytest.raises(UsageProblem, match=words):
        pinned(REGISTRY, pairs)


def test_a_pinned_revision_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[tuple[str, str]] = []
    monkeypatch.setattr(sources, "cached_folder", lambda name, revision, patterns: looked.append((name, revision)))

    matrix = build_run_matrix(options("qwen7b", revision=["qwen7b=a09a354"]))

    assert source_of(matrix, "qwen7b") == QWEN.source
    assert looked == [(QWEN.source, "a09a354")]


def cached(folder: Path, source: Path) -> Callable[..., Path | None]:
    """A cache that holds one repository, at the place where the hub would put it."""
    place = folder / "snapshots" / "0123abc"
    shutil.copytree(source, place)
    return lambda name, *_: place if name == "a/b" else None


@pytest.fixture
def of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunMatrix:
    """A run of one model of the hub, which lies in the cache of this machine."""
    matrix = build_run_matrix(options())
    spec = replace(REGISTRY["tiny_qwen2"], source="a/b", tokenizer="")
    monkeypatch.setattr(sources, "cached_folder", cached(tmp_path, CHECKPOINTS / "tiny_qwen2"))
    monkeypatch.setattr(sources, "fetch", lambda *_: pytest.fail("nothing was to be fetched"))
    return replace(matrix, registry={"tiny_qwen2": spec})


def test_a_cached_model_is_loaded_from_its_directory(of_the_hub: RunMatrix, tmp_path: Path) -> None:
    asked = {**vars(options()), "gpu": False}
    check_sources(of_the_hub, Namespace(**asked))
    config: Any = SimpleNamespace(getoption=asked.__getitem__)

    assert load_request(config, of_the_hub, "tiny_qwen2").load().revision == "0123abc"


def test_what_a_cache_lacks_is_fetched_and_a_directory_is_not(
    of_the_hub: RunMatrix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[tuple[str, ...]] = []
    monkeypatch.setattr(sources, "fetch", lambda *words: fetched.append(words[:3]))
    (tmp_path / "snapshots" / "0123abc" / "model.safetensors").unlink()

    with pytest.raises(LoadProblem, match="has no safetensors file"):
        check_sources(of_the_hub, options())
    assert fetched == [("tiny_qwen2", "a/b", "main")]
    with pytest.raises(LoadProblem, match="has no safetensors file"):
        check_sources(replace(of_the_hub, sources={"tiny_qwen2": str(tmp_path / "snapshots" / "0123abc")}), options())
    assert len(fetched) == 1


def test_the_tokenizer_of_another_repository_is_looked_for_too(
    of_the_hub: RunMatrix, offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "snapshots" / "0123abc"
    settings = json.loads((place / "tokenizer_config.json").read_text())
    (place / "tokenizer_config.json").write_text(json.dumps({**settings, "chat_template": None}))
    with pytest.raises(LoadProblem, match="has no chat template"):
        check_sources(of_the_hub, options())

    borrowed = replace(of_the_hub.registry["tiny_qwen2"], tokenizer="fixtures/checkpoints/tiny_qwen2")

    check_sources(replace(of_the_hub, registry={"tiny_qwen2": borrowed}), options())
    assert tokenizer_of(borrowed) == str(CHECKPOINTS / "tiny_qwen2")
    missing = replace(of_the_hub, registry={"tiny_qwen2": replace(borrowed, tokenizer="google/gemma-2-2b-it")})
    monkeypatch.setattr(sources, "fetch", hub.fetch)
    with pytest.raises(UsageProblem, match="gemma-2-2b-it is not in the"):
        check_sources(missing, options())


def test_a_directory_is_told_from_a_repository() -> None:
    assert Origin("fixtures/checkpoints/tiny_qwen2").local == CHECKPOINTS / "tiny_qwen2"
    assert Origin(str(CHECKPOINTS)).local == CHECKPOINTS
    assert Origin("Qwen/Qwen2.5-7B-Instruct").local is None


def test_the_request_carries_what_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def request(**changed: Any) -> Any:
        asked = options(**changed)
        config: Any = SimpleNamespace(getoption=vars(asked).__getitem__)
        return load_request(config, build_run_matrix(asked), "tiny_qwen2")

    plain, other = request(), request(device_map="auto", quantize="nf4", dtype="bfloat16", attention="eager")
    random = request(random_weights=True)

    assert (plain.device_map, plain.quantize, plain.dtype, plain.attention) == ("", "", "float32", "")
    assert (other.device_map, other.quantize, other.dtype, other.attention) == ("auto", "nf4", "bfloat16", "eager")
    assert plain.source == str(CHECKPOINTS / "tiny_qwen2")
    assert (random.source, random.tokenizer) == (REGISTRY["tiny_qwen2"].source, str(CHECKPOINTS / "tiny_qwen2"))
