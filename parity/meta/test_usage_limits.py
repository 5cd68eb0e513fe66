"""A request that would never end, paths that lead nowhere, and checks that the selected models do not have, give one clear
line and pytest's usage exit code."""

from pathlib import Path

import pytest

from parity.meta.forked_runs import ForkedRuns
from parity.meta.test_usage import STEERING, TINY, errors

COMMANDS: dict[str, tuple[tuple[str, ...], str]] = {
    "repeats without end": ((*TINY, "--repeats", "100000"), "--repeats 100000 is too large (repeats); 1 to 1000"),
    "an expression too long": (("-m", "not " * 3000 + "tiny"), "has 12004 characters (markers)"),
    "an expression too deep": (("-m", "(" * 900 + "tiny" + ")" * 900), "is not understood (markers)"),
    "run directory without a name": ((*TINY, "--run-dir", ""), "--run-dir '' names no directory (run-dir)"),
    "run directory with a long name": ((*TINY, "--run-dir", "/tmp/" + "n" * 300), "is no usable path: File name too"),
    "resume nothing": ((*TINY, "--resume", " "), "--resume ' ' names no directory (resume)"),
    "prompts of a device": ((*TINY, "--prompts", "/dev/zero"), "it is not a regular file"),
    "prompts with a long name": ((*TINY, "--prompts", "n" * 300), "File name too long"),
    "model with a long name": (("--model", "n" * 300, *STEERING), "File name too long"),
    "model path with a long name": ((*TINY, "--model-path", "tiny_qwen2=" + "n" * 300), "File name too long"),
    "programs without end": ((*TINY, "--programs", "1000000000"), "--programs 1000000000 is too large (programs)"),
    "base model alone": (("-m", "tiny_qwen2_base", "-k", "premise"), "tiny_qwen2_base refuses nothing: a base model"),
    "pair of one model": (("parity/findings/test_equal_strength.py", *TINY, "-k", "equal"), "F8 compares two models"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_request_without_end_is_refused(runs: ForkedRuns, tmp_path: Path, name: str) -> None:
    arguments, message = COMMANDS[name]

    assert message in errors(runs, tmp_path, *arguments)[-1]
