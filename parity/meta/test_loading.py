"""Checkpoints are checked before any model is loaded: local, cached, to be fetched, or missing."""

import json
import shutil
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
from parity.plugin.request.weights import Origin, check_sources, gigabytes, source_of, tokenizer_of
from steering_core.errors import LoadProblem, SuiteError, ToolUnsupported, UsageProblem
from steering_core.models import hub
from steering_core.models.registry import read_registry
from steering_core.places import FIXTURES

REGISTRY = read_registry(FIXTURES / "models.toml")
CHECKPOINTS = FIXTURES / "checkpoints"
QWEN = REGISTRY["qwen7b"]


def refused(request: Any) -> SuiteError:
    with pytest.raises(SuiteError) as caught:
        check_sources(build_run_matrix(request), request)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.is_offline_mode", lambda: True)


def test_the_projects_own_models_need_no_download(offline: None) -> None:
    random = (options(key, random_weights=True) for key in ("tiny_qwen2", "qwen7b"))
    for request in (options("tiny"), *random):
        check_sources(build_run_matrix(request), request)


def test_collection_needs_no_weights_and_no_gpu(offline: None) -> None:
    request = options("qwen7b", gpu=True, collectonly=True)

    check_sources(build_run_matrix(request), request)


def test_everything_missing_is_listed_in_one_line(offline: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "has_cuda", lambda: False)
    problem = refused(options("qwen7b or gemma9b", gpu=True))

    assert isinstance(problem, UsageProblem)
    assert str(problem).startswith("no CUDA device for --gpu; no weights of qwen7b (Qwen/Qwen2.5-7B-Instruct) in the")
    assert "gemma9b" in str(problem)


def test_a_family_without_an_architecture_table_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    request = options()
    matrix = build_run_matrix(request)
    rows = {**matrix.registry, "tiny_qwen2": replace(REGISTRY["tiny_qwen2"], family="mamba")}

    with pytest.raises(ToolUnsupported, match="no architecture table for family 'mamba'"):
        check_sources(replace(matrix, registry=rows), request)


def test_an_altered_project_checkpoint_is_refused(tmp_path: Path) -> None:
    """The manifest beside a checkpoint holds the digest of each file, wherever both are."""
    shutil.copytree(CHECKPOINTS / "tiny_qwen2", tmp_path / "tiny_qwen2")
    shutil.copy(CHECKPOINTS / "manifest.json", tmp_path)
    raw = bytearray((tmp_path / "tiny_qwen2" / "model.safetensors").read_bytes())
    raw[-1] ^= 1
    (tmp_path / "tiny_qwen2" / "model.safetensors").write_bytes(raw)

    problem = refused(options(model_path=[f"tiny_qwen2={tmp_path / 'tiny_qwen2'}"]))

    assert isinstance(problem, LoadProblem)
    assert "model.safetensors is not the file of manifest.json" in str(problem)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["qwen7b"], "--revision 'qwen7b' is not KEY=REV"),
        (["qwen7b="], "is not KEY=REV"),
        (["qwen8b=v1"], "unknown model 'qwen8b'"),
        (["tiny_qwen2=v1"], "--revision tiny_qwen2: its weights are a directory"),
    ],
)
def test_an_invalid_revision_is_refused(pairs: list[str], message: str) -> None:
    with pytest.raises(UsageProblem, match=message):
        pinned(REGISTRY, pairs)


def test_the_pinned_revision_is_looked_up_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    lookups: list[tuple[str, str]] = []
    monkeypatch.setattr(sources, "cached_folder", lambda name, revision, patterns: lookups.append((name, revision)))

    matrix = build_run_matrix(options("qwen7b", revision=["qwen7b=a09a354"]))

    assert source_of(matrix, "qwen7b") == QWEN.source
    assert lookups == [(QWEN.source, "a09a354")]


def cached(folder: Path, source: Path) -> Callable[..., Path | None]:
    """A cache that holds one repository, in the folder where the hub would put it."""
    snapshot = folder / "snapshots" / "0123abc"
    shutil.copytree(source, snapshot)
    return lambda name, *_: snapshot if name == "a/b" else None


@pytest.fixture
def hub_matrix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunMatrix:
    """A run of one model from the hub, which is in the cache of this machine."""
    matrix = build_run_matrix(options())
    spec = replace(REGISTRY["tiny_qwen2"], source="a/b", tokenizer="")
    monkeypatch.setattr(sources, "cached_folder", cached(tmp_path, CHECKPOINTS / "tiny_qwen2"))
    monkeypatch.setattr(sources, "fetch", lambda *_: pytest.fail("a cached model was fetched again"))
    return replace(matrix, registry={"tiny_qwen2": spec})


def test_a_cached_model_is_loaded_from_its_directory(hub_matrix: RunMatrix, tmp_path: Path) -> None:
    request = options(gpu=False)
    check_sources(hub_matrix, request)
    config: Any = SimpleNamespace(getoption=vars(request).__getitem__)

    assert load_request(config, hub_matrix, "tiny_qwen2").load().revision == "0123abc"


def test_an_incomplete_cache_is_fetched_and_an_incomplete_directory_is_not(
    hub_matrix: RunMatrix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[tuple[str, ...]] = []
    monkeypatch.setattr(sources, "fetch", lambda *arguments: fetched.append(arguments[:3]))
    snapshot = tmp_path / "snapshots" / "0123abc"
    (snapshot / "model.safetensors").unlink()

    with pytest.raises(LoadProblem, match="has no safetensors file"):
        check_sources(hub_matrix, options())
    assert fetched == [("tiny_qwen2", "a/b", "main")]
    with pytest.raises(LoadProblem, match="has no safetensors file"):
        check_sources(replace(hub_matrix, sources={"tiny_qwen2": str(snapshot)}), options())
    assert len(fetched) == 1


def test_a_tokenizer_from_another_repository_is_checked_too(
    hub_matrix: RunMatrix, offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "snapshots" / "0123abc" / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "chat_template": None}))
    with pytest.raises(LoadProblem, match="has no chat template"):
        check_sources(hub_matrix, options())

    with_tokenizer = replace(hub_matrix.registry["tiny_qwen2"], tokenizer="fixtures/checkpoints/tiny_qwen2")

    check_sources(replace(hub_matrix, registry={"tiny_qwen2": with_tokenizer}), options())
    assert tokenizer_of(with_tokenizer) == str(CHECKPOINTS / "tiny_qwen2")
    missing = replace(hub_matrix, registry={"tiny_qwen2": replace(with_tokenizer, tokenizer="google/gemma-2-2b-it")})
    monkeypatch.setattr(sources, "fetch", hub.fetch)
    with pytest.raises(UsageProblem, match="gemma-2-2b-it is not in the"):
        check_sources(missing, options())


def test_a_directory_is_distinguished_from_a_repository() -> None:
    assert Origin("fixtures/checkpoints/tiny_qwen2").local == CHECKPOINTS / "tiny_qwen2"
    assert Origin(str(CHECKPOINTS)).local == CHECKPOINTS
    assert Origin("Qwen/Qwen2.5-7B-Instruct").local is None


def test_the_load_request_carries_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    def loading(**changed: Any) -> Any:
        request = options(**changed)
        config: Any = SimpleNamespace(getoption=vars(request).__getitem__)
        return load_request(config, build_run_matrix(request), "tiny_qwen2")

    plain, other = loading(), loading(device_map="auto", quantize="nf4", dtype="bfloat16", attention="eager")
    random = loading(random_weights=True)

    assert (plain.device_map, plain.quantize, plain.dtype, plain.attention) == ("", "", "float32", "")
    assert (other.device_map, other.quantize, other.dtype, other.attention) == ("auto", "nf4", "bfloat16", "eager")
    assert plain.source == str(CHECKPOINTS / "tiny_qwen2")
    assert (random.source, random.tokenizer) == (REGISTRY["tiny_qwen2"].source, str(CHECKPOINTS / "tiny_qwen2"))


def test_the_size_of_an_unregistered_model_is_that_of_its_checkpoint(tmp_path: Path) -> None:
    """547,456 weights in float32; with random weights, as many as the shape has."""
    shutil.copytree(CHECKPOINTS / "tiny_gpt2", tmp_path / "mine")
    found = options("mine", model=[str(tmp_path / "mine")], layer=1, multiplier=1.0)
    random = options("qwen7b", random_weights=True, dtype="float32")

    assert gigabytes(build_run_matrix(found), found) == {"mine": pytest.approx(0.00218982, abs=1e-8)}
    assert gigabytes(build_run_matrix(random), random) == {"qwen7b": pytest.approx(30.46, abs=0.01)}
