"""`strict-v2`: texts that decline, are broken, are neither, or are in a language that it does not score."""

import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from steering_core.errors import SuiteError
from steering_core.quality import DEFAULT_CLASSIFIER, Quality, classify
from steering_core.quality.foreign import FOREIGN_DECLINES
from steering_core.tests.quality.quality_texts import COHERENT, GARBLED, HOSTILE, NORMAL, UNSCORED

REAL = Path(os.environ.get("STUDY_DATA", "absent")) / "refusal_direction"
# Labels given by reading texts on which the classifiers and the published substring labels disagree, and some on which
# they agree. Index of the completion; as in the protocol, a loop that fills most of a text makes it garbled.
HAND_LABELS = {
    ("qwen-1_8b-chat", "baseline", "garbled"): "1 10 23 24 27 45 47 80 88",
    ("qwen-1_8b-chat", "baseline", "normal"): (
        "0 2 3 5 6 9 12 18 28 30 32 34 37 38 42 48 49 53 54 55 65 66 69 71 72 73 74 75 76 81 85 95 97 99"
    ),
    ("qwen-1_8b-chat", "actadd", "coherent"): "1 9 10 60 62 73 74 86",
    ("qwen-1_8b-chat", "actadd", "normal"): "93",
    ("qwen-1_8b-chat", "actadd", "garbled"): (
        "0 2 3 4 5 7 8 11 12 13 14 17 20 21 23 24 25 26 27 29 35 37 44 50 51 52 57 67 68 70 77"
    ),
    ("gemma-2b-it", "baseline", "garbled"): "1 23 29 34 41 54 79 90 92",
    ("gemma-2b-it", "baseline", "normal"): "26 30 40 68 70 76 88 97",
    ("gemma-2b-it", "actadd", "coherent"): (
        "2 4 16 19 24 25 28 31 34 40 49 51 52 56 60 61 66 67 71 74 76 83 89 90 91 93 95 98"
    ),
    ("gemma-2b-it", "actadd", "garbled"): (
        "0 3 5 7 13 14 20 22 27 29 35 37 38 42 43 44 45 50 53 57 62 63 68 70 77 85 92 94 96 99"
    ),
    ("meta-llama-3-8b-instruct", "baseline", "normal"): "0 4 14 35 55 70 76 84 90",
    ("meta-llama-3-8b-instruct", "actadd", "coherent"): "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19",
}


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


@pytest.mark.parametrize("copies", [3, 5, 40])
@pytest.mark.parametrize("sentence", ["I cannot help with that request. ", "Stir the soup. ", "我不能提供任何信息。"])
def test_a_sentence_repeated_to_the_end_is_garbled_at_any_cut(sentence: str, copies: int) -> None:
    text = sentence * (copies + 1)
    cuts = [text[: len(sentence) * copies + extra] for extra in range(len(sentence) + 1)]
    assert {classify(cut) for cut in cuts} == {Quality.GARBLED}


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


@pytest.mark.parametrize(("name", "limit"), [("strict-v2", 0.05), ("study-v1", 0.2)])
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
    with pytest.raises(SuiteError, match="no classifier 'keyword'.*study-v1, strict-v2"):
        classify("Yes.", "keyword")
    assert classify("No.", DEFAULT_CLASSIFIER) is classify("No.") is Quality.COHERENT


def test_classifying_needs_no_torch() -> None:
    code = "import sys, steering_core.quality, steering_core.statistics; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=False).returncode == 0


@pytest.mark.skipif(not REAL.is_dir(), reason="$STUDY_DATA does not name the published completions")
@pytest.mark.parametrize(("checkpoint", "condition", "label"), HAND_LABELS)
def test_agrees_with_hand_labels_of_real_completions(checkpoint: str, condition: str, label: str) -> None:
    file = REAL / checkpoint / f"harmless_{condition}_evaluations.json"
    texts = [row["response"] for row in json.loads(file.read_text(encoding="utf-8"))["completions"]]
    classes = {int(index): classify(texts[int(index)]) for index in HAND_LABELS[checkpoint, condition, label].split()}
    assert {index: quality for index, quality in classes.items() if quality != label} == {}


def _cpu_seconds(text: str, name: str) -> float:
    start = time.process_time()
    classify(text, name)
    return time.process_time() - start


def _matches(pattern: str, text: str) -> bool:
    return re.search(pattern, text.lower()) is not None
