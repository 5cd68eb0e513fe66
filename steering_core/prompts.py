"""The prompt sets of a run, checked before any model loads: matched extraction pairs, benign evaluation prompts, and
the premise prompts, which show that the unsteered model refuses what is harmful and nothing else."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

from steering_core.errors import UsageProblem
from steering_core.files import read_bytes
from steering_core.places import PROMPTS

NEAR = 0.5
"""Jaccard index of two prompts' words from which on they are nearly the same; this suite's own choice."""
PREMISE_PROMPTS = 20
"""The fewest premise prompts of each kind (PROTOCOL, clause B3)."""
_STOP_WORDS = """
a about am an and are as at be best by can could do does for from how i in is it me my of on or our please should that the
this to was way we what when where which who why will with would you your
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Words that say nothing about what a prompt asks for."""
EXPECTED = (
    '{"extraction": {"harmful": [...], "harmless": [...]}, "evaluation": [...]} with non-empty lists of texts, and '
    '"premise": {"harmful": [...], "harmless": [...]} for premise prompts other than the suite\'s'
)


@dataclass(frozen=True)
class Premise:
    """Prompts that the unsteered model must refuse (harmful) and answer (harmless). own: of the run's prompts file,
    not the suite's."""

    harmful: tuple[str, ...]
    harmless: tuple[str, ...]
    own: bool = True


@dataclass(frozen=True)
class PromptSet:
    """harmful, harmless: extraction prompts, the same number of each. evaluation: benign prompts.

    digest: sha256 of the file. name: its name.
    """

    harmful: tuple[str, ...]
    harmless: tuple[str, ...]
    evaluation: tuple[str, ...]
    premise: Premise
    digest: str
    name: str

    @property
    def extraction(self) -> tuple[str, ...]:
        """Harmful prompts first, then harmless: the one batch that every tool reads."""
        return self.harmful + self.harmless

    def to_refuse(self) -> tuple[str, ...]:
        """Harmful premise prompts: distinct ones that are not extraction prompts."""
        return _distinct(self.premise.harmful, self.extraction)

    def to_answer(self) -> tuple[str, ...]:
        """Harmless premise prompts and the evaluation prompts: distinct ones that are not extraction prompts."""
        return _distinct((*self.premise.harmless, *self.evaluation), self.extraction)

    def warnings(self) -> list[str]:
        """Premise prompts that are not the file's own; repeats, which intervals count once; and prompts of different
        sets that are nearly the same."""
        premise = (*self.premise.harmful, *self.premise.harmless)
        counts = Counter(normalized(text) for text in (*self.extraction, *self.evaluation, *premise))
        borrowed = f"{self.name} has no premise prompts: B3 uses the suite's own"
        notes = [] if self.premise.own else [borrowed]
        notes += [f"prompt occurs {count} times: {text[:60]!r}" for text, count in counts.items() if count > 1]
        return notes + near_duplicates(self.extraction, (*self.evaluation, *premise))


def _distinct(prompts: Iterable[str], other: Iterable[str]) -> tuple[str, ...]:
    """The prompts without repeats and without those of `other`, in order, whatever their case and spacing."""
    seen, kept = set(map(normalized, other)), []
    for text in prompts:
        if (key := normalized(text)) not in seen:
            seen.add(key)
            kept.append(text)
    return tuple(kept)


def near_duplicates(left: Sequence[str], right: Sequence[str]) -> list[str]:
    """Pairs of nearly the same prompt, one of each set: their words, without stop words, have a Jaccard index of at
    least `NEAR`. Exact repeats are left out."""
    words = {text: _content_words(text) for text in (*left, *right)}
    pairs = ((a, b, words[a] & words[b], words[a] | words[b]) for a, b in product(left, right))
    return [
        f"nearly the same prompt in two sets: {a[:60]!r} and {b[:60]!r} share {len(shared)} of {len(either)} words"
        for a, b, shared, either in pairs
        if either and len(shared) >= NEAR * len(either) and normalized(a) != normalized(b)
    ]


def _content_words(prompt: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", re.sub(r"['’]\w+", "", prompt.lower()))) - STOP_WORDS


def normalized(prompt: str) -> str:
    """The prompt in lower case with single spaces, for finding repeats."""
    return " ".join(prompt.lower().split())


def read_prompts(path: Path) -> PromptSet:
    """A prompts file -> PromptSet; UsageProblem says what is wrong with it."""
    raw, data = _load(path)
    harmful, harmless = (_texts(path, data, "extraction", kind) for kind in ("harmful", "harmless"))
    if len(harmful) != len(harmless):
        sentence = f"{path}: {len(harmful)} harmful and {len(harmless)} harmless prompts"
        raise UsageProblem("prompts-pairs", sentence, "expected matched pairs")
    premise = _read_premise(path, data, harmful + harmless)
    evaluation = _texts(path, data, "evaluation")
    return PromptSet(harmful, harmless, evaluation, premise, sha256(raw).hexdigest(), path.name)


def _load(path: Path) -> tuple[bytes, Any]:
    try:
        raw = read_bytes(path)
        return raw, json.loads(raw)
    except (OSError, ValueError, RecursionError) as error:
        sentence = f"prompts file {path} cannot be read: {error}"
        raise UsageProblem("prompts-file", sentence, f"expected {EXPECTED}") from None


def _read_premise(path: Path, data: Any, extraction: Sequence[str]) -> Premise:
    """The file's premise prompts, else the suite's; UsageProblem if too few differ from the extraction prompts."""
    own = "premise" in data
    source, sets = (path, data) if own else (PROMPTS, _load(PROMPTS)[1])
    lists = {kind: _texts(source, sets, "premise", kind) for kind in ("harmful", "harmless")}
    for kind, texts in lists.items():
        if (count := len(_distinct(texts, extraction))) < PREMISE_PROMPTS:
            sentence = (
                f"{source}: {count} distinct {kind} premise prompts that are not extraction prompts of {path.name}"
            )
            hint = f'expected at least {PREMISE_PROMPTS}; without "premise" a file gets the suite\'s own'
            raise UsageProblem("prompts-premise", sentence, hint)
    return Premise(lists["harmful"], lists["harmless"], own)


def _texts(path: Path, data: Any, *keys: str) -> tuple[str, ...]:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    if not isinstance(data, list) or not data or not all(map(_is_text, data)):
        sentence = f"{path}: {'.'.join(keys)} is missing or not a list of texts"
        raise UsageProblem("prompts-shape", sentence, f"expected {EXPECTED}")
    return tuple(data)


def _is_text(value: Any) -> bool:
    """A non-blank text; a lone surrogate, which JSON can spell, is not text."""
    return isinstance(value, str) and bool(value.strip()) and not any("\ud800" <= char <= "\udfff" for char in value)
