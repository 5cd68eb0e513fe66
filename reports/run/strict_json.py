"""JSON as the standard defines it: no NaN or Infinity, no duplicate keys, no numbers beyond float64."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from math import isfinite
from typing import Any

from pydantic import BaseModel

from reports.run.problems import refusing
from reports.untrusted import plain


def parse(text: str, where: str) -> Any:
    """The value of a JSON text; `where` names the file and line. ArtifactProblem otherwise."""
    syntax = ("artifact-not-json", f"{where} is not JSON", "expected one JSON value")
    value = ("artifact-value", where, "expected finite numbers, unique keys and a file the suite wrote")
    with refusing(*value, ValueError, RecursionError), refusing(*syntax, json.JSONDecodeError):
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_unique)


def decode(content: bytes, name: str) -> str:
    """UTF-8 text; ArtifactProblem otherwise."""
    with refusing("artifact-not-text", f"{name} is not UTF-8 text", "expected JSON lines", UnicodeDecodeError):
        return content.decode("utf-8")


def dump(value: Any, where: str) -> str:
    """One line of ASCII JSON, times as ISO 8601; ArtifactProblem on NaN or Infinity.

    Models are turned into tables one at a time: those of a whole run at once take ten times the memory of its text.
    Half of a surrogate pair, which no JSON reader has to accept, becomes a question mark.
    """
    hint = "a measurement that is not finite belongs in the sentence"
    with refusing("artifact-value", f"{where} holds NaN or Infinity", hint, ValueError):
        text = json.dumps(value, allow_nan=False, default=_plain_value)
    if "\\ud" not in text:
        return text
    return json.dumps(json.loads(json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "replace")))


def _plain_value(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return dict(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"holds {name}, which is not a number")


def _finite(text: str) -> float:
    if not isfinite(value := float(text)):
        raise ValueError(f"holds {plain(text, 20)}, which is too large")
    return value


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise ValueError(f"repeats the key {plain(counts.most_common(1)[0][0], 40)!r}")
    return fields
