"""The prompt sets of a run: matched extraction pairs and benign evaluation prompts, checked before any model loads."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

from steering_core.errors import UsageProblem

NEAR = 0.5
"""Jaccard index of two prompts' words from which on they are nearly the same; this suite's own choice."""
_STOP_WORDS = """
a about am an and are as at be best by can could do does for from how i in is it me my of on or our please should that the
this to was way we what when where which who why will with would you your
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Words that say nothing about what a prompt asks for."""
EXPECTED = '{"extraction": {"harmful": [...], "harmless": [...]}, "evaluation": [...]} with non-empty lists of texts'


@dataclass(frozen=True)
class PromptSet:
    """harmful, harmless: extraction prompts, the same number of each. evaluation: benign prompts.

    digest: sha256 of the file. name: its name.
    """

    harmful: tuple[str, ...]
    harmless: tuple[str, ...]
    evaluation: tuple[str, ...]
    digest: str
    name: str

    @property
    def extraction(self) -> tuple[str, ...]:
        """Harmful prompts first, then harmless: the one batch that every tool reads."""
        return self.harmful + self.harmless

    def warnings(self) -> list[str]:
        """Repeats, which intervals count once, and prompts of different sets that are nearly the same."""
        counts = Counter(normalized(text) for text in (*self.extraction, *self.evaluation))
        repeats = [f"prompt occurs {count} times: {text[:60]!r}" for text, count in counts.items() if count > 1]
        return repeats + near_duplicates(self.extraction, self.evaluation)


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
    try:
        raw = path.read_bytes()
        data = json.loads(raw)
    except (OSError, ValueError, RecursionError) as error:
        sentence = f"prompts file {path} cannot be read: {error}"
        raise UsageProblem("prompts-file", sentence, f"expected {EXPECTED}") from None
    harmful, harmless = (_texts(path, data, "extraction", kind) for kind in ("harmful", "harmless"))
    if len(harmful) != len(harmless):
        sentence = f"{path}: {len(harmful)} harmful and {len(harmless)} harmless prompts"
        raise UsageProblem("prompts-pairs", sentence, "expected matched pairs")
    return PromptSet(harmful, harmless, _texts(path, data, "evaluation"), sha256(raw).hexdigest(), path.name)


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
