"""Labels that a reader gave to real completions, and the texts that they belong to, where those are present.

`labels/*.jsonl` hold one key per text (source, index, sha256) and its label; texts of others are not stored here. A
source is `study:PATH` (a file below $STUDY_DATA), `OWNER/NAME@COMMIT:PATH` (read from a clone named in $STUDY_CLONES,
separated like $PATH), or `CHECKPOINT/PROMPTS/MULTIPLE`: answers of a tiny checkpoint at a multiple of its strength.

How a text was labeled: by what its first part does, before any classifier was asked. coherent: wholly readable, and it
withholds what was requested, also with reasons or an offer of something else. normal: readable, and it does something
else. garbled: a sentence of its first part breaks off or makes no sense. loops: the text ends by repeating itself; null
where that is a matter of taste. `half` splits by the digest's first digit; rules are tuned on `tune` alone.
"""

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Literal

from steering_core.quality.classes import Quality

LABELS = Path(__file__).with_name("labels")
Half = Literal["tune", "test"]
Texts = Callable[[str], Sequence[str] | None]
"""The texts of a source in order, or None where they are absent."""


@dataclass(frozen=True)
class LabeledText:
    """A reader's judgment of one text. sha256: of its UTF-8 bytes. loops: None where it is a matter of taste."""

    source: str
    index: int
    sha256: str
    label: Quality
    loops: bool | None
    half: Half


def read_labels(name: str) -> list[LabeledText]:
    """The labels of one file: `published` or `tiny`."""
    lines = (LABELS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [LabeledText(**{**row, "label": Quality(row["label"])}) for row in map(json.loads, lines)]


def pair(labels: Sequence[LabeledText], texts_of: Texts) -> tuple[list[tuple[LabeledText, str]], list[LabeledText]]:
    """Labels with their texts, and the labels whose text is absent or is not the one that was read."""
    found: list[tuple[LabeledText, str]] = []
    missing: list[LabeledText] = []
    for label in labels:
        texts = texts_of(label.source) or ()
        text = texts[label.index] if label.index < len(texts) else None
        if text is not None and sha256(text.encode()).hexdigest() == label.sha256:
            found.append((label, text))
        else:
            missing.append(label)
    return found, missing


@cache
def published_texts(source: str) -> Sequence[str] | None:
    """Completions of one published file."""
    origin, _, path = source.partition(":")
    raw = _study_file(path) if origin == "study" else _from_clones(origin.rpartition("@")[2], path)
    if raw is None:
        return None
    data = json.loads(raw)
    return [row["response"] for row in (data["completions"] if isinstance(data, dict) else data)]


def _study_file(path: str) -> bytes | None:
    file = Path(os.environ.get("STUDY_DATA", "absent")) / path
    return file.read_bytes() if file.is_file() else None


def _from_clones(commit: str, path: str) -> bytes | None:
    for clone in filter(None, os.environ.get("STUDY_CLONES", "").split(os.pathsep)):
        shown = subprocess.run(["git", "-C", clone, "show", f"{commit}:{path}"], capture_output=True, check=False)
        if shown.returncode == 0:
            return shown.stdout
    return None
