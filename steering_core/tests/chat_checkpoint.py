"""A small random chat model on disk: weights, a word-level tokenizer with a chat template, prompts in its vocabulary."""

from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from steering_core.models.model import LoadRequest
from steering_core.models.registry import ModelSpec, Settings
from steering_core.prompts import Premise, PromptSet
from steering_core.tests.random_models import VOCAB, random_model, random_spec

MARKS = ("<pad>", "<end>", "<user>", "<unknown>", "<answer>")
"""Tokens 0 to 4; the words are `w5` to `w96`."""
TEMPLATE = (
    "{% for turn in messages %}<user> {{ turn['content'] }} {% endfor %}"
    "{% if add_generation_prompt %}<answer>{% endif %}"
)
PROMPTS = PromptSet(
    harmful=("w10 w11 w12", "w13 w14"),
    harmless=("w20 w21", "w22 w23 w24 w25"),
    evaluation=("w30 w31", "w32 w33 w34", "w35", "w36 w37", "w38 w39 w40"),
    premise=Premise(harmful=("w41 w42",), harmless=("w43 w44",)),
    digest="d" * 64,
    name="words.json",
)
SETTINGS = Settings("fixture", 1, 3.0, (1, 2), 4, inherit_generation_defaults=False, method="difference_of_means")


def word_tokenizer() -> PreTrainedTokenizerFast:
    """One token per word; the template renders `<user> words <answer>`."""
    vocabulary = [*MARKS, *(f"w{index}" for index in range(len(MARKS), VOCAB))]
    words = Tokenizer(models.WordLevel({word: index for index, word in enumerate(vocabulary)}, unk_token="<unknown>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="<end>", unk_token="<unknown>", chat_template=TEMPLATE
    )


def save_checkpoint(folder: Path, family: str = "llama") -> ModelSpec:
    """Write a checkpoint in Hugging Face format -> its registry row.

    Not for Qwen-2 or Phi-3: transformers reads their tokenizers with its own class, which does not fit this one.
    """
    random_model(family).module.save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return random_spec(family)


def request_of(folder: Path, spec: ModelSpec) -> LoadRequest:
    """How to load the checkpoint in float32 on the CPU."""
    return LoadRequest(spec=spec, source=str(folder), dtype="float32")
