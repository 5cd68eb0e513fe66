"""JSON outside the standard is refused; what is written can be read."""

import json
from datetime import UTC, datetime

import pytest

from reports.run.strict_json import decode, dump, parse
from steering_core.errors import ArtifactProblem


@pytest.mark.parametrize("text", ["NaN", "[-Infinity]", '{"a": 1e400}', '{"a": 1, "a": 1}', "[" * 100_000])
def test_values_outside_the_standard_are_refused(text: str) -> None:
    with pytest.raises(ArtifactProblem, match=r"line 3.*\(artifact-value\)"):
        parse(text, "line 3")


def test_a_syntax_error_names_line_and_column() -> None:
    with pytest.raises(ArtifactProblem, match="line 3 is not JSON: .* at column 6"):
        parse('{"a" 1}', "line 3")


def test_standard_json_is_parsed() -> None:
    assert parse('{"a": [1, 2.5, null, "é"]}', "x") == {"a": [1, 2.5, None, "é"]}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_never_written(number: float) -> None:
    with pytest.raises(ArtifactProblem, match="the record of B1 holds NaN or Infinity"):
        dump({"deep": [number]}, "the record of B1")


def test_a_dump_is_one_line_of_ascii() -> None:
    text = dump({"text": "a\nb\u2028c\ud800", "when": datetime(2026, 2, 20, tzinfo=UTC)}, "x")
    assert text.isascii()
    assert len(text.splitlines()) == 1
    assert json.loads(text)["when"] == "2026-02-20T00:00:00+00:00"


def test_a_lone_surrogate_is_replaced_and_a_pair_kept() -> None:
    assert parse(dump({"a": "x\ud800y 🙂 \\ud800"}, "x"), "x") == {"a": "x?y 🙂 \\ud800"}


def test_other_encodings_than_utf8_are_refused() -> None:
    with pytest.raises(ArtifactProblem, match="artifact-not-text"):
        decode(b"\xff", "x")
