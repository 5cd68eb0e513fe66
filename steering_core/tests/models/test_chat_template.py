"""Chat templates are tried before anything runs, in every form in which checkpoints carry them."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from steering_core.errors import LoadProblem
from steering_core.models.chat_template import REQUEST, check_chat_template, find_template, render
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
