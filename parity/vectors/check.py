"""Answers compared with vectors: numpy alone, no model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from parity.vectors.format import (
    ANSWERED,
    ANSWERS,
    KINDS,
    LOGITS,
    SHIFT,
    TOKENS,
    VALUES,
    VECTORS,
    AnswerFile,
    DirectionCall,
    GenerateCall,
    ReadCall,
    Vector,
    VectorFile,
    read_file,
    value_names,
)
from steering_core.errors import UsageProblem

Array = np.ndarray[Any, Any]
PASSED, FAILED, MISSING, NOT_OFFERED = "passed", "failed", "missing", "not offered"
PADDING = "padding"


@dataclass(frozen=True)
class Result:
    """One value of one vector. outcome: passed, failed, missing or not offered. sentence: what is wrong, or why."""

    vector: str
    value: str
    outcome: str
    sentence: str = ""


class Tensors(Mapping[str, Array]):
    """The tensors of a file, each read when it is asked for."""

    def __init__(self, path: Path) -> None:
        try:
            self.file = safe_open(path, framework="numpy")
            self.names = set(self.file.keys())
        except (OSError, SafetensorError) as error:
            sentence = f"{path} cannot be read as safetensors: {str(error)[:120]}"
            raise UsageProblem("vectors", sentence, "see docs/vectors.md") from None

    def __getitem__(self, name: str) -> Array:
        if name not in self.names:
            raise KeyError(name)
        try:
            return np.asarray(self.file.get_tensor(name))
        except (TypeError, SafetensorError) as error:
            raise UsageProblem("vectors", f"{name}: {str(error)[:120]}", "float32 or int64 is needed") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def check_folder(vectors: Path, answers: Path) -> list[Result]:
    """The results of every vector of a folder; UsageProblem for files that cannot be read."""
    file, given = read_file(vectors / VECTORS, VectorFile), read_file(answers / ANSWERS, AnswerFile)
    return check(file, Tensors(vectors / VALUES), Tensors(answers / ANSWERED), given.not_offered)


def check(
    file: VectorFile, expected: Mapping[str, Array], answers: Mapping[str, Array], not_offered: Mapping[str, str]
) -> list[Result]:
    """The results of every vector. UsageProblem for a name in `not_offered` that is neither a vector nor a kind of value."""
    known = {*(vector.name for vector in file.vectors), *KINDS}
    if unknown := [name for name in not_offered if name not in known]:
        hint = f"the name of a vector, or one of {', '.join(KINDS)}"
        raise UsageProblem("vectors", f"not_offered: {unknown[0][:60]!r} is not known", hint)
    return [result for vector in file.vectors for result in check_vector(vector, expected, answers, not_offered)]


def check_vector(
    vector: Vector, expected: Mapping[str, Array], answers: Mapping[str, Array], not_offered: Mapping[str, str]
) -> Iterator[Result]:
    """The results of one vector, value by value."""
    if reason := not_offered.get(vector.name):
        yield Result(vector.name, "", NOT_OFFERED, reason)
        return
    names = set(value_names(vector))
    yield from (
        Result(vector.name, name, FAILED, "was not requested")
        for name in sorted(answers)
        if name.startswith(f"{vector.name}/") and name not in names
    )
    for number, call in enumerate(vector.calls):
        for value, sentence in _call(f"{vector.name}/{number}", call, expected, answers, not_offered):
            outcome = FAILED if sentence else PASSED
            if sentence in {MISSING, NOT_OFFERED}:
                outcome, sentence = sentence, not_offered.get(value.partition("@")[0], "no such tensor in the answers")
            yield Result(vector.name, f"{number}/{value}", outcome, sentence)


def _call(
    name: str,
    call: ReadCall | GenerateCall | DirectionCall,
    expected: Mapping[str, Array],
    answers: Mapping[str, Array],
    not_offered: Mapping[str, str],
) -> Iterator[tuple[str, str]]:
    """(value, "" or what is wrong) of each value of a call."""
    if isinstance(call, DirectionCall):
        yield from _direction(name, call, expected, answers, not_offered)
        return
    mask = expected[f"{name}/attention_mask"].astype(bool)
    where = {} if isinstance(call, ReadCall) else compared_places(mask, expected[f"{name}/lengths"], call)
    if isinstance(call, GenerateCall):
        yield TOKENS, _tokens(expected[f"{name}/{TOKENS}"], answers.get(f"{name}/{TOKENS}"))
    for value, tolerance in call.tolerances.items():
        kind = value.partition("@")[0]
        given = answers.get(f"{name}/{value}")
        if kind in not_offered or given is None:
            yield value, NOT_OFFERED if kind in not_offered else MISSING
            continue
        yield value, _values(expected[f"{name}/{value}"], given, where.get(kind, mask), tolerance)
        if kind == "shift" and given.shape == expected[f"{name}/{value}"].shape and not mask.all():
            moved = np.abs(given[:, : mask.shape[1]][~mask]).max()
            sentence = f"{value} moves padding by up to {moved:.3g}" if not moved <= tolerance else ""
            yield PADDING, NOT_OFFERED if PADDING in not_offered else sentence


def _direction(
    name: str,
    call: DirectionCall,
    expected: Mapping[str, Array],
    answers: Mapping[str, Array],
    not_offered: Mapping[str, str],
) -> Iterator[tuple[str, str]]:
    """The same for a direction and its norm, compared as one token of one row."""
    for value, tolerance in call.tolerances.items():
        true, given = expected[f"{name}/{value}"], answers.get(f"{name}/{value}")
        if value in not_offered or given is None:
            yield value, NOT_OFFERED if value in not_offered else MISSING
            continue
        yield value, _values(true[None, None], given[None, None], np.ones((1, 1), bool), tolerance)


def compared_places(mask: Array, lengths: Array, call: GenerateCall) -> dict[str, Array]:
    """Kind of value -> bool [batch, steps] or [batch, columns]: where it is determined. mask: bool [batch, prompt]; lengths:
    int64 [batch], tokens of each answer. The last token of an answer is never fed."""
    steps = np.arange(int(lengths.max()))
    fed = np.arange(int(lengths.max()) - 1)
    columns = np.concatenate([mask, fed[None] < lengths[:, None] - 1], 1)
    return {LOGITS: steps[None] < lengths[:, None], SHIFT.rstrip("@"): columns}


def _tokens(expected: Array, given: Array | None) -> str:
    if given is None:
        return MISSING
    if given.dtype != np.int64 or given.shape != expected.shape:
        return f"is {given.dtype} {list(given.shape)}, expected int64 {list(expected.shape)}"
    if (wrong := np.argwhere(given != expected)).size:
        row, step = wrong[np.lexsort((wrong[:, 0], wrong[:, 1]))][0]
        return f"token {step} of row {row} is {given[row, step]}, expected {expected[row, step]}"
    return ""


def _values(expected: Array, given: Array, where: Array, tolerance: float) -> str:
    if given.dtype != np.float32 or given.shape != expected.shape:
        return f"is {given.dtype} {list(given.shape)}, expected float32 {list(expected.shape)}"
    gap = np.abs(given.astype(np.float64) - expected) * where[..., None]
    gap = np.where(np.isfinite(gap) | ~where[..., None], gap, np.inf)
    gap[~where] = 0.0
    if not gap.max(initial=0.0) > tolerance:
        return ""
    row, place, entry = np.unravel_index(int(gap.argmax()), gap.shape)
    values = f"{given[row, place, entry]:.6g}, expected {expected[row, place, entry]:.6g}"
    return f"entry {entry} at row {row}, column {place} is {values} (tolerance {tolerance:.2g})"
