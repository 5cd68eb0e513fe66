"""Errors are one line that says what was wrong and what would be accepted."""

from steering_core.errors import SuiteError, UsageProblem


def test_reads_as_sentence_code_and_hint() -> None:
    problem = UsageProblem("unknown-model", "unknown model 'x'", "known: a, b")

    assert str(problem) == "unknown model 'x' (unknown-model); known: a, b"
    assert (problem.code, problem.hint) == ("unknown-model", "known: a, b")
    assert isinstance(problem, SuiteError)
