"""A fuzz session: damaged records, studies, journals, plans, tables and configs never give a traceback, a raw control
character or a verdict on what was changed. PARITY_FUZZ examples of each (default 15); `make campaign` runs thousands."""

import io
import json
import os
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from hashlib import sha256
from pathlib import Path
from typing import Any
from unicodedata import category

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports.__main__ import main
from reports.run.layout import RECORDS
from reports.run.records_file import serialize_run
from reports.tests.study_like import full_file, summary_file
from reports.tests.synthetic_run import one_fault
from steering_core.errors import SuiteError
from steering_core.models.registry import read_presets, read_registry
from steering_core.models.unregistered import spec_of_checkpoint
from steering_core.places import FIXTURES, PRESETS, REGISTRY
from steering_core.records.journal import read_journal
from steering_core.records.plan_file import read_plan, read_request

EXAMPLES = int(os.environ.get("PARITY_FUZZ", "15"))
fuzzed = settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
HOSTILE = ("", "\x1b[2J", "\u202e::error::x", "\n::add-mask::x", "a" * 5000, "\ud800", "../../x", "nan", "\0")
NUMBERS = (0, -1, 10**9, 10**30, -(10**30), 0.5, 1e308, -1e308, 5e-324, True)
OTHERS = (None, [], {}, [[]], {"": None})
values = st.sampled_from((*HOSTILE, *NUMBERS, *OTHERS)) | st.integers() | st.text(max_size=9)
LINES = "".join(serialize_run(one_fault(), {})).splitlines()
STUDIES = {"modal_gemma-9b_1.json": full_file(), "modal_qwen-7b_1.json": summary_file()}
TINY = json.loads((FIXTURES / "checkpoints" / "tiny_qwen2" / "config.json").read_text(encoding="utf-8"))


def spoil(draw: Callable[[Any], Any], value: Any) -> Any:
    """The value with one item somewhere in it replaced, removed, or doubled."""
    if isinstance(value, dict | list) and value and draw(st.integers(0, 5)):
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = draw(st.sampled_from(keys))
        copy = value.copy()
        if draw(st.integers(0, 9)):
            copy[key] = spoil(draw, value[key])
        else:
            del copy[key]
        return copy
    return draw(values)


def spoil_bytes(draw: Callable[[Any], Any], content: bytes) -> bytes:
    """The content with a few bytes cut out and others put there."""
    start = draw(st.integers(0, len(content) - 1))
    end = start + draw(st.integers(0, 40))
    return content[:start] + draw(st.binary(max_size=20)) + content[end:]


def judged(path: Path) -> tuple[int, str]:
    """Exit status and output of `verdict`; both outputs are safe to print, and a refusal is one line."""
    out, error = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(error):
        status = main(["verdict", str(path)])
    printed = out.getvalue() + error.getvalue()
    unsafe = {character for character in printed if category(character) in ("Cc", "Cf", "Cs") and character != "\n"}
    assert not unsafe, f"{unsafe} in {printed!r}"
    assert status in (0, 2), printed
    assert status == 0 or (error.getvalue().startswith("error: ") and error.getvalue().count("\n") == 1), printed
    return status, printed


def sealed(lines: list[str]) -> bytes:
    """A records file of these lines with a footer that fits them, as a stranger can write one."""
    body = "".join(f"{line}\n" for line in lines).encode()
    footer = {**json.loads(LINES[-1]), "records": len(lines) - 1, "sha256": sha256(body).hexdigest()}
    return body + json.dumps(footer).encode() + b"\n"


@given(st.data())
@fuzzed
def test_a_resealed_record_is_judged_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    file = tmp_path_factory.mktemp("fuzz") / RECORDS
    number = data.draw(st.integers(0, len(LINES) - 2))
    line = json.dumps(spoil(data.draw, json.loads(LINES[number])))
    file.write_bytes(sealed([*LINES[:number], line, *LINES[number + 1 : -1]]))
    judged(file)


@given(st.data())
@fuzzed
def test_a_changed_records_file_is_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    file, whole = tmp_path_factory.mktemp("fuzz") / RECORDS, "\n".join(LINES).encode() + b"\n"
    body = len(whole) - len(LINES[-1]) - 1
    changed = spoil_bytes(data.draw, whole[:body]) + whole[body:]
    file.write_bytes(changed)
    assert judged(file)[0] == (0 if changed == whole else 2)


@pytest.mark.parametrize("name", STUDIES)
@given(data=st.data())
@fuzzed
def test_a_damaged_study_is_judged_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    file = tmp_path_factory.mktemp("fuzz") / name
    file.write_text(json.dumps(spoil(data.draw, STUDIES[name])))
    judged(file)


@pytest.mark.parametrize(("read", "source"), [(read_registry, REGISTRY), (read_presets, PRESETS)])
@given(data=st.data())
@fuzzed
def test_a_damaged_table_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, read: Callable[[Path], Any], source: Path, data: st.DataObject
) -> None:
    file = tmp_path_factory.mktemp("fuzz") / source.name
    file.write_bytes(spoil_bytes(data.draw, source.read_bytes()))
    refused_in_one_line(lambda: read(file))


@given(st.data())
@fuzzed
def test_a_damaged_config_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "config.json").write_text(json.dumps(spoil(data.draw, TINY)))
    refused_in_one_line(lambda: spec_of_checkpoint(str(folder), 3, 2.0))


@pytest.mark.parametrize(
    ("read", "name", "content"),
    [
        (read_plan, "plan.json", one_fault().plan.model_dump_json().encode()),
        (read_request, "request.json", b'{"-m": "tiny", "tools": "hooks, nnsight"}'),
        (read_journal, "journal.jsonl", b"".join(line.encode() + b"\n" for line in LINES[1:20])),
    ],
)
@given(data=st.data())
@fuzzed
def test_a_damaged_run_directory_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    read: Callable[[Path], Any],
    name: str,
    content: bytes,
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / name).write_bytes(spoil_bytes(data.draw, content))
    refused_in_one_line(lambda: read(folder))


def refused_in_one_line(read: Callable[[], Any]) -> None:
    """Whatever is read, or a SuiteError of one line; any other exception fails the test."""
    message = "read"
    try:
        read()
    except SuiteError as problem:
        message = str(problem)
    assert "\n" not in message
    assert len(message) < 2000
