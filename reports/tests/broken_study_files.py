"""Broken published files of the study, one defect each; see `broken_files`."""

import json
from pathlib import Path
from typing import Any

from reports.tests.broken_files import Builder, raw
from reports.tests.study_like import aggregate, full_file, put, spread, summary_file, transfer_file


def study(name: str, value: Any) -> Builder:
    """A published file."""
    return raw(json.dumps(value).encode(), name)


def several(*builders: Builder) -> Builder:
    """Everything that the builders write."""
    return lambda folder: [path for build in builders for path in build(folder)]


def several_in_folder(*builders: Builder) -> Builder:
    """Everything that the builders write, named by its directory."""

    def build(folder: Path) -> list[Path]:
        several(*builders)(folder)
        return [folder]

    return build


GEMMA, QWEN = "modal_gemma-9b_1.json", "modal_qwen-7b_1.json"
ROW = {"prompt_id": 0, "prompt": "p", "quality": "normal", "refusal": False, "output_hash": "0"}
EVAL = ("runs", 0, "methods", "hooks", "eval")
DIRECTION = ("runs", 0, "methods", "hooks", "direction")

BROKEN_STUDY: dict[str, tuple[Builder, str]] = {
    "study: fewer refusals than coherent answers": (
        study(GEMMA, put(full_file(), (*EVAL, "refusal_rate"), 80.0)),
        "artifact-contradiction",
    ),
    "study: direction too short": (study(GEMMA, put(full_file(), DIRECTION, [1.0])), "artifact-fields"),
    "study: direction of zeros": (study(GEMMA, put(full_file(), DIRECTION, [0.0] * 4)), "artifact-fields"),
    "study: NaN in a direction": (study(GEMMA, put(full_file(), DIRECTION, [float("nan")] * 4)), "artifact-value"),
    "study: directions of two sizes": (
        study(GEMMA, put(put(full_file(), DIRECTION, [1.0]), (*DIRECTION[:-1], "direction_shape"), [1])),
        "artifact-fields",
    ),
    "study: rate of no prompt": (
        study(GEMMA, put(full_file(), ("runs", 0, "methods", "hooks", "eval", "coherent_rate"), 91.0)),
        "artifact-fields",
    ),
    "study: unknown field": (study(GEMMA, full_file() | {"surprise": 1}), "artifact-fields"),
    "study: truncated": (raw(json.dumps(full_file())[:200].encode(), GEMMA), "artifact-not-json"),
    "study: two files of one model": (
        several(study(GEMMA, full_file()), study("modal_gemma-9b_2.json", full_file())),
        "artifact-mixed",
    ),
    "study: rates that do not add up": (
        study(QWEN, put(summary_file(), ("summary", "hooks", "normal_rate"), spread(0.0))),
        "artifact-fields",
    ),
    "study: summary of no model": (study("summary.json", summary_file()), "artifact-model"),
    "study: impossible cosine": (
        study(QWEN, put(summary_file(), ("summary", "hooks", "within_method_cosine", "min"), 1.5)),
        "artifact-fields",
    ),
    "study: rates vary in a summary": (
        study(QWEN, put(summary_file(), ("summary", "hooks", "coherent_rate", "max"), 100.0)),
        "artifact-fields",
    ),
    "study: impossible raw cosine": (
        study(QWEN, put(summary_file(), ("tensor_site_parity", "pairwise_raw_cosine_mean", "hooks_vs_nnsight"), 1.01)),
        "artifact-fields",
    ),
    "study: rate beyond every percentage": (
        study(QWEN, put(summary_file(), ("summary", "hooks", "coherent_rate", "mean"), 1e308)),
        "artifact-fields",
    ),
    "study: more prompts than a float counts": (
        study(QWEN, summary_file() | {"eval_prompt_count": 10**400}),
        "artifact-fields",
    ),
    "study: layer of no block": (study(GEMMA, full_file() | {"layer_idx": 99}), "artifact-contradiction"),
    "study: key and id of two models": (
        study(GEMMA, full_file() | {"model_id": "Qwen/Qwen2.5-7B-Instruct"}),
        "artifact-contradiction",
    ),
    "study: aggregate rate of no run": (
        study(GEMMA, full_file() | {"aggregate": {"hooks": aggregate(60.0)}}),
        "artifact-contradiction",
    ),
    "study: aggregate cosine of no run": (
        study(GEMMA, full_file() | {"aggregate": {"hooks": aggregate(within=0.97)}}),
        "artifact-contradiction",
    ),
    "study: aggregate of more repeats": (
        study(GEMMA, full_file() | {"aggregate": {"hooks": aggregate() | {"n_ok": 4}}}),
        "artifact-contradiction",
    ),
    "study: mean outside its extremes": (
        study(QWEN, put(summary_file(), ("summary", "hooks", "within_method_cosine", "mean"), 0.5)),
        "artifact-contradiction",
    ),
    "study: other norm than the direction's": (
        study(GEMMA, put(full_file(), (*DIRECTION[:-1], "direction_norm"), 2.0)),
        "artifact-contradiction",
    ),
    "study: fewer repeats than declared": (study(GEMMA, full_file() | {"repeats": 6}), "artifact-contradiction"),
    "study: one repeat twice": (study(GEMMA, put(full_file(), ("runs", 1, "repeat"), 0)), "artifact-contradiction"),
    "study: transfer without control": (study("b1.json", transfer_file()), "transfer-control"),
    "study: control without transfer": (study("b1.json", transfer_file("qwen-7b", "qwen-7b")), "transfer-missing"),
    "study: transfer from a layer of no block": (
        study("b1.json", put(transfer_file(), ("source", "layer_idx"), 99)),
        "artifact-contradiction",
    ),
    "study: rows per prompt of another rate": (
        study("b1.json", put(transfer_file(), ("eval", "per_prompt"), [ROW])),
        "artifact-fields",
    ),
    "directory of other files": (several_in_folder(study("notes.json", {"a": 1})), "artifact-missing"),
    "a verdict is not a run": (study("verdict.json", {"conclusion": "OUTCOME_4"}), "artifact-shape"),
}
