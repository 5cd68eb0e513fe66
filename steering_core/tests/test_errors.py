"""An error is one line that says what was wrong and what would be accepted."""

import pytest

from steering_core.errors import SuiteError, UsageProblem, first_line


def test_reads_as_sentence_code_and_hint() -> None:
    problem = UsageProblem("unknown-model", "unknown model 'x'", "known: a, b")

    assert str(problem) == "unknown model 'x' (unknown-model); known: a, b"
    assert (problem.code, problem.hint) == ("unknown-model", "known: a, b")
    assert isinstance(problem, SuiteError)


@pytest.mark.parametrize(
    ("message", "line"),
    [("disk full\nand more", "disk full"), ("", "OSError"), ("\n x \n", "x"), ("x" * 300, "x" * 200)],
)
def test_the_first_line_of_any_error(message: str, line: str) -> None:
    assert first_line(OSError(message)) == line
