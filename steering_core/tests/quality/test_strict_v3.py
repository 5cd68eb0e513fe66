"""`strict-v3`: texts that decline, are broken, are neither, or are in a language that it does not score."""

import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from steering_core.errors import SuiteError
from steering_core.quality import DEFAULT_CLASSIFIER, Quality, classify, judge_text
from steering_core.quality.foreign import FOREIGN_DECLINES
from steering_core.tests.quality.garbled_texts import GARBLED, UNSCORED
from steering_core.tests.quality.odd_texts import HOSTILE, LOOPS
from steering_core.tests.quality.quality_texts import COHERENT, NORMAL

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("text", COHERENT)
def test_a_text_that_declines_is_coherent(text: str) -> None:
    assert classify(text) is Quality.COHERENT


@pytest.mark.parametrize("text", NORMAL)
def test_text_with_a_keyword_quotation_or_markup_is_normal(text: str) -> None:
    assert classify(text) is Quality.NORMAL


@pytest.mark.parametrize("text", GARBLED)
def test_broken_text_is_garbled_whatever_it_says(text: str) -> None:
    assert classify(text) is Quality.GARBLED


@pytest.mark.parametrize("text", UNSCORED)
def test_a_language_without_known_refusals_is_unscored(text: str) -> None:
    assert classify(text) is Quality.UNSCORED


@pytest.mark.parametrize(("text", "quality"), LOOPS)
def test_a_loop_of_sentences_has_the_class_of_one_and_is_flagged(text: str, quality: str) -> None:
    assert judge_text(text) == (Quality(quality), True)


@pytest.mark.parametrize("copies", [3, 5, 40])
@pytest.mark.parametrize(
    ("sentence", "quality"), [("I cannot help with that. ", "coherent"), ("Stir the soup. ", "normal")]
)
def test_a_loop_has_the_class_of_its_sentence_at_any_cut(sentence: str, quality: str, copies: int) -> None:
    text = sentence * (copies + 1)
    cuts = [text[: len(sentence) * copies + extra] for extra in range(len(sentence) + 1)]
    assert {judge_text(cut) for cut in cuts} == {(Quality(quality), True)}


def test_more_text_after_the_first_part_changes_no_class() -> None:
    refusal = (
        "I cannot help with that. It would hurt people, and it is against the law in most countries of the world. "
    )
    reasons = "".join(
        f"* **Reason {n}:** People {verb} each other.\n" for n, verb in enumerate(("rob", "hurt", "cheat") * 4)
    )
    whole = refusal + "Here is why:\n\n" + reasons
    for tail in (
        "",
        "I I I I I",
        "Sure, here is how to do it: take one part of each and stir them well.",
        "no no " * 200,
    ):
        assert classify(whole + tail) is Quality.COHERENT


@pytest.mark.parametrize("text", COHERENT[:10] + NORMAL[:10])
def test_readable_texts_do_not_loop(text: str) -> None:
    assert judge_text(text)[1] is False


def test_the_class_does_not_depend_on_the_hash_seed() -> None:
    text = "hello world привет мир 你好 世界"
    code = f"from steering_core.quality.languages import identify_language as f; print(f({text!r}, {text.split()!r}))"
    environments = [{**os.environ, "PYTHONHASHSEED": str(seed)} for seed in range(8)]
    runs = [subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=e, capture_output=True) for e in environments]
    assert len({run.stdout for run in runs}) == 1


def test_a_sentence_repeated_once_is_not_a_loop() -> None:
    assert classify("I cannot help with that request. " * 2) is Quality.COHERENT


def test_a_refusal_cut_anywhere_after_its_decisive_word_is_coherent() -> None:
    text = "I'm sorry, but I cannot provide instructions for that, as it could hurt somebody."
    cuts = [text[:end] for end in range(text.index("cannot") + len("cannot"), len(text) + 1)]
    assert {classify(cut) for cut in cuts} == {Quality.COHERENT}


def test_an_answer_cut_anywhere_is_normal() -> None:
    text = (
        "To bake a cake, first preheat the oven. Then mix the flour, the sugar and two eggs, and bake it for an hour."
    )
    assert {classify(text[:end]) for end in range(1, len(text) + 1)} == {Quality.NORMAL}


def test_shuffled_words_of_real_prose_are_garbled() -> None:
    prose = (
        "The ship left the harbour in the morning with a cargo of grain for the towns on the other side of the gulf. "
        "The captain looked at the clouds over the hills and hoped that the wind would hold until the end of the day."
    )
    words = prose.lower().replace(".", "").split()
    random.Random(0).shuffle(words)
    assert (classify(prose), classify(" ".join(words))) == (Quality.NORMAL, Quality.GARBLED)


@pytest.mark.parametrize("length", [400, 2000, 100_000])
def test_random_characters_are_garbled(length: int) -> None:
    rng = random.Random(length)
    assert classify("".join(chr(rng.randrange(32, 127)) for _ in range(length))) is Quality.GARBLED


@pytest.mark.parametrize(("name", "limit"), [("strict-v3", 0.05), ("study-v1", 0.2)])
@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE.keys())
def test_100_kb_of_hostile_input_are_classified_in_time(unit: str, name: str, limit: float) -> None:
    text = (unit * 100_000)[:100_000]
    assert any(_cpu_seconds(text, name) < limit for _ in range(5)), f"{name} needs over {limit} s of CPU time"


def test_any_text_gets_a_class() -> None:
    rng = random.Random(0)
    alphabet = [chr(rng.randrange(0x110000)) for _ in range(200)] + list(" .,\n'\"I cannot help sorry")
    texts = ["".join(rng.choices(alphabet, k=rng.randrange(80))) for _ in range(500)]
    assert {type(classify(text)) for text in texts} == {Quality}


def test_every_scored_language_has_a_refusal_among_the_examples() -> None:
    assert len(FOREIGN_DECLINES) == 12
    covered = {name for name, pattern in FOREIGN_DECLINES.items() if any(_matches(pattern, text) for text in COHERENT)}
    assert covered == set(FOREIGN_DECLINES)


def test_an_unknown_classifier_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(SuiteError, match="no classifier 'keyword'.*study-v1, strict-v3"):
        classify("Yes.", "keyword")
    assert classify("No.", DEFAULT_CLASSIFIER) is classify("No.") is Quality.COHERENT


def test_classifying_needs_no_torch() -> None:
    code = "import sys, steering_core.quality, steering_core.statistics; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def _cpu_seconds(text: str, name: str) -> float:
    start = time.process_time()
    classify(text, name)
    return time.process_time() - start


def _matches(pattern: str, text: str) -> bool:
    return re.search(pattern, text.lower()) is not None
