"""Whether a checkpoint's chat template renders: tried with jinja alone, in the sandbox that transformers uses."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from steering_core.errors import LoadProblem, first_line
from steering_core.files import read_text
from steering_core.models import rendering
from steering_core.models.rendering import MOST_SECONDS, REQUEST
from steering_core.places import FIXTURES

ONE_TURN = "a template that renders one user turn"
CHAT_CHECKPOINT = "a chat checkpoint; for a base model, `tokenizer` in its row of models.toml names a chat model's"
PATIENCE = 600
"""Seconds that a process may take for its seconds of processor time, on a machine that is busy with other work."""
NO_ANSWER = (
    f"its process has not answered after {PATIENCE} s, and took less than the {MOST_SECONDS} s of processor time that it "
    "may take: this machine is too busy, or the process hangs"
)


def check_chat_template(key: str, folder: Path, settings: dict[str, Any]) -> None:
    """LoadProblem when there is no template, when it fails or takes too much, or when its output lacks the user's text.

    settings: the contents of tokenizer_config.json.
    """
    try:
        template = find_template(folder, settings)
        rendered = None if template is None else _render(template, json.dumps(settings))
    except (ValueError, OSError) as error:
        kind = "" if isinstance(error, _TemplateFailure) else f"{type(error).__name__}: "
        sentence = f"{key}: the chat template in {folder} fails: {kind}{first_line(error)}"
        raise LoadProblem("chat-template", sentence, ONE_TURN) from None
    if rendered is None:
        raise LoadProblem("chat-template", f"{key}: {folder} has no chat template", CHAT_CHECKPOINT)
    if REQUEST not in rendered:
        raise LoadProblem("chat-template", f"{key}: the chat template in {folder} drops the user's text", ONE_TURN)


def find_template(folder: Path, settings: dict[str, Any]) -> str | None:
    """The template in chat_template.jinja, else in tokenizer_config.json; of several, the one named `default`."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        return read_text(file)
    template = settings.get("chat_template")
    if isinstance(template, list):
        template = {row.get("name"): row.get("template") for row in template if isinstance(row, dict)}.get("default")
    return template if isinstance(template, str) else None


class _TemplateFailure(ValueError):
    """What went wrong while a template was rendered."""


@cache
def own_templates() -> frozenset[str | None]:
    """The templates of the suite's own checkpoints, which need no process of their own."""
    files = (FIXTURES / "checkpoints").glob("*/tokenizer_config.json")
    return frozenset(find_template(file.parent, json.loads(file.read_text(encoding="utf-8"))) for file in files)


@cache
def _render(template: str, settings: str) -> str:
    """One turn; a template that is not the suite's own is a stranger's program, and gets a process with limits."""
    if template in own_templates():
        return rendering.render(template, json.loads(settings))
    request = json.dumps({"template": template, "settings": json.loads(settings)})
    command = [sys.executable, "-I", rendering.__file__]
    try:
        done = subprocess.run(command, input=request, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise _TemplateFailure(NO_ANSWER) from None
    if done.returncode < 0:
        raise _TemplateFailure(f"it takes more than {MOST_SECONDS} s of processor time")
    if done.returncode:
        raise _TemplateFailure(first_line(RuntimeError(done.stderr.strip().rpartition("\n")[2])))
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise _TemplateFailure(answer["error"])
    return str(answer["text"])
