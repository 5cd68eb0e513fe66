"""Small files in the shapes that the study published, with four-number directions; and where the real ones are."""

import os
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

TOOLS = ("nnsight", "hooks", "pyvene")
MODELS = {"gemma-9b": ("google/gemma-2-9b-it", 25.0), "qwen-7b": ("Qwen/Qwen2.5-7B-Instruct", 15.0)}
"""Id and strength of the study's phase 1 models."""
MODEL_IDS = {
    key: f"Qwen/Qwen2.5-{key.removeprefix('qwen-').upper()}-Instruct" for key in ("qwen-7b", "qwen-14b", "qwen-32b")
}
DATA = Path(os.environ.get("STUDY_DATA", "absent"))
"""The folder of the study's published files, which are not part of this repository; see `published`."""


def published(folder: str) -> Path:
    """The study's files in a folder of $STUDY_DATA; a test is skipped where they are absent."""
    if not (DATA / folder).is_dir():
        pytest.skip(f"$STUDY_DATA does not name the study's published files with {folder}")
    return DATA / folder


def put(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    """A copy of nested JSON with the item at `path` replaced."""
    copy = deepcopy(value)
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = new
    return copy


def full_file(
    rate: float = 90.0, direction: tuple[float, ...] = (0.5, 0.5, 0.5, 0.5), key: str = "gemma-9b"
) -> dict[str, Any]:
    """Phase 1 with directions, five repeats; every tool alike."""
    methods = {tool: experiment(rate, direction) for tool in TOOLS}
    repeats = [{"repeat": n, "seed": 42 + n, "methods": deepcopy(methods)} for n in range(5)]
    runs = [{**repeat, "tensor_site_parity": parity()} for repeat in repeats]
    model_id, multiplier = MODELS[key]
    model = {"model_key": key, "model_id": model_id, "layer_idx": 16, "multiplier": multiplier}
    protocol = {"methods": list(TOOLS), "repeats": 5, "seed_base": 42, "eval_prompt_count": 30}
    origin = {"timestamp_utc": "2026-02-19T20:39:53+00:00", "git_commit": ""}
    return {"experiment": "v4_tooling_parity", **model, **protocol, **origin, "runs": runs, "aggregate": {}}


def experiment(rate: float, direction: tuple[float, ...]) -> dict[str, Any]:
    """One tool in one repeat."""
    shapes = {"harm_shape": [5, 4], "safe_shape": [5, 4], "direction_shape": [len(direction)]}
    norms = {"direction_norm_prenorm": 92.9, "direction_norm": 1.0}
    return {"ok": True, **shapes, **norms, "eval": rates(rate), "elapsed_s": 1.0, "direction": list(direction)}


def rates(coherent: float) -> dict[str, float]:
    """Percentages of 30 prompts, none garbled."""
    shares = {"coherent_rate": coherent, "garbled_rate": 0.0, "normal_rate": 100 - coherent}
    return {"n_prompts": 30, **shares, "refusal_rate": coherent}


def summary_file(rate: float = 90.0, within: float = 1.0, across: float = 1.0) -> dict[str, Any]:
    """Phase 1 without directions; every tool alike."""
    shares = {"coherent_rate": spread(rate), "garbled_rate": spread(0.0), "normal_rate": spread(100 - rate)}
    tool = {"n_ok": 5, **shares, "within_method_cosine": spread(within)}
    return {
        "saved": "/results/v4_parity_qwen-7b_20260219_190628.json",
        "summary": {name: deepcopy(tool) for name in TOOLS},
        "method_status": {name: {"ok": True} for name in TOOLS},
        "tensor_site_parity": parity(across),
        "eval_prompt_count": 30,
    }


def early_file(error: str) -> dict[str, Any]:
    """One repeat, in which pyvene failed: no within-tool cosine, and no pair with pyvene."""
    early = summary_file()
    del early["summary"]["pyvene"]
    for row in early["summary"].values():
        row["n_ok"] = 1
        del row["within_method_cosine"]
    early["method_status"]["pyvene"] = {"ok": False, "error": error}
    pair = {"pairwise_raw_cosine_mean": {"hooks_vs_nnsight": 1.0}, "pairwise_last_sample_l2": {"hooks_vs_nnsight": 0.0}}
    return put(early, ("tensor_site_parity",), {**early["tensor_site_parity"], **pair})


def aggregate(rate: float = 90.0, within: float = 1.0) -> dict[str, Any]:
    """What follows from five repeats of a tool at this rate."""
    return summary_file(rate, within)["summary"]["hooks"]


def spread(value: float) -> dict[str, float]:
    """A quantity that is the same in every repeat."""
    return {"mean": value, "std": 0.0, "min": value, "max": value}


def parity(cosine: float = 1.0) -> dict[str, Any]:
    """The study's comparison of raw activations."""
    pairs = ("hooks_vs_nnsight", "hooks_vs_pyvene", "nnsight_vs_pyvene")
    tensors = {"shape": {tool: [5, 4] for tool in TOOLS}, "dtype": dict.fromkeys(TOOLS, "float32")}
    distances = {"pairwise_last_sample_l2": dict.fromkeys(pairs, 0.0)}
    return {**tensors, "pairwise_raw_cosine_mean": dict.fromkeys(pairs, cosine), **distances, "parity_pass": True}


def transfer_file(source: str = "qwen-14b", target: str = "qwen-32b", coherent: int = 30) -> dict[str, Any]:
    """A transfer, or a self-control when source and target are the same model."""
    extraction = {"method": "nnsight", "direction_shape": [8], "direction_norm_prenorm": 33.0}
    return {
        "experiment": "v4_transfer_b1",
        "source": {"model_key": source, "model_id": MODEL_IDS[source], "layer_idx": 16, "hidden_dim": 8},
        "target": {"model_key": target, "model_id": MODEL_IDS[target], "layer_idx": 16, "hidden_dim": 8},
        "multiplier": 15.0,
        "git_commit": "e22f012",
        "eval_prompt_count": 30,
        "mode": "self_control" if source == target else "direct_transfer",
        "timestamp_utc": "2026-02-19T22:44:21+00:00",
        "extraction": extraction,
        "eval": rates(coherent / 30 * 100),
        "elapsed_s": 1.0,
    }
