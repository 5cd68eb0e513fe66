"""JSON as the standard means it: no NaN or Infinity, no duplicate keys, no numbers too large to hold."""

import json
from collections.abc import Iterable
from datetime import datetime
from math import isfinite
from typing import Any

from pydantic import ValidationError

from reports.untrusted import plain
from steering_core.errors import ArtifactProblem


class _Refused(ValueError):
    """Raised inside the parser, which knows what is wrong but not where."""


def parse(text: str, where: str) -> Any:
    """The value of a JSON text; `where` names the file and line. ArtifactProblem otherwise."""
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise ArtifactProblem(
            "artifact-not-json", f"{where} is not JSON: {error.msg} at column {error.colno}", "expected one JSON value"
        ) from None
    except _Refused as error:
        raise ArtifactProblem(
            "artifact-value", f"{where}: {error}", "expected finite numbers and unique keys"
        ) from None
    except (RecursionError, ValueError):
        raise ArtifactProblem(
            "artifact-value",
            f"{where} is nested too deep or holds too long a number",
            "expected a file the suite wrote",
        ) from None


def decode(content: bytes, name: str) -> str:
    """UTF-8 text; ArtifactProblem otherwise."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise ArtifactProblem("artifact-not-text", f"{name} is not UTF-8 text", "expected JSON lines") from None


def dump(value: Any, where: str) -> str:
    """One line of ASCII JSON, times as ISO 8601; ArtifactProblem on NaN or Infinity.

    Half of a surrogate pair, which no JSON reader has to accept, becomes a question mark.
    """
    try:
        text = json.dumps(value, allow_nan=False, default=_iso)
        return text if "\\ud" not in text else json.dumps(json.loads(_paired(json.loads(text))))
    except ValueError:
        raise ArtifactProblem(
            "artifact-value",
            f"{where} holds NaN or Infinity",
            "a measurement that is not finite belongs in the sentence",
        ) from None


def first_error(error: ValidationError) -> str:
    """The first complaint of pydantic as one phrase: which field, and what about it."""
    found = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(map(str, found["loc"])) or "value"
    return plain(f"field {field}: {found['msg']}", 160)


def _paired(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _iso(value: Any) -> str:
    return str(value.isoformat()) if isinstance(value, datetime) else str(value)


def _refuse_constant(name: str) -> Any:
    raise _Refused(f"holds {name}, which is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise _Refused(f"holds {plain(text, 20)}, which is too large")
    return value


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Refused(f"repeats the key {plain(key, 40)!r}")
        found[key] = value
    return found
