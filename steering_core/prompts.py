"""The prompt sets of a run: matched extraction pairs and benign evaluation prompts, checked before any model loads."""

import json
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from steering_core.errors import UsageProblem

EXPECTED = '{"extraction": {"harmful": [...], "harmless": [...]}, "evaluation": [...]} with non-empty lists of texts'


@dataclass(frozen=True)
class PromptSet:
    """harmful, harmless: extraction prompts, the same number of each; evaluation: benign. digest: sha256 of the file."""

    harmful: tuple[str, ...]
    harmless: tuple[str, ...]
    evaluation: tuple[str, ...]
    digest: str
    name: str

    @property
    def extraction(self) -> tuple[str, ...]:
        """Harmful prompts first, then harmless: one batch, seen alike by every tool."""
        return self.harmful + self.harmless

    def warnings(self) -> list[str]:
        """Duplicates and overlaps between sets: reported, and counted once in intervals."""
        everything = Counter(normalised(text) for text in (*self.extraction, *self.evaluation))
        return [f"prompt occurs {count} times: {text[:60]!r}" for text, count in everything.items() if count > 1]


def normalised(prompt: str) -> str:
    """The prompt without case and surplus white space, for finding repeats."""
    return " ".join(prompt.lower().split())


def read_prompts(path: Path) -> PromptSet:
    """A prompts file -> PromptSet; UsageProblem says what is wrong with it."""
    try:
        raw = path.read_bytes()
        data = json.loads(raw)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UsageProblem(
            "prompts-file", f"prompts file {path} cannot be read: {error}", f"expected {EXPECTED}"
        ) from None
    lists = [_texts(data, "extraction", "harmful"), _texts(data, "extraction", "harmless"), _texts(data, "evaluation")]
    if len(lists[0]) != len(lists[1]):
        raise UsageProblem(
            "prompts-pairs",
            f"{path}: {len(lists[0])} harmful and {len(lists[1])} harmless prompts",
            "expected matched pairs",
        )
    return PromptSet(*lists, sha256(raw).hexdigest(), path.name)


def _texts(data: Any, *keys: str) -> tuple[str, ...]:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    good = isinstance(data, list) and data and all(isinstance(text, str) and text.strip() for text in data)
    if not good:
        raise UsageProblem(
            "prompts-shape", f"prompts file: {'.'.join(keys)} is missing or not a list of texts", f"expected {EXPECTED}"
        )
    return tuple(data)
