"""Whether a checkpoint's chat template renders: tried with jinja alone, in the sandbox that transformers uses."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from steering_core.errors import LoadProblem

REQUEST = "Name a color."
ONE_TURN = "a template that renders one user turn"
CHAT_CHECKPOINT = "a chat checkpoint; for a base model, `tokenizer` in its row of models.toml names a chat model's"


class _Generation(Extension):
    """`{% generation %}`: transformers' mark around the assistant's text; here only its content."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def check_chat_template(key: str, folder: Path, settings: dict[str, Any]) -> None:
    """LoadProblem when there is no template, when it fails, or when its output lacks the user's text.

    settings: the contents of tokenizer_config.json.
    """
    try:
        template = find_template(folder, settings)
        rendered = None if template is None else render(template, settings)
    except (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, OSError) as error:
        sentence = f"{key}: the chat template in {folder} fails: {type(error).__name__}: {error}"
        raise LoadProblem("chat-template", sentence, ONE_TURN) from None
    if rendered is None:
        raise LoadProblem("chat-template", f"{key}: {folder} has no chat template", CHAT_CHECKPOINT)
    if REQUEST not in rendered:
        raise LoadProblem("chat-template", f"{key}: the chat template in {folder} drops the user's text", ONE_TURN)


def find_template(folder: Path, settings: dict[str, Any]) -> str | None:
    """The template in chat_template.jinja, else in tokenizer_config.json; of several, the one named `default`."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    template = settings.get("chat_template")
    if isinstance(template, list):
        template = {row.get("name"): row.get("template") for row in template if isinstance(row, dict)}.get("default")
    return template if isinstance(template, str) else None


def render(template: str, settings: dict[str, Any]) -> str:
    """One user turn, ready for the answer, as transformers renders it."""
    extensions = [_Generation, loopcontrols]
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=extensions)
    environment.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)
    environment.globals |= {"raise_exception": _refuse, "strftime_now": lambda form: datetime.now().strftime(form)}
    variables = {
        name: _text(value) for name, value in settings.items() if name.endswith("_token") and value is not None
    }
    variables |= {"messages": [{"role": "user", "content": REQUEST}], "tools": None, "documents": None}
    return environment.from_string(template).render(**variables, add_generation_prompt=True)


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _text(token: Any) -> Any:
    return token["content"] if isinstance(token, dict) and "content" in token else token
