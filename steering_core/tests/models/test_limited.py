"""A chat template that misbehaves for one prompt alone is one clear line, soon; nothing renders one without limits."""

import ast
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import AutoTokenizer

from steering_core.errors import LoadProblem
from steering_core.models import limited
from steering_core.models.limited import within_limits
from steering_core.models.tokens import chat_ids, chat_rows
from steering_core.places import FIXTURES, ROOT

PLAIN = "{{ messages[0]['content'] }}"
TRAP = "a trap"
LOOPS = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
TRAPS = {
    LOOPS: "it takes more than 1 s of processor time",
    "{% set x = (6 + messages|length) ** (7 ** 9) %}": "it takes more than 1 s of processor time",
    "{{ 'a' * 10**11 }}": "it takes more than 1024 MiB",
    "{% set x = 'a' * (2 * 10**9) %}": "it takes more than 1024 MiB",
    "{{ strftime_now('%Y' * 10**10) }}": "it takes more than 1024 MiB",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}": "RecursionError",
    "{{ raise_exception('no\nfurther') }}": "TemplateError: no",
    "{{ 'a ' * 600000 }}": "it writes more than 1,000,000 characters",
}
ROOMS = ("steering_core", "parity", "reports")
RENDERS = ("apply_chat_template", "render_jinja_template")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(FIXTURES / "checkpoints" / "tiny_qwen2")


@pytest.fixture
def trapped(tokenizer: Any, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """With a template that is harmless for every prompt but one."""
    monkeypatch.setattr(limited, "MOST_SECONDS", 1)
    monkeypatch.setattr(
        tokenizer, "chat_template", f"{{% if '{TRAP}' in {PLAIN[3:-3]} %}}{request.param}{{% endif %}}{PLAIN}"
    )
    return tokenizer


@pytest.mark.parametrize(("trapped", "reason"), TRAPS.items(), indirect=["trapped"])
def test_a_template_that_misbehaves_for_one_prompt_is_one_line(trapped: Any, reason: str) -> None:
    assert chat_ids(trapped, "hello") == trapped("hello", add_special_tokens=False)["input_ids"]
    with pytest.raises(LoadProblem, match=r"the chat template fails on a prompt: ") as caught:
        chat_ids(trapped, TRAP)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_strangers_template_renders_as_the_suites_own(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = ["Name a color.", 'é 你好 \\ " \n', ""]
    own = chat_rows(tokenizer, prompts)
    monkeypatch.setattr(tokenizer, "chat_template", tokenizer.chat_template + "{# a stranger's #}")
    assert chat_rows(tokenizer, prompts) == own


def test_only_a_strangers_template_costs_a_process(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    process = within_limits(SimpleNamespace(chat_template="a stranger's"), os.getpid)
    assert process != os.getpid()
    assert within_limits(tokenizer, os.getpid) == os.getpid()
    assert within_limits(SimpleNamespace(), os.getpid) == os.getpid()


def test_nothing_is_left_of_a_process_and_nothing_printed(capfd: pytest.CaptureFixture[str]) -> None:
    files = os.listdir("/proc/self/fd")
    with pytest.raises(LoadProblem, match="its process ended with status 7"):
        within_limits(SimpleNamespace(chat_template="a stranger's"), lambda: os._exit(7))
    assert len(os.listdir("/proc/self/fd")) == len(files)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert "TOKENIZERS_PARALLELISM" not in os.environ or capfd.readouterr() == ("", "")


def test_a_process_that_hangs_is_not_said_to_have_taken_processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limited, "PATIENCE", 0.2)
    with pytest.raises(LoadProblem, match="took less than the 10 s of processor time .* this machine is too busy"):
        within_limits(SimpleNamespace(chat_template="a stranger's"), lambda: time.sleep(3600))


def rendering_calls(node: ast.AST, guarded: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Calls that render a template, and whether they are an argument of `within_limits`."""
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in RENDERS:
            yield node, guarded
        guarded = guarded or name == "within_limits"
    for child in ast.iter_child_nodes(node):
        yield from rendering_calls(child, guarded)


def sources() -> list[Path]:
    files = (file for room in ROOMS for file in (ROOT / room).rglob("*.py"))
    own = (file for file in files if "tests" not in file.parts and "meta" not in file.parts)
    return [file for file in own if any(name in file.read_text(encoding="utf-8") for name in RENDERS)]


def test_nothing_renders_a_template_without_limits() -> None:
    calls = [
        (f"{file.relative_to(ROOT)}:{getattr(call, 'lineno', 0)}", guarded)
        for file in sources()
        for call, guarded in rendering_calls(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert len(calls) >= 3, "the core's and the check's own"
    assert [place for place, guarded in calls if not guarded] == []
