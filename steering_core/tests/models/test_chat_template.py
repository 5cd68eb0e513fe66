"""Chat templates are tried before anything runs, in every form in which checkpoints carry them."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from steering_core.errors import LoadProblem
from steering_core.models import chat_template, rendering
from steering_core.models.chat_template import check_chat_template, find_template
from steering_core.models.rendering import REQUEST, render
from steering_core.places import ROOT

GOOD = "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}{% endfor %}"
TINY = sorted(path.parent for path in (ROOT / "fixtures" / "checkpoints").glob("*/tokenizer_config.json"))
FEATURES = {
    "special tokens": ("{{ bos_token }}{{ eos_token }}" + GOOD, "<s></s><user>" + REQUEST),
    "loop controls": ("{% for m in messages %}{{ m.content }}{% break %}{% endfor %}", REQUEST),
    "tojson": ("{{ messages | tojson }}", f'[{{"role": "user", "content": "{REQUEST}"}}]'),
    "tojson of other scripts": ("{{ 'né 你' | tojson }}" + GOOD, f'"né 你"<user>{REQUEST}'),
    "generation": (GOOD + "{% generation %}!{% endgeneration %}", f"<user>{REQUEST}!"),
    "date": ("{{ strftime_now('%Y')[:2] }}" + GOOD, f"20<user>{REQUEST}"),
    "answer": (GOOD + "{% if add_generation_prompt %}>{% endif %}", f"<user>{REQUEST}>"),
    "no tools": (GOOD + "{% if tools is none %}.{% endif %}", f"<user>{REQUEST}."),
    "only tokens that are set": (
        "{{ pad_token is defined }} {{ padding_side is defined }} {{ eos_token is defined }}" + GOOD,
        f"False False True<user>{REQUEST}",
    ),
    "trimmed blocks": ("{% for m in messages %}\n{{ m.content }}{% endfor %}", REQUEST),
}


@pytest.mark.parametrize("folder", TINY, ids=lambda folder: folder.name)
def test_renders_what_transformers_renders(folder: Path) -> None:
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    text = find_template(folder, settings)
    turn = [{"role": "user", "content": REQUEST}]

    assert text is not None
    assert render(text, settings) == AutoTokenizer.from_pretrained(folder).apply_chat_template(
        turn, tokenize=False, add_generation_prompt=True
    )


@pytest.mark.parametrize("name", FEATURES)
def test_supports_the_features_that_templates_use(name: str) -> None:
    text, expected = FEATURES[name]

    tokens = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "pad_token": None}
    assert render(text, {**tokens, "padding_side": "left"}) == expected


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "has no chat template"),
        ("{% for message in messages %}", "fails: TemplateSyntaxError"),
        ("{{ raise_exception('no users here') }}", "fails: TemplateError: no users here"),
        ("{{ messages[1].content }}", "fails: UndefinedError"),
        ("{{ messages + 1 }}", "fails: TypeError"),
        ("{{ messages.clear() }}", "fails: SecurityError"),
        ("always the same", "drops the user's text"),
        ([{"name": "tool_use", "template": GOOD}], "has no chat template"),
    ],
)
def test_an_unusable_template_is_one_clear_line(tmp_path: Path, template: Any, message: str) -> None:
    settings = {} if template is None else {"chat_template": template}

    with pytest.raises(LoadProblem, match=message) as caught:
        check_chat_template("mine", tmp_path, settings)
    assert str(caught.value).startswith("mine: ")
    assert "\n" not in str(caught.value)


def test_a_template_file_precedes_the_settings_and_default_precedes_other_names(tmp_path: Path) -> None:
    several = [{"name": "tool_use", "template": "x"}, {"name": "default", "template": GOOD}]
    check_chat_template("mine", tmp_path, {"chat_template": several})

    (tmp_path / "chat_template.jinja").write_text("{% if %}")
    with pytest.raises(LoadProblem, match="fails: TemplateSyntaxError"):
        check_chat_template("mine", tmp_path, {"chat_template": GOOD})
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff\xfe")
    with pytest.raises(LoadProblem, match="fails: UnicodeDecodeError"):
        check_chat_template("mine", tmp_path, {"chat_template": GOOD})


HUNGRY = {
    "a large text at once": ("{{ 'a' * 10**11 }}", "MemoryError: it takes more than 1024 MiB"),
    "a text that this machine could hold": (
        "{% set a = 'a' * (2 * 10**9) %}",
        "MemoryError: it takes more than 1024 MiB",
    ),
    "a large text in parts": ("{% for a in range(99999) %}" + "x" * 99 + "{% endfor %}", "more than 1,000,000 char"),
    "a long date": ("{{ strftime_now('%Y' * 1000000) }}", "fails: .*(more than 1,000,000 characters|ValueError)"),
    "a macro that calls itself": ("{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}", "fails: RecursionError"),
    "a deep expression": ("{{ " + "(" * 5000 + ")" * 5000 + " }}", "fails: (RecursionError|MemoryError|TemplateSyn)"),
}


@pytest.mark.parametrize("name", HUNGRY)
def test_a_template_that_takes_too_much_is_one_clear_line(tmp_path: Path, name: str) -> None:
    template, message = HUNGRY[name]
    with pytest.raises(LoadProblem, match=message) as caught:
        check_chat_template("mine", tmp_path, {"chat_template": template + GOOD})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("template", ["{% for a in range(99999) %}" * 2 + "{% endfor %}" * 2, "{{ 10**(10**10) }}"])
def test_a_template_that_never_ends_is_stopped(tmp_path: Path, template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    impatient = tmp_path / "rendering.py"
    impatient.write_text(Path(rendering.__file__).read_text().replace("MOST_SECONDS = 10", "MOST_SECONDS = 1"))
    monkeypatch.setattr(rendering, "__file__", str(impatient))
    with pytest.raises(LoadProblem, match="fails: it takes more than 10 s of processor time"):
        check_chat_template("mine", tmp_path, {"chat_template": template + GOOD})


def test_a_template_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_chat_template("mine", tmp_path, {"chat_template": GOOD + "once"})
    monkeypatch.setattr(chat_template.subprocess, "run", None)
    check_chat_template("another", tmp_path, {"chat_template": GOOD + "once"})


def test_the_suites_own_templates_need_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_template.subprocess, "run", None)
    for folder in TINY:
        check_chat_template("mine", folder, json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")))
