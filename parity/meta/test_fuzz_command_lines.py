"""A fuzz session of command lines: hostile values of every option end in a list of checks or in one refusal, never in a
traceback, and nothing that is printed moves a terminal's cursor or commands a CI server. One line for each option, and
PARITY_FUZZ lines of several (default 30)."""

import json
import os
import subprocess
import sys
from pathlib import Path
from unicodedata import category

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from steering_core.places import ROOT

EXAMPLES = int(os.environ.get("PARITY_FUZZ", "30"))
OPTIONS = (
    *(
        "-m",
        "-k",
        "--preset",
        "--repeats",
        "--dtype",
        "--batch-size",
        "--model-path",
        "--model",
        "--revision",
        "--layer",
    ),
    *("--method", "--multiplier", "--tools", "--tool", "--tool-python", "--tool-timeout", "--clauses", "--prompts"),
    *(
        "--attention",
        "--quantize",
        "--device-map",
        "--programs",
        "--processes",
        "--program-seed",
        "--program",
        "--sweep-through",
    ),
    *("--steer-layers", "--judge", "--judge-model", "--judge-prices", "--budget-usd", "--gpu-hour-usd", "--history"),
    *("--expect-outcome", "--resume", "--run-dir"),
)
SWITCHES = ("--gpu", "--exact", "--random-weights", "--no-gate", "--in-process", "--follow")
VALUES = (
    *(
        "",
        "\x1b[2J",
        "\u202e::error::x",
        "\n::add-mask::x",
        "x" * 5000,
        "../../x",
        "nan",
        "-1",
        "0",
        "1e308",
        "inf",
        "=",
        ",",
    ),
    *(
        "tiny_qwen2",
        "tiny_qwen2=",
        "a=b",
        "hooks,hooks",
        "S1,",
        "not " * 3000,
        "(",
        "/dev/null",
        "/",
        "__class__",
        "%s%n{0}",
    ),
)
ESCAPES = "\x1b[2J\n::error::x"
"""What every option is given: chance alone reaches too few of those whose refusal repeats it."""
DRIVER = """
import io, json, pytest, sys
from contextlib import redirect_stderr, redirect_stdout
results = []
for line in json.load(sys.stdin):
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        status = pytest.main(["parity", "-p", "no:cacheprovider", "--collect-only", "-q", *line])
    results.append([int(status), out.getvalue()])
json.dump(results, sys.stdout)
"""
ENDED = {0, 4, 5}
"""Checks were listed; the command line was refused; nothing is selected."""
SETTINGS = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
words = st.sampled_from(VALUES) | st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=9
)
parts = st.tuples(st.sampled_from(OPTIONS), words).map(lambda pair: list(pair)) | st.sampled_from(SWITCHES).map(
    lambda name: [name]
)
lines = st.lists(parts, min_size=1, max_size=4).map(lambda many: [word for part in many for word in part])


def drawn() -> list[list[str]]:
    """The same command lines at every call."""
    found: list[list[str]] = []

    @SETTINGS
    @given(lines)
    def collect(line: list[str]) -> None:
        found.append(line)

    collect()
    return found


def test_a_hostile_command_line_is_listed_or_refused(tmp_path: Path) -> None:
    asked = [*([name, ESCAPES] for name in OPTIONS), *drawn()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "CI": "true"}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER],
        input=json.dumps(asked),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    results = json.loads(done.stdout)
    assert len(results) == len(asked) >= len(OPTIONS) + EXAMPLES // 2
    assert {status for status, _ in results} >= {0, 4}, "some are good, some are not"
    for line, (status, text) in zip(asked, results, strict=True):
        assert problem_of(status, text) == "", f"{line!r}: {text[-1500:]!r}"


def problem_of(status: int, text: str) -> str:
    """What is wrong with how a command line ended; "" if nothing is."""
    if status not in ENDED:
        return f"status {status}"
    if "Traceback" in text or "INTERNALERROR" in text:
        return "traceback"
    if unsafe := {mark for mark in text if category(mark) in ("Cc", "Cf", "Cs") and mark != "\n"}:
        return f"unsafe {unsafe}"
    return "commands CI" if any(row.lstrip().startswith("::") for row in text.splitlines()) else ""
